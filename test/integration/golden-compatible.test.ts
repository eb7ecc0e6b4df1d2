/**
 * What the providers that speak OpenAI's format tell of their usage, each in its own way: faults that others shipped.
 * Every amount is worked out by hand from the prices of seed/models.csv, and must be the simulator's bill as well.
 * `npm run test:faults` puts each fault in and looks whether the test of its name fails.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NO_USAGE, type ProviderName, type TokenUsage } from '@agentcostcontrol/contract'
import t from 'tap'
import { inCheckout } from '../support/paths.ts'
import { folderFor } from '../support/scope.ts'
import { budgetYaml, providerYaml } from '../support/sidecar.ts'
import { billOf, eventsOf, type Twins, tagged, twinsFor } from '../support/twins.ts'
import { chargeOf } from '../support/ways-out.ts'

interface Golden {
  readonly provider: ProviderName
  readonly name: string
  readonly model: string
  /** What was used, as OpenAI would tell it: the simulator says it in the provider's own way. */
  readonly used: object
  /** Disjoint fields that must be told; those left out are zero. */
  readonly usage: Partial<TokenUsage>
  readonly nano: bigint
  /** What the provider itself says that it cost. */
  readonly said?: bigint
}

const CACHED = { prompt_tokens: 1_000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 800 } }
const CACHED_USAGE = { inputUncached: 200, cacheRead: 800, outputVisible: 100 }
const NOT_THOUGHT = { completion_tokens_details: { reasoning_tokens: 0 } }

const GOLDEN: readonly Golden[] = [
  {
    provider: 'deepseek',
    name: 'hits and misses are the prompt once more',
    model: 'deepseek-v3',
    used: { ...CACHED, ...NOT_THOUGHT },
    usage: CACHED_USAGE,
    nano: 200n * 270n + 800n * 70n + 100n * 1_100n,
  },
  {
    provider: 'mistral',
    name: 'its own member for the cache is read, and its sound of null is none',
    model: 'mistral-large-2512',
    used: CACHED,
    usage: CACHED_USAGE,
    nano: 200n * 500n + 800n * 50n + 100n * 1_500n,
  },
  {
    provider: 'xai',
    name: 'what was thought stands beside the completion',
    model: 'grok-4.7',
    used: { prompt_tokens: 1_000, completion_tokens: 970, completion_tokens_details: { reasoning_tokens: 860 } },
    usage: { inputUncached: 1_000, outputVisible: 110, outputReasoning: 860 },
    nano: 1_000n * 2_000n + 970n * 6_000n,
    said: 1_000n * 2_000n + 970n * 6_000n,
  },
  {
    provider: 'xai',
    name: 'without thoughts its sums are OpenAI’s',
    model: 'grok-3',
    used: { ...CACHED, ...NOT_THOUGHT },
    usage: CACHED_USAGE,
    nano: 200n * 3_000n + 800n * 750n + 100n * 15_000n,
    said: 200n * 3_000n + 800n * 750n + 100n * 15_000n,
  },
  {
    provider: 'groq',
    name: 'times beside the tokens are no tokens',
    model: 'llama-3.3-70b-versatile',
    used: { prompt_tokens: 1_000, completion_tokens: 100 },
    usage: { inputUncached: 1_000, outputVisible: 100 },
    nano: 1_000n * 590n + 100n * 790n,
  },
  {
    provider: 'groq',
    name: 'a model of another maker has Groq’s price',
    model: 'openai/gpt-oss-120b',
    used: { ...CACHED, completion_tokens_details: { reasoning_tokens: 60 } },
    usage: { inputUncached: 200, cacheRead: 800, outputVisible: 40, outputReasoning: 60 },
    nano: 200n * 150n + 800n * 75n + 100n * 600n,
  },
  {
    provider: 'openrouter',
    name: 'its own cost stands beside ours',
    model: 'openai/gpt-4.1',
    used: CACHED,
    usage: CACHED_USAGE,
    nano: 200n * 2_000n + 800n * 500n + 100n * 8_000n,
    said: 200n * 2_000n + 800n * 500n + 100n * 8_000n,
  },
  {
    provider: 'moonshotai',
    name: 'the cache at the top of the usage is read',
    model: 'kimi-k2.5',
    used: CACHED,
    usage: CACHED_USAGE,
    nano: 200n * 600n + 800n * 100n + 100n * 3_000n,
  },
  {
    provider: 'together',
    name: 'the cache at the top of the usage is read',
    model: 'MiniMaxAI/MiniMax-M3',
    used: CACHED,
    usage: CACHED_USAGE,
    nano: 200n * 300n + 800n * 60n + 100n * 1_200n,
  },
  {
    provider: 'fireworks',
    name: 'the usage of the last choice is read',
    model: 'accounts/fireworks/models/glm-5p3',
    used: CACHED,
    usage: CACHED_USAGE,
    nano: 200n * 1_400n + 800n * 260n + 100n * 4_400n,
  },
  {
    provider: 'cerebras',
    name: 'times beside the usage are passed over',
    model: 'gpt-oss-120b',
    used: { prompt_tokens: 1_000, completion_tokens: 100 },
    usage: { inputUncached: 1_000, outputVisible: 100 },
    nano: 1_000n * 350n + 100n * 750n,
  },
]

