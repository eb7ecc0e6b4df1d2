import { FEATURES } from '../words/features.ts'
import { LONG_SHARE, WINDOW_WORDS as WINDOWS } from '../words/windows.ts'
import type { Document } from './documents.ts'

/** A stretch of a text that the model learns from. */
interface Window {
  readonly document: Document
  /** Index of its last word. */
  readonly last: number
  /** 0 for the short window, 1 for the long one. */
  readonly size: 0 | 1
  readonly label: number
  readonly weight: number
}

/** Weights by feature, and a bias for each size of window. */
export interface Fitted {
  readonly weights: ReadonlyMap<number, number>
  readonly biases: readonly [number, number]
}

/** How training goes; the defaults were chosen on sets that were left out. */
export interface FitOptions {
  readonly featuresMax: number
  readonly rounds: number
  readonly epochs: number
  readonly random: () => number
}

/** Features seen in fewer texts are left out. */
const TEXTS_MIN = 3
const RATE = 0.12
const DECAY = 3e-4
const HONEST_WINDOWS_START = 3
const FEATURE_TABLE = 1 << 23

/**
 * Logistic regression over windows. Which part of an attack's text is the attack is not known, so in each round the
 * windows that score highest stand for it; and of honest texts those that score highest are learnt from, since these are
 * the false alarms.
 */
export class Fit {
  readonly #ids = new Int32Array(FEATURE_TABLE)
  readonly #hashes = new Int32Array(FEATURE_TABLE)
  #count = 0
  #weights = new Float64Array(0)
  #squares = new Float64Array(0)
  #biases: [number, number] = [-3, -3]
  #biasSquares: [number, number] = [1, 1]
  readonly #documents: readonly (Document & { readonly ids: Int32Array })[]
  readonly #options: FitOptions

