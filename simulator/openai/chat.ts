import type { Call } from '../api.ts'
import { isRecord, type Json } from '../json.ts'
import { sendPlain } from '../plain.ts'
import { sendStream, sseStyle } from '../stream.ts'
import { answerChat } from './answer.ts'
import { readBody } from './body.ts'
import { dialectOf } from './dialects.ts'
import { renderAnswer } from './render.ts'
import { reported, usageOf } from './usage.ts'
import { chunksOf } from './usage-place.ts'

const PICO_PER_USD = 1e12

const STREAM = sseStyle('[DONE]', {
  json: JSON.stringify({
    error: {
      message: 'The server had an error while processing your request.',
      type: 'server_error',
      param: null,
      code: null,
    },
  }),
})

/** Answers `POST /chat/completions`. */
export async function handleChat(call: Call): Promise<void> {
  const { response, controls, bill } = call
  const json = readRequest(call)
  if (json === null) return
  const dialect = dialectOf(call.provider)
  const decided = answerChat(json, controls, call.seed, Math.floor(call.now() / 1_000), dialect)
  const { searchCalls } = decided.features
  const [provider, model] = dialect.billed?.(decided.model) ?? [call.provider, decided.model]
  const { serviceTier } = decided
  const whole = reported(decided.usage, searchCalls)
  const costUsd = Number(bill.quote({ provider, model, serviceTier }, whole) ?? 0) / PICO_PER_USD
  const told = { model: decided.model, costUsd }
  const answer = { ...decided, shown: dialect.usage?.(decided.usage, told) ?? decided.usage }
  const entry = bill.open(
    {
      requestId: call.requestId,
      responseId: answer.id,
      provider,
      model,
      serviceTier,
      tag: controls.tag,
    },
    reported(usageOf(answer.promptTokens, 0, 0), searchCalls),
  )
  if (json.stream !== true) {
    bill.update(entry, whole, 'completed')
    const text = renderAnswer(answer)
    await sendPlain(response, text, controls, (fault) =>
      JSON.stringify({
        ...JSON.parse(text),
        usage: fault === 'no-usage' ? undefined : { prompt_tokens: 'many', completion_tokens: -3 },
      }),
    )
    return
  }
  const asksForUsage = isRecord(json.stream_options) && json.stream_options.include_usage === true
  const chunks = chunksOf(answer, asksForUsage, controls, dialect)
  const { ended, tokens } = await sendStream(response, chunks, controls, STREAM)
  const { promptTokens, reasoningTokens } = answer
  const part = usageOf(promptTokens, tokens + reasoningTokens, reasoningTokens)
  bill.update(entry, ended === 'completed' ? whole : reported(part, searchCalls), ended)
}

/** The request, or `null` if it was refused. */
function readRequest(call: Call): Json | null {
  const json = readBody(call)
  if (json === null) return null
  const { provider, response, fail } = call
  const { refused = [], ignored = [] } = dialectOf(provider)
  const unknown = refused.find((member) => member in json)
  if (unknown !== undefined) {
    fail(response, 422, `Extra inputs are not permitted: ${unknown}`, unknown)
    return null
  }
  if (!Array.isArray(json.messages) || json.messages.length === 0) {
    fail(response, 400, "Missing required parameter: 'messages'.", 'messages')
    return null
  }
  return {
    ...Object.fromEntries(Object.entries(json).filter(([member]) => !ignored.includes(member))),
    model: json.model,
  }
}
