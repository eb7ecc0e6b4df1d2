import type Anthropic from '@anthropic-ai/sdk'
import type { MessageCreateParamsStreaming } from '@anthropic-ai/sdk/resources/messages'
import t, { type Test } from 'tap'
import { anthropicAt } from '../support/anthropic.ts'
import { providerYaml } from '../support/sidecar.ts'
import { billOf, chargedOf, eventsOf, type Twins, twinsFor } from '../support/twins.ts'
import { until } from '../support/until.ts'

type Asked = Partial<MessageCreateParamsStreaming>

const ASK = {
  model: 'claude-haiku-4-5',
  messages: [{ role: 'user' as const, content: 'Count to a hundred.' }],
  max_tokens: 4_000,
  stream: true as const,
}
/** A stream that would run for seconds if nobody ended it. */
const SLOWLY = { 'x-sim-output-tokens': '3000', 'x-sim-chunk-delay-ms': '1' }
/** Enough output that leaving it out of the charge would show beside the input. */
const EVENTS_READ = 150

/** Reads some events, then leaves in its own way. */
type Leaving = (client: Anthropic, asked: Asked) => Promise<void>

const BREAKING: Leaving = async (client, asked) => {
  let left = EVENTS_READ
  for await (const _ of await client.messages.create({ ...ASK, ...asked, stream: true })) if (--left === 0) break
}
const ABORTING: Leaving = async (client, asked) => {
  const stream = await client.messages.create({ ...ASK, ...asked, stream: true })
  let left = EVENTS_READ
  for await (const _ of stream) if (--left === 0) stream.controller.abort()
}
const HELPER: Leaving = async (client, asked) => {
  const stream = client.messages.stream({ ...ASK, ...asked })
  stream.once('text', () => stream.abort())
  await stream.done().catch(() => {})
}

/** The client's line in the provider's bill, once the provider has noticed the end. */
const endedBill = ({ behind }: Twins, tag: string) =>
  until(`the end of ${tag} at the provider`, () => {
    const entry = behind.bill.entries().find((each) => each.tag === tag)
    return entry && entry.ended !== 'open' ? entry : null
  })

/** Holds that an exchange that its client left is told as such, and charged, and never below the bill. */
async function chargedAsAborted(t: Test, twins: Twins, tag: string) {
  const [[event], entry] = await Promise.all([eventsOf(twins.sidecar, tag, 1), endedBill(twins, tag)])
  if (!event) throw new Error('no event')
  t.match(event, { outcome: 'aborted', clientStatus: null, attempts: [{ precision: 'estimated' }] })
  t.equal(entry.ended, 'aborted', 'the call was ended at the provider')
  const charged = chargedOf([event])
  t.ok(charged * 1_000n >= BigInt(entry.costPicoUsd ?? 0), `${charged} nano cover ${entry.costPicoUsd} pico`)
  return { event, entry, charged }
}

const RULES = [{ type: 'text' as const, text: 'Rules. '.repeat(20_000), cache_control: { type: 'ephemeral' as const } }]

t.test('a stream that its client leaves is ended at the provider, and charged at least its bill', async (t) => {
  const twins = await twinsFor(t)
  const at = (tag: string, headers = {}): Anthropic =>
    anthropicAt(`${twins.sidecar.url}/anthropic`, tag, { headers: { ...SLOWLY, ...headers } })

  const cases: readonly (readonly [name: string, leave: Leaving, asked: Asked, headers?: object])[] = [
    ['break', BREAKING, {}],
    ['abort', ABORTING, {}],
    ['abort of the helper', HELPER, {}],
    ['abort of a compressed stream', ABORTING, {}, { 'x-sim-encoding': 'gzip' }],
    ['abort of thinking', ABORTING, { thinking: { type: 'enabled', budget_tokens: 2_000 } }],
    ['abort of a model that may think unseen', ABORTING, { model: 'claude-sonnet-5-5' }],
    [
      'abort while a tool is called',
      ABORTING,
      { tools: [{ name: 'query', input_schema: { type: 'object' } }] },
      { 'x-sim-tool-call': encodeURIComponent(JSON.stringify({ sql: 'select '.repeat(400) })) },
    ],
    [
      'abort behind a search',
      ABORTING,
      { tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 2 }], model: 'claude-sonnet-5' },
    ],
  ]
  for (const [name, leave, asked, headers] of cases) {
    await t.test(name, async (t) => {
      const tag = name.replaceAll(' ', '-')
      await leave(at(tag, headers), asked)
      await chargedAsAborted(t, twins, tag)
    })
  }

  await t.test('the input is charged as the provider told it at the start, not at its bound', async (t) => {
    await at('fills-cache').messages.create({ ...ASK, stream: false, max_tokens: 1, system: RULES })
    await ABORTING(at('reads-cache'), { system: RULES })
    const { event, charged } = await chargedAsAborted(t, twins, 'reads-cache')
    const [attempt] = event.attempts
    t.ok((attempt?.usage?.cacheRead ?? 0) > 30_000)
    t.equal(attempt?.costNanoUsd, String(charged))
    t.ok(charged * 10n < BigInt(attempt?.boundNanoUsd ?? 0), `${charged} of ${attempt?.boundNanoUsd}`)
  })

  await t.test('what is thought unseen is charged up to the limit, behind the input as it was told', async (t) => {
    await ABORTING(at('unseen'), { thinking: { type: 'adaptive' }, max_tokens: 4_000 })
    const { event } = await chargedAsAborted(t, twins, 'unseen')
    t.match(event.attempts, [{ usage: { outputVisible: 4_000 } }])
  })
})

