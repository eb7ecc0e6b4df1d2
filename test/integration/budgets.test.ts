/** Budgets from outside: what a client sees, what the provider sees, and that no limit is passed by the provider's bill. */
import type { Simulator } from '@agentcostcontrol/simulator'
import t from 'tap'
import { type Ask, askBody, readUntil, send } from '../support/ask.ts'
import { faultsOf, readBooks } from '../support/books.ts'
import { budgetYaml, providerYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { nanoOf } from '../support/ways-out.ts'

/** gpt-4.1-mini in its dearest service tier, in nano-USD per token. */
const INPUT = 700n
const OUTPUT = 2_800n
/** Tokens that the provider puts around one message, at most. */
const FRAMING = 72

const inputBound = (ask: Ask): number => Buffer.byteLength(askBody(ask)) + FRAMING
const usd = (nano: bigint): string => `${nano / 1_000_000_000n}.${(nano % 1_000_000_000n).toString().padStart(9, '0')}`
const billOf = (simulator: Simulator): bigint =>
  simulator.bill.entries().reduce((sum, { costPicoUsd }) => sum + nanoOf(costPicoUsd), 0n)
const codeOf = (response: Response): string | null => response.headers.get('x-acc-code')

t.test('a burst of a hundred against money for ten: ten are answered, and the bill is the budget', async (t) => {
  const ask: Ask = { prompt: 'one of many', body: { max_completion_tokens: 100 } }
  // Every request uses all that it may: its cost is its bound.
  const usage = JSON.stringify({ prompt_tokens: inputBound(ask), completion_tokens: 100 })
  const limit = 10n * (BigInt(inputBound(ask)) * INPUT + 100n * OUTPUT)
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': budgetYaml({ name: 'ten', limit: usd(limit) }) },
  })
  const answers = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const response = await send(sidecar.url, { ...ask, sim: { usage, 'service-tier': 'priority' } })
      await response.text()
      return response
    }),
  )
  t.equal(answers.filter(({ status }) => status === 200).length, 10)
  t.equal(answers.filter((response) => codeOf(response)?.startsWith('acc_budget_')).length, 90)
  t.equal(billOf(simulator), limit)
  t.equal((await sidecar.events(100)).length, 100)
})

t.test('the reservation of a long prompt has the price of a long prompt', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': budgetYaml({ name: 'three', limit: '3.00' }) },
  })
  // $1.365 at the long price, $0.68 at the short one: two fit into three dollars, not four.
  const ask: Ask = {
    model: 'gpt-5.4',
    prompt: 'a '.repeat(140_000),
    stream: true,
    body: { service_tier: 'default', max_completion_tokens: 16 },
    sim: { usage: '{"prompt_tokens":273000}', 'chunk-delay-ms': 50 },
  }
  const statuses = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const response = await send(sidecar.url, ask)
      await response.text()
      return response.status
    }),
  )
  t.same(statuses.sort(), [200, 200, 429, 429, 429])
  t.ok(billOf(simulator) <= 3_000_000_000n, `billed ${billOf(simulator)}`)
})

t.test('a hard stop is one: requests until the first refusal never cost more than the limit', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': budgetYaml({ name: 'half', limit: '0.0005' }) },
  })
  let answered = 0
  let refused: Response | null = null
  while (!refused && answered < 200) {
    const response = await send(sidecar.url, { prompt: `turn ${answered}`, stream: answered % 2 === 0 })
    await response.text()
    if (response.status === 200) answered++
    else refused = response
  }
  t.ok(answered > 3, `${answered} were answered`)
  t.equal(refused && codeOf(refused), 'acc_budget_exceeded')
  t.ok(billOf(simulator) <= 500_000n, `billed ${billOf(simulator)}`)
})

t.test('a refusal names the budget, what is left of it and when it begins anew, in the client’s format', async (t) => {
  const simulator = await simulatorFor(t)
  const upstream = `${simulator.url}/v1`
  const daily = budgetYaml({ name: 'each-day', limit: '0.01', period: 'daily', agent: '*' })
  const sidecar = await sidecarFor(t, { upstream, policies: { 'budget.yaml': daily } })
  const ask: Ask = { headers: { 'x-acc-agent': 'reader' }, prompt: 'a'.repeat(20_000) }
  const response = await send(sidecar.url, ask)
  t.equal(response.status, 429)
  const { error } = (await response.json()) as { error: Record<string, unknown> }
  const midnight = new Date(new Date().setUTCHours(24, 0, 0, 0))
  const bound = BigInt(inputBound(ask)) * INPUT + 32_768n * OUTPUT
  t.match(error, {
    type: 'insufficient_quota',
    code: 'acc_budget_exceeded',
    param: null,
    budget: 'each-day',
    subject: 'reader',
    limit_usd: '0.01',
    remaining_usd: '0.01',
    resets_at: midnight.toISOString(),
  })
  t.equal(error.requested_usd, usd(bound).replace(/0+$/, ''))
  t.match(String(error.message), 'the budget "each-day" of $0.01 has $0.01 left')
  const retryAfterS = Number(response.headers.get('retry-after'))
  t.ok(Math.abs(retryAfterS - (midnight.getTime() - Date.now()) / 1_000) < 60, `Retry-After ${retryAfterS}`)
  t.equal(simulator.requests().length, 0, 'nothing was sent')

  const total = budgetYaml({ name: 'once', limit: '0.01' })
  const other = await sidecarFor(t, { upstream, policies: { 'budget.yaml': total } })
  const forever = await send(other.url, ask)
  const { error: never } = (await forever.json()) as { error: Record<string, unknown> }
  t.match(never, { budget: 'once', resets_at: null })
  t.equal(forever.headers.get('retry-after'), null, 'nothing comes back')
  t.equal(forever.headers.get('x-should-retry'), 'false')
})

