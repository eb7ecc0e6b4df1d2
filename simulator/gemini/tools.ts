import type { Controls } from '../controls.ts'
import { isRecord, type Json } from '../json.ts'
import { exampleOf } from '../text.ts'
import { items, member } from './read.ts'

/** A call that the answer makes. */
export interface FunctionCall {
  readonly name: string
  readonly args: unknown
}

/** Calls of functions: as the calling config demands, as a header says, or after a user's turn when there are functions. */
export function functionCallsOf(json: Json, controls: Controls, random: () => number): readonly FunctionCall[] {
  const declared = items(json.tools).flatMap((tool) => items(member(tool, 'functionDeclarations')))
  const calling = member(member(json, 'toolConfig'), 'functionCallingConfig')
  const mode = member(calling, 'mode')
  if (declared.length === 0 || mode === 'NONE') return []
  const last = items(json.contents).at(-1)
  const asked = mode === 'ANY' || controls.toolCall !== null || isUsersTurn(last)
  if (!asked) return []
  const allowed = items(member(calling, 'allowedFunctionNames'))
  return declared
    .filter((each) => allowed.length === 0 || allowed.includes(member(each, 'name')))
    .slice(0, 2)
    .map((each) => ({ name: String(member(each, 'name')), args: argumentsOf(each, controls, random) }))
}

const isUsersTurn = (content: unknown): boolean =>
  (member(content, 'role') ?? 'user') === 'user' &&
  !items(member(content, 'parts')).some((part) => member(part, 'functionResponse') !== undefined)

function argumentsOf(declaration: unknown, controls: Controls, random: () => number): unknown {
  if (controls.toolCall !== null) return JSON.parse(controls.toolCall)
  const schema = member(declaration, 'parametersJsonSchema') ?? member(declaration, 'parameters')
  return exampleOf(asJsonSchema(schema), random) ?? {}
}

/** A schema of the API, whose types are in capitals, as a JSON schema. */
export function asJsonSchema(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(asJsonSchema)
  if (!isRecord(schema)) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === 'type' && typeof value === 'string' ? value.toLowerCase() : key === 'enum' ? value : asJsonSchema(value),
    ]),
  )
}

/** What the provider's own tools did for an answer. */
export interface Hosted {
  readonly codeExecution: boolean
  /** Fees: for the grounded request up to Gemini 2.5, for each query since. */
  readonly searchCalls: number
  /** Tokens of what the tools brought. */
  readonly tokens: number
  /** `groundingMetadata` of the candidates, or `null`. */
  readonly grounding: object | null
  readonly urlContext: object | null
}

const SEARCHES = ['googleSearch', 'googleSearchRetrieval']
const BROUGHT_TOKENS = 120

/** Uses each hosted tool of a request once. */
export function hostedToolsOf(json: Json, model: string): Hosted {
  const has = (name: string): boolean => items(json.tools).some((tool) => member(tool, name) !== undefined)
  const searches = SEARCHES.some(has)
  const [codeExecution, urlContext] = [has('codeExecution'), has('urlContext')]
  const uri = 'https://simulated.example/page'
  return {
    codeExecution,
    searchCalls: searches ? (/^gemini-[12]\./.test(model) ? 1 : 2) : 0,
    tokens: (codeExecution ? BROUGHT_TOKENS : 0) + (urlContext ? BROUGHT_TOKENS : 0),
    grounding: searches
      ? {
          searchEntryPoint: { renderedContent: '<div>simulated</div>' },
          groundingChunks: [{ web: { uri, title: 'simulated.example' } }],
          groundingSupports: [{ segment: { endIndex: 4, text: 'word' }, groundingChunkIndices: [0] }],
          webSearchQueries: ['what agents spend', '', 'spending limits', 'what agents spend'],
        }
      : null,
    urlContext: urlContext
      ? { urlMetadata: [{ retrievedUrl: uri, urlRetrievalStatus: 'URL_RETRIEVAL_STATUS_SUCCESS' }] }
      : null,
  }
}
