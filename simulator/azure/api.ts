import type { ServerResponse } from 'node:http'
import { type Api, type Call, sendJson } from '../api.ts'
import { isRecord, type Json } from '../json.ts'
import { openaiApi } from '../openai/api.ts'

/** What is deployed, by names as customers give them. */
const DEPLOYMENTS: Readonly<Record<string, string>> = {
  'chat-prod': 'gpt-4.1-2025-04-14',
  'mini-eu': 'gpt-4.1-mini-2025-04-14',
  embedder: 'text-embedding-3-small',
  thinker: 'o4-mini-2025-04-16',
}
/** Versions before this one refuse what they do not know yet. */
const CURRENT_SINCE = '2024-09-01'
const LATER = ['stream_options', 'max_completion_tokens']

/** Azure OpenAI: OpenAI's API with deployments in place of models, in the path or in the body. */
export const azureApi: Api = {
  setHeaders: (response, requestId) => {
    response.setHeader('apim-request-id', requestId)
    response.setHeader('x-ms-region', 'Simulated')
    response.setHeader('x-ratelimit-remaining-requests', '999')
  },
  fail: failAzure,
  handle: async (call) => {
    if (call.method === 'GET' && call.path === '/openai/models') return openaiApi.handle({ ...call, path: '/models' })
    const [, inPath, below] = /^\/openai\/(?:v1|deployments\/([^/]+))(\/.+)$/.exec(call.path) ?? []
    if (below === undefined) return false
    const json = read(call.body)
    const version = call.query.get('api-version') ?? ''
    if (inPath !== undefined && version === '') {
      failAzure(call.response, 404, 'Resource not found')
      return true
    }
    const unknown = inPath !== undefined && version < CURRENT_SINCE ? LATER.find((member) => member in json) : undefined
    if (unknown !== undefined) {
      failAzure(call.response, 400, `Unrecognized request argument supplied: ${unknown}`)
      return true
    }
    if (call.method === 'GET') return openaiApi.handle({ ...call, path: below })
    return ask(call, below, inPath ?? String(json.model), json)
  },
}

async function ask(call: Call, path: string, deployment: string, json: Json): Promise<boolean> {
  const model = Object.hasOwn(DEPLOYMENTS, deployment) ? DEPLOYMENTS[deployment] : undefined
  if (model === undefined) {
    failAzure(call.response, 404)
    return true
  }
  if (call.controls.fault === 'refusal') {
    refusePrompt(call.response)
    return true
  }
  if ('data_sources' in json && 'stream_options' in json) {
    failAzure(call.response, 400, 'Validation error at #/stream_options: Extra inputs are not permitted')
    return true
  }
  return openaiApi.handle({ ...call, path, model })
}

function read(body: Buffer): Json {
  try {
    const json: unknown = JSON.parse(body.toString())
    return isRecord(json) ? json : {}
  } catch {
    return {}
  }
}

const ERRORS: Readonly<Record<number, readonly [code: string, message: string]>> = {
  400: ['BadRequest', 'The request is not valid.'],
  401: [
    '401',
    'Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource.',
  ],
  403: ['403', 'Access denied due to Virtual Network/Firewall rules.'],
  404: ['DeploymentNotFound', 'The API deployment for this resource does not exist.'],
  429: [
    '429',
    'Requests have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 1 second.',
  ],
  500: ['InternalServerError', 'The service had an error while processing your request.'],
}

/** Answers with an error as Azure words it. */
function failAzure(response: ServerResponse, status: number, message?: string, param?: string): void {
  const [code, standard] = ERRORS[status] ?? [String(status), 'error']
  if (status === 429) {
    response.setHeader('retry-after', '1')
    response.setHeader('retry-after-ms', '1000')
  }
  const error = { code, message: message ?? standard, ...(param === undefined ? {} : { param }) }
  sendJson(response, status, JSON.stringify({ error }))
}

/** The prompt was filtered: nothing is generated and nothing is billed. */
function refusePrompt(response: ServerResponse): void {
  const error = {
    message:
      "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
    type: null,
    param: 'prompt',
    code: 'content_filter',
    status: 400,
    innererror: {
      code: 'ResponsibleAIPolicyViolation',
      content_filter_result: {
        hate: { filtered: false, severity: 'safe' },
        jailbreak: { filtered: true, detected: true },
        violence: { filtered: false, severity: 'safe' },
      },
    },
  }
  sendJson(response, 400, JSON.stringify({ error }))
}
