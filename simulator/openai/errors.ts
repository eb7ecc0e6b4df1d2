import type { ServerResponse } from 'node:http'
import { sendJson } from '../api.ts'

const KINDS: Readonly<Record<number, readonly [type: string, code: string | null, message: string]>> = {
  400: ['invalid_request_error', null, 'The request is not valid.'],
  401: ['invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'],
  403: ['invalid_request_error', 'unsupported_country_region_territory', 'Country, region, or territory not supported'],
  404: ['invalid_request_error', 'model_not_found', 'The model does not exist or you do not have access to it.'],
  409: ['invalid_request_error', 'conflict', 'The resource was changed at the same time.'],
  422: ['invalid_request_error', 'unprocessable_entity', 'The request cannot be processed.'],
  429: ['requests', 'rate_limit_exceeded', 'Rate limit reached for requests.'],
  500: ['server_error', null, 'The server had an error while processing your request.'],
  503: ['server_error', 'overloaded', 'The engine is currently overloaded, please try again later.'],
  529: ['overloaded_error', null, 'Overloaded'],
}

/** Answers with an error as OpenAI words it; a 429 says when to come back. @param param the member that is wrong */
export function failOpenAi(
  response: ServerResponse,
  status: number,
  message?: string,
  param: string | null = null,
): void {
  const [type, code, standard] = KINDS[status] ?? ['server_error', null, 'error']
  if (status === 429) {
    response.setHeader('retry-after', '1')
    response.setHeader('retry-after-ms', '1000')
  }
  const error = { message: message ?? standard, type, param, code }
  sendJson(response, status, JSON.stringify({ error }, null, 2), 'application/json; charset=utf-8')
}
