/**
 * Every error code that a client, a log line or a metric can show. The catalogue with causes and remedies is
 * docs/errors.md; a test holds the two together.
 */
export const CODES = [
  // the request itself
  'acc_body_too_large',
  'acc_body_not_json',
  'acc_body_ambiguous',
  'acc_body_incomplete',
  'acc_body_encoding_unsupported',
  'acc_headers_too_large',
  'acc_header_invalid',
  'acc_request_timeout',
  'acc_route_unknown',
  'acc_endpoint_denied',
  // policy
  'acc_model_missing',
  'acc_model_unpriced',
  'acc_request_unbounded',
  'acc_security_blocked',
  'acc_inspection_unavailable',
  'acc_policy_missing',
  'acc_policy_stale',
  // agents that are stopped
  'acc_agent_paused',
  'acc_agent_quarantined',
  'acc_agent_throttled',
  // money
  'acc_budget_exceeded',
  'acc_budget_busy',
  'acc_budget_throttled',
  'acc_budget_disconnected',
  // our own limits
  'acc_overloaded',
  'acc_shutting_down',
  'acc_outbox_unavailable',
  'acc_internal',
  // the provider
  'acc_upstream_unconfigured',
  'acc_upstream_unreachable',
  'acc_upstream_timeout',
  'acc_upstream_cut',
] as const

/** One of {@link CODES}. */
export type Code = (typeof CODES)[number]

/**
 * What agents can do wrong when they tell of themselves, besides what the listener refuses of any request. No event has
 * one of these. The catalogue is docs/agents.md.
 */
export const REPORT_CODES = [
  'acc_report_invalid',
  'acc_report_agent_unknown',
  'acc_report_path_unknown',
  'acc_report_tasks_full',
] as const

/** One of {@link REPORT_CODES}. */
export type ReportCode = (typeof REPORT_CODES)[number]

/** Every code of a problem that the control plane's API answers with. The catalogue is docs/control-plane.md. */
export const API_CODES = [
  'acc_api_unauthenticated',
  'acc_api_forbidden',
  'acc_api_not_found',
  'acc_api_stale_holder',
  'acc_api_conflict',
  'acc_api_changed',
  'acc_api_policy_refused',
  'acc_api_invalid',
  'acc_api_body_too_large',
  'acc_api_media_type',
  'acc_api_rate_limited',
  'acc_api_unavailable',
  'acc_api_internal',
] as const

/** One of {@link API_CODES}. */
export type ApiCode = (typeof API_CODES)[number]
