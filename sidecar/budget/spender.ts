import { createHash } from 'node:crypto'
import type { Principal } from '@agentcostcontrol/contract'
import { findPrice, type PriceBook, type Spender, type SpenderModel } from '@agentcostcontrol/policy'
import type { Authorized, RawExchange, Target } from '../exchange.ts'

/** What an attempt at a target shows of itself to budgets. Classes: one shape for every request. */
export class AttemptSpender implements Spender {
  readonly principal: Principal
  readonly model: SpenderModel
  readonly #raw: RawExchange

  constructor({ identified }: Authorized, target: Target, prices: PriceBook) {
    this.principal = identified.principal
    this.#raw = identified.raw
    this.model = new AttemptModel(target, prices, identified.raw.receivedAtMs)
  }

  apiKey(): string | null {
    const key = keyOf(this.#raw)
    return key === null ? null : `key-${createHash('sha256').update(key).digest('hex').slice(0, FINGERPRINT_DIGITS)}`
  }
}

class AttemptModel implements SpenderModel {
  readonly provider: string
  readonly asked: string
  readonly canonical: string
  readonly #target: Target
  readonly #prices: PriceBook
  readonly #atMs: number

  constructor(target: Target, prices: PriceBook, atMs: number) {
    this.provider = target.provider.provider
    this.asked = target.model
    this.canonical =
      target.priced === null || target.priced.foundBy === 'worstCase' ? target.model : target.priced.price.model
    this.#target = target
    this.#prices = prices
    this.#atMs = atMs
  }

  canonicalOf(name: string): string | null {
    return findPrice(this.#prices, this.#target.provider, name, this.#atMs)?.price.model ?? null
  }
}

const FINGERPRINT_DIGITS = 16
/** Where the wire formats carry their keys, in lower case. */
const KEY_HEADERS: ReadonlySet<string> = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])
const SCHEME = /^bearer\s+/i

/** The key that a request is sent with; `null` without one. */
function keyOf({ headers, target }: RawExchange): string | null {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (KEY_HEADERS.has((headers[at] ?? '').toLowerCase())) return (headers[at + 1] ?? '').replace(SCHEME, '')
  }
  const question = target.indexOf('?')
  return question === -1 ? null : new URLSearchParams(target.slice(question)).get('key')
}
