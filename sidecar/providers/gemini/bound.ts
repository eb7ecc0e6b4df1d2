import type { MeteredRequest, RequestBound } from '../provider.ts'
import { isRecord } from '../read.ts'
import { candidatesOf, outputLimit } from './config.ts'
import { hostedTools } from './grounding.ts'
import { fieldName, fieldsOf, valuesOf } from './proto.ts'
import { askedServiceTier } from './usage.ts'

/**
 * Tokens that the provider adds around the text. Its tokenizer falls back to bytes, so it gives no more tokens than
 * bytes, and JSON is never shorter than the text in it: the body's length plus this framing bounds the input.
 */
const FRAMING_TOKENS = 64
const CONTENT_FRAMING_TOKENS = 8
const TOOLS_FRAMING_TOKENS = 512
const TOOL_FRAMING_TOKENS = 16
/**
 * The dearest that one inline image costs: 258 tokens for each tile of at least 256 pixels of 3072 × 3072, to which
 * images are scaled down (the provider's guides to images and media resolution; Gemini 3 and later take 2 240 at most),
 * rounded up.
 */
const IMAGE_TOKENS_MAX = 40_000
/** The kinds of image that the provider's guide lists. */
const IMAGE = /^image\/(?:png|jpeg|jpg|webp|heic|heif)$/i

/** Members of a part that say what it holds, or nothing that costs. */
const KNOWN_PARTS = new Set([
  'text',
  'thought',
  'thoughtSignature',
  'functionCall',
  'functionResponse',
  'executableCode',
  'codeExecutionResult',
  'toolCall',
  'toolResponse',
  'mediaResolution',
  'partMetadata',
])

/** What bounds a request for content; `bodyBytes` is the length of its JSON. Thoughts count within the output limit. */
export function requestBound(request: MeteredRequest, bodyBytes: number): RequestBound {
  const { json, model } = request
  const media = readMedia([...valuesOf(json, 'systemInstruction'), ...valuesOf(json, 'contents')])
  const shared = {
    choices: candidatesOf(json),
    outputTokensAsked: outputLimit(json),
    serviceTier: askedServiceTier(request),
  }
  const hosted = hostedTools(model, json)
  if (hosted !== null) {
    const { reason, callsMax, contextsMax } = hosted
    return { kind: 'unbounded', reason, hostedToolCallsMax: callsMax, contextsMax, ...shared }
  }
  const unseen = fieldsOf(json, 'cachedContent').length > 0 ? 'cached content' : media.unseen
  if (unseen !== null) return { kind: 'unbounded', reason: unseen, hostedToolCallsMax: 0, ...shared }
  return { kind: 'bounded', inputTokensMax: inputTokens(json, bodyBytes, media), extraOutputTokens: 0, ...shared }
}

/** What bounds a request for embeddings, or a batch of them: they have no output. */
export function embedBound({ json }: MeteredRequest, bodyBytes: number): RequestBound {
  const requests = [json, ...valuesOf(json, 'requests')]
  const media = readMedia(requests.flatMap((each) => valuesOf(each, 'content')))
  const shared = { choices: 1, outputTokensAsked: 0, serviceTier: 'standard' } as const
  if (media.unseen !== null) return { kind: 'unbounded', reason: media.unseen, hostedToolCallsMax: 0, ...shared }
  const framing = requests.length * CONTENT_FRAMING_TOKENS
  return {
    kind: 'bounded',
    inputTokensMax: inputTokens(json, bodyBytes, media) + framing,
    extraOutputTokens: 0,
    ...shared,
  }
}

function inputTokens(json: Readonly<Record<string, unknown>>, bodyBytes: number, media: Media): number {
  const tools = valuesOf(json, 'tools').flatMap((tool) => valuesOf(tool, 'functionDeclarations')).length
  return (
    bodyBytes -
    media.imageBytes +
    media.images * IMAGE_TOKENS_MAX +
    FRAMING_TOKENS +
    valuesOf(json, 'contents').length * CONTENT_FRAMING_TOKENS +
    (tools > 0 ? TOOLS_FRAMING_TOKENS + tools * TOOL_FRAMING_TOKENS : 0)
  )
}

interface Media {
  readonly images: number
  /** Bytes that they take in the body, at least. */
  readonly imageBytes: number
  /** What the sidecar cannot see, or `null`. */
  readonly unseen: string | null
}

function readMedia(contents: readonly unknown[]): Media {
  const seen = { images: 0, imageBytes: 0, unseen: null }
  for (const content of contents) addParts(seen, content)
  return seen
}

interface Seen {
  images: number
  imageBytes: number
  unseen: string | null
}

/** @param holder of `parts`: a content, or the answer of a function */
function addParts(into: Seen, holder: unknown): void {
  for (const part of valuesOf(holder, 'parts')) {
    if (!isRecord(part)) continue
    for (const key in part) {
      const value = part[key]
      const name = fieldName(key)
      if ((value ?? null) === null) continue
      if (name === 'inlineData') addInline(into, value)
      else if (name === 'functionResponse') addParts(into, value)
      else if (name === 'fileData') into.unseen ??= 'a file by URI'
      else if (name === 'videoMetadata' || name === 'mediaProcessing') into.unseen ??= 'a video'
      else if (!KNOWN_PARTS.has(name)) into.unseen ??= 'a part of a kind that nobody knows'
    }
  }
}

/** The provider bills an image by its size in pixels, not by the bytes that carry it. */
function addInline(into: Seen, blob: unknown): void {
  const types = fieldsOf(blob, 'mimeType').map(({ value }) => value)
  if (types.length === 0 || !types.every((type) => typeof type === 'string' && IMAGE.test(type))) {
    into.unseen ??= 'inline media of another kind than an image'
    return
  }
  into.images++
  for (const { value } of fieldsOf(blob, 'data')) if (typeof value === 'string') into.imageBytes += value.length
}

/** Families that think not, so that a stream shows all that is billed. */
const SHOWS_ALL_OUTPUT = /^gemini-(?:1\.|2\.0-)/

/** Whether the text seen in a stream bounds the billed output. */
export const outputIsVisible = (model: string, { json }: MeteredRequest): boolean =>
  SHOWS_ALL_OUTPUT.test(model) &&
  hostedTools(model, json) === null &&
  fieldsOf(json, 'generationConfig').every(({ value }) => fieldsOf(value, 'responseModalities').length === 0)