  constructor(documents: readonly Document[], options: FitOptions) {
    this.#options = options
    this.#choose(documents)
    this.#weights = new Float64Array(this.#count)
    this.#squares = new Float64Array(this.#count).fill(1e-2)
    this.#documents = documents.map((document) => ({
      ...document,
      ids: document.features.map((hash) => this.#idOf(hash)),
    }))
  }

  /** Trains, prunes to the features that matter, and trains those again. */
  run(): Fitted {
    const { rounds, featuresMax } = this.#options
    const honest = new Map<string, Window>()
    for (let round = 0; round < rounds; round++) {
      if (round === rounds - 2) this.#prune(featuresMax)
      const attacks: Window[] = []
      this.#documents.forEach((document, index) => {
        if (document.row.label === 1) attacks.push(...this.#attackWindows(document, round))
        else
          for (const window of this.#honestWindows(document, round))
            honest.set(`${index} ${window.size} ${window.last}`, window)
      })
      this.#learn([...attacks, ...honest.values()])
    }
    const weights = new Map<number, number>()
    for (let at = 0; at < FEATURE_TABLE; at++) {
      const id = this.#ids[at] ?? 0
      const weight = id === 0 ? 0 : (this.#weights[id - 1] ?? 0)
      if (weight !== 0) weights.set(this.#hashes[at] ?? 0, weight)
    }
    return { weights, biases: this.#biases }
  }

  #slot(hash: number): number {
    let at = (hash ^ (hash >>> 9)) & (FEATURE_TABLE - 1)
    while (this.#ids[at] !== 0 && this.#hashes[at] !== hash) at = (at + 1) & (FEATURE_TABLE - 1)
    return at
  }

  #idOf(hash: number): number {
    return (this.#ids[this.#slot(hash)] ?? 0) - 1
  }

  /** Features that at least a few texts have, an attack among them, or many honest ones. */
  #choose(documents: readonly Document[]): void {
    const attacks = new Map<number, number>()
    const honest = new Map<number, number>()
    for (const { row, features } of documents) {
      const into = row.label === 1 ? attacks : honest
      for (const hash of new Set(features)) if (hash !== 0) into.set(hash, (into.get(hash) ?? 0) + 1)
    }
    const take = (hash: number): void => {
      const at = this.#slot(hash)
      if (this.#ids[at] !== 0) return
      this.#hashes[at] = hash
      this.#ids[at] = ++this.#count
    }
    for (const [hash, count] of attacks) if (count >= TEXTS_MIN) take(hash)
    for (const [hash, count] of honest) if (count >= 40) take(hash)
  }

  #sums({ ids }: { readonly ids: Int32Array }): Float64Array {
    const sums = new Float64Array(ids.length / FEATURES)
    for (let word = 0; word < sums.length; word++) {
      let sum = 0
      for (let at = word * FEATURES; at < (word + 1) * FEATURES; at++) {
        const id = ids[at] ?? -1
        if (id >= 0) sum += this.#weights[id] ?? 0
      }
      sums[word] = sum
    }
    return sums
  }

  /** The logit of every window, by its last word; for the sizes in turn. */
  #scores(document: Document & { readonly ids: Int32Array }): readonly [Float64Array, Float64Array] {
    const sums = this.#sums(document)
    return [windowScores(sums, 0, this.#biases), windowScores(sums, 1, this.#biases)]
  }

  #attackWindows(document: Document & { readonly ids: Int32Array }, round: number): readonly Window[] {
    const windows: Window[] = []
    const scores = this.#scores(document)
    const { words, weight } = document
    for (const size of [0, 1] as const) {
      const length = WINDOWS[size]
      const make = (last: number, share: number): Window => ({ document, last, size, label: 1, weight: weight * share })
      if (words <= length) {
        windows.push(make(words - 1, 1))
        continue
      }
      if (round === 0) {
        // Nothing is known yet: every part counts a little.
        const count = Math.min(12, Math.ceil(words / length))
        for (let part = 0; part < count; part++)
          windows.push(make(Math.min(words - 1, (part + 1) * length - 1), 1 / count))
        continue
      }
      const tops = topWindows(scores[size], length, Math.min(6, Math.ceil(words / length / 2)))
      tops.forEach((last, rank) => {
        windows.push(make(last, rank === 0 ? 1 : 0.4 / tops.length))
      })
    }
    return windows
  }

  #honestWindows(document: Document & { readonly ids: Int32Array }, round: number): readonly Window[] {
    const { random } = this.#options
    const windows: Window[] = []
    const scores = round === 0 ? null : this.#scores(document)
    const { words, weight } = document
    if (words === 0) return []
    for (const size of [0, 1] as const) {
      const length = WINDOWS[size]
      const make = (last: number): Window => ({ document, last, size, label: 0, weight })
      if (words <= length) windows.push(make(words - 1))
      else if (scores === null)
        for (let count = 0; count < HONEST_WINDOWS_START; count++) windows.push(make(Math.floor(random() * words)))
      else
        for (const last of topWindows(scores[size], length, 2))
          if ((scores[size][last] ?? 0) > -3.5) windows.push(make(last))
    }
    return windows
  }

  #learn(windows: Window[]): void {
    const { epochs, random } = this.#options
    const byDocument = new Map(this.#documents.map((document) => [document.features, document.ids]))
    for (let epoch = 0; epoch < epochs; epoch++) {
      shuffle(windows, random)
      for (const window of windows) this.#step(window, byDocument.get(window.document.features) ?? new Int32Array())
    }
  }

  #step({ last, size, label, weight }: Window, ids: Int32Array): void {
    const share = size === 0 ? 1 : LONG_SHARE
    const from = Math.max(0, last - WINDOWS[size] + 1) * FEATURES
    const end = (last + 1) * FEATURES
    let sum = 0
    for (let at = from; at < end; at++) {
      const id = ids[at] ?? -1
      if (id >= 0) sum += this.#weights[id] ?? 0
    }
    const logit = share * sum + this.#biases[size]
    const error = (1 / (1 + Math.exp(-logit)) - label) * weight
    if (Math.abs(error) < 1e-4) return
    const slope = error * share
    for (let at = from; at < end; at++) {
      const id = ids[at] ?? -1
      if (id < 0 || this.#squares[id] === Number.POSITIVE_INFINITY) continue
      const old = this.#weights[id] ?? 0
      const gradient = slope + DECAY * old
      const square = (this.#squares[id] ?? 0) + gradient * gradient
      this.#squares[id] = square
      this.#weights[id] = old - (RATE * gradient) / Math.sqrt(square)
    }
    this.#biasSquares[size] += error * error
    this.#biases[size] -= (0.05 * error) / Math.sqrt(this.#biasSquares[size])
  }

  /** Keeps the features with the largest weights; the others never move again. */
  #prune(max: number): void {
    const sizes = this.#weights.map(Math.abs).sort()
    const least = sizes[Math.max(0, sizes.length - max)] ?? 0
    this.#weights.forEach((weight, id) => {
      if (Math.abs(weight) >= least && weight !== 0) return
      this.#weights[id] = 0
      this.#squares[id] = Number.POSITIVE_INFINITY
    })
  }
}

/** The logit of every window of one size, by its last word. */
function windowScores(sums: Float64Array, size: 0 | 1, biases: readonly [number, number]): Float64Array {
  const length = WINDOWS[size]
  const share = size === 0 ? 1 : LONG_SHARE
  const scores = new Float64Array(sums.length)
  let sum = 0
  for (let word = 0; word < sums.length; word++) {
    sum += sums[word] ?? 0
    if (word >= length) sum -= sums[word - length] ?? 0
    scores[word] = share * sum + biases[size]
  }
  return scores
}

/** The windows that score highest and do not share a word, by their last words. */
function topWindows(scores: Float64Array, length: number, count: number): readonly number[] {
  const order = Array.from(scores.keys()).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))
  const taken: number[] = []
  for (const last of order) {
    if (taken.length === count) break
    if (taken.every((other) => Math.abs(other - last) >= length)) taken.push(last)
  }
  return taken
}

function shuffle<T>(items: T[], random: () => number): void {
  for (let at = items.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    const [a, b] = [items[at], items[other]]
    if (a === undefined || b === undefined) continue
    items[at] = b
    items[other] = a
  }
}
