import { type CarrierRule, carriedBy, type Endpoint, type EndpointRule, isOneOf, type WireFamily } from '../family.ts'
import type { ProviderAdapter } from '../provider.ts'
import { batchEmbedContents, embedContent, generateContent, streamGenerateContent } from './content.ts'
import { geminiArrayErrors, geminiErrors } from './errors.ts'

const METHODS: Readonly<Record<string, ProviderAdapter>> = {
  generateContent,
  streamGenerateContent,
  embedContent,
  batchEmbedContents,
}

/** `/v1beta/models/MODEL:METHOD`, also without its version; a tuned model keeps the name of its collection. */
const MODEL_METHOD = /^(?:\/v\d+(?:alpha|beta)?)?\/(?:models\/([^/:]+)|(tunedModels\/[^/:]+)):([A-Za-z]+)$/
const VERSION = /^(?:\/upload)?\/v\d+(?:alpha|beta)?(?=\/)/

const READING: readonly string[] = ['GET', 'HEAD']
const CARRIERS: readonly CarrierRule[] = [
  {
    methods: ['POST'],
    path: /^\/(?:models|tunedModels)\/[^/:]+:count(?:Message|Text)?Tokens$/,
    carries: generateContent,
  },
]
const FREE: readonly EndpointRule[] = [
  ...CARRIERS,
  {
    methods: [...READING, 'DELETE'],
    path: /^\/(?:models|tunedModels|files|cachedContents|batches|operations)(?:\/[^:]+)?$/,
  },
  { methods: READING, path: /^\/files\/[^/:]+:download$/ },
  { methods: ['POST'], path: /^\/batches\/[^/:]+:cancel$/ },
  { methods: ['POST'], path: /^\/files(?::register)?$/ },
]

/** Collections of the API. A client's own words are not made into names, since those stand in labels and in the log. */
const RESOURCES: ReadonlySet<string> = new Set([
  'agents',
  'batches',
  'cachedContents',
  'corpora',
  'dynamic',
  'fileSearchStores',
  'files',
  'interactions',
  'models',
  'openai',
  'operations',
  'tunedModels',
])

/** Methods of models, by which a path below `/v1` is known as Gemini's: OpenAI's models may have a colon in their name too. */
const METHOD_NAMES =
  '(?:generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents|batchGenerateContent|asyncBatchEmbedContent|predict|predictLongRunning)'
/**
 * Paths that are Gemini's without its name in front: all below `/v1beta`, and below `/v1` those that are nobody else's.
 * `/v1/models`, `/v1/files` and `/v1/batches` are OpenAI's too.
 */
export const GEMINI_PATHS = new RegExp(
  [
    '^(?:/upload)?/v1(?:alpha|beta)/',
    '^/upload/v1/',
    '^/v1/(?:cachedContents|fileSearchStores|interactions|tunedModels)(?:[/:]|$)',
    `^/v1/models/[^/]+:${METHOD_NAMES}$`,
  ].join('|'),
)

/** Endpoints of the Gemini API, with their version. What is not known to be free may cost: a cache by the hour, a batch, a video. */
export const geminiFamily: WireFamily = {
  errors: geminiErrors,
  endpoint(method, path, query): Endpoint {
    const [, model, tuned, name = ''] = MODEL_METHOD.exec(path) ?? []
    const adapter = method === 'POST' && Object.hasOwn(METHODS, name) ? METHODS[name] : undefined
    if (adapter) {
      const stream = adapter === streamGenerateContent
      const errors = stream && !asksForEvents(query) ? geminiArrayErrors : geminiErrors
      return { kind: 'metered', adapter, path: { model: model ?? tuned ?? null, stream }, errors }
    }
    const below = path.replace(VERSION, '')
    const free = isOneOf(FREE, method, below)
    const resource = /^\/([A-Za-z]+)/.exec(below)?.[1] ?? ''
    const operation = RESOURCES.has(resource) ? resource : 'other'
    return free ? { kind: 'free', operation, ...carriedBy(CARRIERS, method, below) } : { kind: 'billable', operation }
  },
}

/** Whether a stream is asked for as server-sent events. */
function asksForEvents(query: string): boolean {
  const parameters = new URLSearchParams(query)
  return (parameters.get('alt') ?? parameters.get('$alt')) === 'sse'
}