const headersOf = (tag: string, sim: Readonly<Record<string, string>>): Record<string, string> => ({
  authorization: 'Bearer any',
  'content-type': 'application/json',
  ...tagged(tag),
  ...Object.fromEntries(Object.entries(sim).map(([name, value]) => [`x-sim-${name}`, value])),
})

/** Asks a provider through the sidecar. */
async function ask(
  { sidecar }: Pick<Twins, 'sidecar'>,
  provider: string,
  body: Readonly<Record<string, unknown>>,
  tag: string,
  sim: Readonly<Record<string, string>> = {},
) {
  const response = await fetch(`${sidecar.url}/${provider}/v1/chat/completions`, {
    method: 'POST',
    headers: headersOf(tag, sim),
    body: JSON.stringify({ messages: [{ role: 'user', content: tag }], ...body }),
  })
  const text = await response.text()
  const [event] = await eventsOf(sidecar, tag, 1)
  return { status: response.status, headers: response.headers, text, event, attempt: event?.attempts[0] }
}

t.test('each provider’s way to tell its usage is read, to the nano', async (t) => {
  const twins = await twinsFor(t)
  for (const { provider, name, model, used, usage, nano, said } of GOLDEN) {
    for (const stream of [false, true]) {
      await t.test(`${provider}: ${name}${stream ? ', streamed' : ''}`, async (t) => {
        const tag = encodeURIComponent(t.name)
        const told = await ask(twins, provider, { model, stream }, tag, { usage: JSON.stringify(used) })
        t.equal(told.status, 200)
        t.same(told.attempt?.usage, { ...NO_USAGE, ...usage })
        t.has(told.attempt, { precision: 'exact', costNanoUsd: String(nano) })
        t.equal(told.event && chargeOf(told.event), nano)
        t.equal(told.attempt?.providerCostNanoUsd, said === undefined ? undefined : String(said))
        t.strictSame(billOf(twins.behind, tag), [String(nano)], 'it is the bill')
      })
    }
  }
})

t.test('DeepSeek’s hits beside cached tokens are the same tokens', async (t) => {
  const twins = await twinsFor(t)
  const sim = { usage: JSON.stringify({ ...CACHED, ...NOT_THOUGHT }) }
  const { attempt } = await ask(twins, 'deepseek', { model: 'deepseek-v4-pro' }, 'both', sim)
  t.same(attempt?.usage, { ...NO_USAGE, ...CACHED_USAGE })
})

t.test('peak hours cost what they cost: the card’s hours hold at the time of the request', async (t) => {
  const { models, ...card } = JSON.parse(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))
  const [found] = models.filter(({ model }: { model: string }) => model === 'deepseek-v4-flash')
  // The hours of the shipped price, which are twice as dear, over every minute of the week.
  const always = { ...found.hours[0], fromMinuteUtc: 0, toMinuteUtc: 1_440, weekdays: [0, 1, 2, 3, 4, 5, 6] }
  const never = { ...found, model: 'deepseek-off-peak', hours: [{ ...found.hours[0], weekdays: [] }] }
  const file = join(folderFor(t), 'card.json')
  writeFileSync(file, JSON.stringify({ ...card, models: [{ ...found, hours: [always] }, never] }))
  const twins = await twinsFor(t, { env: { ACC_RATE_CARD: file } })
  const sim = { usage: JSON.stringify({ ...CACHED, ...NOT_THOUGHT }) }
  const peak = await ask(twins, 'deepseek', { model: 'deepseek-v4-flash' }, 'peak', sim)
  t.equal(peak.attempt?.costNanoUsd, String(2n * (200n * 220n + 800n * 7n + 100n * 660n)))
  const off = await ask(twins, 'deepseek', { model: 'deepseek-off-peak' }, 'off', sim)
  t.equal(off.attempt?.costNanoUsd, String(200n * 220n + 800n * 7n + 100n * 660n))
})

