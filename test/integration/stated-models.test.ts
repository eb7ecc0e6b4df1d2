/** Prices and names that the policy states, through a real sidecar. Amounts are worked out by hand. */
import t from 'tap'
import { send } from '../support/ask.ts'
import { AMPLE_BUDGET, budgetYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { chargeOf } from '../support/ways-out.ts'

const stating = (models: string): string => `apiVersion: agentcostcontrol.io/v1
kind: ProviderConfig
metadata: { name: openai }
spec:
  provider: openai
  models:
${models}`

const MODELS = `    house-llama: { price: { input: "0.25", output: "1", cacheRead: "0.05" }, contextTokensMax: 8192 }
    "free:8b": { price: { input: "0", output: "0" } }
    gpt-4.1: { price: { input: "1.6", output: "6.4" } }
    chat-prod: { model: gpt-4.1-mini }
    lost: { model: gpt-4.1-minni }
`
const USED = JSON.stringify({
  prompt_tokens: 1_000,
  completion_tokens: 100,
  prompt_tokens_details: { cached_tokens: 400 },
})

t.test('what the policy states is what is reserved, recorded and charged, and the event says so', async (t) => {
  const simulator = await simulatorFor(t)
  const policies = { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': stating(MODELS) }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
  const golden = [
    { model: 'house-llama', pricedAs: 'policy', nano: 600n * 250n + 400n * 50n + 100n * 1_000n },
    { model: 'free:8b', pricedAs: 'policy', nano: 0n },
    { model: 'gpt-4.1', pricedAs: 'policy', nano: 1_000n * 1_600n + 100n * 6_400n },
    { model: 'chat-prod', pricedAs: 'openai/gpt-4.1-mini', nano: 600n * 400n + 400n * 100n + 100n * 1_600n },
    { model: 'gpt-4.1-nano', pricedAs: undefined, nano: 600n * 100n + 400n * 25n + 100n * 400n },
  ]
  for (const [at, { model, pricedAs, nano }] of golden.entries()) {
    // What the answer calls itself does not matter for a model that the policy states.
    const sim = { usage: USED, ...(pricedAs === undefined ? {} : { 'answer-model': 'gpt-4o-2024-08-06' }) }
    const response = await send(sidecar.url, { model, stream: at % 2 === 1, sim })
    t.equal(response.status, 200, model)
    await response.text()
    const event = (await sidecar.events(at + 1))[at]
    const [attempt] = event?.attempts ?? []
    t.equal(attempt?.precision, 'exact')
    t.equal(attempt?.pricedAs, pricedAs, `${model}: the event says where its price is from`)
    t.equal(attempt?.costNanoUsd, String(nano), model)
    t.equal(event && chargeOf(event), nano)
  }
  const refused = await send(sidecar.url, { model: 'lost' })
  t.equal(refused.headers.get('x-acc-code'), 'acc_model_unpriced')
  t.match(await refused.text(), /ProviderConfig says is \\"gpt-4.1-minni\\" of openai/, 'the misspelt name is told')
  t.equal(
    await sidecar.metric('acc_charged_usd_total', { model: 'house-llama' }),
    0.00027,
    'stated names may stand in labels',
  )
})

t.test('a stated price lowers the output limit, and a free model passes an empty budget', async (t) => {
  const simulator = await simulatorFor(t)
  const budget = budgetYaml({ name: 'small', limit: '0.000250' })
  const policies = { 'budget.yaml': budget, 'provider.yaml': stating(MODELS) }
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, policies })
  const lowered = await send(sidecar.url, { model: 'house-llama' })
  await lowered.text()
  t.equal(lowered.status, 200)
  // 250 000 nano less the input's bound (71 bytes and 72 of framing at 250), at 1 000 a token.
  t.equal(lowered.headers.get('x-acc-output-limit'), String(Math.floor((250_000 - (71 + 72) * 250) / 1_000)))
  for (;;) {
    const response = await send(sidecar.url, { model: 'house-llama', sim: { 'output-tokens': 200 } })
    await response.text()
    if (response.status === 429) break
  }
  const free = await send(sidecar.url, { model: 'free:8b' })
  await free.text()
  t.equal(free.status, 200)
})
