import { type Denial, denial } from '../../exchange.ts'
import { setMember, splice } from '../json-edit.ts'
import type { MeteredRequest, ProviderAdapter } from '../provider.ts'
import { isRecord } from '../read.ts'
import { replaceSegments } from '../replace-segments.ts'
import { SSE } from '../sse.ts'
import {
  isInOneGo,
  outputIsVisible,
  rememberRequest,
  requestBound,
  THINKING_TOKENS_LEAST,
  thinkingBudget,
} from './bound.ts'
import { errorObject } from './errors.ts'
import { answerSegments, requestSegments } from './segments.ts'
import { openMessageStream } from './stream.ts'
import { readFacts, variantOf } from './usage.ts'

/** Anthropic's messages: `POST /messages`, plain and streamed. */
export const anthropicMessages: ProviderAdapter = {
  operation: 'messages',
  parse,
  segments: (request, passedOver) => requestSegments(request.json, passedOver),
  bound: requestBound,
  remember: rememberRequest,
  outputIsVisible,
  replaceSegments,
  limitOutput,
  askForUsage: () => null,
  addUnreported: (usage) => usage,
  readAnswer: (json) => readFacts(json, isRecord(json) ? json.usage : null),
  answerSegments,
  openStream: (request) => openMessageStream(() => isInOneGo(request)),
  framing: (contentType) => (contentType.startsWith('text/event-stream') ? SSE : null),
  terminalEvent: (refusal, status) =>
    Buffer.from(`event: error\ndata: ${JSON.stringify(errorObject(refusal, status))}\n\n`),
}

function parse(json: unknown): MeteredRequest | Denial {
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  const { model } = json
  if (typeof model !== 'string' || model === '') {
    return denial(
      'acc_model_missing',
      'The request names no model: set "model" to a string, for example "claude-sonnet-5-5".',
    )
  }
  const pricedAs = variantOf(model, json.speed, json.inference_geo)
  return { model, ...(pricedAs === undefined ? {} : { pricedAs }), stream: json.stream === true, json }
}

/** Lowers the limit, and the thinking budget with it: it keeps its share, and must stay below the limit. */
function limitOutput(body: Buffer, { json }: MeteredRequest, tokens: number): Buffer {
  const edits = [setMember(body, [], 'max_tokens', String(tokens))]
  const budget = thinkingBudget(json)
  if (budget !== null) {
    const asked = typeof json.max_tokens === 'number' ? json.max_tokens : tokens
    const share = Math.floor((budget * tokens) / Math.max(1, asked))
    const lowered = Math.min(budget, tokens - 1, Math.max(THINKING_TOKENS_LEAST, share))
    if (lowered < budget) edits.push(setMember(body, ['thinking'], 'budget_tokens', String(lowered)))
  }
  return splice(body, edits)
}
