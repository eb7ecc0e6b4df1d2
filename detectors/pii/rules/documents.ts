import { isMonthDay } from '../checksums.ts'
import { form, type PiiRule } from '../rule.ts'

const MONTHS = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}'

/** A day and a month in either order, or year first; a month in letters is always one. */
function isDate(chars: string): boolean {
  if (/[A-Z]/.test(chars)) return true
  if (chars.length === 8 && /^(?:19|20)/.test(chars)) return isMonthDay(chars.slice(4, 6), chars.slice(6))
  return true
}

/** What only a word before it makes a fact about a person: documents and dates of birth. */
export const DOCUMENTS: readonly PiiRule[] = [
  {
    id: 'driver-licence',
    title: "Number of a driver's licence",
    category: 'document',
    severity: 'medium',
    context: 'licence',
    forms: [
      form('0:4', '\\d{4}-\\d{2}-\\d{4}'),
      form('0:6-12', '\\d{6,12}'),
      form('1:6-17', '[A-Za-z]\\d{6,17}'),
      form('1:3', '[A-Za-z]\\d{3}-\\d{3,4}-\\d{2,4}(?:-\\d{2,4})?'),
      form('2:6-8', '[A-Za-z]{2}\\d{6,8}'),
      form('5:6', '[A-Za-z]{5}\\d{6}[A-Za-z][A-Za-z0-9]{4}'),
    ],
  },
  {
    id: 'passport',
    title: 'Number of a passport',
    category: 'document',
    severity: 'medium',
    context: 'passport',
    forms: [
      form('0:7-9', '\\d{7,9}'),
      form('1:6-8', '[A-Za-z]\\d{6,8}'),
      form('2:5-7', '[A-Za-z]{2}\\d{5,7}[A-Za-z]?'),
      form('0:2', '\\d{2}[A-Z]{2}\\d{5}'),
    ],
  },
  {
    id: 'date-of-birth',
    title: 'Date of birth',
    category: 'person',
    severity: 'low',
    context: 'birth',
    accepts: isDate,
    forms: [
      form('0:1-2', '\\d{1,2}[./-]\\d{1,2}[./-](?:\\d{4}|\\d{2})'),
      form('0:4', '(?:19|20)\\d{2}[./-]\\d{1,2}[./-]\\d{1,2}'),
      form('0:1-2', `\\d{1,2}(?:st|nd|rd|th)?[.]? ${MONTHS},? \\d{4}`),
      form('0:1-2', `${MONTHS} \\d{1,2},? \\d{4}`, undefined, 1),
    ],
  },
]
