import { FORMAT, HEADER, MAGIC, META } from './index-format.ts'

/** What goes into an index; keys may come more than once. */
export interface IndexParts {
  readonly head: Uint32Array
  readonly tlds: Uint32Array
  readonly highs: Uint32Array
  readonly lows: Uint32Array
  readonly metas: Uint32Array
  readonly extra: readonly number[]
}

/** Entries of a bucket, about. */
const BUCKET = 6

/** Lays entries out by the first bits of their keys: two passes over all, however many there are. */
export function layOut({ head, tlds, highs, lows, metas, extra }: IndexParts): SharedArrayBuffer {
  const bits = Math.max(1, Math.min(24, Math.round(Math.log2(Math.max(1, highs.length) / BUCKET))))
  const { order, starts } = inBuckets(highs, bits)
  const [ownHighs, ownLows, ownMetas] = [
    new Uint32Array(order.length),
    new Uint32Array(order.length),
    new Uint32Array(order.length),
  ]
  const directory = new Uint32Array(2 ** bits + 1)
  let count = 0
  for (let bucket = 0; bucket < 2 ** bits; bucket++) {
    const begin = count
    directory[bucket] = begin
    for (let at = starts[bucket] ?? 0; at < (starts[bucket + 1] ?? 0); at++) {
      const entry = order[at] ?? 0
      const [high = 0, low = 0, meta = 0] = [highs[entry], lows[entry], metas[entry]]
      let slot = begin
      while (slot < count && !(ownHighs[slot] === high && ownLows[slot] === low)) slot++
      ownHighs[slot] = high
      ownLows[slot] = low
      ownMetas[slot] = slot < count ? joined(ownMetas[slot] ?? 0, meta) : meta
      if (slot === count) count++
    }
  }
  directory[2 ** bits] = count
  return put(head, { entries: count, bucketBits: bits, extraWords: extra.length }, [
    tlds,
    directory,
    ownHighs.subarray(0, count),
    ownLows.subarray(0, count),
    ownMetas.subarray(0, count),
    extra,
  ])
}

function put(
  head: Uint32Array,
  {
    entries,
    bucketBits,
    extraWords,
  }: { readonly entries: number; readonly bucketBits: number; readonly extraWords: number },
  parts: readonly ArrayLike<number>[],
): SharedArrayBuffer {
  const length = parts.reduce<number>((sum, part) => sum + part.length, HEADER.words)
  const words = new Uint32Array(new SharedArrayBuffer(length * 4))
  words.set(head)
  words[HEADER.magic] = MAGIC
  words[HEADER.format] = FORMAT
  words[HEADER.entries] = entries
  words[HEADER.bucketBits] = bucketBits
  words[HEADER.extraWords] = extraWords
  let at = HEADER.words
  for (const part of parts) {
    words.set(part, at)
    at += part.length
  }
  return words.buffer
}

/** The entries in the order of their buckets, and where each bucket begins. */
function inBuckets(highs: Uint32Array, bits: number): { readonly order: Uint32Array; readonly starts: Uint32Array } {
  const starts = new Uint32Array(2 ** bits + 1)
  for (const high of highs) {
    const after = (high >>> (32 - bits)) + 1
    starts[after] = (starts[after] ?? 0) + 1
  }
  for (let bucket = 0; bucket < 2 ** bits; bucket++)
    starts[bucket + 1] = (starts[bucket + 1] ?? 0) + (starts[bucket] ?? 0)
  const next = starts.slice()
  const order = new Uint32Array(highs.length)
  for (let entry = 0; entry < highs.length; entry++) {
    const bucket = (highs[entry] ?? 0) >>> (32 - bits)
    const at = next[bucket] ?? 0
    next[bucket] = at + 1
    order[at] = entry
  }
  return { order, starts }
}

const SEVERITY = 3 << META.severityShift

/** Of two that list the same the worse one holds, and what is listed of it is what either lists. */
function joined(one: number, other: number): number {
  const [worse, better] =
    isListed(other) && (!isListed(one) || (other & SEVERITY) > (one & SEVERITY)) ? [other, one] : [one, other]
  const extra = worse >>> META.extraShift === 0 ? better & (-1 << META.extraShift) : 0
  return (worse | (better & (META.whole | META.parts)) | extra) >>> 0
}

/** Whether it says how bad it is: a host with nothing but URLs does not. */
const isListed = (meta: number): boolean => (meta & META.whole) !== 0 || (meta & META.parts) === 0