t.test('the output limit is lowered to what the rest affords, and told to both sides', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': budgetYaml({ name: 'each', limit: '0.001', agent: '*' }) },
  })
  const affordable = (ask: Ask): number => Number((1_000_000n - BigInt(inputBound(ask)) * INPUT) / OUTPUT)
  const sentBody = (): Record<string, unknown> => JSON.parse(String(simulator.requests().at(-1)?.body))

  const kinds: readonly { readonly name: string; readonly body: Record<string, unknown>; readonly field: string }[] = [
    { name: 'a request without a limit', body: {}, field: 'max_completion_tokens' },
    { name: 'the current field', body: { max_completion_tokens: 5_000 }, field: 'max_completion_tokens' },
    { name: 'the older field', body: { max_tokens: 5_000 }, field: 'max_tokens' },
  ]
  for (const { name, body, field } of kinds) {
    const ask: Ask = { prompt: name, body, headers: { 'x-acc-agent': name } }
    const response = await send(sidecar.url, { ...ask, sim: { 'output-tokens': 2_000 } })
    const answer = (await response.json()) as { usage: { completion_tokens: number } }
    const { model, messages, ...limits } = sentBody()
    t.same(limits, { [field]: affordable(ask) }, name)
    t.equal(response.headers.get('x-acc-output-limit'), String(affordable(ask)))
    t.equal(answer.usage.completion_tokens, affordable(ask), 'the provider keeps to it')
  }

  const choices: Ask = { prompt: 'three', body: { n: 3 }, headers: { 'x-acc-agent': 'three' } }
  const three = await send(sidecar.url, choices)
  await three.text()
  t.equal(three.headers.get('x-acc-output-limit'), String(Math.floor(affordable(choices) / 3)), 'for each choice')

  const small: Ask = { prompt: 'small', body: { max_tokens: 10 }, headers: { 'x-acc-agent': 'small' } }
  const asIs = await send(sidecar.url, small)
  await asIs.text()
  t.equal(asIs.headers.get('x-acc-output-limit'), null, 'a limit that is affordable is left alone')
  t.equal(String(simulator.requests().at(-1)?.body), askBody(small), 'and so is every byte')
})

t.test('no limit is lowered while the money is there, and none below what is of use', async (t) => {
  const simulator = await simulatorFor(t)
  const upstream = `${simulator.url}/v1`
  const ample = await sidecarFor(t, { upstream })
  const ask: Ask = { prompt: 'as it is' }
  const response = await send(ample.url, ask)
  await response.text()
  t.equal(response.headers.get('x-acc-output-limit'), null)
  t.equal(String(simulator.requests()[0]?.body), askBody(ask))

  // Money for the input and 99 tokens.
  const limit = BigInt(inputBound(ask)) * INPUT + 99n * OUTPUT
  const policies = {
    'budget.yaml': budgetYaml({ name: 'few', limit: usd(limit) }),
    'provider.yaml': providerYaml({ minOutputTokens: 100 }),
  }
  const poor = await sidecarFor(t, { upstream, policies })
  const refused = await send(poor.url, ask)
  await refused.text()
  t.equal(codeOf(refused), 'acc_budget_exceeded')
  t.equal(simulator.requests().length, 1, 'nothing was sent')
})

t.test('a provider that does not keep to the limit is charged in full, and then nothing more is sent', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': budgetYaml({ name: 'all', limit: '0.001' }) },
  })
  const response = await send(sidecar.url, { sim: { fault: 'overrun', 'service-tier': 'priority' } })
  await response.text()
  const [event] = await sidecar.events(1)
  t.ok(BigInt(event?.attempts[0]?.chargedNanoUsd ?? 0) > 1_000_000n, 'above the limit')
  t.equal(BigInt(event?.attempts[0]?.chargedNanoUsd ?? 0), billOf(simulator))
  const next = await send(sidecar.url, { body: { max_tokens: 1 } })
  const { error } = (await next.json()) as { error: Record<string, unknown> }
  t.match(error, { code: 'acc_budget_exceeded', remaining_usd: '0.00' })
  t.equal(simulator.requests().length, 1)
  t.equal(await sidecar.stop(), 0)
  t.same(faultsOf(readBooks(sidecar.dataDir)), [], 'the leases are charged what the events say')
})

