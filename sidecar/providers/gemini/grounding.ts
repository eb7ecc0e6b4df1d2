import { isRecord } from '../read.ts'
import { elementsOf, fieldName, fieldsOf, itemsOf } from './proto.ts'

type Json = Readonly<Record<string, unknown>>

/** Models that pay for grounding by the request that is grounded; later ones pay by the query (the provider's price list). */
const PAYS_BY_REQUEST = /^(?:models\/)?gemini-(?:1\.|2\.)/

/** Hosted tools with a fee for each use. */
const WITH_FEE = new Set(['googleSearch', 'googleSearchRetrieval', 'googleMaps'])
/** Hosted tools without a fee, whose results are billed as input and fit with the prompt into the context. */
const WITHOUT_FEE: Readonly<Record<string, string>> = {
  codeExecution: 'code execution',
  urlContext: 'pages by URL',
  fileSearch: 'file search',
}
const NAMES: Readonly<Record<string, string>> = {
  ...WITHOUT_FEE,
  googleSearch: 'Google Search',
  googleSearchRetrieval: 'Google Search',
  googleMaps: 'Google Maps',
  computerUse: 'the computer use tool',
}

/** What a request may use of the provider's own tools. */
export interface HostedTools {
  /** Names one of them. */
  readonly reason: string
  readonly callsMax: number
  /** Context windows that can be filled: the prompt, and once more what the tools bring; `null` if nothing bounds them. */
  readonly contextsMax: number | null
}

/** The provider's own tools in a request, or `null`. */
export function hostedTools(model: string, json: Json): HostedTools | null {
  const names = itemsOf(json, 'tools')
    .flatMap(({ value }) => (isRecord(value) ? Object.keys(value).filter((key) => (value[key] ?? null) !== null) : []))
    .map(fieldName)
    .filter((name) => name !== 'functionDeclarations')
  const [first] = names
  if (first === undefined) return null
  const callsMax = names.some((name) => WITH_FEE.has(name)) ? 1 : 0
  const known = names.every((name) => Object.hasOwn(NAMES, name))
  const countable = known && (callsMax === 0 || PAYS_BY_REQUEST.test(model))
  return { reason: NAMES[first] ?? 'a hosted tool', callsMax, contextsMax: countable ? 2 : null }
}

/** Counts what grounding costs by the call, over all that is told of it in one answer. */
export interface Grounding {
  /** Reads an answer, or an event of one. */
  read(answer: Json): void
  /** @param model that served the answer */
  calls(model: string): number
}

/** Empty queries are not billed, nor is one that stands twice (the provider's documentation of grounding). */
export function createGrounding(): Grounding {
  const queries = new Set<string>()
  let usedMaps = false
  return {
    read(answer) {
      for (const { value: candidate } of itemsOf(answer, 'candidates')) {
        for (const { value: metadata } of fieldsOf(candidate, 'groundingMetadata')) {
          for (const field of ['webSearchQueries', 'imageSearchQueries', 'retrievalQueries']) {
            for (const { value } of fieldsOf(metadata, field).flatMap(elementsOf))
              if (typeof value === 'string' && value !== '') queries.add(value)
          }
          usedMaps ||= itemsOf(metadata, 'groundingChunks').some(({ value }) => fieldsOf(value, 'maps').length > 0)
        }
      }
    },
    calls(model) {
      const calls = queries.size + (usedMaps ? 1 : 0)
      return PAYS_BY_REQUEST.test(model) ? Math.min(calls, 1) : calls
    },
  }
}
