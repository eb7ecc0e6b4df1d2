import { FEATURES, FeatureReader } from '../words/features.ts'
import { KEPT_WORDS, WordReader } from '../words/reader.ts'
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
  const batches: Int32Array[] = []
  words.open(row.text)
  while (words.next()) {
    reader.take(words)
    batches.push(reader.features.slice(KEPT_WORDS * FEATURES, words.end * FEATURES))
  }
  const features = new Int32Array(batches.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const batch of batches) {
    features.set(batch, at)
    at += batch.length
  }
  return { row, weight, words: features.length / FEATURES, features }
}
