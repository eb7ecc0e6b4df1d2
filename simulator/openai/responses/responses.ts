import { type Call, sendJson } from '../../api.ts'
import { isRecord, type Json, list } from '../../json.ts'
import { sendPlain } from '../../plain.ts'
import { sendStream, sseStyle } from '../../stream.ts'
import { failOpenAi } from '../errors.ts'
import { answerResponse, type ResponseAnswer } from './answer.ts'
import { countPrompt, itemsOf } from './prompt.ts'
import { endOf, renderEvents, renderItem, renderResponse, renderWhole } from './render.ts'
import { type Store, type Stored, storeOf } from './store.ts'
import { reported, usageOf } from './usage.ts'

const STREAM = sseStyle(null, {
  event: 'error',
  json: JSON.stringify({
    type: 'error',
    sequence_number: 1_000,
    error: { type: 'server_error', code: 'server_error', message: 'The server had an error.', param: null },
  }),
})
const MALFORMED = { input_tokens: 'many', output_tokens: -3 }
const NOTHING_HOSTED = { webSearches: 0, fileSearches: 0, containers: 0, pictureTokens: 0 }

/** Answers `POST /responses`. */
export async function handleCreate(call: Call): Promise<void> {
  const { response, controls, bill } = call
  const store = storeOf(bill)
  const json = readRequest(call)
  if (json === null) return
  const before = earlierItems(json, store)
  if (typeof before === 'string') {
    failOpenAi(response, 400, before, 'previous_response_id')
    return
  }
  const answer = answerResponse(json, before, controls, call.seed, Math.floor(call.now() / 1_000), store)
  const stored = keep(call, answer, before)
  if (json.stream === true) await sendEvents(call, stored)
  else if (json.background === true) {
    stored.status = 'queued'
    sendJson(response, 200, JSON.stringify(renderResponse(answer, { status: 'queued', output: [], usage: null })))
  } else {
    finish(call, stored)
    const text = JSON.stringify(renderWhole(answer))
    await sendPlain(response, text, controls, (fault) =>
      JSON.stringify(renderWhole(answer, fault === 'no-usage' ? null : MALFORMED)),
    )
  }
}

/** What the provider goes on with; a sentence where it does not know it. */
function earlierItems(json: Json, store: Store): readonly unknown[] | string {
  const { previous_response_id: previous, conversation } = json
  if (typeof previous === 'string')
    return store.responses.get(previous)?.items ?? `Previous response with id '${previous}' not found.`
  const id = isRecord(conversation) ? conversation.id : conversation
  return typeof id === 'string' ? (store.conversations.get(id) ?? []) : []
}

/** Opens the bill, and keeps what a later request may go on with. */
function keep(call: Call, answer: ResponseAnswer, before: readonly unknown[]): Stored {
  const { bill, controls } = call
  const store = storeOf(bill)
  const { prompt, request } = answer
  const entry = bill.open(
    {
      requestId: call.requestId,
      responseId: answer.id,
      provider: call.provider,
      model: billedAs(answer),
      serviceTier: answer.serviceTier,
      tag: controls.tag,
    },
    reported(usageOf(prompt.tokens, prompt.cached, prompt.written, 0, 0), NOTHING_HOSTED),
  )
  const input = itemsOf(request.input)
  const items = [...before, ...input, ...answer.items.map(renderItem)]
  const stored: Stored = { answer, items, input, entry, status: 'in_progress', background: request.background === true }
  store.responses.set(answer.id, stored)
  const { conversation } = request
  const id = isRecord(conversation) ? conversation.id : conversation
  if (typeof id === 'string') store.conversations.set(id, items)
  return stored
}

/** The rate card's name for what was served: nobody has a price for a model that had pictures made by another. */
function billedAs({ model, serviceTier, hosted }: ResponseAnswer): string {
  if (hosted.pictureTokens > 0) return `${model} and pictures`
  return serviceTier === 'ultrafast' ? `ultrafast/${model}` : model
}

/** The whole answer was made. */
function finish({ bill }: Call, stored: Stored): void {
  const { answer, entry } = stored
  stored.status = endOf(answer)
  bill.update(entry, reported(answer.usage, answer.hosted), 'completed')
}

async function sendEvents(call: Call, stored: Stored): Promise<void> {
  const { response, controls, bill } = call
  const { answer, entry, background } = stored
  const { fault } = controls
  const usage = fault === 'no-usage' ? null : fault === 'malformed-usage' ? MALFORMED : answer.usage
  const { ended, tokens } = await sendStream(response, renderEvents(answer, usage), controls, STREAM)
  if (ended === 'completed') finish(call, stored)
  else if (background) {
    // It goes on without its client, and is billed whole.
    finish(call, stored)
    bill.update(entry, reported(answer.usage, answer.hosted), ended)
  } else {
    const { tokens: input, cached, written } = answer.prompt
    bill.update(entry, reported(usageOf(input, cached, written, tokens, 0), answer.hosted), ended)
  }
}

