/** The check digits that numbers of people, cards and accounts carry. Each takes digits (and capitals) alone. */

const ZERO = 48
const digitAt = (text: string, index: number): number => text.charCodeAt(index) - ZERO

/** Luhn (ISO/IEC 7812-1, annex B): cards, and several national numbers. */
export function luhn(digits: string): boolean {
  let sum = 0
  for (let index = digits.length - 1, doubled = false; index >= 0; index--, doubled = !doubled) {
    const digit = digitAt(digits, index)
    sum += doubled ? (digit > 4 ? 2 * digit - 9 : 2 * digit) : digit
  }
  return sum % 10 === 0
}

/** The sum of digits times weights, from the left. */
export function weighted(digits: string, weights: readonly number[]): number {
  let sum = 0
  for (let index = 0; index < weights.length; index++) sum += digitAt(digits, index) * (weights[index] ?? 0)
  return sum
}

/** The remainder of a number of any length, digit by digit; letters count as 10 to 35 (ISO 13616). */
export function remainder(text: string, modulus: number): number {
  let rest = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    rest = code < 65 ? (rest * 10 + code - ZERO) % modulus : (rest * 100 + code - 55) % modulus
  }
  return rest
}

/** IBAN: the country and check digits go to the end, and the remainder by 97 is 1 (ISO 13616). */
export const ibanChecks = (iban: string): boolean => remainder(iban.slice(4) + iban.slice(0, 4), 97) === 1

/** ISO/IEC 7064, MOD 11,10: the German tax number. */
export function mod11And10(digits: string): boolean {
  let product = 10
  for (let index = 0; index < digits.length - 1; index++) {
    const sum = (digitAt(digits, index) + product) % 10
    product = ((sum === 0 ? 10 : sum) * 2) % 11
  }
  return (11 - product) % 10 === digitAt(digits, digits.length - 1)
}

/** The dihedral group D5, row by row, and the permutation applied once for each place. */
const D5 = '0123456789123406789523401789563401289567401239567859876043216598710432765982104387659321049876543210'
const PERMUTATION = '1576283094'

const powersOfPermutation: readonly string[] = Array.from({ length: 7 }).reduce<readonly string[]>(
  (rows) => [...rows, [...(rows.at(-1) ?? '')].map((digit) => PERMUTATION[Number(digit)] ?? '').join('')],
  ['0123456789'],
)

/** Verhoeff: Aadhaar. */
export function verhoeff(digits: string): boolean {
  let check = 0
  for (let place = 0; place < digits.length; place++) {
    const row = powersOfPermutation[place % 8] ?? ''
    check = digitAt(D5, check * 10 + digitAt(row, digitAt(digits, digits.length - 1 - place)))
  }
  return check === 0
}

/** All digits are the same one. */
export function isOneDigit(digits: string): boolean {
  for (let index = 1; index < digits.length; index++) {
    if (digits.charCodeAt(index) !== digits.charCodeAt(0)) return false
  }
  return true
}

/** A month and a day that exist, of two digits each; the 29th of February counts. */
export function isMonthDay(month: string, day: string): boolean {
  const [m, d] = [Number(month), Number(day)]
  return m >= 1 && m <= 12 && d >= 1 && d <= (m === 2 ? 29 : m === 4 || m === 6 || m === 9 || m === 11 ? 30 : 31)
}
