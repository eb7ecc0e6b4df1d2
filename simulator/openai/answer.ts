/** What the simulator answers to a chat request: decided before the first byte is sent, so that plain and streamed agree. */
import type { Controls } from '../controls.ts'
import type { OpenAiUsage } from '../pricing.ts'
import { exampleOf, prose, randomFrom, seedOf } from '../text.ts'
import { countTokens, IMAGE_TOKENS, MESSAGE_TOKENS, REQUEST_TOKENS, tokenPieces } from '../tokens.ts'

type Json = Readonly<Record<string, unknown>>

/** A call that the answer makes. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/** One choice, cut into tokens. */
export interface Choice {
  readonly pieces: readonly string[]
  readonly refusal: boolean
  readonly toolCalls: readonly ToolCall[]
  readonly finishReason: 'stop' | 'length' | 'tool_calls'
}

/** The whole answer. */
export interface ChatAnswer {
  readonly id: string
  readonly model: string
  readonly created: number
  readonly serviceTier: string
  readonly choices: readonly Choice[]
  /** As reported and billed when the answer is complete. */
  readonly usage: OpenAiUsage
  /** Tokens of the prompt alone: billed once the request is accepted. */
  readonly promptTokens: number
  readonly reasoningTokens: number
}

const DEFAULT_OUTPUT_TOKENS = 40
const REASONS = /^(?:o\d|gpt-5)/

const isRecord = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const positive = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : null

/** Decides the answer. @param now seconds since the epoch */
export function answerChat(json: Json, controls: Controls, seed: number, now: number): ChatAnswer {
  const text = JSON.stringify(json.messages)
  const random = randomFrom(seedOf(text, seed))
  const model = String(json.model)
  const limit = positive(json.max_completion_tokens) ?? positive(json.max_tokens) ?? Number.POSITIVE_INFINITY
  const told = controls.fault === 'overrun' ? limit * 2 : limit
  const reasoningTokens = REASONS.test(model) ? Math.min(32, Math.floor(told / 2)) : 0
  const wanted =
    controls.fault === 'overrun' && Number.isFinite(told) ? told : (controls.outputTokens ?? DEFAULT_OUTPUT_TOKENS)
  const choices = Array.from({ length: Math.min(positive(json.n) ?? 1, 128) }, () =>
    makeChoice(json, controls, wanted, told - reasoningTokens, random),
  )
  const promptTokens = countPrompt(json)
  const completion = choices.reduce((sum, choice) => sum + choiceTokens(choice), 0) + reasoningTokens * choices.length
  const usage = usageOf(promptTokens, completion, reasoningTokens * choices.length)
  return {
    id: `chatcmpl-${Math.floor(random() * 2 ** 48).toString(36)}${seed.toString(36)}`,
    model: controls.answerModel ?? model,
    created: now,
    serviceTier: controls.serviceTier ?? tierOf(json.service_tier),
    choices,
    usage: controls.usage ? merge(usage, controls.usage) : usage,
    promptTokens,
    reasoningTokens: reasoningTokens * choices.length,
  }
}

/** Usage without caches. */
export const usageOf = (prompt: number, completion: number, reasoning: number): OpenAiUsage => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: reasoning,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
})

/** Output tokens of a choice, the reasoning left out. */
const choiceTokens = ({ pieces, toolCalls }: Choice): number =>
  pieces.length + toolCalls.reduce((sum, call) => sum + countTokens(call.name) + countTokens(call.arguments), 0)

function merge(usage: OpenAiUsage, over: Json): OpenAiUsage {
  const merged = {
    ...usage,
    ...over,
    prompt_tokens_details: {
      ...usage.prompt_tokens_details,
      ...(isRecord(over.prompt_tokens_details) ? over.prompt_tokens_details : {}),
    },
    completion_tokens_details: {
      ...usage.completion_tokens_details,
      ...(isRecord(over.completion_tokens_details) ? over.completion_tokens_details : {}),
    },
  }
  return 'total_tokens' in over ? merged : { ...merged, total_tokens: merged.prompt_tokens + merged.completion_tokens }
}

