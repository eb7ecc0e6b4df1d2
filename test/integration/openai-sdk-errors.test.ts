import { once } from 'node:events'
import { request } from 'node:http'
import { constants, gunzipSync } from 'node:zlib'
import OpenAI from 'openai'
import t from 'tap'
import { told } from '../support/sdk-errors.ts'
import { chargedOf, eventsOf, tagged, twinsFor } from '../support/twins.ts'

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
  [403, 'PermissionDeniedError'],
  [404, 'NotFoundError'],
  [408, 'APIError'],
  [409, 'ConflictError'],
  [422, 'UnprocessableEntityError'],
  [429, 'RateLimitError'],
  [500, 'InternalServerError'],
  [502, 'InternalServerError'],
  [503, 'InternalServerError'],
  [504, 'InternalServerError'],
  [529, 'InternalServerError'],
]

const FAULTS: readonly Fault[] = [
  ...(['plain', 'streamed'] as const).flatMap((of) => [
    ...STATUSES.map(([status, raises]) => ({ fault: `status-${status}`, of, raises })),
    { fault: 'hang', of, raises: 'APIConnectionTimeoutError' },
    { fault: 'reset-before-headers', of, raises: 'APIConnectionError' },
  ]),
  { fault: 'truncated-json', of: 'plain', raises: 'SyntaxError' },
  { fault: 'truncated-json', of: 'plain', raises: 'SyntaxError', encoding: 'gzip' },
  { fault: 'cut-mid-body', of: 'plain', raises: 'TypeError' },
  { fault: 'cut-mid-body', of: 'plain', raises: 'TypeError', encoding: 'gzip' },
  { fault: 'cut-mid-stream', of: 'streamed', raises: 'TypeError' },
  { fault: 'cut-mid-stream', of: 'streamed', raises: 'TypeError', encoding: 'gzip' },
  { fault: 'reset-mid-stream', of: 'streamed', raises: 'TypeError' },
  { fault: 'error-event', of: 'streamed', raises: 'APIError' },
  { fault: 'error-event', of: 'streamed', raises: 'APIError', encoding: 'gzip' },
]

const titleOf = ({ of, fault, encoding }: Fault): string => [of, encoding, fault].filter(Boolean).join(' ')

const askedOf = (stream: boolean) => ({
  model: 'gpt-4.1-mini',
  messages: [{ role: 'user' as const, content: 'hello' }],
  stream,
})

interface Outcome {
  readonly seen: readonly unknown[]
  readonly error: unknown
}

/** Asks as a row says; what came before the error, and the error. */
async function ask(baseURL: string, fault: Fault): Promise<Outcome> {
  const client = new OpenAI({
    baseURL,
    apiKey: 'sk-test',
    maxRetries: 0,
    timeout: fault.fault === 'hang' ? 300 : 20_000,
    defaultHeaders: {
      'x-sim-fault': fault.fault,
      ...(fault.encoding ? { 'x-sim-encoding': fault.encoding } : {}),
      ...tagged(titleOf(fault)),
    },
  })
  const seen: unknown[] = []
  try {
    const answer = await client.chat.completions.create(askedOf(fault.of === 'streamed'))
    if (!('controller' in answer)) seen.push(answer)
    else for await (const { choices } of answer) seen.push(choices)
    return { seen, error: null }
  } catch (error) {
    return { seen, error: told(error) }
  }
}

t.test('the SDK raises the same error, with the same fields, as without us', async (t) => {
  const twins = await twinsFor(t)
  for (const fault of FAULTS) {
    await t.test(titleOf(fault), async (t) => {
      const direct = await ask(`${twins.direct.url}/v1`, fault)
      const through = await ask(`${twins.sidecar.url}/openai/v1`, fault)
      t.match(direct.error, { class: fault.raises })
      t.strictSame(through.error, direct.error)
      // Of a connection that breaks, the SDK's fetch drops what it has not decoded: the test below reads the bytes.
      if (!/cut|reset/.test(fault.fault)) t.strictSame(through.seen, direct.seen)
      t.equal(twins.behind.requests().length, twins.direct.requests().length, 'and sends as many requests')
      const [event] = await eventsOf(twins.sidecar, titleOf(fault), 1)
      const billed = twins.behind.bill.entries().find(({ tag }) => tag === titleOf(fault))
      t.ok(chargedOf(event ? [event] : []) >= (billed ? BigInt(billed.costPicoUsd ?? 0) / 1_000n : 0n))
    })
  }
})

/** All that a client gets of an answer that breaks off. */
async function bytesUntilBroken(url: string, headers: Readonly<Record<string, string>>, stream: boolean) {
  const sent = request(`${url}/v1/chat/completions`, { method: 'POST', headers: { authorization: 'any', ...headers } })
  sent.end(JSON.stringify(askedOf(stream)))
  const [response] = await once(sent, 'response')
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  const [error] = await once(response, 'error')
  return { error: error.message, body: Buffer.concat(chunks) }
}

t.test(
  'every byte that the provider sent before it broke off reaches the client before its connection breaks',
  async (t) => {
    const twins = await twinsFor(t)
    for (const stream of [false, true]) {
      for (const encoding of ['', 'gzip']) {
        const fault = stream ? 'cut-mid-stream' : 'cut-mid-body'
        const headers = { 'x-sim-fault': fault, 'x-sim-encoding': encoding }
        const direct = await bytesUntilBroken(twins.direct.url, headers, stream)
        const through = await bytesUntilBroken(twins.sidecar.url, headers, stream)
        const plain = ({ body }: { readonly body: Buffer }): string =>
          encoding === '' ? body.toString() : gunzipSync(body, { finishFlush: constants.Z_SYNC_FLUSH }).toString()
        t.ok(plain(direct).length > 100)
        t.equal(
          plain(through).replaceAll(/"created":\d+/g, ''),
          plain(direct).replaceAll(/"created":\d+/g, ''),
          `${encoding} ${fault}`,
        )
        t.equal(through.error, direct.error)
      }
    }
  },
)
