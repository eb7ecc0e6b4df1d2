import { ibanChecks, isOneDigit, luhn } from '../checksums.ts'
import { form, type PiiRule } from '../rule.ts'

/** Lengths of an IBAN by country, from the SWIFT registry (ISO 13616). */
const IBAN_CHARS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries({
    15: 'NO',
    16: 'BE',
    18: 'DK FI FK FO GL NL SD',
    19: 'MK SI',
    20: 'AT BA EE KZ LT LU MN XK',
    21: 'CH CR HR LI LV',
    22: 'BG BH DE GB GE IE ME RS VA',
    23: 'AE GI IL IQ OM SO TL',
    24: 'AD CZ ES MD PK RO SA SE SK TN VG',
    25: 'LY PT ST',
    26: 'IS TR',
    27: 'BI DJ FR GR IT MC MR SM',
    28: 'AL AZ BY CY DO GT HN HU LB NI PL SV',
    29: 'BR EG PS QA UA',
    30: 'JO KW MU YE',
    31: 'MT SC',
    32: 'LC',
    33: 'RU',
  }).flatMap(([chars, countries]) => countries.split(' ').map((country) => [country, Number(chars)])),
)

/** Check digits are 02 to 98. */
const isIban = (chars: string): boolean =>
  chars.length === IBAN_CHARS[chars.slice(0, 2)] && !/^..(?:0[01]|99)/.test(chars) && ibanChecks(chars)

/** The end of an IBAN of its country's length, if a group ends there; 0 if not. */
function ibanEnd(matched: string): number {
  const wanted = IBAN_CHARS[matched.slice(0, 2).toUpperCase()] ?? 0
  let chars = 0
  for (let at = 0; at < matched.length; at++) {
    if (matched.charCodeAt(at) === 32) continue
    chars++
    if (chars === wanted) return at + 1 === matched.length || matched.charCodeAt(at + 1) === 32 ? at + 1 : 0
  }
  return 0
}

/** First digits and lengths that card networks use (ISO/IEC 7812 ranges as the networks publish them). */
const NETWORKS: readonly (readonly [prefix: RegExp, digits: readonly number[]])[] = [
  [/^4/, [16]], // Visa
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]], // Mastercard
  [/^3[47]/, [15]], // American Express
  [/^(?:6011|64[4-9]|65)/, [16, 17, 18, 19]], // Discover
  [/^(?:30[0-5]|3095|36|38|39)/, [14, 16, 19]], // Diners Club
  [/^35(?:2[89]|[3-8])/, [16, 17, 18, 19]], // JCB
  [/^(?:2131|1800)/, [15]], // JCB, older
  [/^62/, [16, 17, 18, 19]], // UnionPay
]

/** Where a word says that it is a card, the check digit is enough: networks come and go. */
const isCard = (digits: string): boolean => !isOneDigit(digits) && luhn(digits)

/** Without one, only what a network gives out. */
const isKnownCard = (digits: string): boolean =>
  isCard(digits) && NETWORKS.some(([prefix, lengths]) => lengths.includes(digits.length) && prefix.test(digits))

/** Cards and accounts. */
export const FINANCIAL: readonly PiiRule[] = [
  {
    id: 'credit-card',
    title: 'Number of a payment card',
    category: 'financial',
    severity: 'high',
    context: 'card',
    accepts: isKnownCard,
    forms: [
      form('0:4', '\\d{4}-\\d{4}-\\d{4}-\\d{4}', 0.95),
      form('0:4', '\\d{4} \\d{4} \\d{4} \\d{4}', 0.9),
      form('0:4', '\\d{4}[ -]\\d{6}[ -]\\d{5}', 0.9),
      form('0:14-16', '\\d{14,16}', 0.8),
    ],
  },
  {
    id: 'credit-card',
    title: 'Number of a payment card, of any length',
    category: 'financial',
    severity: 'high',
    context: 'card',
    accepts: isCard,
    forms: [form('0:12-19', '\\d{12,19}'), form('0:4', '\\d{4}[ -]\\d{4,6}[ -]\\d{4,5}(?:[ -]\\d{1,7})?')],
  },
  {
    id: 'iban',
    title: 'International bank account number',
    category: 'financial',
    severity: 'high',
    accepts: isIban,
    context: 'iban',
    forms: [
      form('2:2-30', '[A-Za-z]{2}\\d{2}[A-Za-z0-9]{11,29}', 0.95),
      form('2:2', '[A-Za-z]{2}\\d{2}(?: [A-Za-z0-9]{4}){2,7}(?: [A-Za-z0-9]{1,3})?', 0.95),
    ],
    endsAt: ibanEnd,
  },
]
