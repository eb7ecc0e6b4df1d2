import { SEVERITIES, type Severity } from '@agentcostcontrol/contract'
import { networkV4, networkV6 } from './address.ts'
import { KIND, type Kind, keyOf, TLD_BITS } from './hash.ts'
import { FORMAT, HAS, HEADER, MAGIC, META } from './index-format.ts'
import { THREATS, type Threat, type VersionRange } from './indicator.ts'

/** Reads an index where it lies: many threads may read the same. */
export class ThreatIndex {
  readonly version: string
  readonly entries: number
  readonly hasV6: boolean
  readonly hasFiles: boolean
  readonly hasPackages: boolean
  readonly #tlds: Uint32Array
  readonly #directory: Uint32Array
  readonly #highs: Uint32Array
  readonly #lows: Uint32Array
  readonly #metas: Uint32Array
  readonly #extra: Uint32Array
  readonly #shift: number
  /** Longest networks first. */
  readonly #v4Lengths: readonly number[]
  readonly #v6Lengths: readonly number[]

  /** @throws RangeError if it is not an index of this format, or not whole */
  constructor(buffer: SharedArrayBuffer) {
    const words = buffer.byteLength % 4 === 0 ? new Uint32Array(buffer) : new Uint32Array(0)
    if (words[HEADER.magic] !== MAGIC || words[HEADER.format] !== FORMAT)
      throw new RangeError('this is no threat-intelligence index that this version can read')
    const bits = words[HEADER.bucketBits] ?? 0
    const extraWords = words[HEADER.extraWords] ?? 0
    this.entries = words[HEADER.entries] ?? 0
    if (bits < 1 || bits > 24 || words.length !== lengthOf(bits, this.entries, extraWords))
      throw new RangeError('the threat-intelligence index is not whole')
    let at: number = HEADER.words
    const part = (length: number): Uint32Array => {
      at += length
      return words.subarray(at - length, at)
    }
    this.#tlds = part(TLD_BITS / 32)
    this.#directory = part(2 ** bits + 1)
    this.#highs = part(this.entries)
    this.#lows = part(this.entries)
    this.#metas = part(this.entries)
    this.#extra = part(extraWords)
    this.#shift = 32 - bits
    const has = words[HEADER.has] ?? 0
    this.hasV6 = (has & HAS.v6) !== 0
    this.hasFiles = (has & HAS.files) !== 0
    this.hasPackages = (has & HAS.packages) !== 0
    this.#v4Lengths = lengths(words, HEADER.v4Bits, 33)
    this.#v6Lengths = lengths(words, HEADER.v6Bits, 129)
    this.version = [0, 1].map((word) => (words[HEADER.version + word] ?? 0).toString(16).padStart(8, '0')).join('')
  }

  /** Whether some host is listed under the top-level domain of this bit. */
  hasTld(bit: number): boolean {
    return ((this.#tlds[bit >> 5] ?? 0) & (1 << (bit & 31))) !== 0
  }

  /** What stands beside a key; 0 for nothing. */
  find(high: number, low: number): number {
    const bucket = high >>> this.#shift
    const end = this.#directory[bucket + 1] ?? 0
    for (let at = this.#directory[bucket] ?? 0; at < end; at++)
      if (this.#highs[at] === high && this.#lows[at] === low) return this.#metas[at] ?? 0
    return 0
  }

  /** The same by a text. */
  look(text: string, kind: Kind): number {
    const [high, low] = keyOf(text, kind)
    return this.find(high, low)
  }

  /** What lists an IPv4 address, by itself or in its smallest network. */
  lookV4(value: number): number {
    for (const bits of this.#v4Lengths) {
      const meta = this.look(networkV4(value, bits), KIND.v4)
      if (meta !== 0) return meta
    }
    return 0
  }

  /** The same of an IPv6 address. */
  lookV6(groups: readonly number[]): number {
    for (const bits of this.#v6Lengths) {
      const meta = this.look(networkV6(groups, bits), KIND.v6)
      if (meta !== 0) return meta
    }
    return 0
  }

  /** The ranges of versions beside a package. */
  rangesOf(meta: number): readonly VersionRange[] {
    const at = (meta >>> META.extraShift) - 1
    if (at < 0) return []
    const bytes = this.#extra[at] ?? 0
    const words = this.#extra.slice(at + 1, at + 1 + Math.ceil(bytes / 4))
    try {
      const ranges: readonly VersionRange[] = JSON.parse(Buffer.from(words.buffer, 0, bytes).toString())
      return ranges
    } catch {
      return []
    }
  }
}

/** Words of a whole index. */
const lengthOf = (bits: number, entries: number, extraWords: number): number =>
  HEADER.words + TLD_BITS / 32 + 2 ** bits + 1 + 3 * entries + extraWords

function lengths(words: Uint32Array, from: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, bits) => count - 1 - bits).filter(
    (bits) => ((words[from + (bits >> 5)] ?? 0) & (1 << (bits & 31))) !== 0,
  )
}

/** How bad it is. */
export const severityOf = (meta: number): Severity => SEVERITIES[(meta >> META.severityShift) & 3] ?? 'low'
/** What it is listed for. */
export const threatOf = (meta: number): Threat => THREATS[(meta >> META.threatShift) & 7] ?? 'listed'
