import { NO_USAGE } from '@agentcostcontrol/contract'
import t from 'tap'
import { openMessageStream } from '../providers/anthropic/stream.ts'
import { readFacts, readUsage } from '../providers/anthropic/usage.ts'

t.test('the fields are additive: caches stand beside the input, thinking is part of the output', async (t) => {
  t.same(
    readUsage({
      input_tokens: 50,
      cache_read_input_tokens: 10_000,
      cache_creation_input_tokens: 700,
      cache_creation: { ephemeral_5m_input_tokens: 500, ephemeral_1h_input_tokens: 200 },
      output_tokens: 300,
      output_tokens_details: { thinking_tokens: 120 },
      server_tool_use: { web_search_requests: 2, web_fetch_requests: 5 },
      service_tier: 'standard',
    }),
    {
      ...NO_USAGE,
      inputUncached: 50,
      cacheRead: 10_000,
      cacheWrite5m: 500,
      cacheWrite1h: 200,
      outputVisible: 180,
      outputReasoning: 120,
      hostedToolCalls: 2,
    },
  )
})

t.test(
  'a cache write without its split is of five minutes; what a split leaves out is of the dearer lifetime in it',
  async (t) => {
    const base = { input_tokens: 1, output_tokens: 1, cache_creation_input_tokens: 100 }
    t.match(readUsage(base), { cacheWrite5m: 100, cacheWrite1h: 0 })
    t.match(readUsage({ ...base, cache_creation: null }), { cacheWrite5m: 100, cacheWrite1h: 0 })
    t.match(readUsage({ ...base, cache_creation: { ephemeral_5m_input_tokens: 40 } }), { cacheWrite5m: 100 })
    t.match(readUsage({ ...base, cache_creation: { ephemeral_1h_input_tokens: 40 } }), {
      cacheWrite5m: 0,
      cacheWrite1h: 100,
    })
  },
)

const PART = { input_tokens: 30, output_tokens: 7, cache_read_input_tokens: 5, cache_creation_input_tokens: 0 }

t.test(
  'a compaction is added, since the whole leaves it out, and not where the sums say that it is inside',
  async (t) => {
    const whole = { input_tokens: 60, output_tokens: 14, cache_read_input_tokens: 10 }
    const compaction = {
      ...PART,
      type: 'compaction',
      input_tokens: 1_000,
      output_tokens: 50,
      cache_read_input_tokens: 0,
    }
    const message = { ...PART, type: 'message' }
    t.match(readUsage({ ...whole, iterations: [compaction, message, message] }), {
      inputUncached: 1_060,
      outputVisible: 64,
      cacheRead: 10,
    })
    const inside = { input_tokens: 1_030, output_tokens: 57, cache_read_input_tokens: 5 }
    t.match(readUsage({ ...inside, iterations: [compaction, message] }), { inputUncached: 1_030, outputVisible: 57 })
    t.match(readUsage({ ...whole, iterations: [message, message] }), { inputUncached: 60, outputVisible: 14 })
  },
)

t.test('absent is not zero: no usage, half of one, and one that makes no sense give nothing', async (t) => {
  for (const raw of [
    null,
    undefined,
    {},
    'x',
    [],
    { input_tokens: 1 },
    { output_tokens: 1 },
    { input_tokens: null, output_tokens: 1 },
    { input_tokens: -1, output_tokens: 1 },
    { input_tokens: 1, output_tokens: 1.5 },
    { input_tokens: 1, output_tokens: '3' },
    { input_tokens: 1, output_tokens: 1e12 },
    { input_tokens: 1, output_tokens: 1, cache_read_input_tokens: 'many' },
  ])
    t.equal(readUsage(raw), null, JSON.stringify(raw))
  t.same(readUsage({ input_tokens: 0, output_tokens: 0 }), NO_USAGE)
  t.match(readUsage({ input_tokens: 5, output_tokens: 1, server_tool_use: null, iterations: null }), {
    inputUncached: 5,
  })
})

t.test('priority capacity is paid for beforehand: its tokens count at the standard rates', async (t) => {
  const tierOf = (service_tier: unknown) => readFacts({}, { service_tier }).serviceTier
  t.strictSame(
    [tierOf('standard'), tierOf('priority'), tierOf('batch'), tierOf('new'), tierOf(null)],
    ['standard', 'standard', 'batch', null, null],
  )
})

t.test('what was served at other rates has another name on the card', async (t) => {
  const named = (usage: object) => readFacts({ model: 'claude-opus-4-6' }, usage).pricedAs
  t.equal(named({ speed: 'standard', inference_geo: 'global' }), undefined)
  t.equal(named({ speed: null, inference_geo: 'not_available' }), undefined)
  t.equal(named({ inference_geo: 'us' }), 'us/claude-opus-4-6')
  t.equal(named({ speed: 'fast', inference_geo: 'us' }), 'fast/us/claude-opus-4-6')
  t.equal(named({ iterations: [{ type: 'message', model: 'another-name' }] }), undefined)
  const advised = { iterations: [{ type: 'advisor_message', model: 'claude-opus-5-5' }] }
  t.equal(named(advised), 'claude-opus-4-6 and claude-opus-5-5', 'a sum of two models has no price')
})

const START = { type: 'message_start', message: { id: 'msg_1', model: 'm', usage: { ...PART, output_tokens: 1 } } }
const delta = (usage: object, stop_reason: string | null = null) => ({
  type: 'message_delta',
  delta: { stop_reason },
  usage,
})

function factsOf(inOneGo: boolean, ...events: readonly object[]) {
  const reader = openMessageStream(() => inOneGo)
  for (const event of events) reader.read(JSON.stringify(event))
  return reader.facts()
}

t.test('reports in a stream are cumulative: each takes the place of the one before, none is added', async (t) => {
  const facts = factsOf(
    true,
    START,
    delta({ output_tokens: 10 }),
    delta({ output_tokens: 25, cache_read_input_tokens: null }),
    delta({ output_tokens: 40, output_tokens_details: { thinking_tokens: 15 } }, 'end_turn'),
  )
  t.match(facts, { responseId: 'msg_1', responseModel: 'm' })
  t.match(facts.usage, { inputUncached: 30, cacheRead: 5, outputVisible: 25, outputReasoning: 15 })
  t.match(facts.rawUsage, { input_tokens: 30, output_tokens: 40 })
})

t.test('until the last report the input is known and the answer is not, but for one with hosted tools', async (t) => {
  const facts = factsOf(true, START, delta({ output_tokens: 10 }))
  t.equal(facts.usage, null)
  t.match(facts.started, { inputUncached: 30, cacheRead: 5, outputVisible: 10 })
  const looping = factsOf(false, START)
  t.strictSame([looping.usage, looping.started], [null, undefined])
  t.match(looping.soFar, { inputUncached: 30, cacheRead: 5 })
  t.strictSame([factsOf(true).usage, factsOf(true).started], [null, undefined])
})
