import type { ChatRequest, RequestBound } from '../provider.ts'
import { isRecord, readArray, readPositiveInteger } from '../read.ts'
import { readServiceTier } from './usage.ts'

/**
 * Tokens that the provider adds around the text. A byte-level tokenizer gives no more tokens than bytes, and JSON is
 * never shorter than the text in it, so the body's length plus this framing bounds the input.
 */
const FRAMING_TOKENS = 64
const MESSAGE_FRAMING_TOKENS = 8
const TOOLS_FRAMING_TOKENS = 512
const TOOL_FRAMING_TOKENS = 16
/**
 * The dearest that one inline image costs at any model of the list: 2 833 + 8 tiles of 5 667 tokens (gpt-4o-mini at
 * high detail, from the provider's vision guide), rounded up.
 */
const IMAGE_TOKENS_MAX = 50_000
/** A chat request with web search makes one search. */
const SEARCH_CALLS = 1

/** What bounds a chat request; `bodyBytes` is the length of its JSON. */
export function requestBound(request: ChatRequest, bodyBytes: number): RequestBound {
  const { json } = request
  const messages = readArray(json.messages)
  const tools = readArray(json.tools).length + readArray(json.functions).length
  const choices = Math.min(readPositiveInteger(json.n) ?? 1, 128)
  const outputTokensAsked = outputLimit(json)
  const serviceTier = readServiceTier(json.service_tier)
  const media = readMedia(messages)
  const reason = json.web_search_options !== undefined ? 'web search' : media.unseen
  if (reason !== null) {
    const hostedToolCallsMax = json.web_search_options !== undefined ? SEARCH_CALLS : 0
    return { kind: 'unbounded', reason, hostedToolCallsMax, choices, outputTokensAsked, serviceTier }
  }
  const framing =
    FRAMING_TOKENS +
    messages.length * MESSAGE_FRAMING_TOKENS +
    (tools > 0 ? TOOLS_FRAMING_TOKENS + tools * TOOL_FRAMING_TOKENS : 0)
  return {
    kind: 'bounded',
    inputTokensMax: bodyBytes + framing + media.inlineImages * IMAGE_TOKENS_MAX,
    outputTokensAsked,
    choices,
    extraOutputTokens: predictionTokens(json.prediction) * choices,
    serviceTier,
  }
}

/** The request's own limit; the larger one where both fields stand. */
function outputLimit(json: Readonly<Record<string, unknown>>): number | null {
  const current = readPositiveInteger(json.max_completion_tokens)
  const legacy = readPositiveInteger(json.max_tokens)
  return current === null ? legacy : legacy === null ? current : Math.max(current, legacy)
}

/** Rejected tokens of a prediction are billed as output beyond the limit; never more than the prediction's bytes. */
function predictionTokens(prediction: unknown): number {
  return prediction === undefined || prediction === null ? 0 : Buffer.byteLength(JSON.stringify(prediction))
}

function readMedia(messages: readonly unknown[]): { readonly inlineImages: number; readonly unseen: string | null } {
  let inlineImages = 0
  for (const message of messages) {
    if (!isRecord(message)) continue
    if (isRecord(message.audio)) return { inlineImages, unseen: 'an earlier audio answer by id' }
    if (!Array.isArray(message.content)) continue
    for (const part of message.content) {
      if (!isRecord(part)) continue
      if (part.type === 'file') return { inlineImages, unseen: 'a file' }
      if (part.type !== 'image_url') continue
      const url = isRecord(part.image_url) ? part.image_url.url : part.image_url
      if (typeof url !== 'string' || !url.startsWith('data:')) return { inlineImages, unseen: 'an image by URL' }
      inlineImages++
    }
  }
  return { inlineImages, unseen: null }
}

/** Families that bill no output that the stream does not show; all others may reason in hiding. */
const SHOWS_ALL_OUTPUT = /^(?:ft:)?(?:gpt-3\.5|gpt-4|gpt-4o|gpt-4\.1|gpt-4\.5|chatgpt-4o)(?:$|[-:])/

/** Whether the text seen in a stream bounds the billed output. */
export function outputIsVisible(model: string, request: ChatRequest): boolean {
  return (
    SHOWS_ALL_OUTPUT.test(model) &&
    !model.includes('audio') &&
    request.json.prediction === undefined &&
    request.json.web_search_options === undefined
  )
}
