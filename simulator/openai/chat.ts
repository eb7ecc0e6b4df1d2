import type { Call } from '../api.ts'
import { isRecord, type Json } from '../json.ts'
import { sendPlain } from '../plain.ts'
import { sendStream, sseStyle } from '../stream.ts'
import { answerChat } from './answer.ts'
import { failOpenAi } from './errors.ts'
import { renderAnswer, renderChunks } from './render.ts'
import { reported, usageOf } from './usage.ts'
import { placeUsage } from './usage-place.ts'

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
  const answer = answerChat(json, controls, call.seed, Math.floor(call.now() / 1_000))
  const { searchCalls } = answer.features
  const entry = bill.open(
    {
      requestId: call.requestId,
      responseId: answer.id,
      provider: call.provider,
      model: answer.model,
      serviceTier: answer.serviceTier,
      tag: controls.tag,
    },
    reported(usageOf(answer.promptTokens, 0, 0), searchCalls),
  )
  const whole = reported(answer.usage, searchCalls)
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
  const chunks = placeUsage(renderChunks(answer, asksForUsage), controls.usageIn, answer)
  const { ended, tokens } = await sendStream(response, chunks, controls, STREAM)
  const { promptTokens, reasoningTokens } = answer
  const part = usageOf(promptTokens, tokens + reasoningTokens, reasoningTokens)
  bill.update(entry, ended === 'completed' ? whole : reported(part, searchCalls), ended)
}

/** The request, or `null` if it was refused. */
function readRequest({ request, response, body }: Call): Json | null {
  const refuse = (status: number, message?: string, param?: string): null => {
    failOpenAi(response, status, message, param)
    return null
  }
  if (!request.headers.authorization && !request.headers['api-key'])
    return refuse(401, "You didn't provide an API key.")
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    return refuse(400, 'We could not parse the JSON body of your request.')
  }
  if (!isRecord(json)) return refuse(400, 'Expected an object.')
  if (typeof json.model !== 'string') return refuse(400, 'you must provide a model parameter')
  if (json.model.startsWith('no-such-model')) return refuse(404)
  if (!Array.isArray(json.messages) || json.messages.length === 0)
    return refuse(400, "Missing required parameter: 'messages'.", 'messages')
  return json
}
