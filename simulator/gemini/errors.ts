import type { ServerResponse } from 'node:http'
import { sendJson } from '../api.ts'

const KINDS: Readonly<Record<number, readonly [status: string, message: string]>> = {
  400: ['INVALID_ARGUMENT', 'Request contains an invalid argument.'],
  401: ['UNAUTHENTICATED', 'Request had invalid authentication credentials.'],
  403: ['PERMISSION_DENIED', 'The caller does not have permission'],
  404: ['NOT_FOUND', 'Requested entity was not found.'],
  408: ['DEADLINE_EXCEEDED', 'The request timed out.'],
  409: ['ABORTED', 'The operation was aborted.'],
  429: ['RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan and billing details.'],
  499: ['CANCELLED', 'The operation was cancelled.'],
  500: ['INTERNAL', 'An internal error has occurred. Please retry.'],
  501: ['UNIMPLEMENTED', 'Operation is not implemented, or supported, or enabled.'],
  503: ['UNAVAILABLE', 'The model is overloaded. Please try again later.'],
  504: ['DEADLINE_EXCEEDED', 'Deadline expired before operation could complete.'],
}

const RETRY = [
  {
    '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
    violations: [{ quotaMetric: 'generativelanguage.googleapis.com/generate_content_paid_tier_requests' }],
  },
  { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '1s' },
]

/** An error as Google words it (google.rpc.Status). */
export function geminiError(code: number, message?: string): object {
  const [status, standard] = KINDS[code] ?? ['UNKNOWN', 'Unknown error.']
  const details = code === 429 ? { details: RETRY } : {}
  return { error: { code, message: message ?? standard, status, ...details } }
}

/** Answers with an error; where a JSON array was asked for it is an array of one. A 429 says when to come back in its details. */
export function failGemini(response: ServerResponse, status: number, message?: string): void {
  const target = response.req.url ?? ''
  const inArray = target.includes(':streamGenerateContent') && !/[?&]alt=sse(?:&|$)/.test(target)
  const error = geminiError(status, message)
  const json = JSON.stringify(inArray ? [error] : error, null, 2)
  sendJson(response, status, `${json}\n`, 'application/json; charset=UTF-8')
}
