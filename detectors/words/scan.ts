import { FeatureReader } from './features.ts'
import { LAST_BITS, matchRules } from './match-rules.ts'
import type { Model } from './model.ts'
import { isQuoted } from './quoted.ts'
import { KEPT_WORDS, WordReader } from './reader.ts'
import { MODEL_RULE, type Region, Regions } from './regions.ts'
import type { WordRule } from './rules.ts'
import { Windows } from './windows.ts'

/** What was seen in a text. */
export interface WordScan {
  /** Orders to a model: injections and jailbreaks, by the rules and by the model. */
  readonly orders: readonly Region[]
  /** What has no place in the definition of a tool. */
  readonly poison: readonly Region[]
}

const NOTHING: WordScan = { orders: [], poison: [] }

/** Makes a reader of texts; it keeps what it needs for one text, and has one at a time. */
export function createWordScan(model: Model): (text: string) => WordScan {
  const reader = new WordReader()
  const features = new FeatureReader()
  const windows = new Windows(model)

  let text = ''
  let orders: Regions | null = null
  let poison: Regions | null = null
  const addRule = ({ kind, id, score: whole, quoted }: WordRule, first: number, last: number): void => {
    const start = reader.starts[first] ?? 0
    const score = quoted !== undefined && isQuoted(text, start) ? quoted : whole
    const end = reader.ends[last] ?? 0
    if (kind === 'tool-poisoning') {
      poison ??= new Regions()
      poison.add(kind, id, score, start, end)
    } else {
      orders ??= new Regions()
      orders.add(kind, id, score, start, end)
    }
  }
  const addModel = (word: number): void => {
    const kind = windows.kind(word) > 0 ? 'jailbreak' : 'prompt-injection'
    const start = reader.starts[windows.start(word, reader.first)] ?? 0
    orders ??= new Regions()
    orders.add(kind, MODEL_RULE, scoreOf(windows.logit(word)), start, reader.ends[word] ?? 0)
  }

  const { classes } = reader
  const { told } = windows
  return (whole) => {
    text = whole
    features.reset()
    windows.reset()
    reader.open(text)
    while (reader.next()) {
      features.take(reader)
      windows.take(features.features, reader.end)
      for (let word = KEPT_WORDS; word < reader.end; word++) {
        if ((classes[word] ?? 0) & LAST_BITS) matchRules(reader, word, addRule)
        if (told[word] === 1) addModel(word)
      }
    }
    reader.close()
    const seen =
      orders === null && poison === null ? NOTHING : { orders: orders?.all() ?? [], poison: poison?.all() ?? [] }
    text = ''
    orders = null
    poison = null
    return seen
  }
}

/** A score from 0 to 1, which still tells logits of 2, 4 and 8 apart. */
const scoreOf = (logit: number): number => 1 / (1 + Math.exp(-logit / 2))
