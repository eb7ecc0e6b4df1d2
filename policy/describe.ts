/** Says what is wrong with a document so that its author can mend it: what stands there, what is expected, what was likely meant. */
import { policyDocument } from '@agentcostcontrol/contract'
import * as z from 'zod'
import { nearest } from './suggest.ts'

const SHOWN_CHARS_MAX = 60
const TYPES: Readonly<Record<string, string>> = {
  object: 'a map of keys and values',
  array: 'a list',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
}

/** The message of one problem that the schema has no words of its own for; `undefined` leaves it to zod. */
export const describeIssue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}${found(issue.input)}`
    case 'invalid_value':
      return describeChoice(issue.values.map(String), issue.input)
    case 'invalid_union':
      return describeChoice(kinds(), kindOf(issue.input))
    case 'too_small':
      return `expected ${unit(issue.origin, `at least ${issue.minimum}`)}${found(issue.input)}`
    case 'too_big':
      return `expected ${unit(issue.origin, `at most ${issue.maximum}`)}${found(issue.input)}`
    default:
      return undefined
  }
}

/** The message for a key that the schema does not know, at the path of the map that holds it. */
export function describeUnknownKey(key: string, kind: unknown, path: readonly PropertyKey[]): string {
  const known = keysAt(kind, path)
  const meant = nearest(key, known)
  const hint = meant ? `did you mean \`${meant}\`?` : `the keys here are ${known.join(', ')}`
  return `unknown key \`${shown(key)}\`: ${hint}`
}

function describeChoice(values: readonly string[], input: unknown): string {
  const [only] = values
  const expected = values.length === 1 ? `expected ${only}` : `expected one of ${values.join(', ')}`
  const meant = typeof input === 'string' ? nearest(input, values) : null
  return `${expected}${found(input)}${meant && values.length > 1 ? `: did you mean ${meant}?` : ''}`
}

function found(input: unknown): string {
  if (input === undefined) return ''
  if (input === null) return ', found nothing'
  if (typeof input === 'string') return `, found "${shown(input)}"`
  if (typeof input === 'number' || typeof input === 'boolean') return `, found ${input}`
  return Array.isArray(input) ? ', found a list' : ', found a map'
}

const unit = (origin: string, limit: string): string => (origin === 'string' ? `${limit} characters` : limit)
const shown = (text: string): string => (text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text)
const kinds = (): readonly string[] => policyDocument.options.map((option) => option.shape.kind.value)
const kindOf = (input: unknown): unknown =>
  typeof input === 'object' && input !== null && 'kind' in input ? input.kind : undefined

/** The keys that a map may have, read from the schema itself. */
function keysAt(kind: unknown, path: readonly PropertyKey[]): readonly string[] {
  let schema: z.core.$ZodType | undefined = policyDocument.options.find((option) => option.shape.kind.value === kind)
  for (const key of [...path, null]) {
    while (
      schema instanceof z.ZodOptional ||
      schema instanceof z.ZodNullable ||
      schema instanceof z.ZodDefault ||
      schema instanceof z.ZodPrefault
    )
      schema = schema.unwrap()
    if (schema instanceof z.ZodRecord && key !== null) {
      schema = schema.valueType
      continue
    }
    if (schema instanceof z.ZodArray && key !== null) {
      schema = schema.element
      continue
    }
    if (!(schema instanceof z.ZodObject)) return []
    if (key === null) return Object.keys(schema.shape)
    schema = schema.shape[String(key)]
  }
  return []
}
