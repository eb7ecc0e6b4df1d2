import { isMonthDay, luhn, mod11And10, remainder, weighted } from '../checksums.ts'
import { form, type PiiRule } from '../rule.ts'

const BASE = { category: 'national-id', severity: 'high' } as const
const DNI_LETTERS = 'TRWAGMYFPDXBNJZSQVHLCKE'
const HETU_LETTERS = '0123456789ABCDEFHJKLMNPRSTUVWXY'

/** Modulus 11 over the first nine digits, the tenth is the check digit. */
function isNhs(digits: string): boolean {
  const check = (11 - (weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11)) % 11
  return check < 10 && check === Number(digits[9])
}

/** One digit of the first ten stands there twice or three times, all others once or never. */
function isSteuerId(digits: string): boolean {
  const counts = [...'0123456789'].map((digit) => digits.slice(0, 10).split(digit).length - 1)
  return counts.filter((count) => count > 1).length === 1 && Math.max(...counts) <= 3 && mod11And10(digits)
}

/** Key = 97 - number mod 97; Corsica's 2A and 2B count as 19 and 18. */
function isNir(chars: string): boolean {
  const digits = chars.replace('2A', '19').replace('2B', '18')
  const month = Number(digits.slice(3, 5))
  const knows = (month >= 1 && month <= 12) || (month >= 20 && month <= 42) || month >= 50
  return knows && 97 - remainder(digits.slice(0, 13), 97) === Number(digits.slice(13))
}

const isDni = (chars: string): boolean => DNI_LETTERS[Number(chars.slice(0, 8)) % 23] === chars[8]
const isNie = (chars: string): boolean => isDni(`${'XYZ'.indexOf(chars[0] ?? '')}${chars.slice(1)}`)

/** Values of the characters at odd places, for 0 to 9 and for A to Z alike up to J (decree of 23 December 1976). */
const CF_ODD = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]

function isCodiceFiscale(chars: string): boolean {
  let sum = 0
  for (let index = 0; index < 15; index++) {
    const code = chars.charCodeAt(index)
    const value = code < 65 ? code - 48 : code - 65
    sum += index % 2 === 0 ? (CF_ODD[value] ?? 0) : value
  }
  return sum % 26 === chars.charCodeAt(15) - 65
}

