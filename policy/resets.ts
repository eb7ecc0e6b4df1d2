import { isMap, isScalar, stringify } from 'yaml'
import type { PolicyFile } from './types.ts'
import { readYaml, type YamlDocument } from './yaml.ts'

/** How often a budget was reset, beside what its document says. */
export interface Resets {
  /** More than the document says. */
  readonly more: number
  /** In force before: resets never go back, whatever a document says. */
  readonly least: number
}

/**
 * Files whose budgets say how often they were reset in all. Nothing else of a text changes, and a file in which nothing
 * does is the same object. Files that cannot be read stay as they are: they are refused anyway.
 * @param resets by the name of the budget
 */
export function withResets(files: readonly PolicyFile[], resets: ReadonlyMap<string, Resets>): readonly PolicyFile[] {
  if (resets.size === 0) return files
  return files.map((file) => {
    if (![...resets.keys()].some((name) => file.text.includes(name))) return file
    const { documents } = readYaml(file)
    const text = documents.toReversed().reduce((before, read) => edited(before, read, resets), file.text)
    return text === file.text ? file : { ...file, text }
  })
}

/** A text with the resets of one of its documents; documents are edited from the last to the first. */
function edited(text: string, { document }: YamlDocument, resets: ReadonlyMap<string, Resets>): string {
  const own = resets.get(String(document.getIn(['metadata', 'name'])))
  const spec = document.get('spec', true)
  if (own === undefined || document.get('kind') !== 'Budget' || !isMap(spec)) return text
  const stated = spec.get('resets', true)
  const written = isScalar(stated) && typeof stated.value === 'number' ? stated.value : 0
  const all = Math.max(written + own.more, own.least)
  if (all === written) return text
  if (isScalar(stated) && stated.range) {
    const [from, to] = stated.range
    return `${text.slice(0, from)}${all}${text.slice(to)}`
  }
  const key = spec.items[0]?.key
  const from = isScalar(key) ? key.range?.[0] : undefined
  if (from === undefined) return text
  const indent = from - (text.lastIndexOf('\n', from - 1) + 1)
  // In front of the first key, where both ways of writing a map can take one more.
  return `${text.slice(0, from)}resets: ${all}${spec.flow ? ', ' : `\n${' '.repeat(indent)}`}${text.slice(from)}`
}

/** A document as the text of a policy file. */
export const budgetText = (document: Readonly<Record<string, unknown>>): string => stringify(document)
