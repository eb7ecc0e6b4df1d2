import type { ServerResponse } from 'node:http'
import { type Api, type Call, sendJson } from '../api.ts'
import { isRecord, type Json, list } from '../json.ts'
import { openaiApi } from '../openai/api.ts'
import { sendPlain } from '../plain.ts'
import { sendStream } from '../stream.ts'
import { countTokens } from '../tokens.ts'
import { type Answer, answerOllama, type Kind } from './answer.ts'
import { LINES, plainOf, type Spoilt, streamOf } from './render.ts'
import { reported } from './usage.ts'

const MODELS = ['qwen3:8b', 'llama3.2:3b', 'gemma3:4b']

/** Ollama's own API, and below `/v1` OpenAI's as Ollama speaks it. */
export const ollamaApi: Api = {
  setHeaders: () => {},
  fail: failOllama,
  handle: async (call) => {
    const { method, path, response } = call
    const at = `${method} ${path}`
    if (!path.startsWith('/api/') && path !== '/') return openaiApi.handle(call)
    if (at === 'POST /api/chat') await answer(call, 'chat')
    else if (at === 'POST /api/generate') await answer(call, 'generate')
    else if (at === 'POST /api/embed') await embed(call)
    else if (at === 'GET /api/version') sendJson(response, 200, '{"version":"0.12.0"}')
    else if (at === 'GET /api/tags')
      sendJson(response, 200, JSON.stringify({ models: MODELS.map((name) => ({ name, model: name })) }))
    else if (at === 'GET /api/ps') sendJson(response, 200, '{"models":[]}')
    else if (at === 'POST /api/show')
      sendJson(response, 200, '{"details":{"family":"simulated"},"capabilities":["completion"]}')
    else if (at === 'POST /api/pull') sendFetched(call)
    else return false
    return true
  },
}

/** Fetching a model tells how far it is, line by line, unless it is told not to. */
function sendFetched({ response, body }: Call): void {
  const success = '{"status":"success"}'
  if (body.includes('"stream":false')) sendJson(response, 200, success)
  else sendJson(response, 200, `{"status":"pulling manifest"}\n${success}\n`, 'application/x-ndjson')
}

/** Answers with an error as Ollama words it. */
function failOllama(response: ServerResponse, status: number, message?: string): void {
  if (status === 429) response.setHeader('retry-after', '1')
  const error = message ?? (status === 404 ? "model 'unknown' not found" : `the request failed with status ${status}`)
  sendJson(response, status, JSON.stringify({ error }), 'application/json; charset=utf-8')
}

/** The request, or `null` if it was refused. */
function readRequest({ response, body }: Call): (Json & { readonly model: string }) | null {
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    failOllama(response, 400, 'invalid character in the JSON of the request')
    return null
  }
  const model = isRecord(json) ? json.model : undefined
  if (!isRecord(json) || typeof model !== 'string' || model === '') failOllama(response, 400, 'model is required')
  else if (model.startsWith('no-such-model')) failOllama(response, 404, `model '${model}' not found`)
  else return { ...json, model }
  return null
}

function openBill(call: Call, model: string, input: number) {
  const { requestId, provider, controls } = call
  const entry = { requestId, responseId: requestId, provider, model, serviceTier: 'default', tag: controls.tag }
  return call.bill.open(entry, reported({ input, output: 0 }))
}

async function answer(call: Call, kind: Kind): Promise<void> {
  const json = readRequest(call)
  if (json === null) return
  const { controls, response, bill } = call
  const decided: Answer = answerOllama(kind, json, controls, call.seed, call.now())
  if (decided.loadsOnly) {
    sendJson(response, 200, plainOf(decided), 'application/json; charset=utf-8')
    return
  }
  const entry = openBill(call, decided.model, decided.promptTokens)
  const whole = reported(decided.counted)
  const spoilt: Spoilt = controls.fault === 'no-usage' || controls.fault === 'malformed-usage' ? controls.fault : null
  if (json.stream === false) {
    bill.update(entry, whole, 'completed')
    await sendPlain(response, plainOf(decided), controls, (fault) => plainOf(decided, fault))
    return
  }
  const { ended, tokens } = await sendStream(response, streamOf(decided, spoilt), controls, LINES)
  const part = reported({ input: decided.promptTokens, output: tokens })
  bill.update(entry, ended === 'completed' ? whole : part, ended)
}

async function embed(call: Call): Promise<void> {
  const json = readRequest(call)
  if (json === null) return
  const texts = (typeof json.input === 'string' ? [json.input] : list(json.input)).map(String)
  const input = texts.reduce((sum, text) => sum + countTokens(text), 0)
  const entry = openBill(call, json.model, input)
  call.bill.update(entry, reported({ input, output: 0 }), 'completed')
  const embeddings = texts.map((text) => [text.length / 100, 0.5])
  const { model } = json
  const told = (count: object): string =>
    JSON.stringify({ model, embeddings, total_duration: 1, load_duration: 1, ...count })
  await sendPlain(call.response, told({ prompt_eval_count: input }), call.controls, () => told({}))
}
