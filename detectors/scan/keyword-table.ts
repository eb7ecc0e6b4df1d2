/** Builds the tables of the keyword scanner. Pairs and fours are numbers as this machine reads two and four bytes. */

/** What is looked for; ASCII, at least three characters. */
export interface Keyword {
  readonly text: string
  /** Matches in either case; `text` is lower case then. */
  readonly ignoreCase: boolean
  /** True if an occurrence right behind an ASCII letter or digit is of no interest. */
  readonly startsWord: boolean
  /** For keywords of less than five characters: the bytes that may follow, place by place; any where none is given. */
  readonly next: readonly (readonly number[])[]
}

/** The tables. */
export interface KeywordTable {
  /** By pair. Bit b: it can be the first pair of a keyword in bucket b; bit 16 + b: the second. */
  readonly buckets: Int32Array
  /** By pair: where the candidates, keywords whose first pair it is, begin; they end where the next pair's begin. */
  readonly firstCandidate: Uint32Array
  /** By candidate: the four bytes of both pairs are `values` where `masks` has bits. */
  readonly masks: Int32Array
  readonly values: Int32Array
  /** By candidate: its index in `entries`. */
  readonly entryIndexes: Uint16Array
  readonly entries: readonly KeywordEntry[]
}

/** One way in which a keyword can lie across pairs. */
export interface KeywordEntry {
  readonly keywordIndex: number
  /** From the keyword's start to its first pair. */
  readonly delta: number
  readonly bytes: Uint8Array
  readonly ignoreCase: boolean
  readonly startsWord: boolean
}

/** The bytes that are possible at each of four neighbouring places. */
interface Placement {
  readonly places: readonly [readonly number[], readonly number[], readonly number[], readonly number[]]
  readonly delta: number
}

const PAIRS = 65_536
const BUCKETS = 16
const WINDOW_CHARS = 5
const ANY_BYTE: readonly number[] = Array.from({ length: 256 }, (_, byte) => byte)

/** Thousandths of English prose and source code that a character makes up; those left out are rarer. */
const FREQUENCY: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries({
    ' ': 176,
    e: 81,
    tnor: 48,
    sia: 40,
    cdlpu: 22,
    '/m.hg()f*': 12,
    '=,"y:;bx': 7,
    'Tk2Sw-{}1Nv': 5,
    'D0ECAP_IOF346#LRM': 3,
  }).flatMap(([chars, thousandths]) => [...chars].map((char) => [char, thousandths])),
)
const WEIGHTS = Float64Array.from({ length: 256 }, (_, byte) =>
  byte < 128 ? (FREQUENCY[String.fromCharCode(byte)] ?? 1) : 1,
)
const sumOfWeights = (bytes: readonly number[]): number => bytes.reduce((sum, byte) => sum + (WEIGHTS[byte] ?? 0), 0)
const ANY_WEIGHT = sumOfWeights(ANY_BYTE)

/** Builds them. @throws RangeError for a keyword that is shorter than three characters or not ASCII. */
export function buildKeywordTable(keywords: readonly Keyword[]): KeywordTable {
  const weights = Array.from({ length: BUCKETS }, () => ({ first: 0, second: 0 }))
  const placed = keywords.map(({ text, ignoreCase, startsWord, next }, keywordIndex) => {
    if (text.length < 3 || !/^[\x20-\x7e]+$/.test(text)) throw new RangeError(`"${text}" cannot be a keyword`)
    const bytes = Uint8Array.from(Buffer.from(text, 'latin1'))
    const placements = placementsOf([...[...bytes].map((byte) => variants(byte, ignoreCase)), ...next])
    return { entry: { keywordIndex, bytes, ignoreCase, startsWord }, placements, weight: weightsOf(placements) }
  })
  // Those that few pairs fit come first; the others then gather where they do the least harm.
  placed.sort((a, b) => a.weight.first * a.weight.second - b.weight.first * b.weight.second)
  const lying = placed.flatMap(({ entry, placements, weight }) => {
    const bucket = cheapestBucket(weights, weight)
    return placements.map(({ places, delta }) => ({ entry: { ...entry, delta }, places, bucket }))
  })
  return { ...tablesOf(lying), entries: lying.map(({ entry }) => entry) }
}

