/** Reads a rate card and refuses one that is malformed, with the place and the reason. */
import type { RateCard } from '@agentcostcontrol/contract'

/** Thrown for a rate card that cannot be used; the message says where and why. */
export class RateCardError extends Error {
  override readonly name = 'RateCardError'
}

type Json = Readonly<Record<string, unknown>>
/** What is wrong with a value, and where in it; `null` if nothing is. Costs nothing for a card in order. */
type Check = (value: unknown) => { readonly path: string; readonly expected: string } | null

const RATE = /^\d{1,18}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const is =
  (expected: string, holds: (value: unknown) => boolean): Check =>
  (value) =>
    holds(value) ? null : { path: '', expected }
const object = (fields: Readonly<Record<string, Check>>): Check => {
  const checks = Object.entries(fields)
  return (value) => {
    if (!isObject(value)) return { path: '', expected: 'an object' }
    for (const [name, check] of checks) {
      const problem = check(value[name])
      if (problem) return { ...problem, path: `.${name}${problem.path}` }
    }
    return null
  }
}
const list =
  (check: Check): Check =>
  (value) => {
    if (!Array.isArray(value)) return { path: '', expected: 'a list' }
    for (let index = 0; index < value.length; index++) {
      const problem = check(value[index])
      if (problem) return { ...problem, path: `[${index}]${problem.path}` }
    }
    return null
  }
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value)
const text = is('a text that is not empty', (value) => typeof value === 'string' && value !== '')
const flag = is('true or false', (value) => typeof value === 'boolean')
const integer = (least: number, most: number): Check =>
  is(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most,
  )
const rate = is(
  'a decimal-integer string of pico-USD, like "75000"',
  (value) => typeof value === 'string' && RATE.test(value),
)
const instant = is(
  'an instant in UTC, like "2026-11-10T00:00:00Z"',
  (value) => typeof value === 'string' && INSTANT.test(value) && !Number.isNaN(Date.parse(value)),
)

const tokens = integer(0, Number.MAX_SAFE_INTEGER)
const serviceRates = object({ input: rate, output: rate })
const rates = object({
  input: rate,
  output: rate,
  cacheRead: orNull(rate),
  cacheWrite5m: orNull(rate),
  cacheWrite1h: orNull(rate),
})
const model = object({
  provider: text,
  model: text,
  aliases: list(text),
  snapshots: flag,
  effectiveFrom: instant,
  effectiveTo: orNull(instant),
  contextTokensMax: orNull(tokens),
  outputTokensMax: orNull(tokens),
  rates,
  contextTiers: list(object({ aboveInputTokens: tokens, rates })),
  serviceTiers: object({ batch: orNull(serviceRates), flex: orNull(serviceRates), priority: orNull(serviceRates) }),
  hours: list(
    object({ fromMinuteUtc: integer(0, 1439), toMinuteUtc: integer(1, 1440), weekdays: list(integer(0, 6)), rates }),
  ),
  webSearchPicoUsdPerCall: orNull(rate),
  source: text,
})
const card = object({
  version: text,
  sources: list(object({ name: text, version: text, date: text, licence: text })),
  models: list(model),
})

/** Checks the shape of a rate card. @throws RateCardError at the first place that is wrong. */
export function assertRateCard(value: unknown): asserts value is RateCard {
  const problem = card(value)
  if (problem) throw new RateCardError(`rate card: ${problem.path.slice(1) || 'the card'} must be ${problem.expected}`)
}

/** Reads the JSON of a rate card. @throws RateCardError if it is no JSON or no rate card. */
export function readRateCard(json: string): RateCard {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (error) {
    throw new RateCardError(`rate card: not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  assertRateCard(value)
  return value
}
