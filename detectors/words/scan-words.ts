import { loadModel } from './model.ts'
import { WORD_RULES } from './rules.ts'
import { createWordScan, type WordScan } from './scan.ts'

const model = loadModel()
const scan = createWordScan(model)
let lastText: string | null = null
let lastScan: WordScan = { orders: [], poison: [] }

/** Changes with the rules and the weights. */
export const WORDS_VERSION = `${model.version}-${WORD_RULES.length}`

/**
 * Everything that the rules and the model see in a text, in one pass. Of the last text it is remembered, since each
 * detector asks for the same one in turn.
 */
export function scanWords(text: string): WordScan {
  if (text !== lastText) {
    lastScan = scan(text)
    lastText = text
  }
  return lastScan
}
