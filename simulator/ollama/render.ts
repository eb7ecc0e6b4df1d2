import type { Json } from '../json.ts'
import type { UsageFault } from '../plain.ts'
import type { StreamChunk, StreamStyle } from '../stream.ts'
import { countTokens } from '../tokens.ts'
import type { Answer } from './answer.ts'

/** How the figures are spoilt; `null` where they are not. */
export type Spoilt = UsageFault | null

/** Lines of JSON. */
export const LINES: StreamStyle = {
  contentType: 'application/x-ndjson',
  frame: ({ json }, lines) => json + (lines.has('crlf') ? '\r\n' : '\n'),
  comment: (lines) => (lines.has('crlf') ? '\r\n' : '\n'),
  end: () => '',
  error: { json: '{"error":"an error was encountered while running the model"}' },
}

/** What the last line tells, and a plain answer. */
function ending({ figures, reason, loadsOnly, kind }: Answer, spoilt: Spoilt): Json {
  if (loadsOnly) return { done: true, done_reason: 'load' }
  const told = spoilt === 'malformed-usage' ? { prompt_eval_count: 'many', eval_count: -3 } : figures
  const counts =
    spoilt === 'no-usage' ? {} : Object.fromEntries(Object.entries(told).filter(([, count]) => count !== null))
  return {
    done: true,
    done_reason: reason,
    ...(kind === 'generate' ? { context: [1, 2, 3] } : {}),
    total_duration: 5_000_000,
    load_duration: 1_000_000,
    prompt_eval_duration: 1_000_000,
    ...counts,
    eval_duration: 3_000_000,
  }
}

const callsOf = ({ calls }: Answer): Json =>
  calls.length === 0
    ? {}
    : { tool_calls: calls.map(({ id, name, text }) => ({ id, function: { name, arguments: JSON.parse(safe(text)) } })) }

/** Arguments that an output limit cut off are told as nothing. */
function safe(text: string): string {
  try {
    JSON.parse(text)
    return text
  } catch {
    return '{}'
  }
}

const baseOf = ({ model, createdAt }: Answer): Json => ({ model, created_at: createdAt })

/** One piece of an answer, as its endpoint writes it. */
function piece(answer: Answer, text: string, thinking: string | null, more: Json = {}): Json {
  const thought = thinking === null ? {} : { thinking }
  return answer.kind === 'chat'
    ? { message: { role: 'assistant', content: text, ...thought, ...more } }
    : { response: text, ...thought }
}

/** The JSON of a plain answer. */
export function plainOf(answer: Answer, spoilt: Spoilt = null): string {
  const thinking = answer.thinking.length > 0 ? answer.thinking.join('') : null
  return JSON.stringify({
    ...baseOf(answer),
    ...piece(answer, answer.pieces.join(''), thinking, callsOf(answer)),
    ...ending(answer, spoilt),
  })
}

/** The lines of a streamed answer. */
export function streamOf(answer: Answer, spoilt: Spoilt): readonly StreamChunk[] {
  const line = (said: Json, tokens: number): StreamChunk => ({
    json: JSON.stringify({ ...baseOf(answer), ...said, done: false }),
    tokens,
  })
  const called = answer.calls.reduce((sum, call) => sum + countTokens(call.name) + countTokens(call.text), 0)
  return [
    ...answer.thinking.map((text) => line(piece(answer, '', text), 1)),
    ...answer.pieces.map((text) => line(piece(answer, text, null), 1)),
    ...(answer.calls.length > 0 ? [line(piece(answer, '', null, callsOf(answer)), called)] : []),
    { json: JSON.stringify({ ...baseOf(answer), ...piece(answer, '', null), ...ending(answer, spoilt) }), tokens: 0 },
  ]
}
