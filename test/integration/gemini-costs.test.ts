import t from 'tap'
import { providerYaml } from '../support/sidecar.ts'
import { eventsOf, tagged, twinsFor } from '../support/twins.ts'

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

/** Rates in USD per million: input 0.30, cache read 0.03, output 2.50; a grounded request $0.035. */
const FLASH = 'gemini-2.5-flash'
/** 1.25, 0.125 and 10; above 200k tokens of input 2.50, 0.25 and 15. */
const PRO = 'gemini-2.5-pro'
/** 1.50, 0.15 and 9; as priority 2.70 and 16.20; a query $0.014. */
const NEXT = 'gemini-3.5-flash'
const PLAIN = { promptTokenCount: 1_000, candidatesTokenCount: 100, thoughtsTokenCount: 0 }

const GOLDEN: readonly Golden[] = [
  // 1 000 × 0.3 + 100 × 2.5 = 550 µ$
  { name: 'input and output', usage: PLAIN, nano: 550_000n },
  // 1 000 × 0.3 + (100 + 400) × 2.5 = 1 550 µ$: thoughts are billed as output
  { name: 'thoughts beside the candidates', usage: { ...PLAIN, thoughtsTokenCount: 400 }, nano: 1_550_000n },
  // 400 × 0.3 + 600 × 0.03 + 100 × 2.5 = 388 µ$: cached tokens are part of the prompt, and counted once
  { name: 'a cache inside the prompt', usage: { ...PLAIN, cachedContentTokenCount: 600 }, nano: 388_000n },
  // (1 000 + 2 000) × 0.3 + 100 × 2.5 = 1 150 µ$: what the provider's tools brought is input
  { name: 'results of hosted tools', usage: { ...PLAIN, toolUsePromptTokenCount: 2_000 }, nano: 1_150_000n },
  // 1 000 × 0.3 + (100 + 400) × 2.5: a total that counts more than it tells counts output
  {
    name: 'thoughts that only the total tells',
    usage: { ...PLAIN, totalTokenCount: 1_500 },
    nano: 1_550_000n,
  },
  // 200 000 × 1.25 + 1 000 × 10 = 260 000 µ$
  {
    name: 'as much as the context tier leaves alone',
    model: PRO,
    usage: { promptTokenCount: 200_000, candidatesTokenCount: 1_000, thoughtsTokenCount: 0 },
    nano: 260_000_000n,
  },
  // 100 001 × 2.5 + 100 000 × 0.25 + 1 000 × 15 = 290 002.5 µ$: the cached part counts, and the whole is repriced
  {
    name: 'one token above reprices the whole',
    model: PRO,
    usage: {
      promptTokenCount: 200_001,
      cachedContentTokenCount: 100_000,
      candidatesTokenCount: 400,
      thoughtsTokenCount: 600,
    },
    nano: 290_002_500n,
  },
  // 550 µ$ and $0.035 for the request, however many queries
  { name: 'a grounded request', body: { tools: [{ googleSearch: {} }] }, usage: PLAIN, nano: 35_550_000n },
  // 1 000 × 2.7 + 100 × 16.2 = 4 320 µ$
  { name: 'priority', model: NEXT, body: { serviceTier: 'priority' }, usage: PLAIN, nano: 4_320_000n },
  // Asked for and not given: 1 000 × 1.5 + 100 × 9 = 2 400 µ$
  {
    name: 'priority that was not given',
    model: NEXT,
    body: { serviceTier: 'priority' },
    sim: { 'service-tier': 'standard' },
    usage: PLAIN,
    nano: 2_400_000n,
  },
  // What was served is billed: 2 400 µ$ of the one, not 550 µ$ of the other
  {
    name: 'another model than was asked for',
    sim: { 'answer-model': NEXT },
    usage: PLAIN,
    nano: 2_400_000n,
  },
  { name: 'a name for the newest', model: 'gemini-flash-latest', usage: PLAIN, nano: 2_400_000n },
  // The prompt alone: 8 × 0.3 = 2.4 µ$
  { name: 'a refused prompt', sim: { fault: 'refusal' }, usage: { promptTokenCount: 8 }, nano: 2_400n },
]

t.test('costs worked out by hand, plain, as events and as an array', async (t) => {
  const { sidecar } = await twinsFor(t)
  for (const { name, model = FLASH, body = {}, usage, sim = {}, nano } of GOLDEN) {
    await t.test(name, async (t) => {
      for (const way of ['generateContent', 'streamGenerateContent?alt=sse', 'streamGenerateContent']) {
        const tag = `${name}, ${way}`
        const answer = await fetch(`${sidecar.url}/google/v1beta/models/${model}:${way}`, {
          method: 'POST',
          headers: {
            'x-goog-api-key': 'any',
            ...tagged(encodeURIComponent(tag)),
            ...(usage ? { 'x-sim-usage': JSON.stringify(usage) } : {}),
            ...Object.fromEntries(Object.entries(sim).map(([key, value]) => [`x-sim-${key}`, value])),
          },
          body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'hello' }] }], ...body }),
        })
        t.equal(answer.status, 200, await answer.text())
        const [event] = await eventsOf(sidecar, encodeURIComponent(tag), 1)
        t.has(event?.attempts, [{ precision: 'exact', costNanoUsd: String(nano), chargedNanoUsd: String(nano) }], tag)
      }
    })
  }
})

t.test('queries of later models are billed one by one, where the policy lets them pass', async (t) => {
  const { sidecar } = await twinsFor(t, {
    policies: { 'google.yaml': providerYaml({ onUnbounded: 'allowCounted' }, 'google') },
  })
  const answer = await fetch(`${sidecar.url}/google/v1beta/models/${NEXT}:generateContent`, {
    method: 'POST',
    headers: { 'x-goog-api-key': 'any', ...tagged('queries'), 'x-sim-usage': JSON.stringify(PLAIN) },
    body: JSON.stringify({ contents: [{ parts: [{ text: 'hello' }] }], tools: [{ google_search: {} }] }),
  })
  t.equal(answer.status, 200)
  // 2 400 µ$, and two queries that are neither empty nor the same at $0.014
  const [event] = await eventsOf(sidecar, 'queries', 1)
  t.has(event?.attempts, [{ precision: 'exact', costNanoUsd: '30400000', usage: { hostedToolCalls: 2 } }])
})
