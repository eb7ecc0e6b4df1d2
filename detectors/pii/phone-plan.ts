/** What the world's numbering plans allow, from the metadata of libphonenumber; its parser would cost 25 µs a number. */
import metadata from 'libphonenumber-js/min/metadata'

interface Plan {
  readonly pattern: RegExp
  readonly lengths: readonly number[]
}

const plansByCallingCode: ReadonlyMap<string, readonly Plan[]> = new Map(
  Object.entries(metadata.country_calling_codes).map(([callingCode, countries]) => [
    callingCode,
    countries.flatMap((country) => planOf(metadata.countries[country] ?? metadata.nonGeographic[callingCode])),
  ]),
)

/** North America: area code and exchange both begin with 2 to 9 and do not end in 11. */
const NORTH_AMERICAN = /^[2-9](?!11)\d{2}[2-9](?!11)\d{6}$/

/** How much the digits behind a "+" are worth: `valid` for the plan of a country, `possible` by their number, or none. */
export function judgeInternational(digits: string): 'valid' | 'possible' | 'none' {
  for (let length = 1; length <= 3; length++) {
    const plans = plansByCallingCode.get(digits.slice(0, length))
    if (!plans) continue
    const national = digits.slice(length)
    if (digits[0] === '1') return NORTH_AMERICAN.test(national) ? 'valid' : national.length === 10 ? 'possible' : 'none'
    const possible = plans.filter(({ lengths }) => lengths.includes(national.length))
    if (possible.some(({ pattern }) => pattern.test(national))) return 'valid'
    return possible.length > 0 ? 'possible' : 'none'
  }
  return 'none'
}

/** Whether ten digits are a number of North America. */
export const isNorthAmerican = (digits: string): boolean => NORTH_AMERICAN.test(digits)

/** A country's entry holds its pattern and its lengths in the third and fourth place. */
function planOf(entry: unknown): readonly Plan[] {
  if (!Array.isArray(entry)) return []
  const parts: readonly unknown[] = entry
  const [, , pattern, lengths] = parts
  if (typeof pattern !== 'string' || !Array.isArray(lengths)) return []
  return [{ pattern: new RegExp(`^(?:${pattern})$`), lengths: lengths.map(Number) }]
}
