import { type Denial, denial } from '../../exchange.ts'
import { JSON_ARRAY } from '../json-array.ts'
import type { MeteredRequest, PathFacts, ProviderAdapter } from '../provider.ts'
import { isRecord } from '../read.ts'
import { replaceSegments } from '../replace-segments.ts'
import { SSE } from '../sse.ts'
import { embedBound, outputIsVisible, requestBound } from './bound.ts'
import { limitOutput } from './config.ts'
import { errorObject } from './errors.ts'
import { answerSegments, requestSegments } from './segments.ts'
import { openStream, readAnswer } from './stream.ts'

/** What all operations have in common. The model stands in the path, and so does whether the answer is streamed. */
const COMMON: Omit<ProviderAdapter, 'operation'> = {
  parse,
  segments: (request, passedOver) => requestSegments(request.json, passedOver),
  bound: requestBound,
  remember: (request) => ({ ...request, json: { ...request.json, contents: undefined } }),
  outputIsVisible,
  replaceSegments,
  limitOutput,
  // It comes with every event.
  askForUsage: () => null,
  addUnreported: (usage) => usage,
  readAnswer,
  answerSegments,
  openStream,
  framing: () => null,
  terminalEvent: (refusal, status, framing, begun) => {
    const error = JSON.stringify(errorObject(refusal, status))
    if (framing === JSON_ARRAY) return Buffer.from(begun ? `,\r\n${error}]` : `[${error}]`)
    return Buffer.from(`data: ${error}\r\n\r\n`)
  },
}

/** `POST /v1beta/models/MODEL:generateContent`. */
export const generateContent: ProviderAdapter = { ...COMMON, operation: 'generateContent' }

/** `POST /v1beta/models/MODEL:streamGenerateContent`: server-sent events with `alt=sse`, else one JSON array. */
export const streamGenerateContent: ProviderAdapter = {
  ...COMMON,
  operation: 'streamGenerateContent',
  framing: (contentType) => {
    if (contentType.startsWith('text/event-stream')) return SSE
    return contentType.startsWith('application/json') ? JSON_ARRAY : null
  },
}

/** An embedding has no output to limit. */
const EMBED = { ...COMMON, bound: embedBound, limitOutput: (body: Buffer) => body }

/** `POST /v1beta/models/MODEL:embedContent`. */
export const embedContent: ProviderAdapter = { ...EMBED, operation: 'embedContent' }

/** `POST /v1beta/models/MODEL:batchEmbedContents`. */
export const batchEmbedContents: ProviderAdapter = { ...EMBED, operation: 'batchEmbedContents' }

function parse(json: unknown, { model, stream }: PathFacts): MeteredRequest | Denial {
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  if (model === null) return denial('acc_model_missing', 'The path names no model.')
  return { model, stream, json }
}