t.test('with onClientAbort: drain the answer is read to its end and charged as the provider bills it', async (t) => {
  const policies = { 'provider.yaml': providerYaml({ onClientAbort: 'drain' }, 'anthropic') }
  const twins = await twinsFor(t, { policies })
  const client = anthropicAt(`${twins.sidecar.url}/anthropic`, 'drain', {
    headers: { 'x-sim-output-tokens': '400', 'x-sim-chunk-delay-ms': '1' },
  })
  await BREAKING(client, {})
  const [[event], entry] = await Promise.all([eventsOf(twins.sidecar, 'drain', 1), endedBill(twins, 'drain')])
  t.equal(entry.ended, 'completed')
  t.match(event, { outcome: 'aborted', attempts: [{ precision: 'exact', usage: { outputVisible: 400 } }] })
  t.strictSame([String(chargedOf(event ? [event] : []))], billOf(twins.behind, 'drain'))
})

t.test('an abort of what nothing bounds is charged for what was seen, where the policy lets it pass', async (t) => {
  const policies = { 'provider.yaml': providerYaml({ onUnbounded: 'allowCounted' }, 'anthropic') }
  const twins = await twinsFor(t, { policies })
  const client = anthropicAt(`${twins.sidecar.url}/anthropic`, 'unbounded', { headers: SLOWLY })
  await ABORTING(client, { tools: [{ type: 'web_search_20250305', name: 'web_search' }], system: RULES })
  const [[event], entry] = await Promise.all([eventsOf(twins.sidecar, 'unbounded', 1), endedBill(twins, 'unbounded')])
  t.match(event, {
    outcome: 'aborted',
    attempts: [{ costNanoUsd: null, precision: 'estimated', reason: /nothing bounds/ }],
  })
  const seen = event?.attempts[0]?.usage
  t.ok((seen?.cacheWrite5m ?? 0) > 30_000 && (seen?.outputVisible ?? 0) > 100, 'its input, and the text that passed')
  t.ok(chargedOf(event ? [event] : []) > 30_000n * 1_250n, `${entry.costPicoUsd} were billed`)
})

t.test(
  'a stream without its usage report is charged at least its bill, and one that ends too soon as well',
  async (t) => {
    const twins = await twinsFor(t)
    for (const fault of ['no-usage', 'malformed-usage', 'end-mid-stream', 'error-event', 'cut-mid-stream', 'overrun']) {
      const client = anthropicAt(`${twins.sidecar.url}/anthropic`, fault, { headers: { 'x-sim-fault': fault } })
      const reading = async (): Promise<void> => {
        for await (const _ of await client.messages.create({ ...ASK, max_tokens: 50 }));
      }
      await reading().catch(() => {})
      const [[event], entry] = await Promise.all([eventsOf(twins.sidecar, fault, 1), endedBill(twins, fault)])
      t.ok(chargedOf(event ? [event] : []) * 1_000n >= BigInt(entry.costPicoUsd ?? 0), fault)
      t.match(event?.attempts, [{ precision: fault === 'overrun' ? 'exact' : 'estimated' }], fault)
    }
  },
)
