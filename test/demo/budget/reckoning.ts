import { counterKey } from '@agentcostcontrol/contract'
import { connectAsOwner, openDatabase } from '../../../control-plane/db/database.ts'
import { verify } from '../../../control-plane/usage/verify.ts'
import type { SeenCounter } from '../../support/fleet.ts'
import { LIMIT_NANO_USD, SHARED } from './budgets.ts'

/** What a run came to; amounts in nano-USD. */
export interface Reckoning {
  readonly billed: bigint
  readonly settled: bigint
  /** Charged above the bill: what a kill -9 leaves behind is charged at its bound. */
  readonly overcharged: bigint
  /** The part of it that is not a kill's: answers that were broken off, whose usage nobody reported. */
  readonly estimatedAbove: bigint
  /** What the ledger booked as overrun. */
  readonly excess: bigint
  /** Billed above a limit, over all budgets. */
  readonly overspend: bigint
  /** Billed, and told by no event. */
  readonly lost: bigint
  /** Of the first requests that lost something. */
  readonly lostNames: readonly string[]
  readonly requestsBilled: number
}

/** What the control plane knows of one request that was charged. */
interface ToldRequest {
  readonly name: string
  readonly outcome: string
  readonly charged: bigint
  readonly charges: readonly { readonly budgetUid: string; readonly subject: string; readonly periodId: string }[]
}

const LOST_NAMES_MAX = 5

/** Holds the provider's bill against the events that the control plane has, request by request. */
export function reckon(
  bill: ReadonlyMap<string, bigint>,
  told: readonly ToldRequest[],
  counters: readonly SeenCounter[],
): Reckoning {
  const charged = new Map<string, bigint>()
  const billedBy = new Map<string, bigint>()
  const killed = new Set<string>()
  for (const { name, outcome, charged: nano, charges } of told) {
    charged.set(name, (charged.get(name) ?? 0n) + nano)
    if (outcome === 'unresolved') killed.add(name)
    for (const charge of charges) {
      const key = counterKey(charge)
      billedBy.set(key, (billedBy.get(key) ?? 0n) + (bill.get(name) ?? 0n))
    }
  }
  const lost = [...bill].filter(([name, cost]) => cost > (charged.get(name) ?? 0n))
  const above = [...charged].map(([name, nano]) => ({ name, nano: positive(nano - (bill.get(name) ?? 0n)) }))
  const billed = sum(bill.values())
  const shared = counters.filter(({ budgetUid }) => budgetUid === SHARED)
  const others = counters.filter(({ budgetUid }) => budgetUid !== SHARED)
  const settled = sum(shared.map(({ settledNanoUsd }) => BigInt(settledNanoUsd)))
  return {
    billed,
    settled,
    overcharged: sum(above.map(({ nano }) => nano)),
    estimatedAbove: sum(above.filter(({ name }) => !killed.has(name)).map(({ nano }) => nano)),
    excess: sum(shared.map(({ overrunNanoUsd }) => BigInt(overrunNanoUsd))),
    overspend:
      positive(billed - LIMIT_NANO_USD) +
      sum(others.map((each) => positive((billedBy.get(counterKey(each)) ?? 0n) - BigInt(each.limitNanoUsd ?? 0)))),
    // What events told and the ledger did not settle would be lost to the budget as well.
    lost: sum(lost.map(([name, cost]) => cost - (charged.get(name) ?? 0n))) + positive(sum(charged.values()) - settled),
    lostNames: lost.slice(0, LOST_NAMES_MAX).map(([name, cost]) => `${name} (${cost})`),
    requestsBilled: [...bill.values()].filter((cost) => cost > 0n).length,
  }
}

const positive = (nano: bigint): bigint => (nano > 0n ? nano : 0n)
const sum = (amounts: Iterable<bigint>): bigint => [...amounts].reduce((total, each) => total + each, 0n)

/** What the control plane's database holds. */
export interface Stored {
  readonly told: readonly ToldRequest[]
  /** Sums of its own that are wrong; `acc verify` tells them. */
  readonly isVerified: boolean
}

/** Reads it. */
export async function readStored(databaseUrl: string): Promise<Stored> {
  const owner = connectAsOwner(databaseUrl)
  const database = openDatabase(databaseUrl, 1)
  try {
    const rows = await owner<
      { name: string; outcome: string; charged: string; charges: ToldRequest['charges'] }[]
    >`SELECT task AS name, outcome, charged_nano::text AS charged, charges FROM acc.usage_events WHERE charged_nano > 0`
    const [installation] = await owner<{ org: string }[]>`SELECT org_id::text AS org FROM acc.installation`
    return {
      told: rows.map(({ charged, ...row }) => ({ ...row, charged: BigInt(charged) })),
      isVerified: (await verify(database, installation?.org ?? '')).ok,
    }
  } finally {
    await Promise.all([owner.end({ timeout: 1 }), database.close()])
  }
}

/** Leases that hold money that was neither returned nor settled. */
export async function openLeasesIn(databaseUrl: string): Promise<number> {
  const owner = connectAsOwner(databaseUrl)
  try {
    const [open] = await owner<{ count: number }[]>`SELECT count(*)::int AS count FROM acc.leases
      WHERE granted_nano - returned_nano - settled_nano - released_nano > 0`
    return open?.count ?? 0
  } finally {
    await owner.end({ timeout: 1 })
  }
}
