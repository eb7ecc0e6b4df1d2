import t from 'tap'
import { eventsOf, type Twins, tagged, twinsFor } from '../support/twins.ts'

/** One answer, and what it costs by hand, in nano-USD. */
interface Golden {
  readonly name: string
  readonly model?: string
  readonly body?: object
  /** What the provider reports. */
  readonly usage?: object
  readonly sim?: Readonly<Record<string, string>>
  readonly nano: bigint
}

/** The rates of the tests, in USD per million: input 3, output 15, cache read 0.3, cache writes 3.75 and 6. */
const SONNET = 'claude-sonnet-4-5'
const NO_CACHE = {
  cache_read_input_tokens: 0,
  cache_creation_input_tokens: 0,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
}
const PLAIN = { ...NO_CACHE, input_tokens: 1_000, output_tokens: 100 }
const LONG = { cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 1_000 } }

const GOLDEN: readonly Golden[] = [
  // 1 000 × 3 + 100 × 15 = 4 500 µ$
  { name: 'input and output', usage: PLAIN, nano: 4_500_000n },
  {
    // 50 × 3 + 10 000 × 0.3 + 500 × 3.75 + 200 × 6 + 300 × 15 = 10 725 µ$: each cached token once, at its own rate
    name: 'caches beside the input, thinking inside the output',
    usage: {
      input_tokens: 50,
      cache_read_input_tokens: 10_000,
      cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 200 },
      output_tokens: 300,
      output_tokens_details: { thinking_tokens: 120 },
    },
    nano: 10_725_000n,
  },
  // 4 500 µ$ and two searches at $0.01; fetches have no fee
  {
    name: 'searches',
    usage: { ...PLAIN, server_tool_use: { web_search_requests: 2, web_fetch_requests: 3 } },
    nano: 24_500_000n,
  },
  // Prepaid capacity at standard rates
  { name: 'priority', usage: { ...PLAIN, service_tier: 'priority' }, nano: 4_500_000n },
  {
    // (1 000 + 50 000) × 3 + (100 + 2 000) × 15 = 184 500 µ$
    name: 'a compaction, which the whole leaves out',
    usage: {
      ...PLAIN,
      iterations: [
        { ...NO_CACHE, type: 'compaction', input_tokens: 50_000, output_tokens: 2_000 },
        { ...PLAIN, type: 'message' },
      ],
    },
    nano: 184_500_000n,
  },
  // The whole at 200 000 is cheap: 50 000 × 3 + 150 000 × 0.3 + 1 000 × 15 = 210 000 µ$
  {
    name: 'as much as the context tier leaves alone',
    model: 'claude-sonnet-4-20250514',
    usage: { input_tokens: 50_000, cache_read_input_tokens: 150_000, output_tokens: 1_000 },
    nano: 210_000_000n,
  },
  // One more, and all of it is dear, the cached part counted: 50 000 × 6 + 150 001 × 0.6 + 1 000 × 22.5 = 412 500.6 µ$
  {
    name: 'one token above reprices the whole',
    model: 'claude-sonnet-4-20250514',
    usage: { input_tokens: 50_000, cache_read_input_tokens: 150_001, output_tokens: 1_000 },
    nano: 412_500_600n,
  },
  // An hour in the cache, which the tier does not state, keeps its ratio: 200 000 × 6 + 1 000 × 12 + 1 000 × 22.5
  {
    name: 'a tier that leaves out a cache price',
    model: 'claude-sonnet-4-20250514',
    usage: { input_tokens: 200_000, output_tokens: 1_000, ...LONG },
    nano: 1_234_500_000n,
  },
  // An hour in the cache of a model whose price leaves it out: twice its input. 1 000 × 8 + 1 000 × 16 + 100 × 40
  {
    name: 'a model that leaves out the price of an hour',
    model: 'claude-fable-5-2',
    usage: { input_tokens: 1_000, output_tokens: 100, ...LONG },
    nano: 28_000_000n,
  },
  // 100 000 × 0.2 against 100 000 × 0.1, and the output of 10 × 10: no name is the beginning of another
  {
    name: 'claude-sonnet-5',
    model: 'claude-sonnet-5',
    usage: { input_tokens: 0, cache_read_input_tokens: 100_000, output_tokens: 10 },
    nano: 20_100_000n,
  },
  {
    name: 'claude-sonnet-5-5',
    model: 'claude-sonnet-5-5',
    usage: { input_tokens: 0, cache_read_input_tokens: 100_000, output_tokens: 10 },
    nano: 10_100_000n,
  },
  {
    name: 'a dated snapshot',
    model: 'claude-sonnet-5-5-20261101',
    usage: { input_tokens: 0, cache_read_input_tokens: 100_000, output_tokens: 10 },
    nano: 10_100_000n,
  },
  // What was served is billed: 1 000 × 1 + 100 × 5
  {
    name: 'another model than was asked for',
    usage: PLAIN,
    sim: { 'answer-model': 'claude-haiku-4-5' },
    nano: 1_500_000n,
  },
  // 1.1 times 1 000 × 2 + 100 × 10
  {
    name: 'kept in the US',
    model: 'claude-sonnet-5-5',
    body: { inference_geo: 'us' },
    usage: PLAIN,
    nano: 3_300_000n,
  },
  {
    name: 'kept nowhere',
    model: 'claude-sonnet-5-5',
    body: { inference_geo: 'global' },
    usage: PLAIN,
    nano: 3_000_000n,
  },
]