t.test('what a provider says that it cost is charged where it is more, and where nobody else knows', async (t) => {
  const twins = await twinsFor(t, {
    policies: { 'p.yaml': providerYaml({ onUnpricedModel: 'worstCase' }, 'openrouter') },
  })
  const says = (more: object) => ({ usage: JSON.stringify({ prompt_tokens: 1_000, completion_tokens: 100, ...more }) })
  const ours = 1_000n * 2_000n + 100n * 8_000n
  const cases = [
    { name: 'less', more: { cost: 0.001 }, model: 'openai/gpt-4.1', said: 1_000_000n, charged: ours },
    { name: 'more', more: { cost: 0.0035 }, model: 'openai/gpt-4.1', said: 3_500_000n, charged: 3_500_000n },
    {
      name: 'own key',
      more: { cost: 0.00014, is_byok: true, cost_details: { upstream_inference_cost: 0.0029 } },
      model: 'openai/gpt-4.1',
      said: 3_040_000n,
      charged: 3_040_000n,
    },
    {
      name: 'not own key',
      more: { cost: 0.0029, is_byok: false, cost_details: { upstream_inference_cost: 0.0028 } },
      model: 'openai/gpt-4.1',
      said: 2_900_000n,
      charged: 2_900_000n,
    },
    { name: 'senseless', more: { cost: -1 }, model: 'openai/gpt-4.1', said: null, charged: ours },
    { name: 'unknown', more: { cost: 0.0123456789 }, model: 'nobody/new', said: 12_345_679n, charged: 12_345_679n },
  ]
  for (const { name, more, model, said, charged } of cases) {
    const { event, attempt } = await ask(twins, 'openrouter', { model }, `says-${name.replace(' ', '-')}`, says(more))
    t.equal(attempt?.providerCostNanoUsd ?? null, said?.toString() ?? null, name)
    t.equal(event && chargeOf(event), charged, `${name}: charged`)
    t.equal(attempt?.costNanoUsd, model === 'nobody/new' ? null : String(ours), `${name}: our own figure stays`)
  }
})

t.test('the output limit is told in a field that the provider obeys, and a stream is asked as it allows', async (t) => {
  // Money for some twenty tokens of the dearest model.
  const policies = { 'budget.yaml': budgetYaml({ name: 'small', limit: '0.0007' }) }
  const models: readonly (readonly [string, string, string])[] = [
    ['deepseek', 'deepseek-v3', 'max_tokens'],
    ['mistral', 'mistral-large-2512', 'max_tokens'],
    ['moonshotai', 'kimi-k2.5', 'max_tokens'],
    ['together', 'openai/gpt-oss-120b', 'max_tokens'],
    ['fireworks', 'gpt-oss-120b', 'max_tokens'],
    ['openrouter', 'openai/gpt-4.1-mini', 'max_tokens'],
    ['groq', 'llama-3.3-70b-versatile', 'max_completion_tokens'],
    ['cerebras', 'gpt-oss-120b', 'max_completion_tokens'],
    ['xai', 'grok-4.3', 'max_completion_tokens'],
  ]
  for (const [provider, model, field] of models) {
    const twins = await twinsFor(t, { policies })
    const body = { model, stream: true }
    const { status, headers, attempt } = await ask(twins, provider, body, `limit-${provider}`, {
      'output-tokens': '9000',
    })
    t.equal(status, 200, provider)
    const limit = Number(headers.get('x-acc-output-limit'))
    t.ok(limit >= 16 && limit < 9_000, `${provider} is told ${limit}`)
    const sent = JSON.parse(String(twins.behind.requests().at(-1)?.body))
    t.equal(sent[field], limit, `${provider}: ${field}`)
    t.equal(attempt?.precision, 'exact')
    t.ok(BigInt(attempt?.costNanoUsd ?? 0) <= BigInt(attempt?.boundNanoUsd ?? 0), `${provider} kept to it`)
    await twins.sidecar.stop()
  }
})
