/** Reads a rate card and refuses one that is malformed, with the place and the reason. */
import type { RateCard } from '@agentcostcontrol/contract'

/** Thrown for a rate card that cannot be used; the message says where and why. */
export class RateCardError extends Error {
  override readonly name = 'RateCardError'
}

type Json = Readonly<Record<string, unknown>>
type Check = (value: unknown, path: string) => void

const RATE = /^\d{1,18}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z$/

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

function refuse(path: string, expected: string): never {
  throw new RateCardError(`rate card: ${path === '' ? 'the card' : path} must be ${expected}`)
}

const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (!isObject(value)) refuse(path, 'an object')
    for (const [name, check] of Object.entries(fields)) check(value[name], path === '' ? name : `${path}.${name}`)
  }
const list =
  (check: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) refuse(path, 'a list')
    value.forEach((item, index) => {
      check(item, `${path}[${index}]`)
    })
  }
const orNull =
  (check: Check): Check =>
  (value, path) => {
    if (value !== null) check(value, path)
  }
const text: Check = (value, path) => {
  if (typeof value !== 'string' || value === '') refuse(path, 'a text that is not empty')
}
const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') refuse(path, 'true or false')
}
const integer =
  (least: number, most: number): Check =>
  (value, path) => {
    if (!Number.isSafeInteger(value) || Number(value) < least || Number(value) > most)
      refuse(path, `a whole number from ${least} to ${most}`)
  }
const rate: Check = (value, path) => {
  if (typeof value !== 'string' || !RATE.test(value)) refuse(path, 'a decimal-integer string of pico-USD, like "75000"')
}
const instant: Check = (value, path) => {
  if (typeof value !== 'string' || !INSTANT.test(value) || Number.isNaN(Date.parse(value)))
    refuse(path, 'an instant in UTC, like "2026-11-10T00:00:00Z"')
}

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
  card(value, '')
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
