import { type Denial, denial } from '../../exchange.ts'
import { type JsonSplice, setMember, splice } from '../json-edit.ts'
import type { MeteredRequest, PathFacts, ProviderAdapter } from '../provider.ts'
import { isRecord } from '../read.ts'
import { replaceSegments } from '../replace-segments.ts'
import { SSE } from '../sse.ts'
import { outputIsVisible, requestBound, searchCalls } from './bound.ts'
import { type ChatDialect, OPENAI_CHAT } from './dialects.ts'
import { renderOpenAiError } from './errors.ts'
import { answerSegments, requestSegments } from './segments.ts'
import { openChatStream } from './stream.ts'
import { readFacts } from './usage.ts'

/** Chat completions as one provider speaks them: `POST /chat/completions`, plain and streamed. */
export const chatAdapter = (dialect: ChatDialect): ProviderAdapter => ({
  operation: 'chat.completions',
  parse,
  segments: (request, passedOver) => requestSegments(request.json, passedOver),
  bound: requestBound,
  remember: (request) => ({ ...request, json: { ...request.json, messages: undefined } }),
  outputIsVisible,
  replaceSegments,
  limitOutput: (body, request, tokens) => limitOutput(body, request, tokens, dialect.limitField),
  askForUsage: (body, request) => (dialect.streamUsage === 'always' ? null : askForUsage(body, request)),
  addUnreported: (usage, request) => ({ ...usage, hostedToolCalls: usage.hostedToolCalls + searchCalls(request) }),
  readAnswer: (json) => readFacts(json, dialect),
  answerSegments,
  openStream: () => openChatStream(dialect),
  framing: (contentType) => (contentType.startsWith('text/event-stream') ? SSE : null),
  terminalEvent: (refusal, status) => Buffer.from(`data: ${renderOpenAiError(refusal, status).body.toString()}\n\n`),
})

/** OpenAI's own chat completions. */
export const openaiChat: ProviderAdapter = chatAdapter(OPENAI_CHAT)

function parse(json: unknown, path: PathFacts): MeteredRequest | Denial {
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  // A deployment stands in the path (Azure); a model in the body names what is deployed.
  const model = path.model ?? json.model
  if (typeof model !== 'string' || model === '') {
    return denial(
      'acc_model_missing',
      'The request names no model: set "model" to a string, for example "gpt-4.1-mini".',
    )
  }
  return { model, stream: json.stream === true, json }
}

/** Lowers whichever limit the client set; without one it sets the field that the provider knows. */
function limitOutput(
  body: Buffer,
  request: MeteredRequest,
  tokens: number,
  limitField: ChatDialect['limitField'],
): Buffer {
  const fields = ['max_completion_tokens', 'max_tokens'].filter((field) => typeof request.json[field] === 'number')
  const splices: JsonSplice[] = (fields.length > 0 ? fields : [limitField]).map((field) =>
    setMember(body, [], field, String(tokens)),
  )
  return splice(body, splices)
}

/** Options that are no options, or a flag that is none, are left for the provider to refuse. */
function askForUsage(body: Buffer, request: MeteredRequest): Buffer | null {
  const options = request.json.stream_options ?? null
  if (options === null) return splice(body, [setMember(body, [], 'stream_options', '{"include_usage":true}')])
  const asked = isRecord(options) ? (options.include_usage ?? false) : null
  return asked === false ? splice(body, [setMember(body, ['stream_options'], 'include_usage', 'true')]) : null
}
