/**
 * Faults that others shipped, as far as OpenAI's chat format can show them. Every amount is worked out by hand from the
 * prices of seed/models.csv, and must be the simulator's bill as well, which shares no code with the sidecar's pricing.
 * `npm run test:faults` puts each fault in and looks whether the test of its name fails.
 */
import { NO_USAGE, type TokenUsage } from '@agentcostcontrol/contract'
import t from 'tap'
import { type Ask, send } from '../support/ask.ts'
import { AMPLE_BUDGET, providerYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'
import { chargeOf, nanoOf } from '../support/ways-out.ts'

/** Nano-USD per token: thousandths of the price of a million. */
const GPT_4_1 = { input: 2_000n, cached: 500n, output: 8_000n }
const GPT_5 = { input: 1_250n, output: 10_000n }
const GPT_5_4 = { input: 2_500n, cached: 250n, output: 15_000n }
/** Above 272 000 tokens of input. */
const GPT_5_4_LONG = { input: 5_000n, cached: 500n, output: 22_500n }
const GPT_5_6 = { input: 5_000n, cached: 500n, written: 6_250n, output: 30_000n }

interface Golden {
  readonly name: string
  readonly ask: Ask
  readonly nano: bigint
  /** Disjoint fields that must be told; those left out are zero. */
  readonly usage: Partial<TokenUsage>
  /** False where the usage is of a compatible provider, which OpenAI's bill knows nothing of. */
  readonly isBilled?: boolean
}

const reporting = (model: string, usage: object, more: Ask = {}): Ask => ({
  model,
  ...more,
  // The simulated models of the fifth generation think unless they are told what they used.
  sim: { usage: JSON.stringify({ completion_tokens_details: { reasoning_tokens: 0 }, ...usage }), ...more.sim },
})

const GOLDEN: readonly Golden[] = [
  {
    name: 'cached tokens are counted once',
    ask: reporting('gpt-4.1', {
      prompt_tokens: 20_000,
      completion_tokens: 500,
      prompt_tokens_details: { cached_tokens: 18_000 },
    }),
    usage: { inputUncached: 2_000, cacheRead: 18_000, outputVisible: 500 },
    nano: 2_000n * GPT_4_1.input + 18_000n * GPT_4_1.cached + 500n * GPT_4_1.output,
  },
  {
    name: 'cache reads cost what a cache read costs',
    ask: reporting('gpt-4.1', {
      prompt_tokens: 10_000,
      completion_tokens: 0,
      prompt_tokens_details: { cached_tokens: 10_000 },
    }),
    usage: { cacheRead: 10_000 },
    nano: 10_000n * GPT_4_1.cached,
  },
  {
    name: 'input outside the cache is not free',
    ask: reporting('gpt-4.1', { prompt_tokens: 10_000, completion_tokens: 0 }),
    usage: { inputUncached: 10_000 },
    nano: 10_000n * GPT_4_1.input,
  },
  {
    name: 'cache writes have a price of their own',
    ask: reporting('gpt-5.6', {
      prompt_tokens: 10_000,
      completion_tokens: 100,
      prompt_tokens_details: { cached_tokens: 2_000, cache_write_tokens: 3_000 },
      completion_tokens_details: { reasoning_tokens: 0 },
    }),
    usage: { inputUncached: 5_000, cacheRead: 2_000, cacheWrite5m: 3_000, outputVisible: 100 },
    nano: 5_000n * GPT_5_6.input + 2_000n * GPT_5_6.cached + 3_000n * GPT_5_6.written + 100n * GPT_5_6.output,
  },
  {
    name: 'cache writes cost the input where they have no price of their own',
    ask: reporting('gpt-4.1', {
      prompt_tokens: 10_000,
      completion_tokens: 0,
      prompt_tokens_details: { cache_write_tokens: 4_000 },
    }),
    usage: { inputUncached: 6_000, cacheWrite5m: 4_000 },
    nano: 10_000n * GPT_4_1.input,
  },
  {
    name: 'reasoning is part of the completion where the total says so',
    ask: reporting('gpt-5', {
      prompt_tokens: 1_000,
      completion_tokens: 1_000,
      completion_tokens_details: { reasoning_tokens: 800 },
    }),
    usage: { inputUncached: 1_000, outputVisible: 200, outputReasoning: 800 },
    nano: 1_000n * GPT_5.input + 1_000n * GPT_5.output,
  },
  {
    name: 'reasoning comes on top of the completion where the total says so',
    ask: reporting('gpt-5', {
      prompt_tokens: 1_000,
      completion_tokens: 1_000,
      total_tokens: 2_800,
      completion_tokens_details: { reasoning_tokens: 800 },
    }),
    usage: { inputUncached: 1_000, outputVisible: 1_000, outputReasoning: 800 },
    nano: 1_000n * GPT_5.input + 1_800n * GPT_5.output,
    isBilled: false,
  },
  {
    name: 'audio tokens are parts of their wholes',
    ask: reporting('gpt-4.1', {
      prompt_tokens: 1_000,
      completion_tokens: 300,
      prompt_tokens_details: { audio_tokens: 400 },
      completion_tokens_details: { audio_tokens: 200 },
    }),
    usage: { inputUncached: 600, audioInput: 400, outputVisible: 100, audioOutput: 200 },
    nano: 1_000n * GPT_4_1.input + 300n * GPT_4_1.output,
  },
  {
    name: 'predicted tokens, accepted and rejected, are part of the completion',
    ask: reporting('gpt-4.1', {
      prompt_tokens: 1_000,
      completion_tokens: 500,
      completion_tokens_details: { accepted_prediction_tokens: 300, rejected_prediction_tokens: 90 },
    }),
    usage: { inputUncached: 1_000, outputVisible: 500 },
    nano: 1_000n * GPT_4_1.input + 500n * GPT_4_1.output,
  },
  {
    name: 'up to the threshold the base holds',
    ask: reporting('gpt-5.4', { prompt_tokens: 272_000, completion_tokens: 1_000 }),
    usage: { inputUncached: 272_000, outputVisible: 1_000 },
    nano: 272_000n * GPT_5_4.input + 1_000n * GPT_5_4.output,
  },
  {
    name: 'above the threshold the whole request is repriced, not its overflow',
    ask: reporting('gpt-5.4', { prompt_tokens: 272_001, completion_tokens: 1_000 }),
    usage: { inputUncached: 272_001, outputVisible: 1_000 },
    nano: 272_001n * GPT_5_4_LONG.input + 1_000n * GPT_5_4_LONG.output,
  },
  {
    name: 'the threshold counts the cached part of the input',
    ask: reporting('gpt-5.4', {
      prompt_tokens: 300_000,
      completion_tokens: 10,
      prompt_tokens_details: { cached_tokens: 290_000 },
    }),
    usage: { inputUncached: 10_000, cacheRead: 290_000, outputVisible: 10 },
    nano: 10_000n * GPT_5_4_LONG.input + 290_000n * GPT_5_4_LONG.cached + 10n * GPT_5_4_LONG.output,
  },
  {
    name: 'reasoning above the threshold costs what output costs there',
    ask: reporting('gpt-5.4', {
      prompt_tokens: 300_000,
      completion_tokens: 2_000,
      completion_tokens_details: { reasoning_tokens: 1_500 },
    }),
    usage: { inputUncached: 300_000, outputVisible: 500, outputReasoning: 1_500 },
    nano: 300_000n * GPT_5_4_LONG.input + 2_000n * GPT_5_4_LONG.output,
  },
  ...(['batch', 'flex'] as const).map((tier) => ({
    name: `${tier} above the threshold is half of the long price, not of the short one`,
    ask: reporting(
      'gpt-5.4',
      { prompt_tokens: 300_000, completion_tokens: 1_000, prompt_tokens_details: { cached_tokens: 100_000 } },
      { sim: { 'service-tier': tier } },
    ),
    usage: { inputUncached: 200_000, cacheRead: 100_000, outputVisible: 1_000 },
    nano: (200_000n * GPT_5_4_LONG.input + 100_000n * GPT_5_4_LONG.cached + 1_000n * GPT_5_4_LONG.output) / 2n,
  })),
  {
    name: 'priority above the threshold is twice the long price',
    ask: reporting(
      'gpt-5.4',
      { prompt_tokens: 300_000, completion_tokens: 1_000 },
      { body: { service_tier: 'priority' } },
    ),
    usage: { inputUncached: 300_000, outputVisible: 1_000 },
    nano: 2n * (300_000n * GPT_5_4_LONG.input + 1_000n * GPT_5_4_LONG.output),
  },
  {
    name: 'the service tier that was served counts, not the one that was asked for',
    ask: reporting(
      'gpt-5.4',
      { prompt_tokens: 1_000, completion_tokens: 100 },
      { body: { service_tier: 'flex' }, sim: { 'service-tier': 'default' } },
    ),
    usage: { inputUncached: 1_000, outputVisible: 100 },
    nano: 1_000n * GPT_5_4.input + 100n * GPT_5_4.output,
  },
  {
    name: 'the model that answered counts, not the one that was asked for',
    ask: reporting(
      'gpt-4.1',
      { prompt_tokens: 1_000, completion_tokens: 100 },
      { sim: { 'answer-model': 'gpt-4.1-mini-2025-04-14' } },
    ),
    usage: { inputUncached: 1_000, outputVisible: 100 },
    nano: 1_000n * 400n + 100n * 1_600n,
  },
  {
    name: 'a dated snapshot costs what its family costs',
    ask: reporting('gpt-4.1-2027-12-31', { prompt_tokens: 1_000, completion_tokens: 100 }),
    usage: { inputUncached: 1_000, outputVisible: 100 },
    nano: 1_000n * GPT_4_1.input + 100n * GPT_4_1.output,
  },
  {
    name: 'an answer under an unknown name costs what was asked for, not what begins like it',
    ask: reporting(
      'gpt-4.1',
      { prompt_tokens: 1_000, completion_tokens: 100 },
      { sim: { 'answer-model': 'gpt-4.1-mini-turbo' } },
    ),
    usage: { inputUncached: 1_000, outputVisible: 100 },
    nano: 1_000n * GPT_4_1.input + 100n * GPT_4_1.output,
    isBilled: false,
  },
  {
    name: 'a usage of zero is a usage',
    ask: reporting('gpt-4.1', { prompt_tokens: 0, completion_tokens: 0 }),
    usage: {},
    nano: 0n,
  },
  {
    name: 'fractions of a nano-dollar are rounded up once, in the sum',
    // 333 tokens at $0.075 per million are $0.000024975.
    ask: reporting('gpt-4o-mini', { prompt_tokens: 333, completion_tokens: 0 }, { sim: { 'service-tier': 'batch' } }),
    usage: { inputUncached: 333 },
    nano: 24_975n,
  },
]

const IN_A_STREAM: readonly Golden[] = [
  ...(['every-chunk', 'last-choice', 'twice'] as const).map((place) => ({
    name: `usage reported ${place.replace('-', ' ')} is the last one, not a sum`,
    ask: { model: 'gpt-4.1', sim: { 'usage-in': place, 'output-tokens': 30, usage: '{"prompt_tokens":1000}' } },
    usage: { inputUncached: 1_000, outputVisible: 30 },
    nano: 1_000n * GPT_4_1.input + 30n * GPT_4_1.output,
  })),
  ...[{ include_usage: true }, { include_usage: false }, { include_obfuscation: false }].map((options) => ({
    name: `usage is read of a stream that asks with ${JSON.stringify(options)}`,
    ask: {
      model: 'gpt-4.1',
      body: { stream_options: options },
      sim: { 'output-tokens': 30, usage: '{"prompt_tokens":1000}' },
    },
    usage: { inputUncached: 1_000, outputVisible: 30 },
    nano: 1_000n * GPT_4_1.input + 30n * GPT_4_1.output,
  })),
]

t.test('what is exact is right to the nano', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  let told = 0

  async function check(golden: Golden, stream: boolean): Promise<void> {
    await t.test(`${golden.name}${stream ? ', streamed' : ''}`, async (t) => {
      const tag = `golden-${told}`
      const { ask } = golden
      const response = await send(sidecar.url, { ...ask, stream, sim: { ...ask.sim, tag }, prompt: tag })
      t.equal(response.status, 200)
      await response.text()
      const events = await sidecar.events(told + 1)
      const event = events[told]
      told = events.length
      const [attempt] = event?.attempts ?? []
      t.equal(attempt?.precision, 'exact')
      t.same(attempt?.usage, { ...NO_USAGE, ...golden.usage })
      t.equal(attempt?.costNanoUsd, String(golden.nano))
      t.equal(event && chargeOf(event), golden.nano, 'the budgets are charged the same')
      const entry = simulator.bill.entries().find((each) => each.tag === tag)
      if (golden.isBilled !== false) t.equal(nanoOf(entry?.costPicoUsd ?? null), golden.nano, 'it is the bill')
    })
  }

  for (const golden of GOLDEN) {
    await check(golden, false)
    await check(golden, true)
  }
  for (const golden of IN_A_STREAM) await check(golden, true)
})

