/** Reads the columns of `models.csv`: decimal USD per million tokens become integers of pico-USD per token, exactly. */
import type { ContextTier, HourRates, Rates, ServiceRates } from '@agentcostcontrol/contract'

const DECIMAL = /^(\d+)(?:\.(\d+))?$/
const TIER = /^>(\d+):(.+)$/
const TIER_KEYS: Readonly<Record<string, keyof Rates>> = {
  in: 'input',
  input: 'input',
  out: 'output',
  output: 'output',
  cr: 'cacheRead',
  cache_read: 'cacheRead',
  cw: 'cacheWrite5m',
  cache_write: 'cacheWrite5m',
  cache_creation: 'cacheWrite5m',
}
const PEAK_LISTED =
  /^listed = PEAK \(Mon-Fri Beijing calendar, UTC (\d\d):(\d\d)-(\d\d):(\d\d) and (\d\d):(\d\d)-(\d\d):(\d\d)\); off-peak = 50%$/
const PEAK_GIVEN = /^UTC (\d\d):(\d\d):00Z-(\d\d):(\d\d):00Z in ([\d.]+)\/out ([\d.]+)$/
const FROM = /^from (\d{4}-\d\d-\d\d)$/
const RETIRED = /^retired by vendor (\d{4})-(\d\d);/
const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6] as const
/** The peak hours stand within one day of Beijing (UTC+8) and of UTC, so that the weekdays are the same. */
const MONDAY_TO_FRIDAY = [1, 2, 3, 4, 5] as const

/** Shifts a decimal by `digits` places into an integer string. @throws Error if digits would be lost. */
function toInteger(decimal: string, digits: number): string {
  const match = DECIMAL.exec(decimal)
  const fraction = match?.[2]?.replace(/0+$/, '') ?? ''
  if (!match?.[1] || fraction.length > digits)
    throw new Error(`"${decimal}" is not a decimal of at most ${digits} places`)
  return BigInt(match[1] + fraction.padEnd(digits, '0')).toString()
}

/** USD per million tokens, as pico-USD per token. */
const ratePico = (usdPerMillion: string): string => toInteger(usdPerMillion, 6)

/** USD per thousand calls, as pico-USD per call; `null` for an empty column. */
export const feePico = (usdPerThousand: string): string | null =>
  usdPerThousand === '' ? null : toInteger(usdPerThousand, 9)

/** A price that may be missing. The sources write 0 where they know none, so 0 is `null`: not stated. */
function optionalRate(usdPerMillion: string): string | null {
  if (usdPerMillion === '') return null
  const rate = ratePico(usdPerMillion)
  return rate === '0' ? null : rate
}

/** The base rates. An output price that is missing or 0 (embeddings, classifiers) is set to the input price. */
export function readRates(columns: Readonly<Record<keyof Rates, string>>): Rates {
  const input = ratePico(columns.input)
  return {
    input,
    output: optionalRate(columns.output) ?? input,
    cacheRead: optionalRate(columns.cacheRead),
    cacheWrite5m: optionalRate(columns.cacheWrite5m),
    cacheWrite1h: optionalRate(columns.cacheWrite1h),
  }
}

/** `>272000:in=8|out=30|cr=0.8|cw=10`, several separated by `;`. @throws Error for a key that is not known. */
export function readTiers(text: string): readonly ContextTier[] {
  if (text === '') return []
  return text
    .split(';')
    .map(readTier)
    .sort((a, b) => a.aboveInputTokens - b.aboveInputTokens)
}

