/**
 * Readers of JSON as Google's APIs take it, the JSON mapping of protocol buffers (protobuf.dev/programming-guides/json):
 * a field is written `maxOutputTokens` or `max_output_tokens`, `null` is absent, a number may be a string, and a list of
 * one may be given without its brackets.
 */
import { isRecord } from '../read.ts'

/** Where a value stands in a body. */
export type Path = readonly (string | number)[]

/** A value and where it stands. */
export interface Found {
  readonly path: Path
  readonly value: unknown
}

/** A field's name as the documentation writes it. */
export const fieldName = (key: string): string =>
  key.includes('_') ? key.replace(/(?<=[a-zA-Z0-9])_([a-z0-9])/g, (_, first: string) => first.toUpperCase()) : key

/** The values of a field of an object: none, one, or two where both spellings stand; `null` is none. */
export function fieldsOf(object: unknown, name: string, path: Path = []): readonly Found[] {
  if (!isRecord(object)) return []
  const found: Found[] = []
  for (const key in object) {
    const value = object[key]
    if ((value ?? null) !== null && fieldName(key) === name) found.push({ path: [...path, key], value })
  }
  return found
}

/** The elements of a field that holds a list. */
export const itemsOf = (object: unknown, name: string, path: Path = []): readonly Found[] =>
  fieldsOf(object, name, path).flatMap(elementsOf)

/** The elements of a field that holds a list, where nobody asks for their places. */
export function valuesOf(object: unknown, name: string): readonly unknown[] {
  if (!isRecord(object)) return NONE
  let found = NONE
  for (const key in object) {
    const value = object[key]
    if ((value ?? null) === null || (key !== name && fieldName(key) !== name)) continue
    const values = Array.isArray(value) ? value : [value]
    found = found === NONE ? values : [...found, ...values]
  }
  return found
}

const NONE: readonly unknown[] = []

/** The elements of a list, or the one value that stands in its place. */
export const elementsOf = ({ value, path }: Found): readonly Found[] =>
  Array.isArray(value) ? value.map((element, at) => ({ value: element, path: [...path, at] })) : [{ value, path }]

/** The value if it is a positive integer, as a number or as text, else `null`. */
export function readProtoInteger(value: unknown): number | null {
  const number = typeof value === 'string' && value.length <= 32 ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number > 0 ? number : null
}
