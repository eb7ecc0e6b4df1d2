import { createServer } from 'node:net'
import type { ChatCompletionChunk } from 'openai/resources'
import type { Stream } from 'openai/streaming'
import t, { type Test } from 'tap'
import { openaiAt, recordedFetch } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { budgetYaml, providerYaml, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { billOf, chargedOf, eventsOf, tagged } from '../support/twins.ts'
import { until } from '../support/until.ts'

const ASK = {
  model: 'gpt-4.1-mini',
  messages: [{ role: 'user' as const, content: 'hello' }],
  max_completion_tokens: 100,
}
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`

/** A request that the sidecar refuses, and how the SDK must tell of it. */
interface Refused {
  readonly name: string
  readonly agent?: string
  readonly asked?: object
  readonly told: Readonly<Record<string, unknown>>
}

const REFUSALS: readonly Refused[] = [
  {
    name: 'a spent budget',
    agent: 'poor',
    told: {
      class: 'RateLimitError',
      status: 429,
      code: 'acc_budget_exceeded',
      type: 'insufficient_quota',
      message: /^429 .*budget "poor" of \$0\.00/,
      body: { budget: 'poor', limit_usd: String, remaining_usd: String, requested_usd: String, resets_at: null },
    },
  },
  {
    name: 'a secret in the prompt',
    agent: 'guarded',
    asked: { messages: [{ role: 'user', content: `my key is ${KEY}` }] },
    told: { class: 'PermissionDeniedError', status: 403, code: 'acc_security_blocked', type: 'invalid_request_error' },
  },
  {
    name: 'a body beyond the limit',
    asked: { messages: [{ role: 'user', content: 'long '.repeat(10_000) }] },
    told: { class: 'APIError', status: 413, code: 'acc_body_too_large', message: /ACC_BODY_BYTES_MAX/ },
  },
  {
    name: 'a model without a price',
    asked: { model: 'gpt-nobody-knows' },
    told: { class: 'PermissionDeniedError', status: 403, code: 'acc_model_unpriced', message: /gpt-nobody-knows/ },
  },
  {
    name: 'a request that nothing bounds',
    asked: { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] }] },
    told: { class: 'PermissionDeniedError', status: 403, code: 'acc_request_unbounded', message: /onUnbounded/ },
  },
  {
    name: 'a request without a model',
    asked: { model: '' },
    told: { class: 'BadRequestError', status: 400, code: 'acc_model_missing' },
  },
]

t.test(
  'a refusal that stays one is the SDK’s error for its status, told at the first attempt, and costs nothing',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      env: { ACC_BODY_BYTES_MAX: '20000' },
      policies: {
        'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
        'provider.yaml': providerYaml({ onUnbounded: 'deny' }),
        'security.yaml': securityYaml({
          request: 'block',
          response: 'block',
          extra: '  selector: { agent: guarded }\n',
        }),
      },
    })
    for (const { name, agent = 'other', asked, told: expected } of REFUSALS) {
      for (const stream of [false, true]) {
        await t.test(`${name}${stream ? ', streamed' : ''}`, async (t) => {
          const tag = `${name.replaceAll(' ', '-')}-${stream}`
          const recorded = recordedFetch()
          const client = openaiAt(`${sidecar.url}/openai/v1`, tag, {
            maxRetries: 2,
            fetch: recorded.fetch,
            headers: { 'x-acc-agent': agent },
          })
          const error = await client.chat.completions.create({ ...ASK, ...asked, stream }).then(
            () => ({}),
            (thrown: unknown) => told(thrown),
          )
          t.match(error, expected)
          t.notMatch(JSON.stringify(error), KEY.slice(4), 'and never the text')
          t.equal(recorded.attempts.length, 1, 'no attempt is wasted')
          const { code } = expected
          const [event] = await eventsOf(sidecar, tag, 1)
          t.match(event, { outcome: 'denied', code, attempts: [] })
        })
      }
    }
    t.equal(simulator.requests().length, 0, 'nothing was sent')

    await t.test('an endpoint that costs and is not metered', async (t) => {
      const client = openaiAt(`${sidecar.url}/openai/v1`, 'endpoint', { maxRetries: 2 })
      const error = await client.images.generate({ prompt: 'a picture' }).catch((thrown: unknown) => told(thrown))
      t.match(error, { class: 'PermissionDeniedError', status: 403, code: 'acc_endpoint_denied' })
    })

    await t.test('a secret in a streamed answer ends the stream with the SDK’s error', async (t) => {
      const client = openaiAt(`${sidecar.url}/openai/v1`, 'leak', {
        headers: {
          'x-acc-agent': 'guarded',
          'x-sim-reply': encodeURIComponent(`it is ${KEY} and ${'so on '.repeat(50)}`),
        },
      })
      let text = ''
      const reading = async (): Promise<void> => {
        const stream = await client.chat.completions.create({ ...ASK, max_completion_tokens: 1_000, stream: true })
        for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
      }
      const error = await reading().then(
        () => ({}),
        (thrown: unknown) => told(thrown),
      )
      t.match(error, { class: 'APIError', code: 'acc_security_blocked', type: 'invalid_request_error' })
      t.match(text, /^it is /)
      t.notMatch(text, KEY.slice(4, 20))
      const [event] = await eventsOf(sidecar, 'leak', 1)
      t.match(event, { outcome: 'cut', code: 'acc_security_blocked' })
      const billed = simulator.bill.entries().find(({ tag }) => tag === 'leak')
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0))
    })
  },
)

/** Holds that the SDK came back, never before it was told to, until it got its answer. */
function cameBackAfter(
  t: Test,
  attempts: ReturnType<typeof recordedFetch>['attempts'],
  refusal: number,
  waitMs: number,
): void {
  const statuses = attempts.map(({ status }) => status)
  t.strictSame([...new Set(statuses)], [refusal, 200])
  t.equal(statuses.lastIndexOf(refusal), attempts.length - 2, 'the last attempt was answered')
  const pausesMs = attempts.slice(1).map(({ atMs }, before) => atMs - (attempts[before]?.atMs ?? 0))
  t.ok(
    pausesMs.every((pauseMs) => pauseMs >= waitMs),
    `it waited as long as it was told: ${pausesMs}`,
  )
}

async function readToItsEnd(stream: Stream<ChatCompletionChunk>): Promise<void> {
  for await (const _ of stream);
}

t.test(
  'where a refusal may end soon, the SDK waits as long as it is told and gets its answer',
  { jobs: 4 },
  async (t) => {
    const simulator = await simulatorFor(t)
    const upstream = `${simulator.url}/v1`
    /** The attempts of a client while a stream holds what it needs, until the first refusal came and the stream is let go. */
    async function blocked(url: string, tag: string, letGo: (held: Stream<ChatCompletionChunk>) => unknown) {
      const slowly = { 'x-sim-output-tokens': '100', 'x-sim-chunk-delay-ms': '20' }
      const held = await openaiAt(`${url}/v1`, `${tag}-holding`, { headers: slowly }).chat.completions.create({
        ...ASK,
        stream: true,
      })
      const recorded = recordedFetch()
      const client = openaiAt(`${url}/v1`, tag, { maxRetries: 5, fetch: recorded.fetch })
      const answer = client.chat.completions.create(ASK)
      await until('the first refusal', () => (recorded.attempts[0]?.status ? true : null))
      await letGo(held)
      t.match((await answer).choices, [{ message: { content: /\w/ } }])
      return recorded.attempts
    }

    t.test('money that a running request holds', { buffered: true }, async (t) => {
      const policies = { 'narrow.yaml': budgetYaml({ name: 'narrow', limit: '0.0005' }) }
      const sidecar = await sidecarFor(t, { upstream, policies })
      const attempts = await blocked(sidecar.url, 'busy', readToItsEnd)
      cameBackAfter(t, attempts, 429, 1_000)
      const events = await eventsOf(sidecar, 'busy', attempts.length)
      t.match(events[0], { outcome: 'denied', code: 'acc_budget_busy' })
      t.equal(chargedOf(events), BigInt(billOf(simulator, 'busy')[0] ?? 0))
    })

    t.test('too many requests at once', { buffered: true }, async (t) => {
      const sidecar = await sidecarFor(t, { upstream, env: { ACC_CONCURRENCY_MAX: '1' } })
      cameBackAfter(t, await blocked(sidecar.url, 'full', ({ controller }) => controller.abort()), 503, 1_000)
    })

    t.test('a provider that cannot be reached at first', { buffered: true }, async (t) => {
      const probe = createServer()
      await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
      const address = probe.address()
      const port = typeof address === 'object' ? (address?.port ?? 0) : 0
      await new Promise<void>((resolve) => void probe.close(() => resolve()))

      const sidecar = await sidecarFor(t, { upstream: `http://127.0.0.1:${port}/v1` })
      const recorded = recordedFetch()
      const client = openaiAt(`${sidecar.url}/v1`, 'dead', { maxRetries: 5, fetch: recorded.fetch })
      const answer = client.chat.completions.create(ASK)
      await until('the first refusal', () => (recorded.attempts[0]?.status ? true : null))
      const late = await simulatorFor(t, { port })
      t.match((await answer).choices, [{ message: { content: /\w/ } }])
      cameBackAfter(t, recorded.attempts, 502, 1_000)
      const events = await eventsOf(sidecar, 'dead', recorded.attempts.length)
      t.match(events[0], { outcome: 'failed', code: 'acc_upstream_unreachable', clientStatus: 502 })
      t.equal(chargedOf(events), BigInt(billOf(late, 'dead')[0] ?? 0))
    })

    t.test('a provider that does not answer in time', { buffered: true }, async (t) => {
      const policies = { 'provider.yaml': providerYaml({ headersTimeoutMs: 1_000 }) }
      const sidecar = await sidecarFor(t, { upstream, policies })
      const client = openaiAt(`${sidecar.url}/v1`, 'late', { headers: { ...tagged('late'), 'x-sim-fault': 'hang' } })
      const error = await client.chat.completions.create(ASK).catch((thrown: unknown) => told(thrown))
      t.match(error, { class: 'InternalServerError', status: 504, code: 'acc_upstream_timeout' })
      const [event] = await eventsOf(sidecar, 'late', 1)
      t.equal(chargedOf(event ? [event] : []), BigInt(event?.attempts[0]?.boundNanoUsd ?? 0), 'it may be billed')
    })
  },
)