function readTier(text: string): ContextTier {
  const [, above, pairs] = TIER.exec(text.trim()) ?? []
  if (!above || !pairs) throw new Error(`"${text}" is not a context tier`)
  const found: Partial<Record<keyof Rates, string>> = {}
  for (const pair of pairs.split('|')) {
    const [name = '', value = ''] = pair.split('=')
    const key = TIER_KEYS[name]
    if (!key) throw new Error(`"${name}" is not a price of a context tier`)
    found[key] = value
  }
  const { input, output, cacheRead = '', cacheWrite5m = '' } = found
  if (!input || !output) throw new Error(`the tier "${text}" lacks its input or output price`)
  return {
    aboveInputTokens: Number(above),
    rates: readRates({ input, output, cacheRead, cacheWrite5m, cacheWrite1h: '' }),
  }
}

/** `input/output` of a service tier; `null` for an empty column, or where the source gives no number (`2.5/NaN`). */
export function readServiceRates(text: string): ServiceRates | null {
  const [input = '', output = ''] = text.split('/')
  if (!DECIMAL.test(input) || !DECIMAL.test(output)) return null
  const inputRate = optionalRate(input)
  if (inputRate === null) return null
  return { input: inputRate, output: optionalRate(output) ?? inputRate }
}

/** What the column `conditions` says about when a price holds. */
export interface Conditions {
  /** `YYYY-MM-DD`, from which the price holds. */
  readonly from: string | null
  /** `YYYY-MM-DD`, exclusive: the first day after the month in which the vendor retired the model. */
  readonly to: string | null
  readonly rates: Rates
  readonly hours: readonly HourRates[]
}

/** Reads `conditions`, with the base rates that it may turn into the rates of the peak. @throws Error for one it does not know. */
export function readConditions(text: string, listed: Rates): Conditions {
  let conditions: Conditions = { from: null, to: null, rates: listed, hours: [] }
  const retired = RETIRED.exec(text)
  if (retired) return { ...conditions, to: firstOfNextMonth(Number(retired[1]), Number(retired[2])) }
  const peak = PEAK_LISTED.exec(text)
  if (peak) {
    const [a, b] = [minutes(peak.slice(1, 5)), minutes(peak.slice(5, 9))]
    const span = { weekdays: MONDAY_TO_FRIDAY, rates: listed }
    return {
      ...conditions,
      rates: halved(listed),
      hours: [
        { ...a, ...span },
        { ...b, ...span },
      ],
    }
  }
  for (const part of text === '' ? [] : text.split('; ')) {
    const [from, given] = [FROM.exec(part), PEAK_GIVEN.exec(part)]
    if (from?.[1]) conditions = { ...conditions, from: from[1] }
    else if (given) conditions = { ...conditions, hours: [...conditions.hours, readPeak(given)] }
    else throw new Error(`the condition "${part}" is not known`)
  }
  return conditions
}

/** The source names no weekdays, so the dearer hours hold on all of them; it names no cache price, so none is stated. */
function readPeak(match: readonly string[]): HourRates {
  const columns = { input: match[5] ?? '', output: match[6] ?? '', cacheRead: '', cacheWrite5m: '', cacheWrite1h: '' }
  return { ...minutes(match.slice(1, 5)), weekdays: EVERY_DAY, rates: readRates(columns) }
}

function minutes(clock: readonly string[]): { readonly fromMinuteUtc: number; readonly toMinuteUtc: number } {
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = clock.map(Number)
  return { fromMinuteUtc: fromHour * 60 + fromMinute, toMinuteUtc: toHour * 60 + toMinute }
}

function halved(rates: Rates): Rates {
  const half = (rate: string): string => ((BigInt(rate) + 1n) / 2n).toString()
  const halfOrNull = (rate: string | null): string | null => (rate === null ? null : half(rate))
  return {
    input: half(rates.input),
    output: half(rates.output),
    cacheRead: halfOrNull(rates.cacheRead),
    cacheWrite5m: halfOrNull(rates.cacheWrite5m),
    cacheWrite1h: halfOrNull(rates.cacheWrite1h),
  }
}

function firstOfNextMonth(year: number, month: number): string {
  return month === 12 ? `${year + 1}-01-01` : `${year}-${String(month + 1).padStart(2, '0')}-01`
}
