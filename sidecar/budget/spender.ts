import { createHash } from 'node:crypto'
import { type Principal, providerFacts } from '@agentcostcontrol/contract'
import {
  findListedPrice,
  type PriceBook,
  SEVERAL_KEYS,
  type Spender,
  type SpenderModel,
} from '@agentcostcontrol/policy'
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
    const key = keyOf(this.#raw, this.model.provider)
    if (key === SEVERAL_KEYS) return key
    return key === null ? null : `key-${createHash('sha256').update(key).digest('hex').slice(0, FINGERPRINT_DIGITS)}`
  }
}

class AttemptModel implements SpenderModel {
  readonly provider: string
  readonly asked: string
  readonly #target: Target
  readonly #prices: PriceBook
  readonly #atMs: number

  constructor(target: Target, prices: PriceBook, atMs: number) {
    this.provider = target.provider.provider
    this.asked = target.model
    this.#target = target
    this.#prices = prices
    this.#atMs = atMs
  }

  /** Looked for when a budget asks: most look at no model. */
  get canonical(): string {
    return this.canonicalOf(this.asked) ?? this.asked
  }

  canonicalOf(name: string): string | null {
    const { provider } = this.#target
    const stated = provider.models.get(name)
    if (stated) return stated.model
    // What every other model costs says nothing of which model it is, and a deployment is what is stated of it.
    if (providerFacts(provider.provider).namesDeployments) return null
    return findListedPrice(this.#prices, provider, name, this.#atMs)?.price.model ?? null
  }
}

const FINGERPRINT_DIGITS = 16
const SCHEME = /^bearer\s+/i
/** Where providers look for a key, in lower case; all others look for `authorization` alone. */
const KEY_HEADERS: Readonly<Record<string, readonly string[]>> = {
  anthropic: ['x-api-key', 'authorization'],
  azure: ['api-key', 'authorization'],
  google: ['x-goog-api-key', 'authorization'],
}
const AUTHORIZATION: readonly string[] = ['authorization']

/** The key that a request is sent with; `null` without one. Of several nobody here knows which one the provider goes by. */
function keyOf({ headers, target }: RawExchange, provider: string): string | null {
  const looked = KEY_HEADERS[provider] ?? AUTHORIZATION
  const keys: string[] = []
  for (let at = 0; at + 1 < headers.length; at += 2)
    if (looked.includes((headers[at] ?? '').toLowerCase())) keys.push((headers[at + 1] ?? '').replace(SCHEME, ''))
  const question = target.indexOf('?')
  if (provider === 'google' && question !== -1) keys.push(...new URLSearchParams(target.slice(question)).getAll('key'))
  const [key = null, ...more] = new Set(keys)
  return more.length === 0 ? key : SEVERAL_KEYS
}
