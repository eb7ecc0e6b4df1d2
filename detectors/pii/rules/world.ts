import { isMonthDay, isOneDigit, luhn, verhoeff, weighted } from '../checksums.ts'
import { form, type PiiRule } from '../rule.ts'

const BASE = { category: 'national-id', severity: 'high' } as const

/** Area numbers 000, 666 and from 900 on, the group 00 and the serial 0000 are never given out. */
function isSsn(digits: string): boolean {
  const area = digits.slice(0, 3)
  const given = area !== '000' && area !== '666' && area < '900' && digits.slice(3, 5) !== '00'
  return given && digits.slice(5) !== '0000' && digits !== '078051120' && digits !== '219099999' && !isOneDigit(digits)
}

/** The digit that makes a sum a multiple of 11; 10 and 11 count as 0. */
const checkOf11 = (sum: number): number => (sum % 11 < 2 ? 0 : 11 - (sum % 11))

const isCpf = (digits: string): boolean =>
  !isOneDigit(digits) &&
  checkOf11(weighted(digits, [10, 9, 8, 7, 6, 5, 4, 3, 2])) === Number(digits[9]) &&
  checkOf11(weighted(digits, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) === Number(digits[10])

const isCnpj = (digits: string): boolean =>
  !isOneDigit(digits) &&
  checkOf11(weighted(digits, [5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) === Number(digits[12]) &&
  checkOf11(weighted(digits, [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2])) === Number(digits[13])

const isTfn = (digits: string): boolean =>
  weighted(digits, digits.length === 9 ? [1, 4, 3, 7, 5, 8, 6, 9, 10] : [10, 7, 8, 4, 6, 3, 5, 1]) % 11 === 0

/** The first digit counts one less. */
const isAbn = (digits: string): boolean =>
  (weighted(digits, [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10) % 89 === 0 && digits[0] !== '0'

/** Weights 2 to 7 from the right, again and again; 10 is written K, 11 is 0. */
function isRut(chars: string): boolean {
  const body = chars.slice(0, -1)
  const sum = [...body].toReversed().reduce((total, digit, index) => total + Number(digit) * (2 + (index % 6)), 0)
  return '0123456789K0'[11 - (sum % 11)] === chars.at(-1) && !isOneDigit(body)
}

function isRrn(digits: string): boolean {
  const check = (11 - (weighted(digits, [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11)) % 10
  return isMonthDay(digits.slice(2, 4), digits.slice(4, 6)) && check === Number(digits[12])
}

/** ISO 7064, MOD 11-2 (GB 11643). */
function isChineseId(chars: string): boolean {
  const sum = weighted(chars, [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
  return isMonthDay(chars.slice(10, 12), chars.slice(12, 14)) && '10X98765432'[sum % 11] === chars[17]
}

function isMyNumber(digits: string): boolean {
  const rest = weighted(digits, [6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11
  return (rest <= 1 ? 0 : 11 - rest) === Number(digits[11]) && !isOneDigit(digits)
}

/** The letter depends on the series: T and G add 4, M adds 3. */
function isNric(chars: string): boolean {
  const series = chars[0] ?? ''
  const offset = series === 'M' ? 3 : 'TG'.includes(series) ? 4 : 0
  const rest = (weighted(chars.slice(1), [2, 7, 6, 5, 4, 3, 2]) + offset) % 11
  const letters = 'ST'.includes(series) ? 'JZIHGFEDCBA' : series === 'M' ? 'KLJNPQRTUWX' : 'XWUTRQPNMLK'
  return (series === 'M' ? letters[10 - rest] : letters[rest]) === chars[8]
}

function isTurkish(digits: string): boolean {
  const odd = weighted(digits, [1, 0, 1, 0, 1, 0, 1, 0, 1])
  const even = weighted(digits, [0, 1, 0, 1, 0, 1, 0, 1])
  const tenth = (((odd * 7 - even) % 10) + 10) % 10
  return tenth === Number(digits[9]) && (odd + even + tenth) % 10 === Number(digits[10])
}

const isSouthAfrican = (digits: string): boolean =>
  isMonthDay(digits.slice(2, 4), digits.slice(4, 6)) && Number(digits[10]) <= 2 && luhn(digits)

/** National numbers of the Americas, Asia, Australia and Africa. */
export const WORLD: readonly PiiRule[] = [
  {
    ...BASE,
    id: 'us-ssn',
    title: 'Social security number (United States)',
    context: 'us-ssn',
    accepts: isSsn,
    forms: [form('0:3', '\\d{3}-\\d{2}-\\d{4}', 0.85), form('0:3', '\\d{3} \\d{2} \\d{4}'), form('0:9', '\\d{9}')],
  },
  {
    ...BASE,
    id: 'br-cpf',
    title: 'CPF (Brazil)',
    context: 'br-cpf',
    accepts: isCpf,
    forms: [
      form('0:3', '\\d{3}[.]\\d{3}[.]\\d{3}-\\d{2}', 0.95),
      form('0:11', '\\d{11}'),
      form('0:9', '\\d{9}-\\d{2}'),
    ],
  },
  {
    ...BASE,
    id: 'br-cnpj',
    title: 'CNPJ (Brazil)',
    severity: 'medium',
    context: 'br-cnpj',
    accepts: isCnpj,
    forms: [form('0:2', '\\d{2}[.]\\d{3}[.]\\d{3}/\\d{4}-\\d{2}', 0.95), form('0:14', '\\d{14}')],
  },
  {
    ...BASE,
    id: 'in-aadhaar',
    title: 'Aadhaar number (India)',
    context: 'in-aadhaar',
    accepts: verhoeff,
    forms: [form('0:4', '[2-9]\\d{3}[ -]\\d{4}[ -]\\d{4}'), form('0:12', '[2-9]\\d{11}')],
  },
  {
    ...BASE,
    id: 'in-pan',
    title: 'Permanent account number (India)',
    severity: 'medium',
    context: 'in-pan',
    forms: [form('5:4', '[A-Z]{3}[ABCFGHJLPT][A-Z]\\d{4}[A-Z]')],
  },
  {
    ...BASE,
    id: 'ca-sin',
    title: 'Social insurance number (Canada)',
    context: 'ca-sin',
    accepts: (digits) => luhn(digits) && digits[0] !== '0' && digits[0] !== '8',
    forms: [form('0:3', '\\d{3}[ -]\\d{3}[ -]\\d{3}'), form('0:9', '\\d{9}')],
  },
  {
    ...BASE,
    id: 'au-tfn',
    title: 'Tax file number (Australia)',
    context: 'au-tfn',
    accepts: isTfn,
    forms: [form('0:2-3', '\\d{2,3} \\d{3} \\d{3}'), form('0:8-9', '\\d{8,9}')],
  },
  {
    ...BASE,
    id: 'au-abn',
    title: 'Business number (Australia)',
    severity: 'low',
    context: 'au-abn',
    accepts: isAbn,
    forms: [form('0:2', '\\d{2} \\d{3} \\d{3} \\d{3}'), form('0:11', '\\d{11}')],
  },
  {
    ...BASE,
    id: 'cl-rut',
    title: 'RUT (Chile)',
    context: 'cl-rut',
    accepts: isRut,
    forms: [form('0:1-2', '\\d{1,2}[.]\\d{3}[.]\\d{3}-[0-9Kk]', 0.9), form('0:7-8', '\\d{7,8}-[0-9Kk]')],
  },
  {
    ...BASE,
    id: 'kr-rrn',
    title: 'Resident registration number (South Korea)',
    context: 'kr-rrn',
    accepts: isRrn,
    forms: [form('0:6', '\\d{6}-\\d{7}', 0.85), form('0:13', '\\d{6}\\d{7}')],
  },
  {
    ...BASE,
    id: 'cn-resident-id',
    title: 'Resident identity number (China)',
    context: 'cn-id',
    accepts: isChineseId,
    forms: [form('0:17-18', '[1-9]\\d{5}(?:19|20)\\d{9}[0-9Xx]', 0.9)],
  },
  {
    ...BASE,
    id: 'jp-my-number',
    title: 'My Number (Japan)',
    context: 'jp-my-number',
    accepts: isMyNumber,
    forms: [form('0:4', '\\d{4}[ -]\\d{4}[ -]\\d{4}'), form('0:12', '\\d{12}')],
  },
  {
    ...BASE,
    id: 'sg-nric',
    title: 'NRIC or FIN (Singapore)',
    context: 'sg-nric',
    accepts: isNric,
    forms: [form('1:7', '[STFGM]\\d{7}[A-Z]', 0.85)],
  },
  {
    ...BASE,
    id: 'tr-identity-number',
    title: 'T.C. kimlik numarası (Turkey)',
    context: 'tr-tc',
    accepts: isTurkish,
    forms: [form('0:11', '[1-9]\\d{10}')],
  },
  {
    ...BASE,
    id: 'za-identity-number',
    title: 'Identity number (South Africa)',
    context: 'za-id',
    accepts: isSouthAfrican,
    forms: [form('0:13', '\\d{13}'), form('0:6', '\\d{6} \\d{4} \\d{3}')],
  },
]
