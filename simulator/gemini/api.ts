import type { ServerResponse } from 'node:http'
import { type Api, type Call, sendJson } from '../api.ts'
import { handleEmbed } from './embed.ts'
import { failGemini } from './errors.ts'
import { handleGenerate, readRequest } from './generate.ts'
import { countPrompt } from './prompt.ts'

const MODELS = ['gemini-2.0-flash', 'gemini-2.5-flash', 'gemini-2.5-pro', 'gemini-3.5-flash', 'gemini-embedding-2']

/** The Gemini API. */
export const geminiApi: Api = {
  setHeaders,
  fail: failGemini,
  handle: async (call) => {
    const [, model, name] = /^\/models\/([^/:]+):([A-Za-z]+)$/.exec(decodeURIComponent(call.path)) ?? []
    if (call.method === 'POST' && model !== undefined) await handleMethod(call, model, name ?? '')
    else if (call.method === 'GET' && call.path === '/models')
      sendJson(call.response, 200, JSON.stringify({ models: MODELS.map(modelOf) }, null, 2), TYPE)
    else if (call.method === 'GET' && MODELS.includes(call.path.slice('/models/'.length)))
      sendJson(call.response, 200, JSON.stringify(modelOf(call.path.slice('/models/'.length)), null, 2), TYPE)
    else if (call.method === 'GET' && /^\/(?:files|cachedContents)$/.test(call.path))
      sendJson(call.response, 200, '{}', TYPE)
    else failGemini(call.response, 404)
    return true
  },
}

const TYPE = 'application/json; charset=UTF-8'

async function handleMethod(call: Call, model: string, name: string): Promise<void> {
  switch (name) {
    case 'generateContent':
    case 'streamGenerateContent':
      return handleGenerate(call, model, name === 'streamGenerateContent')
    case 'embedContent':
    case 'batchEmbedContents':
      return handleEmbed(call, model, name === 'batchEmbedContents')
    case 'countTokens': {
      const json = readRequest(call)
      if (json === null) return
      const { textTokens, imageTokens } = countPrompt(json)
      sendJson(call.response, 200, JSON.stringify({ totalTokens: textTokens + imageTokens }), TYPE)
      return
    }
    default:
      failGemini(call.response, 404)
  }
}

const modelOf = (name: string) => ({
  name: `models/${name}`,
  version: '001',
  displayName: name,
  inputTokenLimit: 1_048_576,
  outputTokenLimit: 65_536,
  supportedGenerationMethods: ['generateContent', 'countTokens'],
})

function setHeaders(response: ServerResponse, requestId: string): void {
  response.setHeader('Vary', ['Origin', 'X-Origin', 'Referer'])
  response.setHeader('Server', 'scaffolding on HTTPServer2')
  response.setHeader('X-XSS-Protection', '0')
  response.setHeader('X-Frame-Options', 'SAMEORIGIN')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Server-Timing', 'gfet4t7; dur=7')
  response.setHeader('X-Goog-Simulated-Request', requestId)
}
