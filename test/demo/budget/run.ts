import { setTimeout as pause } from 'node:timers/promises'
import { countersOf } from '../../support/fleet.ts'
import type { Scope } from '../../support/scope.ts'
import { until } from '../../support/until.ts'
import { LIMIT_NANO_USD, SHARED } from './budgets.ts'
import type { PlannedFault } from './fault-plan.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { type Provider, providerFor } from './provider.ts'
import { openLeasesIn, type Reckoning, readStored, reckon } from './reckoning.ts'
import type { StreamCounts } from './streams.ts'
import { type FaultCounts, makeFaults } from './strikes.ts'
import { type System, type SystemMember, systemFor } from './system.ts'

/** What the run of both planes came to; amounts in nano-USD. */
export interface RunResult extends Reckoning {
  readonly counts: StreamCounts
  readonly faults: FaultCounts
  readonly stuckReservations: number
  /** Left of the limit when every sidecar refused its clients. */
  readonly stranded: bigint
  /** False where the budget was not spent in the time that there was. */
  readonly isSpent: boolean
  readonly isVerified: boolean
  readonly hasRedis: boolean
}

/** What it is run with. */
export interface RunOptions {
  readonly seed: number
  readonly seconds: number
  readonly plan: readonly PlannedFault[]
  readonly signal: AbortSignal
  say(line: string): void
}

const LOOK_MS = 250
const SPENT_MS_MAX = 90_000
const QUIET_MS_MAX = 60_000

/** Makes the faults while the clients send, mends everything, spends what is left, and reckons. */
export async function run(scope: Scope, { seed, seconds, plan, signal, say }: RunOptions): Promise<RunResult> {
  const provider = await providerFor(scope)
  const fleet = startFleet(scope, { name: `run${seed}`, seed, seconds })
  const system = await systemFor(scope, provider.url, fleet.streams)
  for (const { streams, sidecar } of system.members) streams.aim(sidecar().url)
  say(`${plan.length} faults in ${seconds} s`)
  const faults = await makeFaults(plan, system.strikes, seconds, signal)
  say('all that was struck is back; what is left is spent')
  const isSpent = await spendTheRest(fleet, signal)
  await fleet.stop()
  const bill = await provider.finalBill()
  const stuckOpen = await quiet(system.members)
  const stranded = LIMIT_NANO_USD - (await settledOf(system))
  say('the sidecars end in order, and all is compared')
  await Promise.all(system.members.map(({ sidecar }) => sidecar().stop()))
  const openLeases = await closeLeases(system, say)
  return await compare(system, bill, { fleet, faults, stuck: stuckOpen + openLeases, stranded, isSpent })
}

/**
 * A sidecar that ends while the ledger is too busy to answer within seconds keeps its leases: they have not outlived their
 * holder, whose next process returns them. @returns those that stay open although every holder came back
 */
async function closeLeases({ members, databaseUrl }: System, say: RunOptions['say']): Promise<number> {
  const open = await openLeasesIn(databaseUrl)
  if (open === 0) return 0
  say(`${open} leases are open: not every return was heard in time; the sidecars come back for them`)
  await Promise.all(members.map(({ again }) => again()))
  await until(
    'no lease is open',
    async () => ((await openLeasesIn(databaseUrl)) === 0 ? true : null),
    QUIET_MS_MAX,
  ).catch(() => {})
  await Promise.all(members.map(({ sidecar }) => sidecar().stop()))
  return openLeasesIn(databaseUrl)
}

/** @returns whether in the end every request was refused for want of money */
async function spendTheRest(fleet: Fleet, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + SPENT_MS_MAX
  fleet.hurry()
  while (performance.now() < deadline) {
    await pause(LOOK_MS, undefined, { signal })
    if (fleet.isRefused()) return true
  }
  return false
}

/** Waits until nothing is under way and every event is up. @returns reservations that stay although no request runs */
async function quiet(members: readonly SystemMember[]): Promise<number> {
  const readings = async (name: string): Promise<number> =>
    (await Promise.all(members.map(({ sidecar }) => sidecar().metric(name)))).reduce((sum, each) => sum + each, 0)
  const open = (): Promise<number> => readings('acc_outbox_open_intents')
  await until(
    'nothing is under way',
    async () =>
      (await open()) === 0 &&
      (await readings('acc_budget_reserved_usd')) === 0 &&
      (await readings('acc_outbox_unacknowledged_events')) === 0
        ? true
        : null,
    QUIET_MS_MAX,
  ).catch(() => {})
  return open()
}

async function settledOf({ planeUrl, adminKey }: System): Promise<bigint> {
  const counters = await countersOf(planeUrl, adminKey)
  return BigInt(counters.find(({ budgetUid }) => budgetUid === SHARED)?.settledNanoUsd ?? 0)
}

async function compare(
  { planeUrl, adminKey, databaseUrl, hasRedis }: System,
  bill: Awaited<ReturnType<Provider['finalBill']>>,
  seen: {
    readonly fleet: Fleet
    readonly faults: FaultCounts
    readonly stuck: number
    readonly stranded: bigint
    readonly isSpent: boolean
  },
): Promise<RunResult> {
  const { told, isVerified } = await readStored(databaseUrl)
  return {
    ...reckon(bill, told, await countersOf(planeUrl, adminKey)),
    counts: seen.fleet.counts(),
    faults: seen.faults,
    stuckReservations: seen.stuck,
    stranded: seen.stranded,
    isSpent: seen.isSpent,
    isVerified,
    hasRedis,
  }
}
