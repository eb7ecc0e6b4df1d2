import type { MeteredRequest, RequestBound } from '../provider.ts'
import { isRecord, readArray, readPositiveInteger } from '../read.ts'

/**
 * What a model's own template and system prompt add, which stand in its Modelfile and nobody sees. A byte-level tokenizer
 * gives no more tokens than bytes, so the body's length and this bound the input.
 */
const TEMPLATE_TOKENS_MAX = 2_048
const MESSAGE_FRAMING_TOKENS = 16
const TOOL_FRAMING_TOKENS = 32
/** The dearest that one image costs at a model of Ollama's library (Qwen2.5-VL's largest picture), rounded up. */
const IMAGE_TOKENS_MAX = 16_384

/** What bounds a request; `bodyBytes` is the length of its JSON. */
export function requestBound({ json }: MeteredRequest, bodyBytes: number): RequestBound {
  const messages = readArray(json.messages)
  const images = [...imagesOf(json), ...messages.flatMap(imagesOf)]
  const imageBytes = images.reduce((sum, image) => sum + image.length, 0)
  const framing =
    TEMPLATE_TOKENS_MAX + messages.length * MESSAGE_FRAMING_TOKENS + readArray(json.tools).length * TOOL_FRAMING_TOKENS
  return {
    kind: 'bounded',
    // A picture counts by its size in pixels, not by the bytes that carry it.
    inputTokensMax: bodyBytes - imageBytes + framing + images.length * IMAGE_TOKENS_MAX,
    outputTokensAsked: outputLimit(json),
    choices: 1,
    extraOutputTokens: 0,
    serviceTier: null,
  }
}

/** Embeddings have input alone. */
export const embeddingBound = (request: MeteredRequest, bodyBytes: number): RequestBound => ({
  kind: 'bounded',
  // Each text of a list is read with a beginning and an end of its own.
  inputTokensMax: bodyBytes + TEMPLATE_TOKENS_MAX + readArray(request.json.input).length * MESSAGE_FRAMING_TOKENS,
  outputTokensAsked: 0,
  choices: 1,
  extraOutputTokens: 0,
  serviceTier: null,
})

/** Below one, `num_predict` is no limit: -1 is without end, -2 as long as the context allows. */
const outputLimit = ({ options }: MeteredRequest['json']): number | null =>
  isRecord(options) ? readPositiveInteger(options.num_predict) : null

/** Pictures in base64. */
const imagesOf = (holder: unknown): readonly string[] =>
  isRecord(holder) ? readArray(holder.images).filter((image) => typeof image === 'string') : []

/** Whether the text seen in a stream bounds the output: a call of a tool is told when it is whole, and nothing of it before. */
export const outputIsVisible = (request: MeteredRequest): boolean => readArray(request.json.tools).length === 0
