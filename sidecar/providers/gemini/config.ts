import { type JsonSplice, setMember, splice } from '../json-edit.ts'
import type { MeteredRequest } from '../provider.ts'
import { isRecord } from '../read.ts'
import { fieldsOf, readProtoInteger } from './proto.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * The output limit of a request; `null` if it sets none, and the model's maximum holds. Of several the largest counts,
 * since it is not said which of two spellings the provider takes.
 */
export function outputLimit(json: Json): number | null {
  const limits = fieldsOf(json, 'generationConfig').map(({ value }) => largest(value, 'maxOutputTokens'))
  return limits.length === 0 || limits.includes(null) ? null : Math.max(...limits.map((limit) => limit ?? 0))
}

/** How many candidates a request asks for. */
export const candidatesOf = (json: Json): number =>
  Math.max(1, ...fieldsOf(json, 'generationConfig').map(({ value }) => largest(value, 'candidateCount') ?? 1))

function largest(config: unknown, name: string): number | null {
  const numbers = fieldsOf(config, name)
    .map(({ value }) => readProtoInteger(value))
    .filter((number) => number !== null)
  return numbers.length === 0 ? null : Math.max(...numbers)
}

/** Sets `generationConfig.maxOutputTokens` in whichever spellings stand in the body; the documented ones if none does. */
export function limitOutput(body: Buffer, { json }: MeteredRequest, tokens: number): Buffer {
  const limit = String(tokens)
  const whole = `{"maxOutputTokens":${limit}}`
  const configs = fieldsOf(json, 'generationConfig')
  if (configs.length === 0) return splice(body, [setMember(body, [], keyOf(json, 'generationConfig'), whole)])
  return splice(
    body,
    configs.flatMap(({ value, path }): readonly JsonSplice[] => {
      const key = String(path[0])
      if (!isRecord(value)) return [setMember(body, [], key, whole)]
      const standing = fieldsOf(value, 'maxOutputTokens').map((field) => String(field.path[0]))
      const names = standing.length > 0 ? standing : [keyOf(value, 'maxOutputTokens')]
      return names.map((name) => setMember(body, [key], name, limit))
    }),
  )
}

/** The spelling that stands with a `null`, or the documented one: of two the provider might take the other. */
function keyOf(json: Json, name: string): string {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return Object.hasOwn(json, snake) && !Object.hasOwn(json, name) ? snake : name
}
