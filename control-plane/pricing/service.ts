import { createHash } from 'node:crypto'
import type { ModelPrice, ProviderName, RateCard } from '@agentcostcontrol/contract'
import {
  createPriceBook,
  explainPrice,
  type PriceBook,
  type PriceSearch,
  providerNamed,
  readRateCard,
  type StatedModel,
} from '@agentcostcontrol/policy'
import type { Caller } from '../auth/service.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { type NotedCard, rateCardRepository } from './repository.ts'

/** A price list, compiled. */
export interface PriceList {
  readonly card: RateCard
  readonly book: PriceBook
}

/** What is asked for one price. */
export interface AskedPrice {
  readonly provider: string
  readonly model: string
  /** RFC 3339; `null` is now. */
  readonly at: string | null
  /** `null` is the version that this control plane holds. */
  readonly version: string | null
}

/** What a page of a price list is narrowed to. */
export interface PriceFilter {
  readonly version: string | null
  readonly provider: string | null
}

/** A page of a price list. */
export interface PricePage {
  readonly version: string
  readonly prices: readonly ModelPrice[]
  /** Where the next page begins; `null` on the last. */
  readonly nextCursor: string | null
}

/** What came of looking for a price, and with which list and time. */
export type FoundPrice = PriceSearch & { readonly version: string; readonly at: string }

/** Prices: the list that this control plane holds, and those that it or another one held before. */
export interface PricingService {
  /** The version of the list that is held. */
  readonly version: string
  versions(): Promise<readonly NotedCard[]>
  page(filter: PriceFilter, cursor: string | null, limit: number): Promise<PricePage>
  find(caller: Caller, asked: AskedPrice): Promise<FoundPrice>
  /** A list by its version; `null` if it was never held here. */
  list(version: string): Promise<PriceList | null>
}

/**
 * What a policy of an organisation says of a provider's models, by the names that requests use. @param revision `null` for
 * the one in force @returns `null` if that revision is not known
 */
export type StatedModels = (
  orgId: string,
  provider: ProviderName,
  revision: string | null,
) => Promise<ReadonlyMap<string, StatedModel> | null>

/** What the service needs. */
export interface PricingServiceOptions {
  readonly database: Database
  readonly clock: Clock
  readonly card: RateCard
  readonly statedModels: StatedModels
}

/** Lists of other versions that are kept compiled; a compiled one takes some megabytes. */
const LISTS_MAX = 3

/**
 * Makes the service, and notes the list that is held.
 * @throws if its version is known with another content, or if it is no list to price with
 */
export async function createPricingService(options: PricingServiceOptions): Promise<PricingService> {
  const { database, clock, card, statedModels } = options
  const held: PriceList = { card, book: createPriceBook(card) }
  const json = JSON.stringify(card)
  const contentHash = createHash('sha256').update(json).digest('hex')
  const { version } = card
  const noted = await database.inNone((tx) =>
    rateCardRepository.note(tx, { version, contentHash, models: card.models.length, json }),
  )
  if (noted !== contentHash)
    throw new Error(
      `the rate card ${version} has another content than the one that was first seen under this version (SHA-256 ${contentHash}, and ${noted} before): a price is never edited, give the card a version of its own`,
    )
  const others = new Map<string, PriceList>()

  async function list(wanted: string): Promise<PriceList | null> {
    if (wanted === version) return held
    const known = others.get(wanted)
    if (known !== undefined) return known
    const stored = await database.inNone((tx) => rateCardRepository.json(tx, wanted))
    if (stored === null) return null
    const read = readRateCard(stored)
    const made = { card: read, book: createPriceBook(read) }
    const [oldest] = others.keys()
    if (others.size >= LISTS_MAX && oldest !== undefined) others.delete(oldest)
    others.set(wanted, made)
    return made
  }

  async function listOf(wanted: string | null): Promise<PriceList> {
    const found = await list(wanted ?? version)
    if (found === null)
      throw new ApiError(
        'acc_api_not_found',
        'There is no rate card of this version; /api/v1/prices/versions has them.',
      )
    return found
  }

  return {
    version,
    list,
    versions: () => database.inNone(rateCardRepository.versions),
    page: async ({ version: wanted, provider }, cursor, limit) => {
      const { card: asked } = await listOf(wanted)
      const from = cursor === null ? 0 : readCursor(cursor, asked.version)
      const all = provider === null ? asked.models : asked.models.filter((price) => price.provider === provider)
      const prices = all.slice(from, from + limit)
      const next = from + prices.length
      return { version: asked.version, prices, nextCursor: next < all.length ? writeCursor(asked.version, next) : null }
    },
    find: async ({ orgId }, { provider, model, at, version: wanted }) => {
      const { card: asked, book } = await listOf(wanted)
      const atMs = at === null ? clock.nowMs() : Date.parse(at)
      const named = providerNamed(provider)
      const stated = (named && (await statedModels(orgId, named, null))) ?? NOTHING
      const search = explainPrice(book, asked, { provider, model, atMs, stated })
      return { ...search, version: asked.version, at: new Date(atMs).toISOString() }
    },
  }
}

const NOTHING: ReadonlyMap<string, StatedModel> = new Map()

/** A version never changes, so a number of its prices is a place in it for good. */
const writeCursor = (version: string, at: number): string => Buffer.from(`${at} ${version}`).toString('base64url')

function readCursor(text: string, version: string): number {
  const [, at, of] = /^(\d{1,9}) (.*)$/s.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (at === undefined) throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
  if (of !== version) throw new ApiError('acc_api_invalid', 'cursor: it is of another version; name that one')
  return Number(at)
}
