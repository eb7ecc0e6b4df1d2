import { CODES, type Code } from '@agentcostcontrol/contract'
import type { Denial } from '../../exchange.ts'
import type { RenderedError } from '../provider.ts'

const BUDGET_CODES: ReadonlySet<Code> = new Set(CODES.filter((code) => code.startsWith('acc_budget_')))

/** Anthropic's own error types, so that clients that look at them behave as they would without us. */
function errorType(code: Code, status: number): string {
  if (BUDGET_CODES.has(code) || status === 429) return 'rate_limit_error'
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 404) return 'not_found_error'
  if (status === 413) return 'request_too_large'
  if (status === 504) return 'timeout_error'
  if (status === 503) return 'overloaded_error'
  return status < 500 ? 'invalid_request_error' : 'api_error'
}

/** A refusal as Anthropic's error object; `details.error_code` is where its SDK looks for what a program may decide by. */
export function errorObject(refusal: Denial, status: number): object {
  const details = { error_code: refusal.code, ...refusal.details }
  return { type: 'error', error: { type: errorType(refusal.code, status), message: refusal.message, details } }
}

/** The body of a refusal. */
export function renderAnthropicError(refusal: Denial, status: number, requestId: string): RenderedError {
  const body = { ...errorObject(refusal, status), request_id: requestId }
  return { contentType: 'application/json', body: Buffer.from(JSON.stringify(body)) }
}
