import type OpenAI from 'openai'
import type { ResponseCreateParamsNonStreaming } from 'openai/resources/responses/responses'
import t from 'tap'
import { openaiAt, sameBothWays } from '../support/sdk.ts'
import { told } from '../support/sdk-errors.ts'
import { budgetYaml, providerYaml, readEvents, securityYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { billOf, chargedOf, eventsOf, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

const ASK: ResponseCreateParamsNonStreaming = {
  model: 'gpt-4.1-mini',
  input: 'Take your time.',
  background: true,
  max_output_tokens: 1_000,
}
const KEY = `ghp_${'x7Qm2LpR9sTv4WzY1bCd6FgH8jKn3MqS5uEa'}`

/** Looks at a response until it is done, as the guide to background mode says. */
async function polled(client: OpenAI, id: string) {
  let response = await client.responses.retrieve(id)
  while (response.status === 'queued' || response.status === 'in_progress')
    response = await client.responses.retrieve(id)
  return response
}

/** The attempt of the request with a tag that asked for the response, once it is settled. */
const settled = (sidecar: Parameters<typeof eventsOf>[0], tag: string) =>
  until(`the settlement of ${tag}`, () => {
    const events = readEvents(sidecar.dataDir).filter(({ principal }) => principal.task === tag)
    return (
      events.find(
        ({ method, operation, path }) => method === 'POST' && operation === 'responses' && path.endsWith('/responses'),
      ) ?? null
    )
  })

t.test('a job costs what it used, once, when its client looks at it', async (t) => {
  const twins = await twinsFor(t)
  const { sidecar, behind } = twins
  const at = (tag: string, headers = {}): OpenAI => openaiAt(`${sidecar.url}/v1`, tag, { headers })

  await t.test('until then its whole bound is held, and nothing is settled', async (t) => {
    const client = at('polled')
    const made = await client.responses.create(ASK)
    t.match(made, { status: 'queued', usage: null })
    t.equal((await client.responses.retrieve(made.id)).status, 'in_progress')
    t.equal(await sidecar.metric('acc_background_jobs'), 1)
    t.equal(await sidecar.metric('acc_outbox_open_intents'), 1)
    const done = await polled(client, made.id)
    t.match(done, { status: 'completed', output_text: /\w/, usage: { output_tokens: 40 } })
    await polled(client, made.id)
    const event = await settled(sidecar, 'polled')
    t.match(event, {
      outcome: 'completed',
      attempts: [{ precision: 'exact', responseId: made.id, usage: { outputVisible: 40 } }],
    })
    t.strictSame([String(chargedOf([event]))], billOf(behind, 'polled'))
    const all = await eventsOf(sidecar, 'polled', 4)
    t.equal(chargedOf(all), chargedOf([event]), 'looking at it costs nothing, however often')
    t.equal(await sidecar.metric('acc_background_jobs'), 0)
    t.equal(await sidecar.metric('acc_outbox_open_intents'), 0)
  })

  await t.test('a streamed one that its client leaves goes on, and is settled by the next look', async (t) => {
    const client = at('left', { 'x-sim-output-tokens': '300', 'x-sim-chunk-delay-ms': '2' })
    let id = ''
    for await (const event of await client.responses.create({ ...ASK, stream: true })) {
      if (event.type === 'response.created') id = event.response.id
      if (event.type === 'response.output_text.delta') break
    }
    await until(
      'the end at the provider',
      () => behind.bill.entries().find(({ tag, ended }) => tag === 'left' && ended !== 'open') ?? null,
    )
    const resumed: string[] = []
    for await (const { type } of await client.responses.retrieve(id, { stream: true, starting_after: 5 }))
      resumed.push(type)
    t.equal(resumed.at(-1), 'response.completed')
    const event = await settled(sidecar, 'left')
    t.match(event, { outcome: 'aborted', attempts: [{ precision: 'exact', usage: { outputVisible: 300 } }] })
    t.strictSame([String(chargedOf([event]))], billOf(behind, 'left'))
  })

  await t.test('one that is read as a stream to its end is settled by that', async (t) => {
    await sameBothWays(t, twins, 'streamed job', async (client) => {
      const types: string[] = []
      for await (const { type } of await client.responses.create({ ...ASK, stream: true })) types.push(type)
      return types
    })
  })

  await t.test('one that is cancelled, and tells no usage, costs its bound', async (t) => {
    const client = at('cancelled')
    const { id } = await client.responses.create(ASK)
    t.equal((await client.responses.cancel(id)).status, 'cancelled')
    const event = await settled(sidecar, 'cancelled')
    t.match(event.attempts, [{ precision: 'estimated', reason: /bound/ }])
    t.equal(event.attempts[0]?.chargedNanoUsd, event.attempts[0]?.boundNanoUsd)
    t.ok(chargedOf([event]) >= BigInt(billOf(behind, 'cancelled')[0] ?? 0))
  })
})

t.test('a job that nobody looks at is charged its bound at the end, and after a crash', async (t) => {
  const simulator = await simulatorFor(t)
  for (const end of ['stop', 'kill'] as const) {
    const upstream = `${simulator.url}/v1`
    const sidecar = await sidecarFor(t, { upstream })
    await openaiAt(`${sidecar.url}/v1`, end).responses.create(ASK)
    await sidecar[end]()
    if (end === 'kill') await sidecarFor(t, { upstream, dataDir: sidecar.dataDir, policyDir: sidecar.policyDir })
    const [event] = await eventsOf(sidecar, end, 1)
    const [attempt] = event?.attempts ?? []
    t.equal(event?.outcome, end === 'stop' ? 'completed' : 'unresolved')
    t.has(attempt, { precision: 'estimated', chargedNanoUsd: attempt?.boundNanoUsd ?? '' }, end)
    t.ok(BigInt(attempt?.chargedNanoUsd ?? 0) > 1_000n * 1_600n - 1n, 'all of the output that it may have')
  }
})

t.test('jobs hold their money: the next one is refused while it may still be needed', async (t) => {
  const simulator = await simulatorFor(t)
  const policies = {
    'narrow.yaml': budgetYaml({ name: 'narrow', limit: '0.004' }),
    'p.yaml': providerYaml({ onUnbounded: 'deny' }),
  }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
  const client = openaiAt(`${sidecar.url}/v1`, 'narrow')
  const { id } = await client.responses.create(ASK)
  const refused = await client.responses.create(ASK).then(() => ({}), told)
  t.match(refused, { status: 429, code: 'acc_budget_busy' })
  await polled(client, id)
  t.match(await client.responses.create(ASK), { status: 'queued' })
})

t.test('what a job says is judged when it is asked for', async (t) => {
  const simulator = await simulatorFor(t)
  for (const response of ['block', 'redact']) {
    const policies = { 'b.yaml': budgetYaml({ name: 'b', limit: '9' }), 's.yaml': securityYaml({ response }) }
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
    const reply = { 'x-sim-reply': encodeURIComponent(`it is ${KEY}.`) }
    const client = openaiAt(`${sidecar.url}/v1`, response, { headers: reply })
    const { id } = await client.responses.create(ASK)
    const got = await polled(client, id).then(({ output_text }) => ({ output_text }), told)
    t.notMatch(JSON.stringify(got), KEY.slice(4, 20))
    if (response === 'block') t.match(got, { status: 403, code: 'acc_security_blocked' })
    else t.match(got, { output_text: /^it is \[REDACTED:/ })
    const event = await settled(sidecar, response)
    t.match(event.attempts, [{ precision: 'exact' }], 'and metered either way')
  }
})
