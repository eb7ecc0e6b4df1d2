/**
 * Keys of the index: 64 bits in two lanes of 32, since a bigint would be garbage at each look. Not cryptographic: who
 * finds two texts with the same key has found a way to have his own text reported.
 */

/** Where the first lane begins. */
export const FIRST = 0x811c9dc5 | 0
/** Where the second lane begins. */
export const SECOND = 0x2545f491

/** The first lane with one more character. */
export const first = (lane: number, code: number): number => Math.imul(lane ^ code, 0x01000193)

/** The second lane with one more character. */
export const second = (lane: number, code: number): number =>
  Math.imul(((lane << 5) | (lane >>> 27)) ^ code, 0x27d4eb2d)

/** What kinds of keys there are; part of the key. */
export const KIND = { host: 1, url: 2, v4: 3, v6: 4, endpoint: 5, file: 6, package: 7, release: 8 } as const
/** One of {@link KIND}. */
export type Kind = (typeof KIND)[keyof typeof KIND]

/** The high half of a key. */
export const highOf = (laneA: number, laneB: number, kind: Kind): number =>
  spread(laneA ^ Math.imul(kind, 0x9e3779b1) ^ ((laneB << 16) | (laneB >>> 16)))

/** The low half of a key. */
export const lowOf = (laneA: number, laneB: number, kind: Kind): number =>
  spread(Math.imul(laneB, 0x5bd1e995) ^ laneA ^ Math.imul(kind, 0x85ebca77))

/** Every bit of the input changes about half of the output: the last steps of MurmurHash3, by Austin Appleby, public domain. */
function spread(value: number): number {
  let bits = value ^ (value >>> 16)
  bits = Math.imul(bits, 0x85ebca6b)
  bits ^= bits >>> 13
  bits = Math.imul(bits, 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}

/** Both halves of the key of a text, read from its front. */
export function keyOf(text: string, kind: Kind): readonly [high: number, low: number] {
  let [a, b] = [FIRST, SECOND]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    a = first(a, code)
    b = second(b, code)
  }
  return [highOf(a, b, kind), lowOf(a, b, kind)]
}

/** The same, read from its end: of a host the keys of its parents come out on the way. */
export function keyFromEnd(text: string, kind: Kind): readonly [high: number, low: number] {
  let [a, b] = [FIRST, SECOND]
  for (let at = text.length - 1; at >= 0; at--) {
    const code = text.charCodeAt(at)
    a = first(a, code)
    b = second(b, code)
  }
  return [highOf(a, b, kind), lowOf(a, b, kind)]
}

/** How many bits say which top-level domains there are. */
export const TLD_BITS = 8_192

/** The bit of the top-level domain that stands at `[start, end)`: of three letters and its length, since most are told apart by them. */
export const tldBit = (text: string, start: number, end: number): number =>
  (Math.imul(text.charCodeAt(start) | 32, 961) +
    Math.imul(text.charCodeAt(start + 1) | 32, 31) +
    (text.charCodeAt(end - 1) | 32) +
    Math.imul(end - start, 2_741)) &
  (TLD_BITS - 1)