/** The eleven-test, with the last digit counted negatively. */
const isBsn = (digits: string): boolean => weighted(digits, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 === 0 && +digits > 0

/** 97 - number mod 97; for those born from 2000 on with a 2 in front. */
function isBelgian(digits: string): boolean {
  const check = Number(digits.slice(9))
  const fits = (head: string): boolean => 97 - remainder(head + digits.slice(0, 9), 97) === check
  return isMonthDay(digits.slice(2, 4), digits.slice(4, 6)) && (fits('') || fits('2'))
}

/** The month carries the century: 80 more for the 1800s, 20 for the 2000s and so on. */
function isPesel(digits: string): boolean {
  const month = String(Number(digits.slice(2, 4)) % 20)
  return isMonthDay(month, digits.slice(4, 6)) && weighted(digits, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 === 0
}

/** Luhn over the last ten digits; a day above 60 is a co-ordination number. */
function isPersonnummer(digits: string): boolean {
  const short = digits.slice(-10)
  const day = Number(short.slice(4, 6))
  return isMonthDay(short.slice(2, 4), String(day > 60 ? day - 60 : day)) && luhn(short)
}

/** Two check digits modulo 11; a day above 40 is a D number, a month above 40 a test or a synthetic number. */
function isFodselsnummer(digits: string): boolean {
  const [day, month] = [Number(digits.slice(0, 2)), Number(digits.slice(2, 4))]
  return (
    isMonthDay(String(month % 40), String(day > 40 ? day - 40 : day)) &&
    weighted(digits, [3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11 === 0 &&
    weighted(digits, [5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11 === 0
  )
}

function isHetu(chars: string): boolean {
  const digits = chars.slice(0, 6) + chars.slice(-4, -1)
  return isMonthDay(digits.slice(2, 4), digits.slice(0, 2)) && HETU_LETTERS[Number(digits) % 31] === chars.at(-1)
}

/** National numbers of Europe. */
export const EUROPE: readonly PiiRule[] = [
  {
    ...BASE,
    id: 'uk-nino',
    title: 'National Insurance number (United Kingdom)',
    context: 'uk-nino',
    accepts: (chars) => !/^(?:BG|GB|KN|NK|NT|TN|ZZ)/.test(chars),
    forms: [
      form('2:6', '[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\\d{6}[A-D]'),
      form('0:2', '[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] \\d{2} \\d{2} \\d{2} [A-D]', 0.9, 1),
    ],
  },
  {
    ...BASE,
    id: 'uk-nhs-number',
    title: 'NHS number (England, Wales, Isle of Man)',
    context: 'uk-nhs',
    accepts: isNhs,
    forms: [form('0:3', '\\d{3}[ -]\\d{3}[ -]\\d{4}'), form('0:10', '\\d{10}')],
  },
  {
    ...BASE,
    id: 'de-tax-id',
    title: 'Steuer-Identifikationsnummer (Germany)',
    context: 'de-tax-id',
    accepts: isSteuerId,
    forms: [form('0:2', '[1-9]\\d \\d{3} \\d{3} \\d{3}', 0.85), form('0:11', '[1-9]\\d{10}')],
  },
  {
    ...BASE,
    id: 'fr-nir',
    title: 'Numéro de sécurité sociale (France)',
    context: 'fr-nir',
    accepts: isNir,
    forms: [
      form('0:1', '[12378] \\d{2} \\d{2} (?:\\d{2}|2[AB]) \\d{3} \\d{3} \\d{2}', 0.95),
      form('0:15', '[12378]\\d{14}', 0.8),
      form('0:6', '[12378]\\d{5}[AB]\\d{8}', 0.9),
    ],
  },
  {
    ...BASE,
    id: 'es-dni',
    title: 'DNI (Spain)',
    context: 'es-dni',
    accepts: isDni,
    forms: [form('0:8', '\\d{8}-[A-Z]', 0.8), form('0:8', '\\d{8}[A-Z]'), form('0:8', '\\d{8} [A-Z]')],
  },
  {
    ...BASE,
    id: 'es-nie',
    title: 'NIE (Spain)',
    context: 'es-dni',
    accepts: isNie,
    forms: [form('1:7', '[XYZ]\\d{7}-?[A-Z]', 0.8)],
  },
  {
    ...BASE,
    id: 'it-codice-fiscale',
    title: 'Codice fiscale (Italy)',
    context: 'it-cf',
    accepts: isCodiceFiscale,
    forms: [
      form(
        '6:2',
        '[A-Za-z]{6}\\d{2}[A-EHLMPRSTa-ehlmprst][0-9LMNP-Vlmnp-v]{2}[A-Za-z][0-9LMNP-Vlmnp-v]{3}[A-Za-z]',
        0.95,
      ),
    ],
  },
  {
    ...BASE,
    id: 'nl-bsn',
    title: 'Burgerservicenummer (Netherlands)',
    context: 'nl-bsn',
    accepts: isBsn,
    forms: [form('0:9', '\\d{9}'), form('0:4', '\\d{4}[.]\\d{2}[.]\\d{3}'), form('0:3', '\\d{3} \\d{3} \\d{3}')],
  },
  {
    ...BASE,
    id: 'be-national-number',
    title: 'Rijksregisternummer, numéro national (Belgium)',
    context: 'be-nn',
    accepts: isBelgian,
    forms: [form('0:2', '\\d{2}[.]\\d{2}[.]\\d{2}-\\d{3}[.]\\d{2}', 0.95), form('0:11', '\\d{11}')],
  },
  {
    ...BASE,
    id: 'pl-pesel',
    title: 'PESEL (Poland)',
    context: 'pl-pesel',
    accepts: isPesel,
    forms: [form('0:11', '\\d{11}')],
  },
  {
    ...BASE,
    id: 'se-personnummer',
    title: 'Personnummer (Sweden)',
    context: 'se-pnr',
    accepts: isPersonnummer,
    forms: [form('0:6-8', '(?:19|20)?\\d{6}[-+]\\d{4}'), form('0:10-12', '(?:19|20)?\\d{10}')],
  },
  {
    ...BASE,
    id: 'no-fodselsnummer',
    title: 'Fødselsnummer (Norway)',
    context: 'no-fnr',
    accepts: isFodselsnummer,
    forms: [form('0:6', '\\d{6} \\d{5}', 0.8), form('0:11', '\\d{11}')],
  },
  {
    ...BASE,
    id: 'dk-cpr',
    title: 'CPR number (Denmark)',
    context: 'dk-cpr',
    accepts: (chars) => isMonthDay(chars.slice(2, 4), chars.slice(0, 2)),
    forms: [form('0:6', '\\d{6}[- ]\\d{4}'), form('0:10', '\\d{10}')],
  },
  {
    ...BASE,
    id: 'fi-hetu',
    title: 'Henkilötunnus (Finland)',
    context: 'fi-hetu',
    accepts: isHetu,
    forms: [form('0:6', '\\d{6}[-+A-FU-Y]\\d{3}[0-9A-FHJ-NPR-Y]', 0.85)],
  },
]
