import type OpenAI from 'openai'
import t, { type Test } from 'tap'
import { openaiAt, recordedFetch } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { budgetYaml, providerYaml, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { chargedOf, eventsOf, type Twins, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

/** One fault of the provider, and the class that the SDK raises: held here too, so that two equal mistakes cannot pass. */
interface Fault {
  readonly fault: string
  readonly of: 'plain' | 'streamed' | 'helper'
  readonly raises: string
}

const STATUSES: readonly (readonly [number, string])[] = [
  [400, 'BadRequestError'],
  [401, 'AuthenticationError'],
  [403, 'PermissionDeniedError'],
  [404, 'NotFoundError'],
  [409, 'ConflictError'],
  [422, 'UnprocessableEntityError'],
  [429, 'RateLimitError'],
  [500, 'InternalServerError'],
  [503, 'InternalServerError'],
]
const FAULTS: readonly Fault[] = [
  ...(['plain', 'streamed'] as const).flatMap((of) => [
    ...STATUSES.map(([status, raises]) => ({ fault: `status-${status}`, of, raises })),
    { fault: 'hang', of, raises: 'APIConnectionTimeoutError' },
    { fault: 'reset-before-headers', of, raises: 'APIConnectionError' },
  ]),
  { fault: 'truncated-json', of: 'plain', raises: 'SyntaxError' },
  { fault: 'cut-mid-body', of: 'plain', raises: 'TypeError' },
  { fault: 'cut-mid-stream', of: 'streamed', raises: 'TypeError' },
  { fault: 'error-event', of: 'streamed', raises: 'APIError' },
  { fault: 'error-event', of: 'helper', raises: 'APIError' },
]
const ASK = { model: 'gpt-4.1-mini', input: 'Count to a hundred.', max_output_tokens: 4_000 }

/** Asks as a row says, and gives what the SDK raises. */
async function raised(client: OpenAI, of: Fault['of']): Promise<unknown> {
  try {
    if (of === 'helper') await client.responses.stream({ ...ASK, stream: true }).finalResponse()
    else {
      const answer = await client.responses.create({ ...ASK, stream: of === 'streamed' })
      if ('controller' in answer) for await (const _ of answer);
    }
    return null
  } catch (error) {
    return told(error)
  }
}

t.test('of a response the SDK raises the same error, with the same fields, as without us', async (t) => {
  const twins = await twinsFor(t)
  for (const { fault, of, raises } of FAULTS) {
    const tag = `${of} ${fault}`
    await t.test(tag, async (t) => {
      const at = (url: string): OpenAI =>
        openaiAt(`${url}/v1`, tag, {
          timeout: fault === 'hang' ? 300 : 20_000,
          headers: { 'x-sim-fault': fault, 'x-sim-output-tokens': '40' },
        })
      const direct = await raised(at(twins.direct.url), of)
      t.match(direct, { class: raises })
      t.strictSame(await raised(at(twins.sidecar.url), of), direct)
      const [event] = await eventsOf(twins.sidecar, tag, 1)
      const billed = twins.behind.bill.entries().find((entry) => entry.tag === tag)
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0))
    })
  }
})

/** A stream that would run for seconds if nobody ended it. */
const SLOWLY = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
const EVENTS_READ = 150

type Asked = Parameters<OpenAI['responses']['create']>[0]

async function leave(client: OpenAI, asked: object): Promise<void> {
  const body: Asked = { ...ASK, ...asked }
  const stream = await client.responses.create({ ...body, stream: true })
  let left = EVENTS_READ
  for await (const _ of stream) if (--left === 0) stream.controller.abort()
}

/** Holds that an exchange that its client left is told as such, and charged, and never below the bill. */
async function chargedAsAborted(t: Test, { behind, sidecar }: Twins, tag: string) {
  const [event] = await eventsOf(sidecar, tag, 1)
  if (!event) throw new Error('no event')
  const entry = await until(`the end of ${tag} at the provider`, () => {
    const found = behind.bill.entries().find((each) => each.tag === tag)
    return found && found.ended !== 'open' ? found : null
  })
  t.match(event, { outcome: 'aborted', clientStatus: null, attempts: [{ precision: 'estimated' }] })
  t.equal(entry.ended, 'aborted', 'the call was ended at the provider')
  t.ok(chargedOf([event]) * 1_000n >= BigInt(entry.costPicoUsd ?? 0), `${chargedOf([event])}: ${entry.costPicoUsd}`)
  return event
}

