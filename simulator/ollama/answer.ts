/** What the simulated Ollama answers: decided before the first byte is sent, so that plain and streamed agree. */
import type { Controls } from '../controls.ts'
import { isRecord, type Json, list, positive } from '../json.ts'
import { countPrompt } from '../openai/prompt.ts'
import { cutCalls, type ToolCall, toolCallsOf } from '../openai/tool-calls.ts'
import { exampleOf, prose, randomFrom, seedOf } from '../text.ts'
import { countTokens, IMAGE_TOKENS, tokenPieces } from '../tokens.ts'
import type { Counted } from './usage.ts'

/** Which of its two endpoints. */
export type Kind = 'chat' | 'generate'

/** The whole answer. */
export interface Answer {
  readonly kind: Kind
  readonly model: string
  /** RFC 3339. */
  readonly createdAt: string
  /** True for a request without a prompt, which loads the model and evaluates nothing. */
  readonly loadsOnly: boolean
  readonly thinking: readonly string[]
  readonly pieces: readonly string[]
  readonly calls: readonly ToolCall[]
  readonly reason: 'stop' | 'length'
  /** Billed once the request is accepted. */
  readonly promptTokens: number
  readonly counted: Counted
  /** Figures as told; a member of `null` is left out. */
  readonly figures: Json
}

const THINKS = /^(?:qwen3|gpt-oss|deepseek-r1)/
const DEFAULT_OUTPUT_TOKENS = 40
const THINKING_TOKENS = 24

/** Decides the answer. @param nowMs since the epoch */
export function answerOllama(kind: Kind, json: Json, controls: Controls, seed: number, nowMs: number): Answer {
  const random = randomFrom(seedOf(JSON.stringify([json.messages, json.prompt]), seed))
  const limit = outputLimit(json)
  const told = controls.fault === 'overrun' ? limit * 2 : limit
  const thinks = THINKS.test(String(json.model)) && json.think !== false
  const thinking = thinks
    ? tokenPieces(controls.thinking ?? prose(THINKING_TOKENS, random)).slice(0, Math.min(THINKING_TOKENS, told))
    : []
  const room = told - thinking.length
  const calls = kind === 'chat' ? cutCalls(toolCallsOf(json, controls, random), room) : []
  const wanted =
    controls.fault === 'overrun' && Number.isFinite(told) ? told : (controls.outputTokens ?? DEFAULT_OUTPUT_TOKENS)
  const given = controls.reply ?? structured(json, random)
  const all = tokenPieces(given ?? prose(Math.max(1, wanted), random))
  const pieces = calls.length > 0 ? [] : all.slice(0, given === null ? Math.min(wanted, room) : room)
  const output =
    thinking.length +
    pieces.length +
    calls.reduce((sum, call) => sum + countTokens(call.name) + countTokens(call.text), 0)
  const promptTokens = countInput(kind, json)
  const figures: Json = { prompt_eval_count: promptTokens, eval_count: output, ...controls.usage }
  return {
    kind,
    model: controls.answerModel ?? String(json.model),
    createdAt: new Date(nowMs).toISOString(),
    loadsOnly: kind === 'chat' ? list(json.messages).length === 0 : (json.prompt ?? '') === '',
    thinking,
    pieces,
    calls,
    reason: calls.length === 0 && output >= told ? 'length' : 'stop',
    promptTokens,
    counted: {
      input: typeof figures.prompt_eval_count === 'number' ? figures.prompt_eval_count : promptTokens,
      output: typeof figures.eval_count === 'number' ? figures.eval_count : output,
    },
    figures,
  }
}

/** Below one it is no limit. */
const outputLimit = ({ options }: Json): number =>
  (isRecord(options) ? positive(options.num_predict) : null) ?? Number.POSITIVE_INFINITY

function countInput(kind: Kind, json: Json): number {
  const images = [json, ...list(json.messages)].flatMap((holder) => (isRecord(holder) ? list(holder.images) : []))
  const pictures = images.length * IMAGE_TOKENS
  if (kind === 'chat') return countPrompt(json) + pictures
  const text = [json.system, json.template, json.prompt, json.suffix].filter((each) => typeof each === 'string')
  return countTokens(text.join(' ')) + list(json.context).length + pictures
}

function structured({ format }: Json, random: () => number): string | null {
  if (format === 'json') return '{"ok": true}'
  return isRecord(format) ? JSON.stringify(exampleOf(format, random)) : null
}
