import t from 'tap'
import { anthropicAt, toldByAnthropic } from '../support/anthropic.ts'
import { chargedOf, eventsOf, twinsFor } from '../support/twins.ts'

/** One fault of the provider, and what the SDK must make of it. */
interface Fault {
  readonly fault: string
  readonly of: 'plain' | 'streamed'
  /** The class that the SDK raises: held here too, so that the table cannot pass on two equal mistakes. */
  readonly raises: string
  readonly encoding?: 'gzip'
}

const STATUSES: readonly (readonly [number, string])[] = [
  [400, 'BadRequestError'],
  [401, 'AuthenticationError'],
  [402, 'PaymentRequiredError'],
  [403, 'PermissionDeniedError'],
  [404, 'NotFoundError'],
  [408, 'RequestTimeoutError'],
  [409, 'ConflictError'],
  [413, 'ContentTooLargeError'],
  [422, 'UnprocessableEntityError'],
  [429, 'RateLimitError'],
  [500, 'InternalServerError'],
  [502, 'InternalServerError'],
  [503, 'ServiceUnavailableError'],
  [504, 'GatewayTimeoutError'],
  [529, 'OverloadedError'],
]

const FAULTS: readonly Fault[] = [
  ...(['plain', 'streamed'] as const).flatMap((of) => [
    ...STATUSES.map(([status, raises]) => ({ fault: `status-${status}`, of, raises })),
    { fault: 'hang', of, raises: 'APIConnectionTimeoutError' },
    { fault: 'reset-before-headers', of, raises: 'APIConnectionError' },
  ]),
  { fault: 'truncated-json', of: 'plain', raises: 'SyntaxError' },
  { fault: 'cut-mid-body', of: 'plain', raises: 'TypeError' },
  { fault: 'cut-mid-body', of: 'plain', raises: 'TypeError', encoding: 'gzip' },
  { fault: 'cut-mid-stream', of: 'streamed', raises: 'TypeError' },
  { fault: 'cut-mid-stream', of: 'streamed', raises: 'TypeError', encoding: 'gzip' },
  { fault: 'reset-mid-stream', of: 'streamed', raises: 'TypeError' },
  { fault: 'error-event', of: 'streamed', raises: 'APIError' },
  { fault: 'error-event', of: 'streamed', raises: 'APIError', encoding: 'gzip' },
]

const titleOf = ({ of, fault, encoding }: Fault): string => [of, encoding, fault].filter(Boolean).join(' ')

interface Outcome {
  readonly seen: readonly unknown[]
  readonly error: unknown
}

/** Asks as a row says; what came before the error, and the error. */
async function ask(baseURL: string, fault: Fault): Promise<Outcome> {
  const client = anthropicAt(baseURL, titleOf(fault), {
    timeout: fault.fault === 'hang' ? 300 : 20_000,
    headers: { 'x-sim-fault': fault.fault, ...(fault.encoding ? { 'x-sim-encoding': fault.encoding } : {}) },
  })
  const asked = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello' }] }
  const seen: unknown[] = []
  try {
    if (fault.of === 'plain') seen.push(await client.messages.create(asked))
    else for await (const event of await client.messages.create({ ...asked, stream: true })) seen.push(event)
    return { seen, error: null }
  } catch (error) {
    return { seen, error: toldByAnthropic(error) }
  }
}

t.test('the SDK raises the same error, with the same fields, as without us', async (t) => {
  const twins = await twinsFor(t)
  for (const fault of FAULTS) {
    await t.test(titleOf(fault), async (t) => {
      const direct = await ask(`${twins.direct.url}/anthropic`, fault)
      const through = await ask(`${twins.sidecar.url}/anthropic`, fault)
      t.match(direct.error, { class: fault.raises })
      t.strictSame(through.error, direct.error)
      // Of a connection that breaks, the SDK's fetch drops what it has not decoded.
      if (!/cut|reset/.test(fault.fault)) t.strictSame(through.seen, direct.seen)
      t.equal(twins.behind.requests().length, twins.direct.requests().length, 'and sends as many requests')
      const [event] = await eventsOf(twins.sidecar, titleOf(fault), 1)
      const billed = twins.behind.bill.entries().find(({ tag }) => tag === titleOf(fault))
      t.ok(chargedOf(event ? [event] : []) >= (billed ? BigInt(billed.costPicoUsd ?? 0) / 1_000n : 0n))
    })
  }
})