t.test('what is not known is never nothing, and says that it is an estimate', async (t) => {
  const simulator = await simulatorFor(t)
  const policies = { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml({ onUnbounded: 'allowCounted' }) }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
  let told = 0
  const tell = async (ask: Ask) => {
    await send(sidecar.url, ask)
      .then((response) => response.text())
      .catch(() => '')
    const events = await sidecar.events(told + 1)
    const event = events[told]
    told = events.length
    return { event, charged: event ? chargeOf(event) : 0n, attempt: event?.attempts[0] }
  }
  /** The body's bytes and 72 of framing at $0.70, the model's 32 768 tokens of output at $2.80: its dearest tier. */
  const bound = (body: string): bigint => BigInt(Buffer.byteLength(body) + 72) * 700n + 32_768n * 2_800n

  await t.test('a usage that is absent is not zero', async (t) => {
    const { charged, attempt } = await tell({ sim: { fault: 'no-usage' } })
    t.equal(attempt?.precision, 'estimated')
    t.equal(charged, bound('{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}]}'))
  })
  await t.test('the tokens of a stream that failed are not lost', async (t) => {
    const { event, charged, attempt } = await tell({ stream: true, sim: { fault: 'cut-mid-stream' } })
    t.match(event, { outcome: 'failed', code: 'acc_upstream_cut' })
    t.equal(attempt?.precision, 'estimated')
    t.equal(charged, bound('{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}],"stream":true}'))
  })
  await t.test('what its chunks told until then is exact for the input and a beginning of the output', async (t) => {
    const { charged, attempt } = await tell({
      stream: true,
      prompt: 'half',
      sim: { fault: 'reset-mid-stream', 'usage-in': 'every-chunk', usage: '{"prompt_tokens":1000}' },
    })
    t.equal(attempt?.precision, 'estimated')
    t.equal(attempt?.usage?.inputUncached, 1_000)
    t.equal(charged, 1_000n * 400n + 32_768n * 1_600n, 'the input at its price, the output at its bound')
  })
  await t.test('a stream that its client aborts is not free', async (t) => {
    const leaving = new AbortController()
    const response = await send(sidecar.url, {
      stream: true,
      sim: { fault: 'stall-mid-stream', tag: 'aborted' },
      signal: leaving.signal,
    })
    leaving.abort()
    await response.text().catch(() => '')
    const { event, charged } = await (async () => {
      const events = await sidecar.events(told + 1)
      const last = events[told]
      told = events.length
      return { event: last, charged: last ? chargeOf(last) : 0n }
    })()
    t.match(event, { outcome: 'aborted', attempts: [{ precision: 'estimated' }] })
    const entry = await until('the bill is final', () => {
      const found = simulator.bill.entries().find(({ tag }) => tag === 'aborted')
      return found && found.ended !== 'open' ? found : null
    })
    t.ok(charged >= nanoOf(entry.costPicoUsd) && charged > 0n)
  })
  await t.test('a request that nothing bounds, and that the policy lets through', async (t) => {
    const { charged, attempt } = await tell({ sim: { fault: 'no-usage' }, body: { web_search_options: {} } })
    t.equal(attempt?.boundNanoUsd, '0', 'nothing was reserved')
    t.equal(attempt?.precision, 'estimated')
    t.ok(charged > 0n)
  })
})

