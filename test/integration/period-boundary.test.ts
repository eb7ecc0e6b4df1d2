import type { Simulator } from '@agentcostcontrol/simulator'
import t from 'tap'
import { connectAsOwner } from '../../control-plane/db/database.ts'
import { send } from '../support/ask.ts'
import { askApi, clusterUrlOf } from '../support/control-plane.ts'
import { shiftLedgerClock } from '../support/ledger-clock.ts'
import { planeFor } from '../support/plane.ts'
import { budgetYaml, readEvents, sidecarFor, type TestSidecar, withPolicy } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const DAY_MS = 86_400_000
/** Before midnight: so that each sidecar has come to the moment at which it fetches its lease. */
const BEFORE_MS = 30_000
const WAITED = 'acc_budget_waited_total'

interface Counters {
  readonly counters: readonly Readonly<Record<'budgetUid' | 'periodId' | 'settledNanoUsd' | 'escrowNanoUsd', string>>[]
}

/** What the provider bills, each request rounded up to nano-USD as it is charged. */
const billOf = ({ bill }: Simulator): bigint =>
  bill.entries().reduce((sum, { costPicoUsd }) => sum + (BigInt(costPicoUsd ?? 0) + 999n) / 1_000n, 0n)

const waitedOf = (sidecars: readonly TestSidecar[]): Promise<readonly number[]> =>
  Promise.all(sidecars.map((sidecar) => sidecar.metric(WAITED)))

t.test('when a day ends under load no request of any sidecar waits for a lease of the next one', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const policies = {
    'org.yaml': budgetYaml({ name: 'org', limit: '100.00', period: 'daily' }),
    'each.yaml': budgetYaml({ name: 'each', limit: '100.00', period: 'daily', agent: '*' }),
  }
  const { plane, key, env } = await planeFor(t, {}, policies)
  const sidecars = await Promise.all(
    [1, 2, 3].map(() => withPolicy(sidecarFor(t, { upstream: `${simulator.url}/v1`, env }))),
  )
  const owner = connectAsOwner(clusterUrlOf(plane))
  t.teardown(() => owner.end({ timeout: 1 }))
  await shiftLedgerClock(owner, DAY_MS - (Date.now() % DAY_MS) - BEFORE_MS)
  const midnightMs = Date.now() + BEFORE_MS
  const today = new Date(midnightMs + DAY_MS - (midnightMs % DAY_MS) - 1).toISOString().slice(0, 10)

  const statuses = new Set<number>()
  let ended = false
  const client = async ({ url }: TestSidecar): Promise<void> => {
    while (!ended) {
      const response = await send(url, { body: { max_tokens: 40 } })
      await response.text()
      statuses.add(response.status)
    }
  }
  const clients = sidecars.flatMap((sidecar) => [client(sidecar), client(sidecar)])
  const counters = async () => (await askApi<Counters>(`${plane.url}/api/v1/ledger/counters`, key)).body.counters
  await until(
    'every sidecar holds money of tomorrow',
    async () => ((await counters()).filter(({ periodId }) => periodId !== today).length === 2 ? true : null),
    BEFORE_MS,
  )
  t.ok(Date.now() < midnightMs, 'before it begins')
  await until('midnight is near', () => (Date.now() > midnightMs - 2_000 ? true : null), BEFORE_MS)
  const before = await waitedOf(sidecars)
  const sums = new Map((await counters()).map((each) => [`${each.budgetUid} ${each.periodId}`, each.settledNanoUsd]))
  t.ok(
    [...sums].every(([name, settled]) => name.endsWith(today) || settled === '0'),
    'nothing of it is spent',
  )
  await until('it is tomorrow', () => (Date.now() > midnightMs + 3_000 ? true : null), BEFORE_MS)
  const after = await waitedOf(sidecars)
  t.same(after, before, 'no request waited')
  ended = true
  await Promise.all(clients)
  t.same([...statuses], [200])

  for (const sidecar of sidecars) {
    t.equal(await sidecar.stop(), 0)
    const days = readEvents(sidecar.dataDir).flatMap(({ charges }) => charges.map(({ periodId }) => periodId))
    t.equal(new Set(days).size, 2, 'it spent of both days')
    t.same(days, days.toSorted(), 'and of none again that had ended')
  }
  const billed = billOf(simulator)
  const settled = (uid: string, all: Counters['counters']): bigint =>
    all.filter(({ budgetUid }) => budgetUid === uid).reduce((sum, each) => sum + BigInt(each.settledNanoUsd), 0n)
  const all = await until('all is settled', async () => {
    const found = await counters()
    return settled('Budget/org', found) === billed ? found : null
  })
  t.equal(settled('Budget/each', all), billed)
  t.ok(
    all.every(({ escrowNanoUsd }) => escrowNanoUsd === '0'),
    'and nothing is left set aside',
  )
})
