import { fullSource, parsePattern } from '../scan/pattern.ts'

const NAME = "[A-ZÀ-Þ][a-zA-ZÀ-ɏ'’-]{1,24}"
const NAMES = `(?:${NAME}|${NAME} (?:[A-Z][.]? )?${NAME}|${NAME} ${NAME} ${NAME})`
const FULL_NAME = `(?:${NAME} (?:[A-Z][.]? )?${NAME}|${NAME} ${NAME} ${NAME})`
const TITLE = '(?:Mr|Mrs|Ms|Miss|Dr|Prof)'

/** How texts introduce a name; the group is the name. */
export const NAME_PATTERNS = [
  `${TITLE}[.]? (${NAMES})`,
  `Dear (?:${TITLE}[.]? )?(${NAMES})`,
  `Name: ?(${FULL_NAME})`,
  `(?:Regards|Sincerely|Cheers),[ ]?\\s(${FULL_NAME})`,
] as const

const whole = NAME_PATTERNS.map((pattern) => new RegExp(`(?:${fullSource(parsePattern(pattern))})(?![A-Za-zÀ-ɏ])`, 'y'))

/** A name that a pattern carries, introduced at `start`. */
export function nameAt(text: string, start: number): { readonly start: number; readonly end: number } | null {
  for (const pattern of whole) {
    pattern.lastIndex = start
    const name = pattern.exec(text)?.[1]
    if (name !== undefined) return { start: pattern.lastIndex - name.length, end: pattern.lastIndex }
  }
  return null
}
