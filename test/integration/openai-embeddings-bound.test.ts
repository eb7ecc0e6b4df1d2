import { readFileSync } from 'node:fs'
import { createPriceBook, readRateCard } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import t from 'tap'
import { isDenial } from '../../sidecar/exchange.ts'
import { openaiEmbeddings } from '../../sidecar/providers/openai/embeddings.ts'
import { usageBound } from '../../sidecar/providers/provider.ts'
import { inCheckout } from '../support/paths.ts'
import { simulatorFor } from '../support/simulator.ts'

const prices = createPriceBook(readRateCard(readFileSync(inCheckout('seed/rate-card.json'), 'utf8')))

const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
  fc
    .tuple(fc.string({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 40 }))
    .map(([word, times]) => `${word} `.repeat(times)),
  // A token for each byte, or nearly.
  fc.array(fc.constantFrom('a', '1', 'é'), { minLength: 1, maxLength: 100 }).map((words) => words.join(' ')),
)
const tokens = fc.array(fc.nat(100_000), { minLength: 1, maxLength: 60 })
const body = fc.record(
  {
    model: fc.constantFrom('text-embedding-3-small', 'text-embedding-3-large', 'text-embedding-ada-002'),
    input: fc.oneof(
      text,
      tokens,
      fc.array(text, { minLength: 1, maxLength: 12 }),
      fc.array(tokens, { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(text, tokens), { minLength: 1, maxLength: 12 }),
    ),
    encoding_format: fc.constantFrom('float', 'base64'),
    dimensions: fc.constantFrom(1, 256),
    user: text,
  },
  { requiredKeys: ['model', 'input'] },
)

t.test('the bound of embeddings is never below their bill, and is the bill where tokens are sent', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  let exact = 0
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom(0, 2), async (asked, spaces) => {
      const json = JSON.stringify(asked, null, spaces)
      const response = await fetch(`${simulator.url}/v1/embeddings`, {
        method: 'POST',
        headers: { authorization: 'Bearer any' },
        body: json,
      })
      if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`)
      await response.arrayBuffer()
      const cost = BigInt(simulator.bill.entries().at(-1)?.costPicoUsd ?? 0)
      const request = openaiEmbeddings.parse(JSON.parse(json), { model: null, stream: false })
      const priced = prices.find('openai', asked.model, Date.now())
      if (isDenial(request) || !priced) throw new Error('a request that must be read')
      const usage = usageBound(openaiEmbeddings.bound(request, Buffer.byteLength(json)), priced)
      const bound = usage && prices.bound(priced, usage, Date.now()) * 1_000n
      if (cost === 0n || bound === null || bound < cost) throw new Error(`bounded by ${bound}, billed ${cost}`)
      const isTokens = [asked.input].flat().every((item) => typeof item !== 'string')
      if (isTokens && bound - cost >= 1_000n) throw new Error(`${cost} is known, and ${bound} is reserved`)
      if (isTokens) exact++
    }),
    { numRuns: 300 },
  )
  t.ok(exact > 50, `${exact} of tokens alone`)
})