const tierOf = (asked: unknown): string => (asked === 'flex' || asked === 'priority' ? asked : 'default')

function countPrompt(json: Json): number {
  let tokens = REQUEST_TOKENS
  for (const message of list(json.messages)) {
    tokens += MESSAGE_TOKENS
    if (!isRecord(message)) continue
    const { content } = message
    if (typeof content === 'string') tokens += countTokens(content)
    for (const part of list(content)) {
      if (!isRecord(part)) continue
      if (typeof part.text === 'string') tokens += countTokens(part.text)
      if (part.type === 'image_url') tokens += IMAGE_TOKENS
    }
    if (message.tool_calls !== undefined) tokens += countTokens(JSON.stringify(message.tool_calls))
  }
  for (const member of ['tools', 'functions', 'response_format']) {
    if (json[member] !== undefined) tokens += countTokens(JSON.stringify(json[member]))
  }
  return tokens
}

function makeChoice(json: Json, controls: Controls, wanted: number, limit: number, random: () => number): Choice {
  const calls = toolCallsOf(json, controls, random)
  if (calls.length > 0) return { pieces: [], refusal: false, toolCalls: calls, finishReason: 'tool_calls' }
  const all = tokenPieces(controls.reply ?? structured(json, random) ?? prose(Math.max(1, wanted), random))
  const amount = controls.reply === null && !structured(json, random) ? Math.min(wanted, limit) : limit
  const pieces = stopAt(all.slice(0, amount), json.stop)
  const finishReason =
    all.length > amount && limit <= amount && wanted >= limit
      ? 'length'
      : controls.reply !== null && all.length > amount
        ? 'length'
        : 'stop'
  return { pieces, refusal: controls.fault === 'refusal', toolCalls: [], finishReason }
}

function structured(json: Json, random: () => number): string | null {
  const format = json.response_format
  if (!isRecord(format)) return null
  if (format.type === 'json_object') return '{"ok": true}'
  if (format.type !== 'json_schema' || !isRecord(format.json_schema)) return null
  return JSON.stringify(exampleOf(format.json_schema.schema, random))
}

function stopAt(pieces: readonly string[], stop: unknown): readonly string[] {
  const stops = [stop].flat().filter((each): each is string => typeof each === 'string' && each !== '')
  if (stops.length === 0) return pieces
  const text = pieces.join('')
  const at = Math.min(...stops.map((each) => text.indexOf(each)).map((index) => (index === -1 ? text.length : index)))
  return tokenPieces(text.slice(0, at))
}

/** Calls of tools: as `tool_choice` demands, as a header says, or after a user message when there are tools. */
function toolCallsOf(json: Json, controls: Controls, random: () => number): readonly ToolCall[] {
  const tools = list(json.tools).filter(isRecord)
  if (tools.length === 0 || json.tool_choice === 'none') return []
  const choice = json.tool_choice
  const last = list(json.messages).at(-1)
  const asked =
    choice === 'required' || isRecord(choice) || controls.toolCall !== null || (isRecord(last) && last.role === 'user')
  if (!asked) return []
  const named = isRecord(choice) && isRecord(choice.function) ? choice.function.name : null
  const picked = named === null ? (json.parallel_tool_calls === false ? tools.slice(0, 1) : tools.slice(0, 2)) : tools
  return picked
    .map((tool) => (isRecord(tool.function) ? tool.function : {}))
    .filter(({ name }) => named === null || name === named)
    .map(({ name, parameters }, at) => ({
      id: `call_${Math.floor(random() * 2 ** 40).toString(36)}${at}`,
      name: String(name),
      arguments: controls.toolCall ?? JSON.stringify(exampleOf(parameters, random)),
    }))
}
