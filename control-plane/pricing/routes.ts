import type { MissingPrice } from '@agentcostcontrol/policy'
import * as z from 'zod'
import { ADMIN, type Api, anyOf } from '../api.ts'
import type { FoundPrice, PricingService } from './service.ts'

const rate = z.string().describe('pico-USD a token (micro-USD a million), a decimal integer')
const rates = z.object({
  input: rate,
  output: rate,
  cacheRead: rate.nullable(),
  cacheWrite5m: rate.nullable(),
  cacheWrite1h: rate.nullable(),
})
const serviceRates = z.object({ input: rate, output: rate }).nullable()
const instant = z.string().describe('RFC 3339 UTC')

const price = z
  .object({
    provider: z.string().describe('the list that it stands on'),
    model: z.string(),
    aliases: z.array(z.string()).readonly(),
    snapshots: z.boolean().describe('whether a dated snapshot of the name has this price too'),
    effectiveFrom: instant,
    effectiveTo: instant.nullable(),
    contextTokensMax: z.number().nullable(),
    outputTokensMax: z.number().nullable(),
    rates,
    contextTiers: z
      .array(z.object({ aboveInputTokens: z.number(), rates }))
      .readonly()
      .describe('the last one that the whole input exceeds reprices the whole request'),
    serviceTiers: z.object({ batch: serviceRates, flex: serviceRates, priority: serviceRates }),
    hours: z
      .array(
        z.object({
          fromMinuteUtc: z.number(),
          toMinuteUtc: z.number(),
          weekdays: z.array(z.number()).readonly(),
          rates,
        }),
      )
      .readonly(),
    webSearchPicoUsdPerCall: z.string().nullable(),
    source: z.string(),
  })
  .meta({ id: 'ModelPrice', description: 'The price of one model over one span of time.' })

const common = { version: z.string().describe('of the rate card'), at: instant }
const search = z.discriminatedUnion('found', [
  z.object({
    found: z.literal(true),
    ...common,
    foundBy: z
      .enum(['exact', 'alias', 'snapshot', 'policy', 'worstCase'])
      .describe('`policy`: the policy in force says of the name what it is or what it costs'),
    list: z.string(),
    model: z.string().describe('its name on the list'),
    pricedAs: z.string().nullable().describe('what an event says of it: `LIST/MODEL`, `policy`, or nothing'),
    price,
  }),
  z.object({
    found: z.literal(false),
    ...common,
    reason: z.enum(['deployment', 'noList', 'unknownList', 'unknownModel', 'notThen']),
    detail: z.string(),
    near: z.array(z.string()).readonly().describe('names that may have been meant'),
  }),
])

const version = z.string().max(256).optional().describe('of the rate card; the one in force if left out')

/** Prices: which there are, and which one a name has. */
export function pricingRoutes(api: Api, pricing: PricingService): void {
  const route = { method: 'GET', config: { callers: ADMIN } } as const
  api.route({
    ...route,
    url: '/api/v1/prices/versions',
    schema: {
      summary: 'The rate cards that this installation has used, the latest first',
      response: {
        200: z.object({
          versions: z.array(
            z.object({
              version: z.string(),
              contentHash: z.string().describe('SHA-256, hex'),
              models: z.number().describe('how many prices it holds'),
              firstSeenAt: instant,
              inForce: z.boolean().describe('whether this control plane holds it'),
            }),
          ),
        }),
        ...anyOf(503),
      },
    },
    handler: async (request) => {
      request.admin()
      const versions = await pricing.versions()
      return { versions: versions.map((each) => ({ ...each, inForce: each.version === pricing.version })) }
    },
  })
  api.route({
    ...route,
    url: '/api/v1/prices',
    schema: {
      summary: 'The prices of a rate card, by list and name',
      querystring: z.strictObject({
        version,
        provider: z.string().max(256).optional().describe('one list alone'),
        cursor: z.string().max(600).optional().describe('`nextCursor` of the page before'),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
      response: {
        200: z.object({ version: z.string(), prices: z.array(price).readonly(), nextCursor: z.string().nullable() }),
        ...anyOf(400, 404),
      },
    },
    handler: async (request) => {
      request.admin()
      const { version, provider, cursor, limit } = request.query
      const filter = { version: version ?? null, provider: provider ?? null }
      return pricing.page(filter, cursor ?? null, limit)
    },
  })
  api.route({
    ...route,
    url: '/api/v1/prices/find',
    schema: {
      summary: 'The price that a request would have, and why; or why it would have none',
      querystring: z.strictObject({
        provider: z.string().min(1).max(256).describe('as policies and paths name it, or a list of the rate card'),
        model: z.string().min(1).max(256).describe('as a request names it'),
        at: z.iso.datetime().optional().describe('RFC 3339 UTC; now if left out'),
        version,
      }),
      response: { 200: search, ...anyOf(400, 404) },
    },
    handler: async (request) => {
      const { provider, model, at, version } = request.query
      return told(
        await pricing.find(request.admin(), { provider, model, at: at ?? null, version: version ?? null }),
        provider,
        model,
      )
    },
  })
}

/** The answer as it is told. */
function told(found: FoundPrice, provider: string, model: string): z.input<typeof search> {
  const { version, at } = found
  if (!found.found) {
    const { missing, near } = found
    return { found: false, version, at, reason: missing.reason, detail: sentence(missing, provider, model), near }
  }
  const { price, foundBy, pricedAs } = found.priced
  return { found: true, version, at, foundBy, list: price.provider, model: price.model, pricedAs, price }
}

function sentence(missing: MissingPrice, provider: string, model: string): string {
  switch (missing.reason) {
    case 'deployment':
      return `Requests to ${provider} name deployments: say under models of its ProviderConfig which model "${model}" is.`
    case 'noList':
      return `${provider} has no price list of its own: name the model as MAKER/MODEL, or state its price under models of its ProviderConfig.`
    case 'unknownList':
      return `The rate card has no list "${missing.list}".`
    case 'unknownModel':
      return `The list "${missing.list}" has no model "${model}", neither by its name, nor by an alias, nor as a dated snapshot. A price of your own can be stated under models of the ProviderConfig.`
    case 'notThen':
      return `The list "${missing.list}" has "${model}", but not then: ${missing.spans.map(({ from, to }) => `from ${from} ${to === null ? 'on' : `to ${to}`}`).join(', ')}.`
  }
}
