import { isRecord } from '../json.ts'

/** A member in either of the spellings that the API takes. */
export function member(json: unknown, name: string): unknown {
  if (!isRecord(json)) return undefined
  return json[name] ?? json[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]
}

/** The elements of a list; a single one may stand without its brackets. */
export const items = (value: unknown): readonly unknown[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value]
