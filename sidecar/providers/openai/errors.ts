import { CODES, type Code } from '@agentcostcontrol/contract'
import type { Denial } from '../../exchange.ts'
import type { RenderedError } from '../provider.ts'

const BUDGET_CODES: ReadonlySet<Code> = new Set(CODES.filter((code) => code.startsWith('acc_budget_')))

/** OpenAI's own error types, so that clients that look at them behave as they would without us. */
function errorType(code: Code, status: number): string {
  if (BUDGET_CODES.has(code)) return 'insufficient_quota'
  if (status === 429) return 'rate_limit_error'
  return status < 500 ? 'invalid_request_error' : 'server_error'
}

/** A refusal as OpenAI's error object. */
export const errorObject = (refusal: Denial, status: number): object => ({
  message: refusal.message,
  type: errorType(refusal.code, status),
  param: null,
  code: refusal.code,
  ...refusal.details,
})

/** The body of a refusal. */
export const renderOpenAiError = (refusal: Denial, status: number): RenderedError => ({
  contentType: 'application/json',
  body: Buffer.from(JSON.stringify({ error: errorObject(refusal, status) })),
})
