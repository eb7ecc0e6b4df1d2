import type { RE2JS } from 're2js'
import { re2 } from '../../custom/engines.ts'
import { networkV4, networkV6, readNetwork } from '../address.ts'
import { canonicalHost, canonicalUrl } from '../canonical.ts'
import type { Indicator } from '../indicator.ts'
import { type FeedSink, isRecord, listOf, textOf, type Warninglist } from './feed.ts'

const TYPES = ['string', 'substring', 'hostname', 'cidr', 'regex'] as const
/** Each of these is held against every indicator. */
const PATTERNS_MAX = 500
const PATTERN_CHARS_MAX = 500

/** MISP warninglists, one or several. */
export function readWarninglists(documents: readonly unknown[], sink: FeedSink): void {
  for (const [at, document] of documents.entries()) {
    const type = isRecord(document) ? TYPES.find((known) => known === document.type) : undefined
    const values = isRecord(document)
      ? listOf(document.list)
          .map(textOf)
          .filter((value) => value !== '')
      : []
    if (type === undefined || values.length === 0)
      sink.problem({
        line: at + 1,
        message: `expected a warninglist: a "list" and a "type", one of ${TYPES.join(', ')}`,
      })
    else sink.warninglist({ type, values })
  }
}

/** What warninglists say is no threat. */
export class Suppressions {
  readonly #strings = new Set<string>()
  readonly #hosts = new Set<string>()
  readonly #networks = new Set<string>()
  readonly #v4Bits = new Set<number>()
  readonly #v6Bits = new Set<number>()
  readonly #parts: string[] = []
  readonly #patterns: RE2JS[] = []

  /** @returns how many of its values could not be taken */
  add({ type, values }: Warninglist): number {
    return values.filter((value) => !this.#take(type, value.trim().toLowerCase(), value.trim())).length
  }

  /** Takes what any other list names: a domain with all below it, a network, or the very indicator. */
  spare(indicator: Indicator): 'added' | 'invalid' {
    const value = (indicator.kind === 'package' ? indicator.name : indicator.value).trim().toLowerCase()
    const type = indicator.kind === 'domain' ? 'hostname' : indicator.kind === 'ip' ? 'cidr' : 'string'
    return this.#take(type, value, value) ? 'added' : 'invalid'
  }

  #take(type: Warninglist['type'], value: string, written: string): boolean {
    switch (type) {
      case 'string':
        this.#strings.add(value)
        return true
      case 'hostname':
        this.#hosts.add(value.replace(/^\.+|\.+$/g, ''))
        return true
      case 'cidr':
        return this.#network(value)
      case 'substring':
        return value.length > 2 && this.#parts.length < PATTERNS_MAX && this.#parts.push(value) > 0
      case 'regex':
        return this.#pattern(written)
    }
  }

  #network(value: string): boolean {
    const network = readNetwork(value)
    if (network === null) return false
    if (network.version === 4) {
      this.#v4Bits.add(network.bits)
      this.#networks.add(networkV4(network.value, network.bits))
    } else {
      this.#v6Bits.add(network.bits)
      this.#networks.add(`v6 ${networkV6(network.groups, network.bits)}`)
    }
    return true
  }

  #pattern(written: string): boolean {
    const [, bare = written] = /^\/(.*)\/[a-z]*$/.exec(written) ?? []
    if (bare.length > PATTERN_CHARS_MAX || this.#patterns.length >= PATTERNS_MAX) return false
    const { RE2JS } = re2()
    try {
      return this.#patterns.push(RE2JS.compile(bare, RE2JS.CASE_INSENSITIVE)) > 0
    } catch {
      return false
    }
  }

  /** Whether an indicator is on one of them. A host says nothing of a URL that names something on it. */
  has(indicator: Indicator): boolean {
    const value = (indicator.kind === 'package' ? indicator.name : indicator.value).trim().toLowerCase()
    if (this.#strings.has(value)) return true
    if (this.#parts.some((part) => value.includes(part))) return true
    if (this.#patterns.some((pattern) => pattern.matcher(value).find())) return true
    if (indicator.kind === 'package' || indicator.kind === 'file-hash') return false
    const url = indicator.kind === 'url' ? canonicalUrl(value) : null
    const host =
      indicator.kind === 'url' ? (url?.host ?? '') : indicator.kind === 'ip' ? value : (canonicalHost(value) ?? '')
    if (this.#hasAddress(host)) return true
    return url?.hasPath !== true && (this.#strings.has(host) || this.#hasHost(host))
  }

  #hasHost(host: string): boolean {
    for (let name = host; name !== ''; name = name.includes('.') ? name.slice(name.indexOf('.') + 1) : '')
      if (this.#hosts.has(name)) return true
    return false
  }

  #hasAddress(host: string): boolean {
    if (this.#networks.size === 0) return false
    const network = readNetwork(host)
    if (network === null) return false
    if (network.version === 4)
      return [...this.#v4Bits].some(
        (bits) => bits <= network.bits && this.#networks.has(networkV4(network.value, bits)),
      )
    return [...this.#v6Bits].some(
      (bits) => bits <= network.bits && this.#networks.has(`v6 ${networkV6(network.groups, bits)}`),
    )
  }
}