t.test('an agent does not get fresh money by another name', async (t) => {
  const ask: Ask = { body: { max_completion_tokens: 16 } }
  const limit = BigInt(inputBound(ask)) * INPUT + 20n * OUTPUT
  const policies = { 'budget.yaml': budgetYaml({ name: 'each', limit: usd(limit), agent: '*' }) }
  for (const [env, subject] of [
    [{ ACC_TRUST_HEADERS: 'session,task' }, '(none)'],
    [{ ACC_AGENT: 'mine' }, 'mine'],
  ] as const) {
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies, env })
    const codes: (string | null)[] = []
    for (const name of ['one', 'two', 'three']) {
      const usage = JSON.stringify({ prompt_tokens: inputBound(ask), completion_tokens: 16 })
      const response = await send(sidecar.url, {
        ...ask,
        headers: { 'x-acc-agent': name },
        sim: { usage, 'service-tier': 'priority' },
      })
      await response.text()
      codes.push(codeOf(response))
    }
    t.same(codes, [null, 'acc_budget_exceeded', 'acc_budget_exceeded'])
    const [first] = await sidecar.events(3)
    t.match(first?.charges, [{ budgetUid: 'Budget/each', subject, periodId: 'total' }])
    t.equal(first?.principal.agent, subject === 'mine' ? 'mine' : null)
    t.notOk(simulator.requests()[0]?.rawHeaders.some((name) => name.toLowerCase().startsWith('x-acc-')))
  }
})

t.test(
  'near its limit a budget warns on answers, and has a cheaper model serve where its policy says so',
  async (t) => {
    const ask: Ask = { model: 'gpt-5.4', body: { max_completion_tokens: 100 } }
    const simulator = await simulatorFor(t)
    const sidecar = await sidecarFor(t, {
      upstream: `${simulator.url}/v1`,
      policies: {
        'budget.yaml': `${budgetYaml({ name: 'team', limit: '0.10' })}  warning: 40
  steps: [{ at: 40, action: downgrade_model }]
  downgrade: [gpt-4.1-mini]
`,
      },
    })
    const usage = JSON.stringify({ prompt_tokens: 16_000, completion_tokens: 16 })
    const first = await send(sidecar.url, { ...ask, prompt: 'a '.repeat(8_000), sim: { usage } })
    await first.text()
    t.equal(first.status, 200)
    t.equal(first.headers.get('x-acc-warning'), null)
    t.equal(first.headers.get('x-acc-model'), null)
    await sidecar.events(1)
    const second = await send(sidecar.url, ask)
    t.equal(second.status, 200, await second.text())
    t.match(second.headers.get('x-acc-warning'), /^budget team is spent to 4\d %$/)
    t.match(second.headers.get('x-acc-budget-remaining'), /^0\.05/)
    t.equal(second.headers.get('x-acc-model'), 'gpt-4.1-mini')
    t.match(simulator.requests().at(-1)?.body.toString(), '"model":"gpt-4.1-mini"')
    const [, served] = await sidecar.events(2)
    t.match(served?.attempts, [{ requestedModel: 'gpt-4.1-mini', precision: 'exact' }])
  },
)

t.test('endpoints that nobody meters are no way around a budget', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const roads = ['/v1/images/generations', '/v1/audio/speech', '/v1/batches', '/v1/fine_tuning/jobs', '/v1/anything']
  for (const road of roads) {
    const response = await fetch(`${sidecar.url}${road}`, { method: 'POST', body: '{}' })
    await response.text()
    t.equal(codeOf(response), 'acc_endpoint_denied', road)
  }
  t.equal(simulator.requests().length, 0)
  t.equal((await sidecar.events(roads.length)).length, roads.length, 'and each is told')
})

t.test('a client that reads every word and leaves before the usage does not ride for free', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const ask: Ask = { stream: true, body: { stream_options: { include_usage: false } } }
  const whole = await (await send(sidecar.url, ask)).text()
  t.notMatch(whole, '"usage"', 'what it did not ask for it does not see')
  t.match(String(simulator.requests()[0]?.body), '"include_usage":true', 'the provider was asked all the same')

  const response = await send(sidecar.url, {
    ...ask,
    prompt: 'rider',
    sim: { 'chunk-delay-ms': 40, 'output-tokens': 5 },
  })
  await (await readUntil(response, '"finish_reason":"stop"')).leave()
  const [, event] = await sidecar.events(2)
  t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
  t.ok(BigInt(event?.attempts[0]?.chargedNanoUsd ?? 0) >= nanoOf(simulator.bill.entries()[1]?.costPicoUsd ?? null))
})
