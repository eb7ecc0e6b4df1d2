import type { ServiceTier } from '@agentcostcontrol/contract'
import type { MeteredRequest, RequestBound } from '../provider.ts'
import { isRecord, readArray } from '../read.ts'
import { hasOwnDescription, readHosted } from './hosted.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Tokens that the provider adds around the text. A byte-level tokenizer gives no more tokens than bytes, and JSON is
 * never shorter than the text in it, so the body's length plus this framing bounds the input. Earlier thinking comes
 * back whole inside its signature, which is longer than what it seals.
 */
const FRAMING_TOKENS = 256
const MESSAGE_FRAMING_TOKENS = 16
/** The provider's own prompts: for any tools (346 to 804 by model), for one that it describes itself (up to 1 500), for a schema. */
const TOOLS_FRAMING_TOKENS = 2_048
const TOOL_FRAMING_TOKENS = 32
const OWN_DESCRIPTION_TOKENS = 4_096
const FORMAT_FRAMING_TOKENS = 2_048
/** The dearest that one picture costs: 4 784 tokens at 2 576 pixels (the provider's vision guide), with room to grow. */
const IMAGE_TOKENS_MAX = 8_192
/** The smallest thinking budget that the provider takes. */
export const THINKING_TOKENS_LEAST = 1_024

/** What bounds a request; `bodyBytes` is the length of its JSON. */
export function requestBound({ json }: MeteredRequest, bodyBytes: number): RequestBound {
  const body = readBody(json)
  const outputTokensAsked = readLimit(json.max_tokens)
  const serviceTier: ServiceTier | null = json.service_tier === 'standard_only' ? 'standard' : null
  const common = {
    outputTokensAsked,
    serviceTier,
    ...(thinkingBudget(json) === null ? {} : { outputTokensLeast: THINKING_TOKENS_LEAST + 1 }),
  }
  const hosted = readHosted(json, body.tools)
  if (hosted !== null) {
    const { reason, contextsMax, callsMax } = hosted
    // Nothing says whether the limit holds for the whole or for each time that the model is asked.
    return {
      ...common,
      kind: 'unbounded',
      reason,
      contextsMax,
      hostedToolCallsMax: callsMax,
      choices: contextsMax ?? 1,
    }
  }
  if (body.unseen !== null)
    return { ...common, kind: 'unbounded', reason: body.unseen, hostedToolCallsMax: 0, choices: 1 }
  return {
    ...common,
    kind: 'bounded',
    // The provider bills a picture by its size in pixels, not by the bytes that carry it.
    inputTokensMax: bodyBytes - body.imageBytes + body.images * IMAGE_TOKENS_MAX + framing(json, body.tools),
    choices: 1,
    extraOutputTokens: 0,
  }
}

function framing(json: Json, tools: readonly unknown[]): number {
  const format = isRecord(json.output_config) ? json.output_config.format : undefined
  const hasFormat = isRecord(format) || isRecord(json.output_format)
  return (
    FRAMING_TOKENS +
    readArray(json.messages).length * MESSAGE_FRAMING_TOKENS +
    (tools.length > 0 ? TOOLS_FRAMING_TOKENS + tools.length * TOOL_FRAMING_TOKENS : 0) +
    tools.filter(hasOwnDescription).length * OWN_DESCRIPTION_TOKENS +
    (hasFormat ? FORMAT_FRAMING_TOKENS : 0)
  )
}

/** An output limit; 0 fills the cache and asks for no answer. */
const readLimit = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null

/** The budget of a request that sets one for its thinking. */
export function thinkingBudget({ thinking }: Json): number | null {
  if (!isRecord(thinking) || thinking.type !== 'enabled') return null
  return readLimit(thinking.budget_tokens)
}

interface Body {
  /** Every definition of a tool, also those that stand in messages. */
  readonly tools: readonly unknown[]
  readonly images: number
  /** Bytes that they take in the body, at least. */
  readonly imageBytes: number
  /** What the sidecar cannot see, or `null`. */
  readonly unseen: string | null
}

/** How deep blocks lie in each other: a document in the result of a tool in a message. */
const DEPTH_MAX = 16

/** A body is asked about more than once before it is sent. */
const bodies = new WeakMap<Json, Body>()

function readBody(json: Json): Body {
  const known = bodies.get(json)
  if (known) return known
  const body = readWhole(json)
  bodies.set(json, body)
  return body
}

function readWhole(json: Json): Body {
  const tools = [...readArray(json.tools)]
  let images = 0
  let imageBytes = 0
  let unseen: string | null = null

  function visit(value: unknown, depth: number): void {
    if (depth > DEPTH_MAX) return
    if (Array.isArray(value)) {
      for (const each of value) if (typeof each === 'object') visit(each, depth + 1)
    } else if (isRecord(value)) visitBlock(value, depth)
  }

  function visitBlock(block: Json, depth: number): void {
    const source = isRecord(block.source) ? block.source : {}
    if (block.type === 'image' && source.type === 'base64' && typeof source.data === 'string') {
      images++
      imageBytes += source.data.length
    } else if (block.type === 'image') unseen ??= 'an image by URL or id'
    else if (block.type === 'document' && source.type !== 'text' && source.type !== 'content') unseen ??= 'a document'
    else if (isRecord(block.citations) && block.citations.enabled === true) unseen ??= 'a document to cite from'
    else if (typeof block.file_id === 'string') unseen ??= 'a file by id'
    else if (block.type === 'tool_definition') tools.push(block.definition)
    // What a tool was called with is text, whatever it looks like.
    if (block.type === 'image' || block.type === 'tool_use') return
    for (const key in block) if (typeof block[key] === 'object') visit(block[key], depth + 1)
  }

  visit(json.system, 0)
  visit(json.messages, 0)
  return { tools, images, imageBytes, unseen }
}

/** The request without its conversation; definitions of tools that stand in there come to the others. */
export function rememberRequest(request: MeteredRequest): MeteredRequest {
  const { tools } = readBody(request.json)
  return { ...request, json: { ...request.json, messages: undefined, system: undefined, tools } }
}

/** Whether the model is asked once, for what stands in the body. */
export const isInOneGo = ({ json }: MeteredRequest): boolean => readHosted(json, readBody(json).tools) === null

/** Families that think only when they are told to; all others may do so in hiding. */
const THINKS_WHEN_TOLD = /^claude-(?:[23]|v1|instant|4-(?:opus|sonnet)|(?:haiku|opus|sonnet)-[34])(?:$|[-.])/

/** Whether the text seen in a stream bounds the billed output. */
export function outputIsVisible(model: string, request: MeteredRequest): boolean {
  const { thinking } = request.json
  const told = isRecord(thinking) ? thinking.type : null
  return (told === 'disabled' || (told === null && THINKS_WHEN_TOLD.test(model))) && isInOneGo(request)
}
