import { FeatureReader } from './features.ts'
import { LAST_BITS, matchRules, REACH } from './match-rules.ts'
import type { Model } from './model.ts'
import { isQuoted } from './quoted.ts'
import { WordReader } from './reader.ts'
import { MODEL_RULE, type Region, Regions } from './regions.ts'
import type { WordRule } from './rules.ts'
import { Windows } from './windows.ts'

/** Windows below this logit are never told; see {@link scoreOf}. */
const LOGIT_MIN = -1

/** What was seen in a text. */
export interface WordScan {
  /** Orders to a model: injections and jailbreaks, by the rules and by the model. */
  readonly orders: readonly Region[]
  /** What has no place in the definition of a tool. */
  readonly poison: readonly Region[]
}

/** Makes a reader of texts; it keeps what it needs for one text, and has one at a time. */
export function createWordScan(model: Model): (text: string) => WordScan {
  const reader = new WordReader()
  const features = new FeatureReader()
  const windows = new Windows(model)
  const ring = { classes: new Int32Array(REACH), marks: new Int32Array(REACH), starts: new Int32Array(REACH) }

  return (text) => {
    const orders = new Regions()
    const poison = new Regions()
    const addRule = ({ kind, id, score: whole, quoted }: WordRule, first: number): void => {
      const start = ring.starts[first % REACH] ?? 0
      const score = quoted !== undefined && isQuoted(text, start) ? quoted : whole
      const into = kind === 'tool-poisoning' ? poison : orders
      into.add(kind, id, score, start, reader.end)
    }
    features.reset()
    windows.reset()
    reader.open(text)
    for (let word = 0; reader.next(); word++) {
      features.take(reader)
      windows.take(features.features, reader.start)
      ring.classes[word % REACH] = reader.classes
      ring.marks[word % REACH] = reader.marks
      ring.starts[word % REACH] = reader.start
      if (reader.classes & LAST_BITS) matchRules(ring, word, addRule)
      if (windows.added <= 0 || windows.logit <= LOGIT_MIN) continue
      const kind = windows.kind() > 0 ? 'jailbreak' : 'prompt-injection'
      orders.add(kind, MODEL_RULE, scoreOf(windows.logit), windows.start(), reader.end)
    }
    reader.close()
    return { orders: orders.all(), poison: poison.all() }
  }
}

/** A score from 0 to 1, which still tells logits of 2, 4 and 8 apart. */
const scoreOf = (logit: number): number => 1 / (1 + Math.exp(-logit / 2))
