import { createHash } from 'node:crypto'
import { SEVERITIES } from '@agentcostcontrol/contract'
import { type Network, networkV4, networkV6, readNetwork, readV4 } from './address.ts'
import { canonicalHost, canonicalPackage, canonicalUrl } from './canonical.ts'
import { KIND, keyFromEnd, keyOf, TLD_BITS, tldBit } from './hash.ts'
import { ENTRIES_MAX, HAS, HEADER, META } from './index-format.ts'
import { layOut } from './index-layout.ts'
import { type Indicator, THREATS } from './indicator.ts'
import { isSharedHost } from './shared-hosts.ts'

/** What became of an indicator: taken, or why not. */
export type Added = 'added' | 'invalid' | 'shared' | 'full'

/** Collects indicators and makes the index of them. */
export interface IndexBuilder {
  add(indicator: Indicator): Added
  /** Entries so far, the same ones counted again. */
  readonly entries: number
  /** The index; the builder is not used again. */
  build(): SharedArrayBuffer
}

/** A host that every index lists, so that a detector can show that it works (RFC 2606: no such host will ever be). */
export const CANARY_HOST = 'threat-intel-canary.invalid'

const FILE_HASH = /^(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})$/
/** Words of version ranges, which an entry can point at. */
const EXTRA_WORDS_MAX = 2 ** 24 - 2

/** Makes a builder. */
export function createIndexBuilder(): IndexBuilder {
  const builder = new Builder()
  builder.add({ kind: 'domain', value: CANARY_HOST, threat: 'listed', severity: 'low' })
  return builder
}

class Builder implements IndexBuilder {
  #highs = new Uint32Array(1_024)
  #lows = new Uint32Array(1_024)
  #metas = new Uint32Array(1_024)
  #count = 0
  readonly #head = new Uint32Array(HEADER.words)
  readonly #tlds = new Uint32Array(TLD_BITS / 32)
  #extra: number[] = []

  get entries(): number {
    return this.#count
  }

  add(indicator: Indicator): Added {
    if (this.#count >= ENTRIES_MAX) return 'full'
    switch (indicator.kind) {
      case 'domain':
        return this.#domain(indicator.value, metaOf(indicator))
      case 'url':
        return this.#url(indicator.value, metaOf(indicator))
      case 'ip':
        return this.#ip(indicator.value, indicator.port, metaOf(indicator))
      case 'file-hash':
        return this.#file(indicator.value, metaOf(indicator))
      case 'package':
        return this.#package(indicator, metaOf(indicator))
    }
  }

  #domain(value: string, meta: number): Added {
    const host = canonicalHost(value)
    if (host === null) return 'invalid'
    if (readV4(host) >= 0 || host.startsWith('[')) return this.#ip(host, null, meta)
    // A top-level domain would take everybody below it.
    if (!host.includes('.')) return 'invalid'
    if (isSharedHost(host)) return 'shared'
    this.#host(host, meta | META.whole)
    return 'added'
  }

