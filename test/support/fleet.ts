import { counterKey, type UsageEvent } from '@agentcostcontrol/contract'
import type { Simulator } from '@agentcostcontrol/simulator'
import type { Test } from 'tap'
import { connectAsOwner } from '../../control-plane/db/database.ts'
import { askApi } from './control-plane.ts'
import { type MixedLoad, mixedLoadFor } from './mixed-load.ts'
import type { Scope } from './scope.ts'
import { readEvents, sidecarFor, type TestSidecar, type TestSidecarOptions, withPolicy } from './sidecar.ts'
import { until } from './until.ts'
import { nanoOf } from './ways-out.ts'

/** A sidecar that comes back on what it left, and clients of its own. */
export interface Member {
  readonly dataDir: string
  readonly load: MixedLoad
  /** The process that runs now, or ran last. */
  sidecar(): TestSidecar
  /** Ends it as a power switch does. */
  kill(): Promise<void>
  /** Starts it again on its data, and aims its clients at it. */
  again(): Promise<void>
  /** Process ids of all that it was. */
  readonly pids: readonly number[]
}

/** Starts a sidecar of a control plane, and clients that send to it without pause. */
export async function memberFor(scope: Scope, place: TestSidecarOptions, clients = 6): Promise<Member> {
  const start = (dataDir?: string): Promise<TestSidecar> =>
    withPolicy(sidecarFor(scope, { ...place, ...(dataDir === undefined ? {} : { dataDir }) }))
  const load = mixedLoadFor(scope, clients)
  let sidecar = await start()
  const pids = [sidecar.pid]
  load.aim(sidecar.url)
  return {
    dataDir: sidecar.dataDir,
    load,
    pids,
    sidecar: () => sidecar,
    kill: async () => {
      load.aim(null)
      await sidecar.kill()
    },
    again: async () => {
      sidecar = await start(sidecar.dataDir)
      pids.push(sidecar.pid)
      load.aim(sidecar.url)
    },
  }
}

/** Requests of a member that came to an end, whichever. */
const endedOf = ({ load: { results } }: Member): number =>
  results.answered + results.left + results.refused + results.broken

/** Waits until so many more requests of each member have come to an end. */
export async function goneOn(members: readonly Member[], more: number): Promise<void> {
  const before = members.map(endedOf)
  await until(`${more} more requests of each sidecar`, () =>
    members.every((member, at) => endedOf(member) >= (before[at] ?? 0) + more) ? true : null,
  )
}

/** Ends the load, waits until all is up, and stops every sidecar in order. */
export async function standDown(t: Test, members: readonly Member[]): Promise<void> {
  await Promise.all(members.map(({ load }) => load.stop()))
  for (const member of members) {
    await until('its events are up', async () =>
      (await member.sidecar().metric('acc_outbox_open_intents')) === 0 &&
      (await member.sidecar().metric('acc_outbox_unacknowledged_events')) === 0
        ? true
        : null,
    )
    t.equal(await member.sidecar().stop(), 0)
    t.equal(member.sidecar().complaint(), '')
  }
}

/** What is compared. */
export interface Whole {
  /** Of a control plane or of a replica. */
  readonly url: string
  readonly key: string
  readonly databaseUrl: string
  /** Of every sidecar that there was. */
  readonly dataDirs: readonly string[]
  readonly simulator: Simulator
  /** What the budget over all may spend; its name is `shared`. */
  readonly limitNanoUsd: bigint
  /** Names of budgets that came into force while requests ran. */
  readonly lateBudgets?: readonly string[]
}

/** A counter as operators see it. */
export type SeenCounter = Readonly<
  Record<
    | 'budgetUid'
    | 'subject'
    | 'periodId'
    | 'limitNanoUsd'
    | 'settledNanoUsd'
    | 'escrowNanoUsd'
    | 'overrunNanoUsd'
    | 'availableNanoUsd',
    string
  >
>

/** Every counter of a ledger of few. */
export const countersOf = async (url: string, key: string): Promise<readonly SeenCounter[]> =>
  (await askApi<{ readonly counters: readonly SeenCounter[] }>(`${url}/api/v1/ledger/counters?limit=1000`, key)).body
    .counters

/** What the provider bills, each request rounded up to nano-USD as it is charged. */
export const billOf = ({ bill }: Simulator): bigint =>
  bill.entries().reduce((sum, { costPicoUsd }) => sum + nanoOf(costPicoUsd), 0n)

/** What events charged, by counter. */
function chargesOf(events: readonly UsageEvent[]): ReadonlyMap<string, bigint> {
  const sums = new Map<string, bigint>()
  for (const { charges } of events)
    for (const { budgetUid, subject, periodId, nanoUsd } of charges) {
      const key = counterKey({ budgetUid, subject, periodId })
      sums.set(key, (sums.get(key) ?? 0n) + BigInt(nanoUsd))
    }
  return sums
}

/**
 * After every sidecar was stopped in order: each event is in the database once, the ledger is the events to the nano, no
 * lease holds anything, and what was billed is within the limit.
 */
export async function checkWhole(t: Test, whole: Whole): Promise<readonly SeenCounter[]> {
  const told = whole.dataDirs.flatMap((folder) => readEvents(folder))
  const ids = new Set(told.map(({ eventId }) => eventId))
  t.equal(ids.size, told.length, 'no event was told twice')
  const stored = await storedIds(whole.databaseUrl)
  t.equal(new Set(stored).size, stored.length, 'none is stored twice')
  t.same([...ids].filter((id) => !stored.includes(id)).slice(0, 3), [], 'none is missing')
  t.equal(stored.length, told.length, 'and there are no others')

  const isLate = (key: string): boolean => whole.lateBudgets?.some((name) => key.includes(`Budget/${name}`)) === true
  const charges = chargesOf(told)
  const counters = await countersOf(whole.url, whole.key)
  const settled = new Map(counters.map((counter) => [counterKey(counter), BigInt(counter.settledNanoUsd)]))
  for (const [key, sum] of charges) {
    const inLedger = settled.get(key) ?? 0n
    // And of a budget that came later, what those who did not know of it yet spent from then on.
    if (isLate(key)) t.ok(inLedger >= sum, 'settled is what was charged, and what was spent unknowingly')
    else t.equal(inLedger, sum, 'settled is what was charged')
  }
  for (const { budgetUid, subject, escrowNanoUsd, overrunNanoUsd } of counters)
    t.match({ escrowNanoUsd, overrunNanoUsd }, { escrowNanoUsd: '0', overrunNanoUsd: '0' }, `${budgetUid} ${subject}`)

  const billed = billOf(whole.simulator)
  const spent = counters.filter(({ budgetUid }) => budgetUid === 'Budget/shared')
  const sum = spent.reduce((total, { settledNanoUsd }) => total + BigInt(settledNanoUsd), 0n)
  t.ok(billed <= sum, `${billed} billed, ${sum} charged`)
  t.ok(sum <= whole.limitNanoUsd, `${sum} charged of ${whole.limitNanoUsd}`)
  t.comment(`${told.length} events; ${billed} billed, ${sum} charged of ${whole.limitNanoUsd} nano-USD`)
  return counters
}

async function storedIds(databaseUrl: string): Promise<readonly string[]> {
  const owner = connectAsOwner(databaseUrl)
  try {
    return (await owner<{ id: string }[]>`SELECT event_id::text AS id FROM acc.usage_events`).map(({ id }) => id)
  } finally {
    await owner.end({ timeout: 1 })
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
