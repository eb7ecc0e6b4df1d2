import { type Denial, denial } from '../../exchange.ts'
import { setMember, splice } from '../json-edit.ts'
import { NDJSON } from '../ndjson.ts'
import type { MeteredRequest, ProviderAdapter } from '../provider.ts'
import { isRecord } from '../read.ts'
import { replaceSegments } from '../replace-segments.ts'
import { embeddingBound, outputIsVisible, requestBound } from './bound.ts'
import { ollamaErrors } from './errors.ts'
import { answerSegments, requestSegments } from './segments.ts'
import { openStream } from './stream.ts'
import { readFacts } from './usage.ts'

/** A conversation: `POST /api/chat`. */
export const ollamaChat: ProviderAdapter = generating('ollama.chat')
/** A completion of one prompt: `POST /api/generate`. */
export const ollamaGenerate: ProviderAdapter = generating('ollama.generate')

/** Embeddings: `POST /api/embed`, and the older `/api/embeddings`, which tells no usage. */
export const ollamaEmbed: ProviderAdapter = {
  ...generating('ollama.embed'),
  parse: (json) => readRequest(json, () => false),
  bound: embeddingBound,
  limitOutput: (body) => body,
  readAnswer: (json) => readFacts(json, false),
  answerSegments: () => [],
}

function generating(operation: string): ProviderAdapter {
  return {
    operation,
    // A stream is what it sends unless it is told not to.
    parse: (json) => readRequest(json, ({ stream }) => stream !== false),
    framing: (contentType) => (contentType.startsWith('application/x-ndjson') ? NDJSON : null),
    segments: (request, passedOver) => requestSegments(request.json, passedOver),
    bound: requestBound,
    remember: ({ model, stream, json: { tools } }) => ({ model, stream, json: { tools } }),
    outputIsVisible: (_model, request) => outputIsVisible(request),
    replaceSegments,
    limitOutput,
    askForUsage: () => null,
    addUnreported: (usage) => usage,
    readAnswer: (json) => readFacts(json, true),
    answerSegments,
    openStream,
    terminalEvent: (refusal, status) => {
      const { body } = ollamaErrors.renderError(refusal, status, '')
      return Buffer.concat([body, Buffer.from('\n')])
    },
  }
}

type Json = MeteredRequest['json']

function readRequest(json: unknown, streams: (json: Json) => boolean): MeteredRequest | Denial {
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  const { model } = json
  if (typeof model !== 'string' || model === '')
    return denial('acc_model_missing', 'The request names no model: set "model" to a string, for example "qwen3:8b".')
  return { model, stream: streams(json), json }
}

/** Lowers `options.num_predict`. */
function limitOutput(body: Buffer, request: MeteredRequest, tokens: number): Buffer {
  const edit = isRecord(request.json.options)
    ? setMember(body, ['options'], 'num_predict', String(tokens))
    : setMember(body, [], 'options', `{"num_predict":${tokens}}`)
  return splice(body, [edit])
}
