import t from 'tap'
import { providerYaml } from '../support/sidecar.ts'
import { eventsOf, type Twins, tagged, twinsFor } from '../support/twins.ts'

/** One answer, and what it costs by hand, in nano-USD. */
interface Golden {
  readonly name: string
  readonly model?: string
  readonly body?: object
  /** What the provider reports. */
  readonly usage: object
  readonly sim?: Readonly<Record<string, string>>
  readonly nano: bigint
}

/** $1.25 and $10 per million, cached input $0.125, priority $2.50 and $20, flex $0.625 and $5. */
const GPT_5 = 'gpt-5'
const PLAIN = { input_tokens: 1_000, output_tokens: 100 }
const cached = (cached_tokens: number, cache_write_tokens = 0, rest: object = {}) => ({
  input_tokens_details: { cached_tokens, cache_write_tokens, ...rest },
})
const reasoning = (reasoning_tokens: number) => ({ output_tokens_details: { reasoning_tokens } })

const GOLDEN: readonly Golden[] = [
  // 1 000 × 1.25 + 100 × 10 = 2 250 µ$
  { name: 'input and output', usage: PLAIN, nano: 2_250_000n },
  {
    // Cached tokens are a part of the input, each once: 2 000 × 1.25 + 8 000 × 0.125 + 300 × 10 = 6 500 µ$
    name: 'cached tokens inside the input, reasoning inside the output',
    usage: { input_tokens: 10_000, output_tokens: 300, ...cached(8_000), ...reasoning(200) },
    nano: 6_500_000n,
  },
  {
    // The total says that reasoning stands beside the output: 1 000 × 1.25 + (100 + 200) × 10 = 4 250 µ$
    name: 'reasoning beside the output',
    usage: { ...PLAIN, ...reasoning(200), total_tokens: 1_300 },
    nano: 4_250_000n,
  },
  {
    // terra: $2 and $12, cached 0.20, written 2.50: 1 000 × 2 + 3 000 × 0.2 + 6 000 × 2.5 + 50 × 12 = 18 200 µ$
    name: 'cache writes have a price',
    model: 'gpt-5.6-terra',
    usage: { input_tokens: 10_000, output_tokens: 50, ...cached(3_000, 6_000) },
    nano: 18_200_000n,
  },
  {
    // Those that are kept for twelve hours cost as much where nobody says more
    name: 'cache writes for twelve hours',
    model: 'gpt-5.6-terra',
    usage: {
      input_tokens: 10_000,
      output_tokens: 50,
      ...cached(3_000, 6_000, { cache_write_tokens_details: { ttl_30m_tokens: 2_000, ttl_12h_tokens: 4_000 } }),
    },
    nano: 18_200_000n,
  },
  {
    // As much as the tier of gpt-5.4 leaves alone: 72 000 × 2.5 + 200 000 × 0.25 + 100 × 15 = 231 500 µ$
    name: 'below the context tier',
    model: 'gpt-5.4',
    usage: { input_tokens: 272_000, output_tokens: 100, ...cached(200_000) },
    nano: 231_500_000n,
  },
  {
    // One more, and all of it is dear, the cached part counted: 72 001 × 5 + 200 000 × 0.5 + 100 × 22.5 = 462 255 µ$
    name: 'one token above reprices the whole',
    model: 'gpt-5.4',
    usage: { input_tokens: 272_001, output_tokens: 100, ...cached(200_000) },
    nano: 462_255_000n,
  },
  // 1 000 × 2.5 + 100 × 20 = 4 500 µ$, asked for by either name
  { name: 'priority', body: { service_tier: 'priority' }, usage: PLAIN, nano: 4_500_000n },
  { name: 'fast', body: { service_tier: 'fast' }, usage: PLAIN, nano: 4_500_000n },
  // 1 000 × 0.625 + 100 × 5 = 1 125 µ$
  { name: 'flex', body: { service_tier: 'flex' }, usage: PLAIN, nano: 1_125_000n },
  // What was served counts, not what was asked for
  {
    name: 'priority that was not had',
    body: { service_tier: 'priority' },
    usage: PLAIN,
    sim: { 'service-tier': 'default' },
    nano: 2_250_000n,
  },
  {
    // 2 250 µ$ and two searches at $0.01
    name: 'searches of the web',
    body: { tools: [{ type: 'web_search' }], max_tool_calls: 2 },
    usage: PLAIN,
    nano: 22_250_000n,
  },
  // Another model than was asked for, gpt-5-mini at $0.25 and $2: 1 000 × 0.25 + 100 × 2
  { name: 'another model', usage: PLAIN, sim: { 'answer-model': 'gpt-5-mini' }, nano: 450_000n },
  { name: 'a dated snapshot', usage: PLAIN, sim: { 'answer-model': 'gpt-5-2025-08-07' }, nano: 2_250_000n },
]

