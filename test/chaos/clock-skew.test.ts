import { parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { planeTool } from '../../cli/support/plane-tool.ts'
import { clusterUrlOf } from '../support/control-plane.ts'
import { checkWhole, goneOn, type Member, memberFor, standDown } from '../support/fleet.ts'
import { inCheckout } from '../support/paths.ts'
import { planeFor } from '../support/plane.ts'
import { budgetYaml, readEvents } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const LIMIT = '1.00'
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Five minutes each way, and so far that it is the first minute of tomorrow there. */
const shiftsAt = (nowMs: number): readonly number[] => [
  5 * MINUTE_MS,
  -5 * MINUTE_MS,
  DAY_MS - (nowMs % DAY_MS) + MINUTE_MS / 2,
]

t.test('sidecars whose clocks are wrong spend the same day of the same budget, to the nano', async (t) => {
  const simulator = await simulatorFor(t, { recordRequests: false })
  const policies = {
    'shared.yaml': budgetYaml({ name: 'shared', limit: LIMIT, period: 'daily' }),
    'each.yaml': budgetYaml({ name: 'each', limit: '0.50', period: 'daily', agent: '*' }),
  }
  const { plane, key, env } = await planeFor(t, {}, policies)
  const begunAtMs = Date.now()
  const shifts = shiftsAt(begunAtMs)
  const members: Member[] = []
  for (const shiftMs of shifts)
    members.push(
      await memberFor(t, {
        upstream: `${simulator.url}/v1`,
        env: { ...env, TEST_CLOCK_SHIFT_MS: String(shiftMs) },
        nodeArgs: ['--import', inCheckout('test/preload/shifted-clock.ts')],
      }),
    )
  await goneOn(members, 60)
  // Started again, it knows the day from its disk and from the ledger's answer.
  for (const member of members) {
    await member.kill()
    await member.again()
  }
  await goneOn(members, 60)
  await standDown(t, members)

  for (const [at, { dataDir }] of members.entries()) {
    const [first] = readEvents(dataDir)
    const offMs = Date.parse(first?.intentAt ?? '') - begunAtMs - (shifts[at] ?? 0)
    t.ok(offMs > -1_000 && offMs < MINUTE_MS, 'its clock is as wrong as was meant')
  }
  const counters = await checkWhole(t, {
    url: plane.url,
    key,
    databaseUrl: clusterUrlOf(plane),
    dataDirs: members.map(({ dataDir }) => dataDir),
    simulator,
    limitNanoUsd: parseUsd(LIMIT),
  })
  const days = [begunAtMs, Date.now()].map((ms) => new Date(ms).toISOString().slice(0, 10))
  for (const { periodId } of counters)
    t.ok(
      days.some((day) => periodId.includes(day)),
      `${periodId} is the database's`,
    )
  if (days[0] === days[1])
    t.equal(counters.filter(({ budgetUid }) => budgetUid === 'Budget/shared').length, 1, 'one counter for all')
  t.match(JSON.parse(await planeTool('control-plane/verify.ts', [plane.dataDir])), { ok: true, ledger: { wrong: 0 } })
  t.equal(plane.complaint(), '')
})
