import { type Denial, denial } from '../../../exchange.ts'
import { setMember, splice } from '../../json-edit.ts'
import type { MeteredRequest, ProviderAdapter } from '../../provider.ts'
import { isRecord } from '../../read.ts'
import { replaceSegments } from '../../replace-segments.ts'
import { SSE } from '../../sse.ts'
import { errorObject } from '../errors.ts'
import { outputIsVisible, remembered, requestBound } from './bound.ts'
import { answerSegments, requestSegments } from './segments.ts'
import { openResponseStream } from './stream.ts'
import { readFacts, variantOf } from './usage.ts'

/** OpenAI's Responses API: `POST /responses`, plain and streamed. */
export const openaiResponses: ProviderAdapter = {
  operation: 'responses',
  parse,
  segments: (request, passedOver) => requestSegments(request.json, passedOver),
  bound: requestBound,
  remember: (request) => ({ ...request, json: remembered(request) }),
  outputIsVisible,
  replaceSegments,
  limitOutput: (body, _request, tokens) => splice(body, [setMember(body, [], 'max_output_tokens', String(tokens))]),
  askForUsage: () => null,
  addUnreported: (usage) => usage,
  readAnswer: (json) => readFacts(json),
  answerSegments,
  openStream: openResponseStream,
  framing: (contentType) => (contentType.startsWith('text/event-stream') ? SSE : null),
  terminalEvent: (refusal, status, _framing, _begun, reader) => {
    const error = {
      type: 'error',
      sequence_number: (reader?.sequenceNumber?.() ?? -1) + 1,
      error: errorObject(refusal, status),
    }
    return Buffer.from(`event: error\ndata: ${JSON.stringify(error)}\n\n`)
  },
}

function parse(json: unknown): MeteredRequest | Denial {
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  const { model } = json
  if (typeof model !== 'string' || model === '') {
    const template = (json.prompt ?? null) === null ? '' : ', also beside a prompt template'
    return denial(
      'acc_model_missing',
      `The request names no model: set "model" to a string, for example "gpt-4.1-mini"${template}.`,
    )
  }
  const pricedAs = variantOf(model, json.service_tier)
  return { model, ...(pricedAs === undefined ? {} : { pricedAs }), stream: json.stream === true, json }
}