/** Answers everything below `/responses/`; false for a path that is not there. */
export async function handleStored(call: Call): Promise<boolean> {
  const [, , id = '', part] = call.path.split('/')
  const at = `${call.method} ${part ?? ''}`
  if (call.method === 'POST' && id === 'input_tokens') {
    sendCount(call)
    return true
  }
  const stored = storeOf(call.bill).responses.get(id)
  if (!['GET ', 'DELETE ', 'POST cancel', 'GET input_items'].includes(at)) return false
  if (!stored) failOpenAi(call.response, 404, `Response with id '${id}' not found.`)
  else if (at === 'DELETE ') {
    storeOf(call.bill).responses.delete(id)
    sendJson(call.response, 200, JSON.stringify({ id, object: 'response', deleted: true }))
  } else if (at === 'GET input_items') {
    const data = stored.input.map((item, index) => ({ id: `item_${index}`, ...Object(item) }))
    sendJson(
      call.response,
      200,
      JSON.stringify({ object: 'list', data, first_id: null, last_id: null, has_more: false }),
    )
  } else if (at === 'POST cancel') cancel(call, stored)
  else await sendStored(call, stored)
  return true
}

/** A job is looked at once while it is at work; then it is done. */
async function sendStored(call: Call, stored: Stored): Promise<void> {
  const { answer } = stored
  if (call.query.get('stream') === 'true') {
    const after = Number(call.query.get('starting_after') ?? -1)
    finish(call, stored)
    await sendStream(call.response, renderEvents(answer, answer.usage).slice(after + 1), call.controls, STREAM)
    return
  }
  if (stored.status === 'in_progress') finish(call, stored)
  else if (stored.status === 'queued') stored.status = 'in_progress'
  const isDone = stored.status === 'completed' || stored.status === 'incomplete'
  const text = isDone ? renderWhole(answer) : renderResponse(answer, { status: stored.status, output: [], usage: null })
  await sendPlain(call.response, JSON.stringify(text), call.controls, () => JSON.stringify({ ...text, usage: null }))
}

/** Half of it was made by then. */
function cancel(call: Call, stored: Stored): void {
  const { answer, entry, background } = stored
  if (!background) {
    failOpenAi(call.response, 400, 'Cannot cancel a synchronous response.')
    return
  }
  if (stored.status === 'queued' || stored.status === 'in_progress') {
    stored.status = 'cancelled'
    const { tokens, cached, written } = answer.prompt
    const half = Math.floor(answer.usage.output_tokens / 2)
    call.bill.update(entry, reported(usageOf(tokens, cached, written, half, 0), NOTHING_HOSTED), 'aborted')
  }
  const text = renderResponse(answer, { status: stored.status, output: [], usage: null })
  sendJson(call.response, 200, JSON.stringify(text))
}

function sendCount(call: Call): void {
  const json = readRequest(call)
  if (json === null) return
  const nothing: Store = { ...storeOf(call.bill), prefixes: new Set() }
  const { tokens } = countPrompt(json, [], nothing)
  sendJson(call.response, 200, JSON.stringify({ object: 'response.input_tokens', input_tokens: tokens }))
}

/** Conversations: made empty, and filled by responses. */
export function handleConversation(call: Call): boolean {
  const [, , id, part] = call.path.split('/')
  const { conversations } = storeOf(call.bill)
  const render = (known: string): string =>
    JSON.stringify({ id: known, object: 'conversation', created_at: Math.floor(call.now() / 1_000), metadata: {} })
  if (id === undefined) {
    if (call.method !== 'POST') return false
    const made = `conv_${(conversations.size + 1).toString(16).padStart(12, '0')}`
    conversations.set(made, [])
    sendJson(call.response, 200, render(made))
    return true
  }
  const items = conversations.get(id)
  if (!items) failOpenAi(call.response, 404, `Conversation with id '${id}' not found.`)
  else if (part === 'items')
    sendJson(
      call.response,
      200,
      JSON.stringify({ object: 'list', data: items, first_id: null, last_id: null, has_more: false }),
    )
  else if (call.method === 'DELETE') {
    conversations.delete(id)
    sendJson(call.response, 200, JSON.stringify({ id, object: 'conversation.deleted', deleted: true }))
  } else sendJson(call.response, 200, render(id))
  return true
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
  if (typeof json.model !== 'string') return refuse(400, "Missing required parameter: 'model'.", 'model')
  if (json.model.startsWith('no-such-model')) return refuse(404)
  const isEmpty = json.input === '' || (Array.isArray(json.input) && list(json.input).length === 0)
  if ((typeof json.input !== 'string' && !Array.isArray(json.input)) || isEmpty)
    return refuse(400, "Missing required parameter: 'input'.", 'input')
  if (typeof json.max_output_tokens === 'number' && json.max_output_tokens < 16)
    return refuse(
      400,
      "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.",
      'max_output_tokens',
    )
  return json
}
