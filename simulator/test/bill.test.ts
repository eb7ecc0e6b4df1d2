import fc from 'fast-check'
import t from 'tap'
import { simulatorFor } from '../../test/support/simulator.ts'
import { until } from '../../test/support/until.ts'
import { ask, askJson, askStream } from './support/ask.ts'

t.test('the bill is, to the pico-dollar, what the price list says of the usage', async (t) => {
  const simulator = await simulatorFor(t)
  const cost = async (chat: object, usage: object, controls = {}) => {
    await askJson(simulator, { ...chat }, { usage: JSON.stringify(usage), ...controls })
    return simulator.bill.entries().at(-1)?.costPicoUsd
  }
  const tokens = (prompt: number, completion: number, details = {}) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    prompt_tokens_details: details,
  })
  // Prices by hand, in micro-USD per million tokens, which are pico-USD per token.
  const mini = { model: 'gpt-4.1-mini' }
  t.equal(await cost(mini, tokens(1_000, 100)), String(1_000 * 400_000 + 100 * 1_600_000))
  t.equal(
    await cost(mini, tokens(1_000, 100, { cached_tokens: 600 })),
    String(400 * 400_000 + 600 * 100_000 + 100 * 1_600_000),
    'the cached part is not counted twice',
  )
  t.equal(await cost({ model: 'gpt-4.1-mini-2025-04-14' }, tokens(1, 0)), '400000', 'a dated snapshot')
  t.equal(await cost({ model: 'gpt-4.1-mini-later' }, tokens(1, 0)), null, 'a mere prefix is another model')
  t.equal(await cost(mini, tokens(1, 0), { 'answer-model': 'gpt-4.1' }), '2000000', 'the model that answered')
  const [standard, flex] = [
    await cost({ model: 'o3' }, tokens(1_000, 10)),
    await cost({ model: 'o3', service_tier: 'flex' }, tokens(1_000, 10)),
  ]
  t.equal(BigInt(flex ?? 0) * 2n, BigInt(standard ?? 0), 'flex costs half')
})

t.test('the bill holds the usage that the answer reports, however it is asked for', async (t) => {
  const simulator = await simulatorFor(t)
  const usage = fc.record({
    prompt_tokens: fc.integer({ min: 1, max: 400_000 }),
    completion_tokens: fc.integer({ min: 0, max: 100_000 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        model: fc.constantFrom('gpt-4.1-mini', 'gpt-5', 'gpt-4o'),
        n: fc.integer({ min: 1, max: 3 }),
        stream: fc.boolean(),
        said: fc.option(usage, { nil: null }),
      }),
      async ({ model, n, stream, said }) => {
        const controls: Record<string, string> = said ? { usage: JSON.stringify(said) } : {}
        const answer = stream
          ? (await askStream(simulator, { model, n }, controls)).at(-2)
          : await askJson(simulator, { model, n }, controls)
        const entry = await until('the entry', () => {
          const last = simulator.bill.entries().at(-1)
          return last?.ended === 'completed' ? last : null
        })
        t.same(entry.usage, answer.usage)
        t.equal(entry.responseId, answer.id)
        t.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        if (said) t.match(answer.usage, said)
      },
    ),
    { numRuns: 40 },
  )
})

t.test('a client that leaves pays for the input and for what was generated until then', async (t) => {
  const simulator = await simulatorFor(t)
  const leaving = new AbortController()
  const chat = { stream: true, max_completion_tokens: 5_000 }
  const controls = { 'output-tokens': '5000', 'chunk-delay-ms': '5', tag: 'left' }
  const response = await ask(simulator, chat, controls, leaving.signal)
  const reader = response.body?.getReader()
  for (let seen = ''; seen.split('data:').length < 5; )
    seen += Buffer.from((await reader?.read())?.value ?? []).toString()
  const open = simulator.bill.entries().at(-1)
  t.equal(open?.ended, 'open')
  t.ok(BigInt(open?.costPicoUsd ?? 0) > 0n, 'the input is billed as soon as it is accepted')
  leaving.abort()
  await reader?.read().catch(() => {})
  const entry = await until('the end', () => {
    const last = simulator.bill.entries().at(-1)
    return last?.ended === 'aborted' ? last : null
  })
  t.equal(entry.tag, 'left')
  t.ok(entry.consumed.output > 0 && entry.consumed.output < 5_000, 'a part of the output')
  const { input, output } = entry.consumed
  t.equal(entry.costPicoUsd, String(input * 400_000 + output * 1_600_000))
})

t.test('GET /_sim/bill tells the bill over HTTP', async (t) => {
  const simulator = await simulatorFor(t)
  const answer = await askJson(simulator, {}, { tag: 'mine' })
  const { entries } = JSON.parse(await (await fetch(`${simulator.url}/_sim/bill`)).text())
  t.match(entries, [
    { responseId: answer.id, tag: 'mine', ended: 'completed', usage: answer.usage, costPicoUsd: /^\d+$/ },
  ])
  t.same(entries, simulator.bill.entries())
})
