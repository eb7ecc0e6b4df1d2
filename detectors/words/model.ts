import { WEIGHTS } from './weights.ts'

/** Places of the table. */
export const PLACES = 16_384
/** Weights are in this part of a logit. */
export const UNIT = 1 / 16

/** The model: a table of the features that count, each with what it says. */
export interface Model {
  /** Which features stand in two places beside each other: 16 bits of the hash of each, 0 for none; so one look does. */
  readonly tags: Uint32Array
  /** What each says, by place; see {@link packed}. */
  readonly weights: Int32Array
  /** What a window of each size starts with, in {@link UNIT}s. */
  readonly biases: readonly [number, number]
  /** Names these weights. */
  readonly version: string
}

/** The first of the two places where a feature can stand. */
export const placeOf = (feature: number): number => feature & (PLACES - 2)
/** What a feature is told by; never 0. */
export const tagOf = (feature: number): number => feature >>> 16 || 1

/**
 * Two weights as one number, so that one addition adds both: how much a feature speaks for an attack, in {@link UNIT}s,
 * and, above it, how much for a jailbreak (or below 0, for an injection). Sums are good up to a window's worth of them.
 */
export const packed = (attack: number, kind: number): number => kind * 65_536 + attack
/** The sum of what speaks for an attack. */
export const attackOf = (sum: number): number => (sum << 16) >> 16
/** The sum of what speaks for a jailbreak. */
export const kindOf = (sum: number): number => (sum - attackOf(sum)) >> 16

/** Reads the weights that are shipped. */
export function loadModel(): Model {
  const bytes = Buffer.from(WEIGHTS.table, 'base64')
  if (bytes.length !== PLACES * 4) throw new RangeError(`expected ${PLACES * 4} bytes of weights, not ${bytes.length}`)
  const tags = new Uint32Array(PLACES / 2)
  for (let at = 0; at < tags.length; at++) tags[at] = bytes.readUInt32LE(at * 4)
  return {
    tags,
    weights: Int32Array.from({ length: PLACES }, (_, place) =>
      packed(bytes.readInt8(PLACES * 2 + place), bytes.readInt8(PLACES * 3 + place)),
    ),
    biases: WEIGHTS.biases,
    version: WEIGHTS.version,
  }
}