/** Sends a small request; the answer is read to its end. */
async function ask(
  { sidecar }: Twins,
  tag: string,
  { model = GPT_5, body, usage, sim = {} }: Partial<Omit<Golden, 'nano' | 'name'>>,
) {
  const response = await fetch(`${sidecar.url}/v1/responses`, {
    method: 'POST',
    headers: {
      authorization: 'any',
      ...tagged(tag),
      ...(usage ? { 'x-sim-usage': JSON.stringify(usage) } : {}),
      ...Object.fromEntries(Object.entries(sim).map(([name, value]) => [`x-sim-${name}`, value])),
    },
    body: JSON.stringify({ model, max_output_tokens: 100, input: 'hello', ...body }),
  })
  await response.text()
  const [event] = await eventsOf(sidecar, tag, 1)
  return event
}

t.test('each response costs what it costs by hand, plain and streamed, and so says the provider', async (t) => {
  const twins = await twinsFor(t)
  for (const { name, nano, ...golden } of GOLDEN) {
    await t.test(name, async (t) => {
      for (const stream of [false, true]) {
        const tag = `${name}${stream ? ' streamed' : ''}`
        const event = await ask(twins, tag, { ...golden, body: { ...golden.body, stream } })
        const [attempt] = event?.attempts ?? []
        t.has(attempt, { costNanoUsd: String(nano), chargedNanoUsd: String(nano), precision: 'exact' }, tag)
        const billed = twins.behind.bill.entries().find((entry) => entry.tag === tag)
        // The simulator bills reasoning that stands beside the output as it is told: as a part of it.
        if (name !== 'reasoning beside the output')
          t.equal(billed?.costPicoUsd, String(nano * 1_000n), `${tag}: the bill`)
      }
    })
  }
})

t.test('searches in files are charged as searches of the web: never less than their own fee', async (t) => {
  const twins = await twinsFor(t)
  const body = { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }], max_tool_calls: 2 }
  const [attempt] = (await ask(twins, 'files', { body, usage: PLAIN }))?.attempts ?? []
  t.has(attempt, { usage: { hostedToolCalls: 2 }, chargedNanoUsd: '22250000' })
  // 2 250 µ$ and two searches at $0.0025
  t.equal(twins.behind.bill.entries().find(({ tag }) => tag === 'files')?.costPicoUsd, '7250000000')
})

t.test('what nobody has a price for costs null and is charged at the dearest rates', async (t) => {
  const twins = await twinsFor(t, {
    policies: { 'provider.yaml': providerYaml({ onUnpricedModel: 'worstCase', onUnbounded: 'allowCounted' }) },
  })
  for (const [tag, body] of [
    ['ultrafast', { service_tier: 'ultrafast' }],
    ['pictures', { tools: [{ type: 'image_generation' }] }],
  ] as const) {
    const [attempt] = (await ask(twins, tag, { body, usage: PLAIN }))?.attempts ?? []
    t.match(attempt, { costNanoUsd: null, precision: 'estimated', reason: /without a price/ }, tag)
    t.ok(BigInt(attempt?.chargedNanoUsd ?? 0) > 2_250_000n, tag)
  }
})

t.test('a tier without a price is refused where models without one are', async (t) => {
  const twins = await twinsFor(t)
  const event = await ask(twins, 'refused', { body: { service_tier: 'ultrafast' } })
  t.match(event, { outcome: 'denied', code: 'acc_model_unpriced' })
})

t.test('no report, a senseless one, and a broken or cut stream are charged no less than the bill', async (t) => {
  const twins = await twinsFor(t)
  for (const stream of [false, true]) {
    for (const model of ['gpt-4.1-mini', GPT_5]) {
      const broken = ['end-mid-stream', 'error-event', 'cut-mid-stream', 'reset-mid-stream']
      const faults = ['no-usage', 'malformed-usage', ...(stream ? broken : ['cut-mid-body', 'truncated-json'])]
      for (const fault of faults) {
        const tag = `${fault} ${stream} ${model}`
        const event = await ask(twins, tag, { model, body: { stream }, sim: { fault } }).catch(
          async () => (await eventsOf(twins.sidecar, tag, 1))[0],
        )
        const [attempt] = event?.attempts ?? []
        const billed = BigInt(twins.behind.bill.entries().find((entry) => entry.tag === tag)?.costPicoUsd ?? 0)
        t.match(attempt, { precision: 'estimated' }, tag)
        t.ok(
          billed > 0n && BigInt(attempt?.chargedNanoUsd ?? 0) * 1_000n >= billed,
          `${tag}: ${attempt?.chargedNanoUsd}`,
        )
      }
    }
  }
})
