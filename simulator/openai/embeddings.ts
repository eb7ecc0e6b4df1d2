import type { Call } from '../api.ts'
import { type Json, list, positive } from '../json.ts'
import { sendPlain } from '../plain.ts'
import { NOTHING_CONSUMED } from '../pricing.ts'
import { randomFrom, seedOf } from '../text.ts'
import { countTokens } from '../tokens.ts'
import { readBody } from './body.ts'

/** Numbers in a vector where the request does not say. */
const DIMENSIONS = 1_536
const DIMENSIONS_LARGE = 3_072
const INPUTS_MAX = 2_048
const TOKENS_MAX = 8_192

/** A text, or the tokens of one. */
type Input = string | readonly unknown[]

/** Answers `POST /embeddings`. */
export async function handleEmbeddings(call: Call): Promise<void> {
  const { controls, response, bill, requestId, provider } = call
  const json = readBody(call)
  if (json === null) return
  const inputs = inputsOf(json.input)
  const wrong = inputs === null ? "'$.input' is invalid." : complaint(inputs)
  if (inputs === null || wrong !== null) {
    call.fail(response, 400, wrong ?? undefined, 'input')
    return
  }
  const model = controls.answerModel ?? json.model
  const tokens = inputs.reduce((sum, input) => sum + tokensOf(input), 0)
  const usage = { prompt_tokens: tokens, total_tokens: tokens, ...controls.usage }
  const reported = { usage, consumed: { ...NOTHING_CONSUMED, input: usage.prompt_tokens } }
  const billed = { requestId, responseId: '', provider, model, serviceTier: 'standard', tag: controls.tag }
  bill.update(bill.open(billed, reported), reported, 'completed')
  const data = inputs.map((input, index) => ({
    object: 'embedding',
    index,
    embedding: written(vectorOf(input, json, call.seed), json.encoding_format),
  }))
  const answer = { object: 'list', data, model, usage }
  await sendPlain(response, JSON.stringify(answer), controls, (fault) =>
    JSON.stringify({ ...answer, usage: fault === 'no-usage' ? undefined : { prompt_tokens: 'many' } }),
  )
}

/** The inputs one by one; `null` if they are none. */
function inputsOf(input: unknown): readonly Input[] | null {
  if (typeof input === 'string') return [input]
  const items = list(input)
  if (items.length === 0) return null
  if (items.every(isToken)) return [items]
  return items.every(isInput) ? items : null
}

const isToken = (value: unknown): boolean => typeof value === 'number' && Number.isInteger(value) && value >= 0
const isInput = (value: unknown): value is Input =>
  typeof value === 'string' || (Array.isArray(value) && value.length > 0 && value.every(isToken))

function complaint(inputs: readonly Input[]): string | null {
  if (inputs.length > INPUTS_MAX) return `'$.input' is invalid: more than ${INPUTS_MAX} inputs.`
  if (inputs.some((input) => input === '')) return "'$.input' is invalid: it holds an empty string."
  const longest = Math.max(...inputs.map(tokensOf))
  return longest > TOKENS_MAX
    ? `This model's maximum context length is ${TOKENS_MAX} tokens, however you requested ${longest} tokens.`
    : null
}

const tokensOf = (input: Input): number => (typeof input === 'string' ? countTokens(input) : input.length)

/** A vector of length one, as those of the provider are. */
function vectorOf(input: Input, json: Json & { readonly model: string }, seed: number): Float32Array {
  const random = randomFrom(seedOf(JSON.stringify(input), seed))
  const standard = json.model.includes('large') ? DIMENSIONS_LARGE : DIMENSIONS
  const vector = Float32Array.from({ length: positive(json.dimensions) ?? standard }, () => random() - 0.5)
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

/** Numbers, or the bytes of 32-bit floats, little-endian, which is what the official clients ask for. */
function written(vector: Float32Array, format: unknown): string | readonly number[] {
  if (format !== 'base64') return Array.from(vector)
  const bytes = Buffer.alloc(vector.length * 4)
  vector.forEach((value, at) => {
    bytes.writeFloatLE(value, at * 4)
  })
  return bytes.toString('base64')
}
