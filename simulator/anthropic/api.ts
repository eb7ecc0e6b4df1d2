import type { ServerResponse } from 'node:http'
import { type Api, type Call, sendJson } from '../api.ts'
import { failAnthropic } from './errors.ts'
import { handleMessages, readRequest } from './messages.ts'
import { allTokens, countPrompt } from './prompt.ts'

const MODELS = ['claude-fable-5-2', 'claude-opus-5-5', 'claude-sonnet-5-5', 'claude-haiku-5-5', 'claude-haiku-4-5']

/** Anthropic's API. */
export const anthropicApi: Api = {
  setHeaders,
  fail: failAnthropic,
  handle: async (call) => {
    const at = `${call.method} ${call.path}`
    if (at === 'POST /messages') await handleMessages(call)
    else if (at === 'POST /messages/count_tokens') countTokens(call)
    else if (at === 'POST /messages/batches') sendJson(call.response, 200, JSON.stringify(BATCH))
    else if (at === 'GET /models') sendModels(call)
    else if (at.startsWith('GET /models/')) sendModel(call)
    else return false
    return true
  },
}

/** Counting fills no cache. */
function countTokens(call: Call): void {
  const json = readRequest(call, true)
  if (json === null) return
  const input_tokens = allTokens(countPrompt(json, new Set()))
  sendJson(call.response, 200, JSON.stringify({ input_tokens }))
}

const BATCH = {
  id: 'msgbatch_simulated',
  type: 'message_batch',
  processing_status: 'in_progress',
  request_counts: { processing: 1, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
  created_at: '2026-11-01T00:00:00Z',
  expires_at: '2026-11-02T00:00:00Z',
  ended_at: null,
  cancel_initiated_at: null,
  archived_at: null,
  results_url: null,
}

const model = (id: string) => ({ type: 'model', id, display_name: id, created_at: '2026-01-01T00:00:00Z' })

function sendModels({ response }: Call): void {
  const body = { data: MODELS.map(model), has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) }
  sendJson(response, 200, JSON.stringify(body))
}

function sendModel({ path, response }: Call): void {
  const name = decodeURIComponent(path.slice('/models/'.length))
  if (MODELS.includes(name)) sendJson(response, 200, JSON.stringify(model(name)))
  else failAnthropic(response, 404, `model: ${name}`)
}

function setHeaders(response: ServerResponse, requestId: string): void {
  response.setHeader('request-id', requestId)
  response.setHeader('anthropic-organization-id', 'simulated')
  response.setHeader('anthropic-ratelimit-requests-limit', '4000')
  response.setHeader('anthropic-ratelimit-requests-remaining', '3999')
  response.setHeader('Set-Cookie', '_cfuvid=simulated; path=/')
}