t.test('a response that its client leaves is ended at the provider, and charged at least its bill', async (t) => {
  const twins = await twinsFor(t)
  const long = encodeURIComponent(JSON.stringify({ sql: 'select '.repeat(600) }))
  const cases: readonly (readonly [name: string, asked: object, headers?: object])[] = [
    ['text', {}],
    ['a compressed stream', {}, { 'x-sim-encoding': 'gzip' }],
    ['a refusal', {}, { 'x-sim-fault': 'refusal' }],
    ['a call', { tools: [{ type: 'function', name: 'query', parameters: {} }] }, { 'x-sim-tool-call': long }],
    ['hidden reasoning', { model: 'gpt-5-mini' }],
    ['behind a search', { tools: [{ type: 'web_search' }], max_tool_calls: 1 }],
  ]
  for (const [name, asked, headers] of cases) {
    await t.test(name, async (t) => {
      await leave(openaiAt(`${twins.sidecar.url}/v1`, name, { headers: { ...SLOWLY, ...headers } }), asked)
      const event = await chargedAsAborted(t, twins, name)
      const [attempt] = event.attempts
      const isBound = attempt?.chargedNanoUsd === attempt?.boundNanoUsd
      // Of a compressed stream a piece may be in the decoder when its client leaves: what is in it nobody has seen.
      if (name === 'a compressed stream') return
      t.equal(
        isBound,
        name === 'hidden reasoning' || name === 'behind a search',
        'what was seen, where all can be seen',
      )
    })
  }
})

