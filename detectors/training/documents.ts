import { FEATURES, FeatureReader } from '../words/features.ts'
import { WordReader } from '../words/reader.ts'
import type { Row } from './rows.ts'

/** A text as the model sees it. */
export interface Document {
  readonly row: Row
  /** What it counts for in training: many texts of one set weigh less each. */
  readonly weight: number
  readonly words: number
  /** {@link FEATURES} for each word, in order. */
  readonly features: Int32Array
}

/** Reads a text's features. */
export function toDocument(row: Row, weight: number): Document {
  const words = new WordReader()
  const reader = new FeatureReader()
  let features = new Int32Array(256)
  let count = 0
  words.open(row.text)
  while (words.next()) {
    reader.take(words)
    if ((count + 1) * FEATURES > features.length) {
      const longer = new Int32Array(features.length * 2)
      longer.set(features)
      features = longer
    }
    features.set(reader.features, count * FEATURES)
    count++
  }
  return { row, weight, words: count, features: features.slice(0, count * FEATURES) }
}
