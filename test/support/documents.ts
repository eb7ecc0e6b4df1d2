import { readdirSync, readFileSync } from 'node:fs'
import { inCheckout } from './paths.ts'

/** A page of the documentation. */
export interface Page {
  /** Path in the checkout. */
  readonly path: string
  readonly text: string
}

/** A fenced example in a page. */
export interface Example {
  readonly language: string
  readonly code: string
}

const SKIPPED = new Set(['node_modules', 'dist', 'coverage', 'scratch'])

/** Every Markdown page of the checkout, in order of its path. */
export function pages(folder = ''): readonly Page[] {
  return readdirSync(inCheckout(folder), { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.') && !SKIPPED.has(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): readonly Page[] => {
      const path = `${folder}${entry.name}`
      if (entry.isDirectory()) return pages(`${path}/`)
      return entry.name.endsWith('.md') ? [page(path)] : []
    })
}

/** One page. */
export const page = (path: string): Page => ({ path, text: readFileSync(inCheckout(path), 'utf8') })

/** The fenced examples of a page, in order. */
export const examples = ({ text }: Page): readonly Example[] =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language = '', code = '']) => ({ language, code }))

/** The text without its examples. */
export const prose = ({ text }: Page): string => text.replace(/^```[\s\S]*?^```/gm, '')

/** The first and further cells of the rows of a page's tables, header rows left out. */
export const rows = (text: string): readonly (readonly string[])[] =>
  text
    .split('\n')
    .filter(
      (line, at, lines) =>
        line.startsWith('|') && !/^\|[-|]+\|$/.test(line) && !/^\|[-|]+\|$/.test(lines[at + 1] ?? ''),
    )
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