const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`

t.test(
  'a refusal of a response is the SDK’s error for its status, at the first attempt, and costs nothing',
  async (t) => {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      policies: {
        'poor.yaml': budgetYaml({ name: 'poor', limit: '0.000001', agent: 'poor' }),
        'provider.yaml': providerYaml({ onUnbounded: 'deny' }),
        'security.yaml': securityYaml({ request: 'block', response: 'block' }),
      },
    })
    const unbounded = { status: 403, code: 'acc_request_unbounded', class: 'PermissionDeniedError' }
    const secret = { status: 403, code: 'acc_security_blocked', class: 'PermissionDeniedError' }
    const cases: readonly (readonly [name: string, asked: object, expected: object, agent?: string])[] = [
      ['a spent budget', {}, { status: 429, code: 'acc_budget_exceeded', type: 'insufficient_quota' }, 'poor'],
      ['an earlier response', { previous_response_id: 'resp_1' }, unbounded],
      ['a conversation', { conversation: 'conv_1' }, unbounded],
      ['a template', { prompt: { id: 'pmpt_1' } }, unbounded],
      ['a hosted tool', { tools: [{ type: 'web_search' }] }, unbounded],
      ['a file', { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }] }, unbounded],
      ['a secret in the input', { input: `my key is ${KEY}` }, secret],
      ['a secret in the instructions', { instructions: `my key is ${KEY}` }, secret],
      ['a secret in a part', { input: [{ role: 'user', content: [{ type: 'input_text', text: KEY }] }] }, secret],
      ['a secret in a result', { input: [{ type: 'function_call_output', call_id: 'c', output: KEY }] }, secret],
      ['a secret in a template', { prompt: { id: 'p', variables: { key: KEY } } }, secret],
      ['no model', { model: '' }, { status: 400, code: 'acc_model_missing', class: 'BadRequestError' }],
      ['compaction', { context_management: [{ type: 'compaction', compact_threshold: 1_000 }] }, unbounded],
    ]
    for (const [name, asked, expected, agent = 'other'] of cases) {
      for (const stream of [false, true]) {
        const recorded = recordedFetch()
        const headers = { 'x-acc-agent': agent }
        const client = openaiAt(`${sidecar.url}/v1`, name, { maxRetries: 2, fetch: recorded.fetch, headers })
        const body: Asked = { ...ASK, ...asked }
        const error = await client.responses.create({ ...body, stream }).then(() => ({}), told)
        t.match(error, expected, name)
        t.notMatch(JSON.stringify(error), KEY.slice(4), 'and never the text')
        t.equal(recorded.attempts.length, 1, 'no attempt is wasted')
      }
    }
    t.equal(simulator.requests().length, 0, 'nothing was sent')
    const compacting = await openaiAt(`${sidecar.url}/v1`, 'compact')
      .responses.compact({ model: 'gpt-5' })
      .then(() => ({}), told)
    t.match(compacting, { status: 403, code: 'acc_endpoint_denied' })

    await t.test('a secret in a streamed answer ends the stream with the SDK’s error', async (t) => {
      const reply = encodeURIComponent(`it is ${KEY} and ${'so on '.repeat(50)}`)
      for (const helper of [false, true]) {
        const tag = `leak ${helper}`
        const client = openaiAt(`${sidecar.url}/v1`, tag, { headers: { 'x-sim-reply': reply } })
        let text = ''
        const numbers: number[] = []
        const reading = async (): Promise<void> => {
          const body = { ...ASK, stream: true as const }
          const stream = helper ? client.responses.stream(body) : await client.responses.create(body)
          for await (const event of stream) {
            numbers.push(event.sequence_number)
            if (event.type === 'response.output_text.delta') text += event.delta
          }
        }
        const error = await reading().then(() => ({}), told)
        t.match(error, { class: 'APIError', code: 'acc_security_blocked' })
        t.match(text, /^it is /)
        t.notMatch(text, KEY.slice(4, 20))
        t.strictSame(numbers, [...numbers.keys()])
        const [event] = await eventsOf(sidecar, tag, 1)
        t.match(event, { outcome: 'cut', code: 'acc_security_blocked' })
        const billed = simulator.bill.entries().find((entry) => entry.tag === tag)
        t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(billed?.costPicoUsd ?? 0))
      }
    })
  },
)

t.test('what is redacted in a response is redacted wherever the stream says it again', async (t) => {
  const simulator = await simulatorFor(t)
  const policies = {
    'b.yaml': budgetYaml({ name: 'b', limit: '9' }),
    's.yaml': securityYaml({ request: 'redact', response: 'redact' }),
  }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
  const cases: readonly (readonly [name: string, asked: object, headers: Readonly<Record<string, string>>])[] = [
    ['text', {}, { 'x-sim-reply': encodeURIComponent(`it is ${KEY} or so`) }],
    ['text at the end', {}, { 'x-sim-reply': encodeURIComponent(`it is ${KEY}`) }],
    [
      'arguments',
      { tools: [{ type: 'function', name: 'f', parameters: {} }] },
      { 'x-sim-tool-call': encodeURIComponent(JSON.stringify({ key: KEY })) },
    ],
    [
      'a custom call',
      { tools: [{ type: 'custom', name: 'f' }] },
      { 'x-sim-tool-call': encodeURIComponent(`use ${KEY} now`) },
    ],
    [
      'a summary',
      { model: 'gpt-5-mini', reasoning: { summary: 'auto' } },
      { 'x-sim-thinking': encodeURIComponent(`they gave ${KEY} away`) },
    ],
  ]
  for (const [name, asked, headers] of cases) {
    await t.test(name, async (t) => {
      const client = openaiAt(`${sidecar.url}/v1`, name, { headers })
      const body = {
        ...ASK,
        ...asked,
        instructions: `The key is ${KEY}.`,
        input: [{ role: 'user' as const, content: `Not ${KEY}!` }],
      }
      const plain = await client.responses.create(body)
      const events: unknown[] = []
      for await (const event of await client.responses.create({ ...body, stream: true })) events.push(event)
      const final = await client.responses.stream({ ...body, stream: true }).finalResponse()
      for (const each of [plain, events, final]) {
        t.notMatch(JSON.stringify(each), KEY.slice(4, 20))
        t.match(JSON.stringify(each), /\[REDACTED:/)
      }
      t.strictSame(
        simulator.requests().filter(({ body: sent }) => sent.includes(KEY.slice(4, 20))).length,
        0,
        'nor did it reach the provider',
      )
      const found = await eventsOf(sidecar, name, 3)
      for (const { attempts, findings } of found) {
        t.match(attempts, [{ precision: 'exact' }])
        t.ok(findings.length > 0 && findings.length < 6)
      }
    })
  }
})

t.test('a budget that affords less lowers max_output_tokens, and tells so', async (t) => {
  const simulator = await simulatorFor(t)
  const policies = { 'narrow.yaml': budgetYaml({ name: 'narrow', limit: '0.002' }) }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
  const client = openaiAt(`${sidecar.url}/v1`, 'narrow', { headers: { 'x-sim-output-tokens': '2000' } })
  const { data, response } = await client.responses.create({ model: ASK.model, input: 'hello' }).withResponse()
  const limit = Number(response.headers.get('x-acc-output-limit'))
  t.ok(limit >= 16 && limit < 2_000, `${limit}`)
  t.match(data, { status: 'incomplete', max_output_tokens: limit, usage: { output_tokens: limit } })
  const [event] = await eventsOf(sidecar, 'narrow', 1)
  t.match(event, { clampedOutputTokens: limit, attempts: [{ precision: 'exact' }] })
})