/** Counts before it fills: some keywords fit thousands of pairs, and a list for each pair would be garbage by the megabyte. */
function tablesOf(lying: readonly { readonly places: Placement['places']; readonly bucket: number }[]) {
  const buckets = new Int32Array(PAIRS)
  const firstCandidate = new Uint32Array(PAIRS + 1)
  for (const { places, bucket } of lying) {
    mark(buckets, 1 << bucket, places[0], places[1])
    mark(buckets, 1 << (bucket + 16), places[2], places[3])
    for (const pair of pairsOf(places[0], places[1])) firstCandidate[pair + 1] = (firstCandidate[pair + 1] ?? 0) + 1
  }
  for (let pair = 0; pair < PAIRS; pair++) {
    firstCandidate[pair + 1] = (firstCandidate[pair + 1] ?? 0) + (firstCandidate[pair] ?? 0)
  }
  const count = firstCandidate[PAIRS] ?? 0
  const [masks, values, entryIndexes] = [new Int32Array(count), new Int32Array(count), new Uint16Array(count)]
  const next = firstCandidate.slice()
  lying.forEach(({ places }, entryIndex) => {
    const { mask, value } = maskOf(places)
    for (const pair of pairsOf(places[0], places[1])) {
      const candidate = next[pair] ?? 0
      next[pair] = candidate + 1
      masks[candidate] = mask
      values[candidate] = value
      entryIndexes[candidate] = entryIndex
    }
  })
  return { buckets, firstCandidate, masks, values, entryIndexes }
}

/** The two ways in which a keyword lies across pairs, from where it is rarest: an even place first, and an odd one. */
function placementsOf(all: readonly (readonly number[])[]): readonly Placement[] {
  const at = (index: number): readonly number[] => all[index] ?? ANY_BYTE
  const weights = all.map(weightOf)
  let best = 0
  let least = Number.POSITIVE_INFINITY
  for (let from = 0; from === 0 || from + WINDOW_CHARS <= all.length; from++) {
    const weight = weights.slice(from, from + WINDOW_CHARS).reduce((product, factor) => product * factor, 1)
    if (weight >= least) continue
    best = from
    least = weight
  }
  return [best, best + 1].map((delta) => ({ delta, places: [at(delta), at(delta + 1), at(delta + 2), at(delta + 3)] }))
}

/** What all pairs weigh together. */
const EVERYTHING = 1_000_000

interface BucketWeight {
  first: number
  second: number
}

/** How often the first and the second pairs of a keyword occur by accident. */
function weightsOf(placements: readonly Placement[]): BucketWeight {
  let [first, second] = [0, 0]
  for (const { places } of placements) {
    first += weightOf(places[0]) * weightOf(places[1])
    second += weightOf(places[2]) * weightOf(places[3])
  }
  return { first, second }
}

/** The bucket in which a keyword raises the number of accidental candidates least; it is put there. */
function cheapestBucket(buckets: readonly BucketWeight[], { first, second }: BucketWeight): number {
  const growths = buckets.map(
    (bucket) =>
      Math.min(bucket.first + first, EVERYTHING) * Math.min(bucket.second + second, EVERYTHING) -
      bucket.first * bucket.second,
  )
  const cheapest = growths.indexOf(Math.min(...growths))
  const bucket = buckets[cheapest]
  if (bucket) {
    bucket.first = Math.min(bucket.first + first, EVERYTHING)
    bucket.second = Math.min(bucket.second + second, EVERYTHING)
  }
  return cheapest
}

/** Bits that all variants of a place share are compared; a place with more than two variants is left to the comparison in full. */
function maskOf(places: Placement['places']): { readonly mask: number; readonly value: number } {
  const parts = places.map((bytes) => {
    const [one = 0, other = one] = bytes
    return bytes.length > 2 ? { mask: 0, value: 0 } : { mask: 0xff ^ (one ^ other), value: one & other }
  })
  const mask = fourOf(parts.map((part) => part.mask))
  return { mask, value: fourOf(parts.map((part) => part.value)) & mask }
}

function variants(byte: number, ignoreCase: boolean): readonly number[] {
  return ignoreCase && byte >= 97 && byte <= 122 ? [byte, byte - 32] : [byte]
}

function weightOf(bytes: readonly number[]): number {
  return bytes === ANY_BYTE ? ANY_WEIGHT : sumOfWeights(bytes)
}

const scratch = new Uint8Array(4)
const scratchPairs = new Uint16Array(scratch.buffer)

function fourOf(bytes: readonly number[]): number {
  scratch.set(bytes)
  return (scratchPairs[0] ?? 0) | ((scratchPairs[1] ?? 0) << 16)
}

const LITTLE_ENDIAN = fourOf([1, 0, 0, 0]) === 1
const FIRST_SHIFT = LITTLE_ENDIAN ? 0 : 8
const SECOND_SHIFT = 8 - FIRST_SHIFT

function pairsOf(firsts: readonly number[], seconds: readonly number[]): readonly number[] {
  return firsts.flatMap((first) => seconds.map((second) => (first << FIRST_SHIFT) | (second << SECOND_SHIFT)))
}

/** Sets bits of every pair. A plain loop: it runs half a million times at each start. */
function mark(buckets: Int32Array, bits: number, firsts: readonly number[], seconds: readonly number[]): void {
  for (let i = 0; i < firsts.length; i++) {
    const first = (firsts[i] ?? 0) << FIRST_SHIFT
    for (let k = 0; k < seconds.length; k++) {
      const pair = first | ((seconds[k] ?? 0) << SECOND_SHIFT)
      buckets[pair] = (buckets[pair] ?? 0) | bits
    }
  }
}
