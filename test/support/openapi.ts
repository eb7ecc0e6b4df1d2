import { existsSync, readFileSync } from 'node:fs'
import { inCheckout } from './paths.ts'

type Schema = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Where Kubernetes' OpenAPI document is looked for: named by `ACC_KUBERNETES_OPENAPI`, or beside the checkout. */
const PLACES = [process.env.ACC_KUBERNETES_OPENAPI ?? '', inCheckout('../shared/k8s/kubernetes-openapi.json')]

/** The definitions of Kubernetes' OpenAPI document; `null` if there is none on this machine. */
export function kubernetesDefinitions(): Schema | null {
  const file = PLACES.find((place) => place !== '' && existsSync(place))
  if (file === undefined) return null
  const { definitions }: { readonly definitions: unknown } = JSON.parse(readFileSync(file, 'utf8'))
  return isRecord(definitions) ? definitions : null
}

/** What is wrong with a value by a definition: unknown members, missing ones, wrong types. Empty if nothing is. */
export function mistakes(definitions: Schema, name: string, value: unknown, path = name): readonly string[] {
  const schema = definitions[name]
  return isRecord(schema) ? check(definitions, schema, value, path) : [`${path}: there is no definition ${name}`]
}

function check(definitions: Schema, schema: Schema, value: unknown, path: string): readonly string[] {
  if (typeof schema.$ref === 'string')
    return mistakes(definitions, schema.$ref.replace('#/definitions/', ''), value, path)
  if (schema.type === 'array') {
    if (!Array.isArray(value)) return [`${path}: expected a list`]
    const items = isRecord(schema.items) ? schema.items : {}
    return value.flatMap((item, at) => check(definitions, items, item, `${path}[${at}]`))
  }
  if (isRecord(schema.properties)) return checkMembers(definitions, schema, schema.properties, value, path)
  if (schema.type === 'object') {
    if (!isRecord(value)) return [`${path}: expected a map`]
    const each = isRecord(schema.additionalProperties) ? schema.additionalProperties : {}
    return Object.entries(value).flatMap(([key, member]) => check(definitions, each, member, `${path}.${key}`))
  }
  return typeof schema.type === 'string' && !isScalar(schema, value)
    ? [`${path}: expected ${schema.type}, found ${JSON.stringify(value)}`]
    : []
}

function checkMembers(
  definitions: Schema,
  schema: Schema,
  properties: Schema,
  value: unknown,
  path: string,
): readonly string[] {
  if (!isRecord(value)) return [`${path}: expected a map`]
  const required = Array.isArray(schema.required) ? schema.required : []
  return [
    ...required.filter((key) => !(key in value)).map((key) => `${path}: ${key} is missing`),
    ...Object.entries(value).flatMap(([key, member]) => {
      const known = properties[key]
      return isRecord(known) ? check(definitions, known, member, `${path}.${key}`) : [`${path}: there is no ${key}`]
    }),
  ]
}

/** Quantities and int-or-string are strings in the document and may be numbers in YAML. */
function isScalar({ type, format, description }: Schema, value: unknown): boolean {
  const either = format === 'int-or-string' || String(description).startsWith('Quantity is')
  if (either) return typeof value === 'string' || typeof value === 'number'
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}
