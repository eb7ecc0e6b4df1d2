import { CODES, type Code } from '@agentcostcontrol/contract'
import type { Denial } from './exchange.ts'
import type { ErrorFormat, RenderedError } from './providers/provider.ts'

/** HTTP status of each code. docs/errors.md tells causes and remedies. */
const STATUS: Readonly<Record<Code, number>> = {
  acc_body_too_large: 413,
  acc_body_not_json: 400,
  acc_body_ambiguous: 400,
  acc_body_incomplete: 400,
  acc_body_encoding_unsupported: 415,
  acc_headers_too_large: 431,
  acc_header_invalid: 400,
  acc_request_timeout: 408,
  acc_route_unknown: 404,
  acc_endpoint_denied: 403,
  acc_model_missing: 400,
  acc_model_unpriced: 403,
  acc_request_unbounded: 403,
  acc_security_blocked: 403,
  acc_inspection_unavailable: 503,
  acc_policy_missing: 503,
  acc_policy_stale: 503,
  // 429 would ask every client to come back, which is what a loop does.
  acc_agent_paused: 403,
  acc_agent_quarantined: 403,
  acc_agent_throttled: 429,
  acc_budget_exceeded: 429,
  acc_budget_busy: 429,
  acc_budget_throttled: 429,
  acc_budget_disconnected: 503,
  acc_overloaded: 503,
  acc_shutting_down: 503,
  acc_outbox_unavailable: 503,
  acc_internal: 500,
  acc_upstream_unconfigured: 503,
  acc_upstream_unreachable: 502,
  acc_upstream_timeout: 504,
  acc_upstream_cut: 502,
}

/** A `Retry-After` beyond this is not obeyed by the official SDKs: they try again within seconds instead. */
const RETRY_AFTER_OBEYED_MAX_S = 60

/** The HTTP status that a code is told with. */
export const statusOf = (code: Code): number => STATUS[code]

/** The one error class of this plane, for what should not happen; expected refusals are {@link Denial} values. */
export class SidecarError extends Error {
  override readonly name = 'SidecarError'
  readonly code: Code
  readonly publicMessage: string

  /** @param publicMessage what a client or an operator may read; the cause stays inside */
  constructor(code: Code, publicMessage: string, cause?: unknown) {
    super(`${code}: ${publicMessage}`, { cause })
    this.code = code
    this.publicMessage = publicMessage
  }
}

/** A refusal as HTTP: status, headers in turn, body in the client's wire format. */
export interface ErrorAnswer {
  readonly status: number
  readonly headers: readonly string[]
  readonly body: Buffer
}

/**
 * Turns a refusal into the client's wire format: the only place that does.
 * @param format the wire format of the request
 */
export function renderDenial(denial: Denial, requestId: string, format: ErrorFormat): ErrorAnswer {
  const status = statusOf(denial.code)
  const { contentType, body }: RenderedError = format.renderError(denial, status, requestId)
  const headers = [
    'content-type',
    contentType,
    'content-length',
    String(body.length),
    'x-acc-request-id',
    requestId,
    'x-acc-code',
    denial.code,
  ]
  const { retryAfterS } = denial
  if (retryAfterS !== null) headers.push('retry-after', String(retryAfterS))
  // The official SDKs obey this: trying a refusal again that stays refused only costs time.
  if (retryAfterS === null || retryAfterS > RETRY_AFTER_OBEYED_MAX_S) headers.push('x-should-retry', 'false')
  return { status, headers, body }
}

/** All codes with their status, for the documentation's test. */
export const ERROR_CATALOGUE: readonly { readonly code: Code; readonly status: number }[] = CODES.map((code) => ({
  code,
  status: STATUS[code],
}))
