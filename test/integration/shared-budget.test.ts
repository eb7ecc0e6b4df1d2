import { parseUsd } from '@agentcostcontrol/contract'
import type { Simulator } from '@agentcostcontrol/simulator'
import t from 'tap'
import { planeTool } from '../../cli/support/plane-tool.ts'
import type { Verdict } from '../../control-plane/usage/verify.ts'
import { send } from '../support/ask.ts'
import { askApi, type TestControlPlane } from '../support/control-plane.ts'
import { planeFor } from '../support/plane.ts'
import { budgetYaml, sidecarFor, withPolicy, writePolicies } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

/** What the budget of this name has in every counter. */
interface Counters {
  readonly counters: readonly Readonly<
    Record<'budgetUid' | 'subject' | 'settledNanoUsd' | 'escrowNanoUsd' | 'overrunNanoUsd' | 'availableNanoUsd', string>
  >[]
}

const counterOf = async ({ url }: TestControlPlane, key: string, name: string) =>
  (await askApi<Counters>(`${url}/api/v1/ledger/counters`, key)).body.counters.find(
    ({ budgetUid }) => budgetUid === `Budget/${name}`,
  )

/** Waits until the ledger has settled what was billed, and nothing is set aside any more. */
const settledTo = (plane: TestControlPlane, key: string, name: string, billed: bigint) =>
  until(`${billed} settled`, async () => {
    const counter = await counterOf(plane, key, name).catch(() => undefined)
    return counter?.settledNanoUsd === String(billed) && counter.escrowNanoUsd === '0' ? counter : null
  })

/** What the provider bills, each request rounded up to nano-USD as it is charged. */
const billOf = ({ bill }: Simulator): bigint =>
  bill.entries().reduce((sum, { costPicoUsd }) => sum + (BigInt(costPicoUsd ?? 0) + 999n) / 1_000n, 0n)

const verified = async ({ dataDir }: TestControlPlane): Promise<Verdict> =>
  JSON.parse(await planeTool('control-plane/verify.ts', [dataDir]))

t.test('a limit is spent by three sidecars together to the last request that fits, and by none beyond', async (t) => {
  const simulator = await simulatorFor(t)
  const limit = '0.002'
  const { plane, key, env } = await planeFor(t, {}, { 'budget.yaml': budgetYaml({ name: 'shared', limit }) })
  const sidecars = await Promise.all(
    [1, 2, 3].map(() => withPolicy(sidecarFor(t, { upstream: `${simulator.url}/v1`, env }))),
  )
  const statuses: number[] = []
  const codes = new Set<string | null>()
  await Promise.all(
    Array.from({ length: 30 }, async (_, at) => {
      for (let round = 0; round < 12; round++) {
        const response = await send(sidecars[(at + round) % 3]?.url ?? '', { body: { max_tokens: 40 } })
        statuses.push(response.status)
        codes.add(response.headers.get('x-acc-code'))
        await response.text()
      }
    }),
  )
  const billed = billOf(simulator)
  t.ok(billed <= parseUsd(limit), `${billed} billed of ${parseUsd(limit)}`)
  t.ok(billed > (parseUsd(limit) * 8n) / 10n, 'and most of it was spent')
  t.ok(statuses.filter((status) => status === 200).length > 10)
  t.ok(statuses.some((status) => status === 429))
  for (const sidecar of sidecars) t.equal(await sidecar.stop(), 0)
  t.match(await settledTo(plane, key, 'shared', billed), { overrunNanoUsd: '0' })
  t.match(await verified(plane), { ok: true, ledger: { wrong: 0 } })
})

t.test('an idle sidecar’s money comes to the one that needs it, and a lowered limit holds for all', async (t) => {
  const simulator = await simulatorFor(t)
  const budget = (limit: string) => ({ 'budget.yaml': budgetYaml({ name: 'shared', limit }) })
  const { plane, key, env } = await planeFor(t, {}, budget('0.01'))
  const place = { upstream: `${simulator.url}/v1`, env }
  const [idle, busy] = [await withPolicy(sidecarFor(t, place)), await withPolicy(sidecarFor(t, place))]
  t.equal((await send(idle.url, {})).status, 200)
  // More than is left beside what the idle one holds.
  const large = { prompt: 'x'.repeat(6_000), body: { max_tokens: 1_000 } }
  t.equal((await send(busy.url, large)).status, 200)
  writePolicies(plane.policyDir, budget('0.0001'))
  await until('the lowered limit is in force', async () =>
    (await send(busy.url, { body: { max_tokens: 16 } })).status === 429 ? true : null,
  )
  t.equal((await send(idle.url, { body: { max_tokens: 16 } })).status, 429)
  for (const sidecar of [idle, busy]) t.equal(await sidecar.stop(), 0)
  const billed = billOf(simulator)
  const counter = await settledTo(plane, key, 'shared', billed)
  t.ok(BigInt(counter.availableNanoUsd) < 0n, 'what was spent above it is told')
})

t.test('without the control plane a sidecar serves from its policy and leases, also after kill -9', async (t) => {
  const simulator = await simulatorFor(t)
  const policies = { 'budget.yaml': budgetYaml({ name: 'shared', limit: '10.00' }) }
  const { plane, key, again, env } = await planeFor(t, {}, policies)
  const place = { upstream: `${simulator.url}/v1`, env }
  const first = await withPolicy(sidecarFor(t, place))
  t.equal((await send(first.url, {})).status, 200)
  await plane.kill()
  t.equal((await send(first.url, {})).status, 200, 'from its lease')
  // An exchange whose end is not on disk yet would be charged its bound.
  await first.events(2)
  await first.kill()
  const second = await withPolicy(sidecarFor(t, { ...place, dataDir: first.dataDir }))
  t.equal((await send(second.url, {})).status, 200, 'from the lease that is on its disk')
  const back = await again()
  await until('the events are up', async () =>
    (await second.metric('acc_upload_events_total', { result: 'stored' })) >= 1 ? true : null,
  )
  t.equal((await send(second.url, {})).status, 200)
  t.equal(await second.stop(), 0)
  const billed = billOf(simulator)
  await settledTo(back, key, 'shared', billed)
  t.match(await verified(back), { ok: true, ledger: { wrong: 0 } })
})
