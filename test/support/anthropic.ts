import Anthropic, { APIError, type ClientOptions } from '@anthropic-ai/sdk'
import type { Test } from 'tap'
import { type BasePaths, sameAt } from './sdk.ts'
import { endToEnd, type Told } from './sdk-errors.ts'
import { type Twins, tagged } from './twins.ts'

/** How a client is set up besides its address; `headers` go with every request. */
export interface AnthropicOptions extends Pick<ClientOptions, 'fetch' | 'maxRetries' | 'timeout'> {
  readonly headers?: Readonly<Record<string, string>>
}

/** Where its clients' base URLs end, for those that add `/v1` themselves. */
export const ANTHROPIC_BASE: BasePaths = { direct: '/anthropic', through: '/anthropic' }

/** Anthropic's official client, as an agent sets it up; every request carries the tag. */
export function anthropicAt(baseURL: string, tag: string, { headers = {}, ...rest }: AnthropicOptions = {}): Anthropic {
  return new Anthropic({
    baseURL,
    apiKey: 'sk-ant-test',
    maxRetries: 0,
    timeout: 20_000,
    ...rest,
    defaultHeaders: { ...tagged(tag), ...headers },
  })
}

/** {@link sameAt} for Anthropic's official client. */
export const sameMessages = <T>(
  t: Test,
  twins: Twins,
  tag: string,
  ask: (client: Anthropic) => Promise<T>,
  options: AnthropicOptions = {},
): Promise<T> => sameAt(t, twins, tag, (baseURL) => ask(anthropicAt(baseURL, tag, options)), ANTHROPIC_BASE)

/** What an error of Anthropic's official client says of itself. */
export function toldByAnthropic(error: unknown): Told {
  if (!(error instanceof Error)) return { thrown: error }
  if (!(error instanceof APIError)) return { class: error.constructor.name, message: error.message }
  const { message, status, type, requestID, apiMessage, errorCode, details, error: body, headers } = error
  const fields = { message, status, type, requestID, apiMessage, errorCode, details, body }
  return { class: error.constructor.name, ...fields, headers: endToEnd(headers ?? []) }
}
