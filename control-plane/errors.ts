import { API_CODES, type ApiCode } from '@agentcostcontrol/contract'

/** What is known of a code. */
interface Kind {
  readonly status: number
  readonly title: string
  readonly retryable: boolean
}

const KINDS: Readonly<Record<ApiCode, Kind>> = {
  acc_api_unauthenticated: { status: 401, title: 'No valid key', retryable: false },
  acc_api_forbidden: { status: 403, title: 'The key is not for this', retryable: false },
  acc_api_not_found: { status: 404, title: 'There is nothing here', retryable: false },
  acc_api_stale_holder: { status: 409, title: 'Another holder is in force', retryable: true },
  acc_api_conflict: { status: 409, title: 'Something is in the way', retryable: false },
  acc_api_changed: { status: 412, title: 'Somebody else changed it', retryable: false },
  acc_api_policy_refused: { status: 422, title: 'No policy comes of it', retryable: false },
  acc_api_invalid: { status: 400, title: 'The request is not valid', retryable: false },
  acc_api_body_too_large: { status: 413, title: 'The body is too large', retryable: false },
  acc_api_media_type: { status: 415, title: 'The body is not JSON', retryable: false },
  acc_api_rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  acc_api_unavailable: { status: 503, title: 'The database cannot be reached', retryable: true },
  acc_api_internal: { status: 500, title: 'Something went wrong here', retryable: true },
}

/** What the API answers with when it cannot do what it was asked: RFC 9457. `publicMessage` reaches the client. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly code: ApiCode
  readonly status: number
  readonly publicMessage: string
  readonly retryable: boolean
  constructor(code: ApiCode, publicMessage: string, options?: ErrorOptions) {
    super(publicMessage, options)
    const { status, retryable } = KINDS[code]
    this.code = code
    this.status = status
    this.publicMessage = publicMessage
    this.retryable = retryable
  }
}

/** Problem details as they are sent, `application/problem+json`. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ApiCode
}

/** The problem that an error is told as. */
export const problemOf = ({ code, status, publicMessage }: ApiError): Problem => ({
  type: `urn:agentcostcontrol:problem:${code}`,
  title: KINDS[code].title,
  status,
  detail: publicMessage,
  code,
})

/** Every code with its status; docs/control-plane.md is held to it. */
export const PROBLEM_CATALOGUE: readonly { readonly code: ApiCode; readonly status: number }[] = API_CODES.map(
  (code) => ({ code, status: KINDS[code].status }),
)

/** SQLSTATE classes and codes of a connection that is not there (Node's, the driver's, PostgreSQL's). */
const UNREACHABLE =
  /^(08|57P0|53|25P03|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|CONNECT|CONNECTION_|40P01|40001|57014)/

/** Any error as one of ours: what Fastify refuses, what the database says, and what nobody expected. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new ApiError('acc_api_body_too_large', 'The body is larger than this endpoint takes.', { cause: error })
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' || code === 'FST_ERR_CTP_EMPTY_TYPE')
    return new ApiError('acc_api_media_type', 'Send application/json.', { cause: error })
  if (UNREACHABLE.test(code))
    return new ApiError('acc_api_unavailable', 'Nothing was changed; try again.', { cause: error })
  // No name has it, so nothing is found by one; PostgreSQL's text does not hold it at all.
  if (code === '22021') return new ApiError('acc_api_invalid', 'The request holds a NUL character.', { cause: error })
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  if (status >= 400 && status < 500)
    return new ApiError('acc_api_invalid', error instanceof Error ? error.message : '', { cause: error })
  return new ApiError('acc_api_internal', 'The log of the control plane tells more.', { cause: error })
}
