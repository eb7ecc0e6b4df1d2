import type { Denial } from '../../exchange.ts'
import type { ErrorFormat, RenderedError } from '../provider.ts'

/** Canonical names of HTTP statuses (google.rpc.Code). */
const STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  408: 'DEADLINE_EXCEEDED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  415: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  431: 'INVALID_ARGUMENT',
  500: 'INTERNAL',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** The error object of Google's APIs (google.rpc.Status): our code stands in the ErrorInfo, the wait in the RetryInfo. */
export function errorObject(refusal: Denial, status: number): object {
  const { code, message, retryAfterS, details } = refusal
  const figures = Object.entries(details).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]]))
  return {
    error: {
      code: status,
      message,
      status: STATUS[status] ?? (status < 500 ? 'FAILED_PRECONDITION' : 'INTERNAL'),
      details: [
        {
          '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
          reason: code.toUpperCase(),
          domain: 'agentcostcontrol.io',
          metadata: { code, ...Object.fromEntries(figures) },
        },
        ...(retryAfterS === null
          ? []
          : [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: `${retryAfterS}s` }]),
      ],
    },
  }
}

const rendered = (json: unknown): RenderedError => ({
  contentType: 'application/json; charset=UTF-8',
  body: Buffer.from(JSON.stringify(json)),
})

/** Errors of all endpoints. */
export const geminiErrors: ErrorFormat = {
  renderError: (refusal, status) => rendered(errorObject(refusal, status)),
}

/** Errors where a JSON array is streamed: one of one element. */
export const geminiArrayErrors: ErrorFormat = {
  renderError: (refusal, status) => rendered([errorObject(refusal, status)]),
}
