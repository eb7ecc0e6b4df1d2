/** What the simulator answers to a chat request: decided before the first byte is sent, so that plain and streamed agree. */
import type { Controls } from '../controls.ts'
import { isRecord, type Json, positive } from '../json.ts'
import { exampleOf, prose, randomFrom, seedOf } from '../text.ts'
import { countTokens, tokenPieces } from '../tokens.ts'
import type { Dialect } from './dialects.ts'
import { type Features, predictedTokens, readFeatures } from './features.ts'
import { countPrompt } from './prompt.ts'
import { cutCalls, type ToolCall, toolCallsOf } from './tool-calls.ts'
import { type OpenAiUsage, usageOf } from './usage.ts'

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
  /** The same as the provider writes it. */
  readonly shown: object
  /** What every answer and chunk of the provider holds besides. */
  readonly extras: Json
  readonly inChoices: Json
  readonly whole: Json
  /** Tokens of the prompt alone: billed once the request is accepted. */
  readonly promptTokens: number
  readonly reasoningTokens: number
  readonly features: Features
}

const DEFAULT_OUTPUT_TOKENS = 40
const REASONS = /^(?:o\d|gpt-5)/

/** Decides the answer. @param now seconds since the epoch */
export function answerChat(
  json: Json,
  controls: Controls,
  seed: number,
  now: number,
  { reasons = REASONS, extras = {}, inChoices = {}, whole = {} }: Dialect,
): ChatAnswer {
  const text = JSON.stringify(json.messages)
  const random = randomFrom(seedOf(text, seed))
  const model = String(json.model)
  const limit = positive(json.max_completion_tokens) ?? positive(json.max_tokens) ?? Number.POSITIVE_INFINITY
  const told = controls.fault === 'overrun' ? limit * 2 : limit
  const reasoningTokens = reasons.test(model) ? Math.min(32, Math.floor(told / 2)) : 0
  const wanted =
    controls.fault === 'overrun' && Number.isFinite(told) ? told : (controls.outputTokens ?? DEFAULT_OUTPUT_TOKENS)
  const choices = Array.from({ length: Math.min(positive(json.n) ?? 1, 128) }, () =>
    makeChoice(json, controls, wanted, told - reasoningTokens, random),
  )
  const promptTokens = countPrompt(json)
  const features = readFeatures(json, model, random)
  const visible = choices.reduce((sum, choice) => sum + choiceTokens(choice), 0)
  const reasoning = reasoningTokens * choices.length
  const predicted = predictedTokens(json, visible)
  const plain = usageOf(promptTokens, visible + reasoning + predicted.rejected, reasoning)
  const usage = {
    ...plain,
    completion_tokens_details: {
      ...plain.completion_tokens_details,
      audio_tokens: features.audioId === null ? 0 : visible,
      accepted_prediction_tokens: predicted.accepted,
      rejected_prediction_tokens: predicted.rejected,
    },
  }
  const reported = controls.usage ? merge(usage, controls.usage) : usage
  return {
    id: `chatcmpl-${Math.floor(random() * 2 ** 48).toString(36)}${seed.toString(36)}`,
    model: controls.answerModel ?? model,
    created: now,
    serviceTier: controls.serviceTier ?? tierOf(json.service_tier),
    choices,
    usage: reported,
    shown: reported,
    extras,
    inChoices,
    whole,
    promptTokens,
    reasoningTokens: reasoning,
    features,
  }
}

/** Output tokens of a choice, the reasoning left out. */
const choiceTokens = ({ pieces, toolCalls }: Choice): number =>
  pieces.length + toolCalls.reduce((sum, call) => sum + countTokens(call.name) + countTokens(call.text), 0)

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

function makeChoice(json: Json, controls: Controls, wanted: number, limit: number, random: () => number): Choice {
  const calls = toolCallsOf(json, controls, random)
  if (calls.length > 0) {
    const toolCalls = cutCalls(calls, limit)
    const whole = toolCalls.length === calls.length && toolCalls.at(-1)?.text === calls.at(-1)?.text
    return { pieces: [], refusal: false, toolCalls, finishReason: whole ? 'tool_calls' : 'length' }
  }
  const given = controls.reply ?? structured(json, random)
  const all = tokenPieces(given ?? prose(Math.max(1, wanted), random))
  const amount = given === null ? Math.min(wanted, limit) : limit
  const pieces = stopAt(all.slice(0, amount), json.stop)
  const finishReason = all.length > amount && amount === limit ? 'length' : 'stop'
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
