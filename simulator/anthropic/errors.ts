import type { ServerResponse } from 'node:http'
import { sendJson } from '../api.ts'

const KINDS: Readonly<Record<number, readonly [type: string, message: string]>> = {
  400: ['invalid_request_error', 'The request is not valid.'],
  401: ['authentication_error', 'invalid x-api-key'],
  402: ['billing_error', 'Your credit balance is too low.'],
  403: ['permission_error', 'Your API key does not have permission to use the specified resource.'],
  404: ['not_found_error', 'Not Found'],
  409: ['conflict_error', 'The resource was changed at the same time.'],
  413: ['request_too_large', 'Request exceeds the maximum allowed number of bytes.'],
  429: ['rate_limit_error', 'This request would exceed your organization’s rate limit.'],
  500: ['api_error', 'Internal server error'],
  504: ['timeout_error', 'Request timed out while processing.'],
  529: ['overloaded_error', 'Overloaded'],
}

/** Answers with an error as Anthropic words it; a 429 says when to come back. */
export function failAnthropic(response: ServerResponse, status: number, message?: string): void {
  const [type, standard] = KINDS[status] ?? [status < 500 ? 'invalid_request_error' : 'api_error', 'error']
  if (status === 429) response.setHeader('retry-after', '1')
  const error = { type, message: message ?? standard }
  const request_id = response.getHeader('request-id') ?? null
  sendJson(response, status, JSON.stringify({ type: 'error', error, request_id }))
}
