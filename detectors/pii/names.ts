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

/** How each of them begins, in their order. */
const LEADS: readonly (readonly string[])[] = [
  ['Mr', 'Ms', 'Miss', 'Dr', 'Prof'],
  ['Dear'],
  ['Name'],
  ['Regards', 'Sincerely', 'Cheers'],
]

interface Introduction {
  readonly lead: string
  readonly pattern: RegExp
}

const introductions = NAME_PATTERNS.flatMap((source, index): readonly Introduction[] => {
  const pattern = new RegExp(`(?:${fullSource(parsePattern(source))})(?![A-Za-zÀ-ɏ])`, 'y')
  return (LEADS[index] ?? []).map((lead) => ({ lead, pattern }))
})
/** By the code of their first letter. */
const byFirst: readonly (readonly Introduction[])[] = Array.from({ length: 128 }, (_, code) =>
  introductions.filter(({ lead }) => lead.charCodeAt(0) === code),
)

/** A name that a pattern carries, introduced at `start`. */
export function nameAt(text: string, start: number): { readonly start: number; readonly end: number } | null {
  for (const { lead, pattern } of byFirst[text.charCodeAt(start)] ?? []) {
    if (!text.startsWith(lead, start)) continue
    pattern.lastIndex = start
    const name = pattern.exec(text)?.[1]
    if (name !== undefined) return { start: pattern.lastIndex - name.length, end: pattern.lastIndex }
  }
  return null
}
