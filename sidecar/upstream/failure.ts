import type { Code } from '@agentcostcontrol/contract'
import { errors } from 'undici'

/** True if the provider kept silent for too long, before its answer or in it. */
export const isTimeout = (error: Error): boolean =>
  error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError

/**
 * Why a call of a provider gave no answer, for the client; `null` where the provider broke off.
 * @param sent false if it is certain that no byte was sent
 */
export function explainFailure(
  error: Error,
  baseUrl: string,
  sent: boolean,
): { readonly code: Code; readonly message: string } | null {
  if (isTimeout(error)) {
    return { code: 'acc_upstream_timeout', message: 'The provider did not answer in time.' }
  }
  const { origin } = new URL(baseUrl)
  if (error instanceof errors.ConnectTimeoutError) {
    const message = `The provider's address ${origin} did not accept a connection in time.`
    return { code: 'acc_upstream_timeout', message }
  }
  if (sent) return null
  const cause = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const message = `The provider's address ${origin} cannot be reached (${cause}). Check the base URL and the network.`
  return { code: 'acc_upstream_unreachable', message }
}
