/** A provider that bills more than it was told, from outside: what is charged, and what becomes of the requests behind it. */
import t from 'tap'
import { send } from '../support/ask.ts'
import { AMPLE_BUDGET, budgetYaml, providerYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { nanoOf } from '../support/ways-out.ts'

const OVERRUN = {
  body: { max_completion_tokens: 200 },
  sim: { fault: 'overrun', 'service-tier': 'priority' },
} as const
const LOGGED = 'a provider billed more than it was told: such requests go by onUnbounded from now on'

const boundsOf = async (adminUrl: string): Promise<string> => {
  const told: { checks: { bounds: { ok: boolean; detail: string } } } = JSON.parse(
    await (await fetch(`${adminUrl}/readyz`)).text(),
  )
  return `${told.checks.bounds.ok} ${told.checks.bounds.detail}`
}

for (const onUnbounded of ['deny', 'contextWindow', 'allowCounted'] as const) {
  t.test(`a class that is billed above its bound goes by onUnbounded from then on: ${onUnbounded}`, async (t) => {
    const simulator = await simulatorFor(t)
    const settings = {
      upstream: `${simulator.url}/v1`,
      policies: { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml({ onUnbounded }) },
    }
    const sidecar = await sidecarFor(t, settings)
    t.equal(await boundsOf(sidecar.adminUrl), 'true kept to')
    const kept = await send(sidecar.url, { body: { max_completion_tokens: 200 } })
    await kept.text()
    await (await send(sidecar.url, OVERRUN)).text()
    const [first, over] = (await sidecar.events(2)).map(({ attempts: [attempt] }) => attempt)
    t.equal(BigInt(over?.chargedNanoUsd ?? 0), nanoOf(simulator.bill.entries()[1]?.costPicoUsd ?? null), 'in full')
    t.equal(over?.boundNanoUsd, first?.boundNanoUsd)
    t.ok(BigInt(over?.chargedNanoUsd ?? 0) > BigInt(over?.boundNanoUsd ?? 0), 'the event shows the excess')

    const second = await send(sidecar.url, { body: { max_completion_tokens: 200 } })
    await second.text()
    const other = await send(sidecar.url, { model: 'gpt-4.1', body: { max_completion_tokens: 200 } })
    await other.text()
    t.equal(other.status, 200, 'another model is another class')
    if (onUnbounded === 'deny') {
      t.equal(second.status, 403)
      t.equal(second.headers.get('x-acc-code'), 'acc_request_unbounded')
    } else {
      t.equal(second.status, 200)
      const bound = BigInt((await sidecar.events(3))[2]?.attempts[0]?.boundNanoUsd ?? -1)
      if (onUnbounded === 'allowCounted') t.equal(bound, 0n, 'it passes uncovered')
      else t.ok(bound > 100n * BigInt(first?.boundNanoUsd ?? 0), `the whole context window: ${bound}`)
    }
    t.match(
      await boundsOf(sidecar.adminUrl),
      /^true billed above, by onUnbounded: openai chat\.completions gpt-4\.1-mini /,
    )
    t.equal(await sidecar.metric('acc_bound_demotions_total'), 1)
    t.equal(await sidecar.metric('acc_bound_demoted_classes'), 1)
    t.equal(sidecar.log.filter(({ message }) => message === LOGGED).length, 1, 'said once')

    await sidecar.stop()
    const again = await sidecarFor(t, { ...settings, dataDir: sidecar.dataDir })
    t.equal(await again.metric('acc_bound_demoted_classes'), 1, 'also after a restart')
    t.equal((await send(again.url, { body: { max_completion_tokens: 200 } })).status, second.status)
  })
}

t.test('of a demoted class no limit is lowered to fit a budget: it would bound nothing', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': budgetYaml({ name: 'small', limit: '0.01' }) },
  })
  await (await send(sidecar.url, OVERRUN)).text()
  const refused = await send(sidecar.url, {})
  t.equal(refused.status, 429)
  t.equal(refused.headers.get('x-acc-code'), 'acc_budget_exceeded')
  t.equal(simulator.requests().length, 1)
})
