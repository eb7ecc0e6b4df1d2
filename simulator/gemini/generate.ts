import type { Call } from '../api.ts'
import { isRecord, type Json } from '../json.ts'
import { sendPlain } from '../plain.ts'
import { type StreamStyle, sendStream, sseStyle } from '../stream.ts'
import { answerContent } from './answer.ts'
import { failGemini, geminiError } from './errors.ts'
import { items } from './read.ts'
import { renderAnswer, renderChunks } from './render.ts'
import { reported, usageOf } from './usage.ts'

const ERROR = { json: JSON.stringify(geminiError(500)) }
const LINES = sseStyle(null, ERROR)

/** Server-sent events, whose lines end with CRLF here. */
const EVENTS: StreamStyle = {
  ...LINES,
  contentType: 'text/event-stream',
  frame: (chunk, lines, at) => LINES.frame(chunk, new Set([...lines, 'crlf']), at),
}

/** One JSON array, an element at a time. */
const ARRAY: StreamStyle = {
  contentType: 'application/json; charset=UTF-8',
  frame: ({ json }, _lines, at) => `${at === 0 ? '[' : ',\r\n'}${JSON.stringify(JSON.parse(json), null, 2)}`,
  comment: () => null,
  end: () => ']\n',
  error: ERROR,
}

/** Answers `:generateContent` and `:streamGenerateContent`. */
export async function handleGenerate(call: Call, model: string, streamed: boolean): Promise<void> {
  const { response, controls, bill, query } = call
  const json = readRequest(call)
  if (json === null) return
  const answer = answerContent(model, json, controls, call.seed)
  const { searchCalls } = answer.hosted
  const { id, prompt, thoughtsTokens, serviceTier } = answer
  const { requestId, provider } = call
  const begun = reported(usageOf(prompt, 0, 0, serviceTier), 0)
  const billed = { requestId, responseId: id, provider, model: answer.model, serviceTier, tag: controls.tag }
  const entry = bill.open(billed, begun)
  const whole = reported(answer.usage, searchCalls)
  if (!streamed) {
    bill.update(entry, whole, 'completed')
    await sendPlain(response, renderAnswer(answer), controls, (fault) => renderAnswer(answer, fault))
    return
  }
  const style = query.get('alt') === 'sse' ? EVENTS : ARRAY
  const { ended, tokens } = await sendStream(response, renderChunks(answer, controls), controls, style)
  // Who leaves is billed for all of it: the provider goes on.
  const part = reported(usageOf(prompt, tokens, thoughtsTokens, serviceTier), searchCalls)
  bill.update(entry, ended === 'cut' ? part : whole, ended)
}

/** The request, or `null` if it was refused. */
export function readRequest({ request, response, body, query }: Call): Json | null {
  const refuse = (status: number, message: string): null => {
    failGemini(response, status, message)
    return null
  }
  const { 'x-goog-api-key': key, authorization } = request.headers
  if (!key && !authorization && !query.get('key'))
    return refuse(403, "Method doesn't allow unregistered callers (callers without established identity).")
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    return refuse(400, 'Invalid JSON payload received. Unexpected end of string.')
  }
  if (!isRecord(json)) return refuse(400, 'Invalid JSON payload received. Root element must be a message.')
  if (response.req.url?.includes('no-such-model'))
    return refuse(
      404,
      'models/no-such-model is not found for API version v1beta, or is not supported for generateContent.',
    )
  const nothing = !['contents', 'content', 'requests'].some((name) => items(json[name]).length > 0)
  if (nothing) return refuse(400, '* GenerateContentRequest.contents: contents is not specified')
  return json
}