  #url(value: string, meta: number): Added {
    const url = canonicalUrl(value)
    if (url === null || !(url.host.includes('.') || url.host.startsWith('['))) return 'invalid'
    if (!url.hasPath && isSharedHost(url.host)) return 'shared'
    this.#host(url.host, META.exists | META.parts)
    this.#push(keyOf(url.key, KIND.url), meta)
    return 'added'
  }

  #ip(value: string, port: number | null, meta: number): Added {
    const network = readNetwork(value)
    // A network of a sixteenth of all addresses is a mistake.
    if (network === null || network.bits < (network.version === 4 ? 8 : 16)) return 'invalid'
    if (port === null) this.#network(network, meta)
    else {
      // Others may live at the same address: it counts less by itself.
      this.#push(keyOf(`${port}@${networkText(network)}`, KIND.endpoint), meta)
      this.#network(network, lower(meta))
    }
    return 'added'
  }

  #network(network: Network, meta: number): void {
    const base = network.version === 4 ? HEADER.v4Bits : HEADER.v6Bits
    const word = base + (network.bits >> 5)
    this.#head[word] = (this.#head[word] ?? 0) | (1 << (network.bits & 31))
    if (network.version === 6) this.#has(HAS.v6)
    this.#push(keyOf(networkText(network), network.version === 4 ? KIND.v4 : KIND.v6), meta)
  }

  #file(value: string, meta: number): Added {
    const digits = value.trim().toLowerCase()
    if (!FILE_HASH.test(digits)) return 'invalid'
    this.#has(HAS.files)
    this.#push(keyOf(digits, KIND.file), meta)
    return 'added'
  }

  #package(listed: Indicator & { readonly kind: 'package' }, meta: number): Added {
    const { ecosystem, name, versions } = listed
    if (!/^(?:@[\w.~-]{1,100}\/)?[\w.~-]{1,214}$/.test(name)) return 'invalid'
    const key = `${ecosystem}:${canonicalPackage(ecosystem, name)}`
    this.#has(HAS.packages)
    if (versions === null) this.#push(keyOf(key, KIND.package), meta | META.whole)
    else {
      for (const version of versions.exact) this.#push(keyOf(`${key}@${version}`, KIND.release), meta)
      const extra = versions.ranges.length === 0 ? 0 : this.#keep(JSON.stringify(versions.ranges))
      this.#push(keyOf(key, KIND.package), META.exists | META.parts | (meta & ~META.parts) | (extra << META.extraShift))
    }
    return 'added'
  }

  /** @returns where it is, plus one; 0 if there is no room */
  #keep(text: string): number {
    const bytes = Buffer.from(text)
    const words = new Uint32Array(1 + Math.ceil(bytes.length / 4))
    words[0] = bytes.length
    new Uint8Array(words.buffer).set(bytes, 4)
    if (this.#extra.length + words.length > EXTRA_WORDS_MAX) return 0
    const at = this.#extra.length
    for (const word of words) this.#extra.push(word)
    return at + 1
  }

  #host(host: string, meta: number): void {
    this.#push(keyFromEnd(host, KIND.host), meta)
    const bit = tldBit(host, host.lastIndexOf('.') + 1, host.length)
    this.#tlds[bit >> 5] = (this.#tlds[bit >> 5] ?? 0) | (1 << (bit & 31))
  }

  #has(what: number): void {
    this.#head[HEADER.has] = (this.#head[HEADER.has] ?? 0) | what
  }

  #push([high, low]: readonly [number, number], meta: number): void {
    if (this.#count === this.#highs.length) {
      this.#highs = doubled(this.#highs)
      this.#lows = doubled(this.#lows)
      this.#metas = doubled(this.#metas)
    }
    this.#highs[this.#count] = high
    this.#lows[this.#count] = low
    this.#metas[this.#count] = meta
    this.#count++
  }

  build(): SharedArrayBuffer {
    const buffer = layOut({
      head: this.#head,
      tlds: this.#tlds,
      highs: this.#highs.subarray(0, this.#count),
      lows: this.#lows.subarray(0, this.#count),
      metas: this.#metas.subarray(0, this.#count),
      extra: this.#extra,
    })
    // A hash reads no shared memory.
    const digest = createHash('sha256')
      .update(Buffer.from(new Uint8Array(buffer)))
      .digest()
    const words = new Uint32Array(buffer)
    words[HEADER.version] = digest.readUInt32BE(0)
    words[HEADER.version + 1] = digest.readUInt32BE(4)
    return buffer
  }
}

const networkText = (network: Network): string =>
  network.version === 4 ? networkV4(network.value, network.bits) : networkV6(network.groups, network.bits)

const metaOf = ({ severity, threat }: Indicator): number =>
  META.exists | (SEVERITIES.indexOf(severity) << META.severityShift) | (THREATS.indexOf(threat) << META.threatShift)

/** The same, a severity lower. */
const lower = (meta: number): number =>
  ((meta >> META.severityShift) & 3) === 0 ? meta : meta - (1 << META.severityShift)

function doubled(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2)
  larger.set(array)
  return larger
}
