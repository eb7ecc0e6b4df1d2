import OpenAI, { type ClientOptions } from 'openai'
import type { Test } from 'tap'
import { billOf, costsOf, eventsOf, type Twins, tagged } from './twins.ts'

/** How a client is set up besides its address; `headers` go with every request. */
export interface SdkOptions extends Pick<ClientOptions, 'fetch' | 'maxRetries' | 'timeout'> {
  readonly headers?: Readonly<Record<string, string>>
}

/** The official client, as an agent sets it up; every request carries the tag. */
export function openaiAt(baseURL: string, tag: string, { headers = {}, ...rest }: SdkOptions = {}): OpenAI {
  return new OpenAI({
    baseURL,
    apiKey: 'sk-test',
    maxRetries: 0,
    timeout: 20_000,
    ...rest,
    defaultHeaders: { ...tagged(tag), ...headers },
  })
}

/** What a client's base URL ends in, at the simulator and at the sidecar. */
export interface BasePaths {
  readonly direct: string
  readonly through: string
}

/**
 * Asks the same directly and through the sidecar, and holds that the client is told the same and that what the sidecar
 * recorded costs what the provider bills, to the nano.
 * @param tag names the requests; used once, and sent with them ({@link tagged})
 * @param evenedOut what must be the same of what was told
 * @returns what was told through the sidecar
 */
export async function sameAt<T>(
  t: Test,
  twins: Twins,
  tag: string,
  ask: (baseURL: string) => Promise<T>,
  paths: BasePaths = { direct: '/v1', through: '/openai/v1' },
  evenedOut: (told: T) => unknown = withoutTimes,
): Promise<T> {
  const direct = await ask(twins.direct.url + paths.direct)
  const through = await ask(twins.sidecar.url + paths.through)
  t.strictSame(evenedOut(through), evenedOut(direct), `${tag}: the client is told the same`)
  await billedExactly(t, twins, tag)
  return through
}

/** {@link sameAt} for the official client. */
export const sameBothWays = <T>(
  t: Test,
  twins: Twins,
  tag: string,
  ask: (client: OpenAI) => Promise<T>,
  options: SdkOptions = {},
): Promise<T> => sameAt(t, twins, tag, (baseURL) => ask(openaiAt(baseURL, tag, options)))

/** Holds that the requests with a tag are recorded as exact, charged as they cost, and cost what the provider bills. */
export async function billedExactly(
  t: Test,
  { behind, sidecar }: Pick<Twins, 'behind' | 'sidecar'>,
  tag: string,
): Promise<void> {
  const bill = billOf(behind, tag)
  const events = await eventsOf(sidecar, tag, bill.length)
  t.ok(bill.length > 0 && !bill.includes('0'), `${tag}: the provider bills it`)
  t.strictSame(costsOf(events), bill, `${tag}: the cost is the provider’s bill`)
  for (const { outcome, attempts } of events) {
    t.equal(outcome, 'completed')
    t.has(attempts, [{ precision: 'exact', chargedNanoUsd: attempts[0]?.costNanoUsd ?? '' }])
  }
}

const TIMES: ReadonlySet<string> = new Set(['created', 'created_at', 'completed_at', 'expires_at'])

/** A value with its times of the day evened out: two answers a second apart are the same answer. */
export function withoutTimes(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? 'null', (key, member: unknown) => (TIMES.has(key) ? 0 : member))
}

/** A `fetch` that keeps a record of each attempt. */
export interface RecordedFetch {
  readonly fetch: typeof fetch
  /** When each attempt was sent, monotonic, and the status that it got; `null` while, or if, there is none. */
  readonly attempts: readonly { readonly atMs: number; status: number | null }[]
}

/** @param change what is done to the headers of an attempt, by its number, before it is sent */
export function recordedFetch(change: (headers: Headers, attempt: number) => void = () => {}): RecordedFetch {
  const attempts: { atMs: number; status: number | null }[] = []
  return {
    attempts,
    fetch: async (input, init) => {
      const headers = new Headers(init?.headers)
      change(headers, attempts.length)
      const attempt: { atMs: number; status: number | null } = { atMs: performance.now(), status: null }
      attempts.push(attempt)
      const response = await fetch(input, { ...init, headers })
      attempt.status = response.status
      return response
    },
  }
}
