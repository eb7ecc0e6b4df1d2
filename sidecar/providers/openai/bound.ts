import type { MeteredRequest, RequestBound } from '../provider.ts'
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
export const IMAGE_TOKENS_MAX = 50_000
/** Models that search the web before every answer, whether or not they are told how. */
const SEARCHES_ALWAYS = /-search-(?:preview|api)(?:$|-)/

/** Web searches that a chat request makes: billed by the call, and in no usage report. */
export function searchCalls({ model, json }: MeteredRequest): number {
  return (json.web_search_options ?? null) !== null || SEARCHES_ALWAYS.test(model) ? 1 : 0
}

/** What bounds a chat request; `bodyBytes` is the length of its JSON. */
export function requestBound(request: MeteredRequest, bodyBytes: number): RequestBound {
  const { json } = request
  const messages = readArray(json.messages)
  const tools = readArray(json.tools).length + readArray(json.functions).length
  const choices = readPositiveInteger(json.n) ?? 1
  const outputTokensAsked = outputLimit(json)
  const serviceTier = readServiceTier(json.service_tier)
  const media = readMedia(messages)
  const hostedToolCallsMax = searchCalls(request)
  const reason = hostedToolCallsMax > 0 ? 'web search' : media.unseen
  if (reason !== null) {
    return { kind: 'unbounded', reason, hostedToolCallsMax, choices, outputTokensAsked, serviceTier }
  }
  const framing =
    FRAMING_TOKENS +
    messages.length * MESSAGE_FRAMING_TOKENS +
    (tools > 0 ? TOOLS_FRAMING_TOKENS + tools * TOOL_FRAMING_TOKENS : 0)
  return {
    kind: 'bounded',
    // The provider bills an image by its size in pixels, not by the bytes that carry it.
    inputTokensMax: bodyBytes - media.inlineImageBytes + framing + media.inlineImages * IMAGE_TOKENS_MAX,
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

interface Media {
  readonly inlineImages: number
  /** Bytes that their data URLs take in the body, at least. */
  readonly inlineImageBytes: number
  /** What the sidecar cannot see, or `null`. */
  readonly unseen: string | null
}

function readMedia(messages: readonly unknown[]): Media {
  let inlineImages = 0
  let inlineImageBytes = 0
  const ended = (unseen: string | null): Media => ({ inlineImages, inlineImageBytes, unseen })
  for (const message of messages) {
    if (!isRecord(message)) continue
    if (isRecord(message.audio)) return ended('an earlier audio answer by id')
    if (!Array.isArray(message.content)) continue
    for (const part of message.content) {
      if (!isRecord(part)) continue
      if (part.type === 'file') return ended('a file')
      if (part.type !== 'image_url') continue
      const url = isRecord(part.image_url) ? part.image_url.url : part.image_url
      if (typeof url !== 'string' || !url.startsWith('data:')) return ended('an image by URL')
      inlineImages++
      if (url.startsWith('data:image/')) inlineImageBytes += url.length
    }
  }
  return ended(null)
}

/** Families that bill no output that the stream does not show; all others may reason in hiding. */
const SHOWS_ALL_OUTPUT = /^(?:ft:)?(?:gpt-3\.5|gpt-4|gpt-4o|gpt-4\.1|gpt-4\.5|chatgpt-4o)(?:$|[-:])/

/** Whether a model writes nothing but what its stream shows. */
export const showsAllOutput = (model: string): boolean => SHOWS_ALL_OUTPUT.test(model) && !model.includes('audio')

/** Whether the text seen in a stream bounds the billed output. */
export function outputIsVisible(model: string, request: MeteredRequest): boolean {
  return (
    showsAllOutput(model) &&
    !readArray(request.json.modalities).includes('audio') &&
    (request.json.prediction ?? null) === null &&
    searchCalls(request) === 0
  )
}
