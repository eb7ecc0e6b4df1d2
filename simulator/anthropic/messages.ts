import type { Call } from '../api.ts'
import type { Bill } from '../bill.ts'
import { isRecord, type Json, list } from '../json.ts'
import { sendPlain } from '../plain.ts'
import { sendStream, sseStyle } from '../stream.ts'
import { answerMessage } from './answer.ts'
import { isAsSigned } from './blocks.ts'
import { failAnthropic } from './errors.ts'
import type { PromptCache } from './prompt.ts'
import { renderEvents, renderMessage } from './render.ts'
import { type AnthropicUsage, reported } from './usage.ts'

const STREAM = sseStyle(null, {
  event: 'error',
  json: JSON.stringify({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
})
const MALFORMED = { input_tokens: 'many', output_tokens: -3 }
const THINKING_TOKENS_LEAST = 1_024

/** The prompt caches of each simulator, as long as it lives. */
const CACHES = new WeakMap<Bill, PromptCache>()

/** The prompt cache of the simulator that makes this bill. */
function cacheOf(bill: Bill): PromptCache {
  const cache: PromptCache = CACHES.get(bill) ?? new Set()
  CACHES.set(bill, cache)
  return cache
}

/** Answers `POST /messages`. */
export async function handleMessages(call: Call): Promise<void> {
  const { response, controls, bill } = call
  const json = readRequest(call)
  if (json === null) return
  const answer = answerMessage(json, controls, call.seed, cacheOf(bill))
  const { usage } = answer
  const entry = bill.open(
    {
      requestId: call.requestId,
      responseId: answer.id,
      provider: call.provider,
      model: variantOf(answer.model, usage),
      serviceTier: usage.service_tier,
      tag: controls.tag,
    },
    reported({ ...answer.begun, output_tokens: 0 }),
  )
  if (json.stream !== true) {
    bill.update(entry, reported(usage), 'completed')
    await sendPlain(response, renderMessage(answer), controls, (fault) =>
      renderMessage(answer, fault === 'no-usage' ? undefined : MALFORMED),
    )
    return
  }
  const { ended, tokens } = await sendStream(
    response,
    renderEvents(answer, controls.usageIn, told(controls.fault, answer)),
    controls,
    STREAM,
  )
  const sofar = { ...usage, output_tokens: tokens }
  bill.update(entry, reported(ended === 'completed' ? usage : sofar), ended)
}

/** The usage that a stream reports at its beginning and at its end. */
function told(
  fault: string | null,
  { begun, usage }: { readonly begun: AnthropicUsage; readonly usage: AnthropicUsage },
): readonly [unknown, unknown] {
  if (fault === 'no-usage') return [null, null]
  return fault === 'malformed-usage' ? [MALFORMED, MALFORMED] : [begun, usage]
}

/** The rate card's name for a model at other rates. */
function variantOf(model: string, { speed, inference_geo }: AnthropicUsage): string {
  const place = inference_geo === 'us' ? 'us/' : ''
  return (speed === 'fast' ? 'fast/' : '') + place + model
}

/** The request, or `null` if it was refused. */
export function readRequest({ request, response, body }: Call, isCount = false): Json | null {
  const refuse = (status: number, message?: string): null => {
    failAnthropic(response, status, message)
    return null
  }
  if (!request.headers['x-api-key'] && !request.headers.authorization)
    return refuse(401, 'x-api-key header is required')
  if (!request.headers['anthropic-version']) return refuse(400, 'anthropic-version: header is required')
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    return refuse(400, 'The request body is not valid JSON')
  }
  if (!isRecord(json)) return refuse(400, 'Input should be a valid dictionary')
  if (typeof json.model !== 'string') return refuse(400, 'model: Field required')
  if (json.model.startsWith('no-such-model')) return refuse(404, `model: ${json.model}`)
  if (!Array.isArray(json.messages) || json.messages.length === 0) return refuse(400, 'messages: Field required')
  const wrong = (isCount ? null : wrongLimit(json)) ?? wrongThinking(json)
  return wrong === null ? json : refuse(400, wrong)
}

/** What is wrong with the output limit and the thinking budget. */
function wrongLimit({ max_tokens, thinking }: Json): string | null {
  if (typeof max_tokens !== 'number' || !Number.isSafeInteger(max_tokens) || max_tokens < 0)
    return 'max_tokens: Field required'
  if (!isRecord(thinking) || thinking.type !== 'enabled') return null
  const budget = Number(thinking.budget_tokens)
  if (!(budget >= THINKING_TOKENS_LEAST))
    return `thinking.enabled.budget_tokens: Input should be greater than or equal to ${THINKING_TOKENS_LEAST}`
  return budget < max_tokens ? null : '`max_tokens` must be greater than `thinking.budget_tokens`'
}

/** Thinking that comes back must be what was sent. */
function wrongThinking(json: Json): string | null {
  for (const [at, message] of list(json.messages).entries()) {
    for (const [index, block] of list(isRecord(message) ? message.content : null).entries()) {
      if (isRecord(block) && block.type === 'thinking' && !isAsSigned(block))
        return `messages.${at}.content.${index}: Invalid \`signature\` in \`thinking\` block`
    }
  }
  return null
}