t.test('a model without a price is refused, never found by how its name begins, and never free', async (t) => {
  const simulator = await simulatorFor(t)
  const strict = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  for (const model of ['gpt-5.4-ultra', 'gpt-4.1-mini-turbo', 'gpt-4.1-2025', 'gpt-5-20250', 'gpt-4', 'GPT-4.1']) {
    const response = await send(strict.url, { model })
    await response.text()
    t.equal(response.headers.get('x-acc-code') ?? '', model === 'gpt-4' ? '' : 'acc_model_unpriced', model)
  }
  t.equal(simulator.requests().length, 1, 'only the known one was sent')

  const lenient = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml({ onUnpricedModel: 'worstCase' }) },
  })
  const response = await send(lenient.url, { ...reporting('gpt-6', { prompt_tokens: 1_000, completion_tokens: 100 }) })
  t.equal(response.status, 200)
  await response.text()
  const [event] = await lenient.events(1)
  t.match(event?.attempts[0], {
    costNanoUsd: null,
    precision: 'estimated',
    reason: 'a model without a price: charged at the dearest rates',
    usage: { inputUncached: 1_000, outputVisible: 100 },
  })
  // The dearest of OpenAI's list are o1-pro's $150 in and $600 out per million.
  t.equal(event && chargeOf(event), 1_000n * 150_000n + 100n * 600_000n)
  t.equal(await lenient.metric('acc_unpriced_requests_total'), 1)
  t.ok((await lenient.metric('acc_charged_usd_total')) > 0)
})
