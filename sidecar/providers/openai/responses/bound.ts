import type { MeteredRequest, RequestBound } from '../../provider.ts'
import { isRecord, readArray, readPositiveInteger } from '../../read.ts'
import { IMAGE_TOKENS_MAX, showsAllOutput } from '../bound.ts'
import { hasOwnDescription, readHosted } from './hosted.ts'
import { askedTier } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/**
 * Tokens that the provider adds around the text. A byte-level tokenizer gives no more tokens than bytes, and JSON is
 * never shorter than the text in it, so the body's length plus this framing bounds the input. Reasoning and compactions
 * come back inside what seals them, which is longer than they are.
 */
const FRAMING_TOKENS = 256
const ITEM_FRAMING_TOKENS = 16
const TOOLS_FRAMING_TOKENS = 1_024
const TOOL_FRAMING_TOKENS = 32
/** A tool that the provider describes itself: the prompt for the use of a computer is the longest. */
const OWN_DESCRIPTION_TOKENS = 4_096

/** What bounds a request; `bodyBytes` is the length of its JSON. */
export function requestBound({ json }: MeteredRequest, bodyBytes: number): RequestBound {
  const body = readBody(json)
  const common = {
    outputTokensAsked: readPositiveInteger(json.max_output_tokens),
    serviceTier: askedTier(json.service_tier),
    outputTokensLeast: OUTPUT_TOKENS_LEAST,
  }
  const hosted = readHosted(json, body.tools)
  if (hosted !== null) {
    const { reason, contextsMax, callsMax } = hosted
    return {
      ...common,
      kind: 'unbounded',
      reason,
      contextsMax,
      hostedToolCallsMax: callsMax,
      choices: contextsMax ?? 1,
    }
  }
  const unseen = unseenBefore(json) ?? body.unseen
  if (unseen !== null) return { ...common, kind: 'unbounded', reason: unseen, hostedToolCallsMax: 0, choices: 1 }
  return {
    ...common,
    kind: 'bounded',
    // The provider bills a picture by its size in pixels, not by the bytes that carry it.
    inputTokensMax: bodyBytes - body.imageBytes + body.images * IMAGE_TOKENS_MAX + framing(json, body.tools),
    choices: 1,
    extraOutputTokens: 0,
  }
}

/** The smallest limit that the provider takes. */
const OUTPUT_TOKENS_LEAST = 16

function framing(json: Json, tools: readonly unknown[]): number {
  return (
    FRAMING_TOKENS +
    readArray(json.input).length * ITEM_FRAMING_TOKENS +
    (tools.length > 0 ? TOOLS_FRAMING_TOKENS + tools.length * TOOL_FRAMING_TOKENS : 0) +
    tools.filter(hasOwnDescription).length * OWN_DESCRIPTION_TOKENS
  )
}

/** What stands before the input and in no body. */
function unseenBefore({ previous_response_id, conversation }: Json): string | null {
  if ((previous_response_id ?? null) !== null) return 'an earlier response by id'
  return (conversation ?? null) === null ? null : 'a conversation by id'
}

interface Body {
  /** Every definition of a tool, also those that stand in the input. */
  readonly tools: readonly unknown[]
  readonly images: number
  /** Bytes that they take in the body, at least. */
  readonly imageBytes: number
  /** What the sidecar cannot see, or `null`. */
  readonly unseen: string | null
}

/** How deep parts lie in each other: a picture in the output of a call. */
const DEPTH_MAX = 8
/** Calls whose results the provider keeps. */
const HOSTED_CALLS: ReadonlySet<unknown> = new Set([
  'web_search_call',
  'file_search_call',
  'code_interpreter_call',
  'image_generation_call',
])
/** Calls of tools: what stands in them is text, whatever it looks like. */
const CALL = /_call$/

function readBody(json: Json): Body {
  const tools = [...readArray(json.tools)]
  let images = 0
  let imageBytes = 0
  let unseen: string | null = null

  function visit(value: unknown, depth: number): void {
    if (depth > DEPTH_MAX) return
    if (Array.isArray(value)) for (const each of value) visit(each, depth + 1)
    else if (isRecord(value)) visitPart(value, depth)
  }

  function visitPart(part: Json, depth: number): void {
    const { type } = part
    if (type === 'input_image' || type === 'computer_screenshot') addImage(part.image_url)
    else if (HOSTED_CALLS.has(type)) unseen ??= 'an earlier call of a hosted tool'
    else if (type === 'reasoning' && typeof part.encrypted_content !== 'string') unseen ??= 'earlier reasoning by id'
    else if (type === 'input_file') unseen ??= 'a file'
    else if (type === 'item_reference' || isReference(part)) unseen ??= 'an item by id'
    else if (type === 'additional_tools' || type === 'tool_search_output') tools.push(...readArray(part.tools))
    if (typeof type === 'string' && CALL.test(type)) return
    for (const key of ['content', 'output', 'outputs']) visit(part[key], depth + 1)
  }

  function addImage(url: unknown): void {
    if (typeof url !== 'string' || !url.startsWith('data:image/')) {
      unseen ??= 'an image by URL or id'
      return
    }
    images++
    imageBytes += url.length
  }

  visit(json.input, 0)
  return { tools, images, imageBytes, unseen }
}

/** An item of which only the id is told; what a message or a call is can be seen. */
const isReference = ({ id, type, role, content }: Json): boolean =>
  typeof id === 'string' && (type ?? null) === null && role === undefined && content === undefined

/** All of a request that is asked for once it is sent: whether it goes on without its client, and whether tools are hosted. */
export const remembered = ({ json }: MeteredRequest): Json => ({
  background: json.background,
  tools: readHosted(json, readBody(json).tools) === null ? [] : [{ type: 'hosted' }],
})

/** Whether the text seen in a stream bounds the billed output: what goes on without its client is not seen. */
export function outputIsVisible(model: string, { json }: MeteredRequest): boolean {
  return showsAllOutput(model) && json.background !== true && readHosted(json, readBody(json).tools) === null
}
