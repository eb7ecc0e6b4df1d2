import { APIError } from 'openai'

/** Fields that belong to one connection. */
const OF_ONE_CONNECTION: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date'])

/** What an error of the official SDK says of itself: all that a program could decide by, but for the headers that are ours. */
export function told(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { thrown: error }
  if (!(error instanceof APIError)) return { class: error.constructor.name, message: error.message }
  const { message, status, code, param, type, requestID, error: body, headers } = error
  const endToEnd = [...(headers ?? [])].filter(([name]) => !OF_ONE_CONNECTION.has(name) && !name.startsWith('x-acc-'))
  return { class: error.constructor.name, message, status, code, param, type, requestID, body, headers: endToEnd }
}
