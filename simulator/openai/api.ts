import type { ServerResponse } from 'node:http'
import { type Api, type Call, sendJson } from '../api.ts'
import { handleChat } from './chat.ts'
import { handleEmbeddings } from './embeddings.ts'
import { failOpenAi } from './errors.ts'
import { handleImages } from './images.ts'
import { handleConversation, handleCreate, handleStored } from './responses/responses.ts'

const MODELS = [
  'gpt-4.1',
  'gpt-4.1-mini',
  'gpt-4.1-nano',
  'gpt-4o',
  'gpt-4o-mini',
  'o3',
  'o4-mini',
  'gpt-5',
  'gpt-5-mini',
]

/** OpenAI's API, and that of everyone who speaks it. */
export const openaiApi: Api = {
  setHeaders,
  fail: failOpenAi,
  handle: async (call) => {
    const at = `${call.method} ${call.path}`
    if (at === 'POST /chat/completions') await handleChat(call)
    else if (at === 'POST /embeddings') await handleEmbeddings(call)
    else if (at === 'POST /images/generations' || at === 'POST /images/edits')
      await handleImages(call, call.path === '/images/edits')
    else if (at === 'POST /responses') await handleCreate(call)
    else if (call.path.startsWith('/responses/')) return handleStored(call)
    else if (/^\/conversations(?:\/|$)/.test(call.path)) return handleConversation(call)
    else if (at === 'POST /moderations') sendJson(call.response, 200, JSON.stringify(MODERATION))
    else if (at === 'GET /models')
      sendJson(call.response, 200, JSON.stringify({ object: 'list', data: MODELS.map(model) }))
    else if (at.startsWith('GET /models/')) sendModel(call)
    else return false
    return true
  },
}

const MODERATION = {
  id: 'modr-1',
  model: 'omni-moderation-latest',
  results: [{ flagged: false, categories: {}, category_scores: {} }],
}

const model = (id: string) => ({ id, object: 'model', created: 1_750_000_000, owned_by: 'simulated' })

function sendModel({ path, response }: Call): void {
  const name = decodeURIComponent(path.slice('/models/'.length))
  if (MODELS.includes(name)) sendJson(response, 200, JSON.stringify(model(name)))
  else failOpenAi(response, 404)
}

function setHeaders(response: ServerResponse, requestId: string): void {
  response.setHeader('x-request-id', requestId)
  response.setHeader('openai-version', '2020-10-01')
  response.setHeader('openai-organization', 'simulated')
  response.setHeader('openai-processing-ms', '7')
  response.setHeader('x-ratelimit-limit-requests', '10000')
  response.setHeader('x-ratelimit-remaining-requests', '9999')
  response.setHeader('Set-Cookie', ['__cf_bm=simulated; path=/; HttpOnly', '_cfuvid=simulated; path=/'])
}
