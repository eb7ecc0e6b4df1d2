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
  /** By pair: where the entries of keywords whose first pair it is begin; they end where the next pair's begin. */
  readonly firstEntry: Uint32Array
  readonly entries: readonly KeywordEntry[]
  /** By entry: the four bytes of both pairs are `values` where `masks` has bits. */
  readonly masks: Int32Array
  readonly values: Int32Array
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

interface MaskedEntry extends KeywordEntry {
  readonly mask: number
  readonly value: number
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

/** Builds them. @throws RangeError for a keyword that is shorter than three characters or not ASCII. */
export function buildKeywordTable(keywords: readonly Keyword[]): KeywordTable {
  const buckets = new Int32Array(PAIRS)
  const weights = Array.from({ length: BUCKETS }, () => ({ first: 0, second: 0 }))
  const entriesOf = new Map<number, MaskedEntry[]>()
  const placed = keywords.map(({ text, ignoreCase, startsWord, next }, keywordIndex) => {
    if (text.length < 3 || !/^[\x20-\x7e]+$/.test(text)) throw new RangeError(`"${text}" cannot be a keyword`)
    const bytes = Uint8Array.from(Buffer.from(text, 'latin1'))
    const placements = placementsOf([...[...bytes].map((byte) => variants(byte, ignoreCase)), ...next])
    return { keywordIndex, ignoreCase, startsWord, bytes, placements, weight: weightsOf(placements) }
  })
  // Those that few pairs fit come first; the others then gather where they do the least harm.
  placed.sort((a, b) => a.weight.first * a.weight.second - b.weight.first * b.weight.second)
  placed.forEach(({ keywordIndex, ignoreCase, startsWord, bytes, placements, weight }) => {
    const bucket = cheapestBucket(weights, weight)
    for (const { places, delta } of placements) {
      const entry = { keywordIndex, delta, ...maskOf(places), bytes, ignoreCase, startsWord }
      forEachPair(places[0], places[1], (pair) => {
        buckets[pair] = (buckets[pair] ?? 0) | (1 << bucket)
        const others = entriesOf.get(pair)
        if (others) others.push(entry)
        else entriesOf.set(pair, [entry])
      })
      forEachPair(places[2], places[3], (pair) => {
        buckets[pair] = (buckets[pair] ?? 0) | (1 << (bucket + 16))
      })
    }
  })
  const firstEntry = new Uint32Array(PAIRS + 1)
  const entries: MaskedEntry[] = []
  for (let pair = 0; pair < PAIRS; pair++) {
    firstEntry[pair] = entries.length
    for (const entry of entriesOf.get(pair) ?? []) entries.push(entry)
  }
  firstEntry[PAIRS] = entries.length
  const masks = Int32Array.from(entries, ({ mask }) => mask)
  const values = Int32Array.from(entries, ({ value }) => value)
  return { buckets, firstEntry, entries, masks, values }
}

/** The two ways in which a keyword lies across pairs, from where it is rarest: an even place first, and an odd one. */
function placementsOf(all: readonly (readonly number[])[]): readonly Placement[] {
  const at = (index: number): readonly number[] => all[index] ?? ANY_BYTE
  let best = 0
  let least = Number.POSITIVE_INFINITY
  for (let from = 0; from === 0 || from + WINDOW_CHARS <= all.length; from++) {
    const weight = all.slice(from, from + WINDOW_CHARS).reduce((product, bytes) => product * weightOf(bytes), 1)
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
  return bytes.reduce((sum, byte) => sum + (WEIGHTS[byte] ?? 0), 0)
}

const scratch = new Uint8Array(4)
const scratchPairs = new Uint16Array(scratch.buffer)

function fourOf(bytes: readonly number[]): number {
  scratch.set(bytes)
  return (scratchPairs[0] ?? 0) | ((scratchPairs[1] ?? 0) << 16)
}

function forEachPair(firsts: readonly number[], seconds: readonly number[], visit: (pair: number) => void): void {
  for (const first of firsts) {
    for (const second of seconds) {
      scratch[0] = first
      scratch[1] = second
      visit(scratchPairs[0] ?? 0)
    }
  }
}
