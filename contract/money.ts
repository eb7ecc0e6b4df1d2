/**
 * Money as integers. An amount is a bigint of nano-USD, a rate an integer of pico-USD per token; floating point
 * never touches either. Components of a cost stay in pico-USD; the total of one priced attempt is rounded up once.
 */

declare const unit: unique symbol

/** An amount of money in nano-USD (1e-9 USD). */
export type NanoUsd = bigint & { readonly [unit]: 'nano-usd' }

/** An amount of money in pico-USD (1e-12 USD): the unit in which cost components are kept. */
export type PicoUsd = bigint & { readonly [unit]: 'pico-usd' }

/** A price in pico-USD per token, which is the same number as micro-USD per million tokens. Never negative. */
export type PicoUsdPerToken = bigint & { readonly [unit]: 'pico-usd-per-token' }

const NANO_PER_USD = 1_000_000_000n
const PICO_PER_NANO = 1_000n
const USD_DECIMAL = /^\$?(\d{1,9})(?:\.(\d{1,9}))?$/
const WIRE_INTEGER = /^-?\d{1,19}$/

/** Thrown by the parsers of this module; the message says what was read and which form is expected. */
export class MoneyFormatError extends Error {
  override readonly name = 'MoneyFormatError'
}

/** Brands an integer of nano-USD. */
export const nanoUsd = (value: bigint): NanoUsd => value as NanoUsd
/** Brands an integer of pico-USD. */
export const picoUsd = (value: bigint): PicoUsd => value as PicoUsd
/** Brands an integer of pico-USD per token. */
export const picoUsdPerToken = (value: bigint): PicoUsdPerToken => value as PicoUsdPerToken

/** No money at all. */
export const ZERO_USD: NanoUsd = nanoUsd(0n)
/** The most that a column of 64 bits holds, 9.2 billion USD: sums stop here, since one above it could not be stored. */
export const NANO_USD_MAX: NanoUsd = nanoUsd(2n ** 63n - 1n)

/** A million USD. No attempt costs more, whatever limit its client names: what would is no amount but a mistake. */
export const ATTEMPT_USD_MAX: NanoUsd = nanoUsd(1_000_000n * NANO_PER_USD)

/**
 * Reads a decimal USD string as people write it in YAML and in the UI (`"250.00"`, `"$250"`), at most nine decimals.
 * @throws MoneyFormatError for anything else, a number or a negative amount included.
 */
export function parseUsd(text: string): NanoUsd {
  const match = USD_DECIMAL.exec(text)
  if (!match) throw new MoneyFormatError(`"${text}" is not an amount of USD: write it like "250.00" or "$250"`)
  const [, whole = '0', fraction = ''] = match
  return nanoUsd(BigInt(whole) * NANO_PER_USD + BigInt(fraction.padEnd(9, '0')))
}

/**
 * Reads a price as people write it, USD per million tokens (`"0.075"`, `"0"`), at most six decimals: a millionth of a
 * dollar per million tokens is one pico-USD per token.
 * @throws MoneyFormatError for anything else
 */
export function parseUsdPerMillion(text: string): PicoUsdPerToken {
  const nano = parseUsd(text)
  if (nano % PICO_PER_NANO !== 0n)
    throw new MoneyFormatError(`"${text}" is too fine: a price of a million tokens has at most six decimals`)
  return picoUsdPerToken(nano / PICO_PER_NANO)
}

/** Writes an amount as a decimal USD string with at least two decimals and no rounding: `"0.000024975"`, `"250.00"`. */
export function formatUsd(amount: NanoUsd): string {
  const sign = amount < 0n ? '-' : ''
  const absolute = amount < 0n ? -amount : amount
  const fraction = (absolute % NANO_PER_USD)
    .toString()
    .padStart(9, '0')
    .replace(/0{1,7}$/, '')
  return `${sign}${absolute / NANO_PER_USD}.${fraction}`
}

/** The wire form of an amount: a decimal-integer string, since JSON numbers lose int64. */
export const nanoToWire = (amount: NanoUsd): string => amount.toString()

/** Reads the wire form. @throws MoneyFormatError if it is not a decimal integer of at most 19 digits. */
export function nanoFromWire(text: string): NanoUsd {
  if (!WIRE_INTEGER.test(text)) throw new MoneyFormatError(`"${text}" is not a decimal integer of nano-USD`)
  return nanoUsd(BigInt(text))
}

/** Rounds a sum of components up to whole nano-USD: done once for each priced attempt. */
export function ceilToNano(amount: PicoUsd): NanoUsd {
  const whole = amount / PICO_PER_NANO
  return nanoUsd(amount % PICO_PER_NANO > 0n ? whole + 1n : whole)
}

/** The larger of two amounts. */
export const maxUsd = (a: NanoUsd, b: NanoUsd): NanoUsd => (a > b ? a : b)
/** The smaller of two amounts. */
export const minUsd = (a: NanoUsd, b: NanoUsd): NanoUsd => (a < b ? a : b)