/** Sends a small request; the answer is read to its end. */
async function ask(
  { sidecar }: Twins,
  tag: string,
  { model = SONNET, body, usage, sim = {} }: Omit<Golden, 'nano' | 'name'>,
) {
  const response = await fetch(`${sidecar.url}/v1/messages`, {
    method: 'POST',
    headers: {
      'x-api-key': 'any',
      'anthropic-version': '2023-06-01',
      ...tagged(tag),
      ...(usage ? { 'x-sim-usage': JSON.stringify(usage) } : {}),
      ...Object.fromEntries(Object.entries(sim).map(([name, value]) => [`x-sim-${name}`, value])),
    },
    body: JSON.stringify({ model, max_tokens: 100, messages: [{ role: 'user', content: 'hello' }], ...body }),
  })
  await response.text()
  const [event] = await eventsOf(sidecar, tag, 1)
  return event
}

t.test('each answer costs what it costs by hand, plain and streamed, and so says the provider', async (t) => {
  const twins = await twinsFor(t)
  for (const { name, nano, ...golden } of GOLDEN) {
    await t.test(name, async (t) => {
      for (const stream of [false, true]) {
        const tag = `${name}${stream ? ' streamed' : ''}`
        const event = await ask(twins, tag, { ...golden, body: { ...golden.body, stream } })
        const [attempt] = event?.attempts ?? []
        t.has(attempt, { costNanoUsd: String(nano), chargedNanoUsd: String(nano), precision: 'exact' }, tag)
        const billed = twins.behind.bill.entries().find((entry) => entry.tag === tag)
        t.equal(billed?.costPicoUsd, String(nano * 1_000n), `${tag}: the bill`)
      }
    })
  }
})

t.test('reports that come again and again in a stream are one report', async (t) => {
  const twins = await twinsFor(t)
  for (const place of ['every-chunk', 'twice']) {
    const event = await ask(twins, place, { body: { stream: true }, sim: { 'usage-in': place } })
    // 11 tokens of "hello" and its framing at 3, 40 of output at 15
    t.has(event?.attempts, [{ usage: { inputUncached: 8, outputVisible: 40 }, costNanoUsd: '624000' }], place)
  }
})

t.test('what nobody has a price for costs null and is charged at the dearest rates', async (t) => {
  const twins = await twinsFor(t, {
    policies: {
      'provider.yaml':
        'apiVersion: agentcostcontrol.io/v1\nkind: ProviderConfig\nmetadata: { name: anthropic }\nspec:\n  provider: anthropic\n  onUnpricedModel: worstCase\n  onUnbounded: allowCounted\n',
    },
  })
  const advised = [
    { ...NO_CACHE, type: 'advisor_message', model: 'claude-opus-4-5', input_tokens: 500, output_tokens: 50 },
  ]
  for (const [tag, golden] of [
    ['fast', { body: { speed: 'fast' }, model: 'claude-opus-4-8' }],
    ['advised', { usage: { ...PLAIN, iterations: advised } }],
  ] as const) {
    const [attempt] = (await ask(twins, tag, golden))?.attempts ?? []
    t.match(attempt, { costNanoUsd: null, precision: 'estimated', reason: /without a price/ }, tag)
    t.ok(BigInt(attempt?.chargedNanoUsd ?? 0) > 4_500_000n / 10n, tag)
  }
  const [attempt] = (await ask(twins, 'both models', { usage: { ...PLAIN, iterations: advised } }))?.attempts ?? []
  t.match(attempt?.usage, { inputUncached: 1_500, outputVisible: 150 }, 'the advisor’s tokens are in it')
})
