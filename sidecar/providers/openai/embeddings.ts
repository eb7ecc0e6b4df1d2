import type { Segment } from '@agentcostcontrol/contract'
import { type Denial, denial } from '../../exchange.ts'
import type { MeteredRequest, PathFacts, ProviderAdapter, RequestBound } from '../provider.ts'
import { isRecord } from '../read.ts'
import { openaiChat } from './chat.ts'
import { addJson } from './segments.ts'
import { readFacts } from './usage.ts'

/**
 * OpenAI embeddings: `POST /embeddings`. The input is a text, tokens, or a list of either; there is no output that is
 * billed, nothing to limit, and no stream. Vectors pass as they are, numbers or base64.
 */
export const openaiEmbeddings: ProviderAdapter = {
  ...openaiChat,
  operation: 'embeddings',
  parse,
  segments,
  bound,
  remember: (request) => ({ ...request, json: { ...request.json, input: undefined } }),
  limitOutput: (body) => body,
  askForUsage: () => null,
  addUnreported: (usage) => usage,
  readAnswer: (json) => readFacts(json),
  answerSegments: () => [],
  framing: () => null,
}

/** Members that hold no text of anybody. */
const SETTINGS = new Set(['model', 'encoding_format', 'dimensions'])
/** All that OpenAI takes: none but the input costs anything. */
const KNOWN = new Set([...SETTINGS, 'input', 'user'])
/** Tokens that the provider may add around each text. */
const TEXT_FRAMING_TOKENS = 8

function parse(json: unknown, path: PathFacts): MeteredRequest | Denial {
  if (!isRecord(json)) return denial('acc_body_not_json', 'The request body must be a JSON object.')
  const model = path.model ?? json.model
  if (typeof model !== 'string' || model === '') {
    return denial(
      'acc_model_missing',
      'The request names no model: set "model" to a string, for example "text-embedding-3-small".',
    )
  }
  return { model, stream: false, json }
}

/** Texts of the input, one by one. Tokens are read by nobody here: they are numbers. */
function segments({ json }: MeteredRequest): readonly Segment[] {
  const segments: Segment[] = []
  for (const key of Object.keys(json)) {
    const value = json[key]
    if (SETTINGS.has(key) || isTokens(value)) continue
    if (!Array.isArray(value)) addJson(segments, 'user', [key], value)
    else
      value.forEach((item, index) => {
        if (!isTokens(item)) addJson(segments, 'user', [key, index], item)
      })
  }
  return segments
}

/** Tokens count one each; a text has no more of them than its JSON has bytes. */
function bound({ json }: MeteredRequest, bodyBytes: number): RequestBound {
  const shared = { choices: 1, outputTokensAsked: 0, serviceTier: null } as const
  const counted = countInput(json.input)
  if (counted === null)
    return { kind: 'unbounded', reason: 'an input that is neither text nor tokens', hostedToolCallsMax: 0, ...shared }
  const isTokensAlone = counted.texts === 0 && Object.keys(json).every((key) => KNOWN.has(key))
  const inputTokensMax = isTokensAlone ? counted.tokens : bodyBytes + counted.texts * TEXT_FRAMING_TOKENS
  return { kind: 'bounded', inputTokensMax, extraOutputTokens: 0, ...shared }
}

interface Counted {
  readonly texts: number
  readonly tokens: number
}

/** `null` for what servers of their own kind take besides: pictures, messages. */
function countInput(input: unknown): Counted | null {
  if (typeof input === 'string') return { texts: 1, tokens: 0 }
  if (!Array.isArray(input)) return null
  let texts = 0
  let tokens = 0
  for (const item of input) {
    if (typeof item === 'string') texts++
    else if (isNumber(item)) tokens++
    else if (isTokens(item)) tokens += item.length
    else return null
  }
  return { texts, tokens }
}

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isTokens = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every(isNumber)
