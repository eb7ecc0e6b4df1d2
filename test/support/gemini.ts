import { ApiError, GoogleGenAI, type HttpOptions } from '@google/genai'
import type { Test } from 'tap'
import { type BasePaths, sameAt } from './sdk.ts'
import { endToEnd, type Told } from './sdk-errors.ts'
import { type Twins, tagged } from './twins.ts'

/** How a client is set up besides its address; `headers` go with every request. */
export type GeminiOptions = Pick<HttpOptions, 'fetch' | 'headers' | 'retryOptions' | 'timeout'>

/** Where its clients' base URLs end, for those that add the version themselves. */
export const GEMINI_BASE: BasePaths = { direct: '/google', through: '/google' }

/** Google's official client, as an agent sets it up; every request carries the tag. */
export function geminiAt(baseUrl: string, tag: string, { headers = {}, ...rest }: GeminiOptions = {}): GoogleGenAI {
  return new GoogleGenAI({
    apiKey: 'key-of-the-test',
    httpOptions: { baseUrl, timeout: 20_000, ...rest, headers: { ...tagged(tag), ...headers } },
  })
}

/** {@link sameAt} for Google's official client. */
export const sameContent = <T>(
  t: Test,
  twins: Twins,
  tag: string,
  ask: (client: GoogleGenAI) => Promise<T>,
  options: GeminiOptions = {},
): Promise<T> =>
  sameAt(t, twins, tag, (baseURL) => ask(geminiAt(baseURL, tag, options)), GEMINI_BASE, withoutConnections)

/** A value in which only those headers of answers stand that come from the provider. */
const withoutConnections = (told: unknown): unknown =>
  JSON.parse(JSON.stringify(told) ?? 'null', (key, member: unknown) =>
    key === 'headers' && typeof member === 'object' && member !== null
      ? endToEnd(Object.entries(member).map(([name, value]) => [name, String(value)]))
      : member,
  )

/** What an error of Google's official client says of itself: the provider's JSON is its message. */
export function toldByGemini(error: unknown): Told {
  if (!(error instanceof Error)) return { thrown: error }
  const { name, message } = error
  return error instanceof ApiError ? { name, message, status: error.status } : { name, message }
}
