import { APICallError, NoObjectGeneratedError, RetryError } from 'ai'
import { APIError } from 'openai'

/** Fields that belong to one connection. */
const OF_ONE_CONNECTION: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date'])

/** A response's headers without what is of one connection, and what is ours. */
export const endToEnd = (headers: Iterable<readonly [string, string]>): readonly (readonly [string, string])[] =>
  [...headers].filter(([name]) => !OF_ONE_CONNECTION.has(name) && !name.startsWith('x-acc-'))

/** What an error of an SDK says of itself: all that a program could decide by. */
export type Told = Readonly<Record<string, unknown>>

/** What an error of the official SDK says of itself. */
export function told(error: unknown): Told {
  if (!(error instanceof Error)) return { thrown: error }
  if (!(error instanceof APIError)) return { class: error.constructor.name, message: error.message }
  const { message, status, code, param, type, requestID, error: body, headers } = error
  const fields = { message, status, code, param, type, requestID, body }
  return { class: error.constructor.name, ...fields, headers: endToEnd(headers ?? []) }
}

/** What an error of the Vercel AI SDK says of itself. The message of a failed connection quotes the system's, and is left out. */
export function toldByAi(error: unknown): Told {
  if (RetryError.isInstance(error)) {
    const { name, reason, errors } = error
    return { name, reason, errors: errors.map(toldByAi) }
  }
  if (NoObjectGeneratedError.isInstance(error)) return { name: error.name, message: error.message, text: error.text }
  if (!APICallError.isInstance(error))
    return error instanceof Error ? { name: error.name, message: error.message } : { error }
  const { name, statusCode, isRetryable, data, responseHeaders = {} } = error
  const responseBody = error.responseBody?.replace(/"created":\d+/, '')
  const message = statusCode === undefined ? '' : error.message
  return {
    name,
    message,
    statusCode,
    isRetryable,
    data,
    responseBody,
    headers: endToEnd(Object.entries(responseHeaders)),
  }
}
