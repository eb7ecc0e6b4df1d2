import { isMap, isScalar, stringify } from 'yaml'
import type { PolicyFile } from './types.ts'
import { readYaml, type YamlDocument } from './yaml.ts'

/**
 * Files whose budgets were reset so many times more than they say themselves. Nothing else of a text changes, and a file
 * that names none of these budgets is the same object. Files that cannot be read stay as they are: they are refused anyway.
 * @param more resets by the name of the budget
 */
export function withResets(files: readonly PolicyFile[], more: ReadonlyMap<string, number>): readonly PolicyFile[] {
  if (more.size === 0) return files
  return files.map((file) => {
    if (![...more.keys()].some((name) => file.text.includes(name))) return file
    const { documents } = readYaml(file)
    const text = documents.toReversed().reduce((before, read) => edited(before, read, more), file.text)
    return text === file.text ? file : { ...file, text }
  })
}

/** A text with the resets of one of its documents raised; documents are edited from the last to the first. */
function edited(text: string, { document }: YamlDocument, more: ReadonlyMap<string, number>): string {
  const times = more.get(String(document.getIn(['metadata', 'name'])))
  const spec = document.get('spec', true)
  if (times === undefined || document.get('kind') !== 'Budget' || !isMap(spec)) return text
  const stated = spec.get('resets', true)
  if (isScalar(stated) && stated.range) {
    const [from, to] = stated.range
    return `${text.slice(0, from)}${Number(stated.value) + times}${text.slice(to)}`
  }
  const key = spec.items[0]?.key
  const from = isScalar(key) ? key.range?.[0] : undefined
  if (from === undefined) return text
  const indent = from - (text.lastIndexOf('\n', from - 1) + 1)
  // In front of the first key, where both ways of writing a map can take one more.
  return `${text.slice(0, from)}resets: ${times}${spec.flow ? ', ' : `\n${' '.repeat(indent)}`}${text.slice(from)}`
}

/** A document as the text of a policy file. */
export const budgetText = (document: Readonly<Record<string, unknown>>): string => stringify(document)
