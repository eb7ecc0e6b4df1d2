import { setTimeout as pause } from 'node:timers/promises'
import { startCluster } from '../../../control-plane/db/cluster.ts'
import { ask, QUIET } from '../../../control-plane/test/support/database.ts'
import { folderFor, type Scope } from '../../support/scope.ts'
import { LIMIT_NANO_USD } from './budgets.ts'
import { type Child, childFor } from './child.ts'
import type { PlannedFault } from './fault-plan.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { providerFor } from './provider.ts'
import { makeFaults, Targets } from './strikes.ts'

/** What a plain design came to; amounts in nano-USD. */
export interface BaselineResult {
  readonly name: string
  readonly billed: bigint
  readonly overspend: bigint
}

/** How a run is made; the same for every design. */
export interface BaselineOptions {
  readonly seed: number
  readonly seconds: number
  readonly plan: readonly PlannedFault[]
  readonly signal: AbortSignal
}

/** Answers that cost nearly twice the limit: beyond them there is nothing more to see. */
const SERVED_ENOUGH = 6_000
const LOOK_MS = 250
/** A machine that is busy serves slowly: a design has this long to spend its budget. */
const SPENT_MS_MAX = 240_000

/** Each process counts for itself, in memory. */
export const inMemory = (scope: Scope, options: BaselineOptions): Promise<BaselineResult> =>
  runPlain(scope, 'check, then increment, in memory', {}, options)

/** One counter in PostgreSQL for all, charged when the answer is there. */
export async function sharedCounter(scope: Scope, options: BaselineOptions): Promise<BaselineResult> {
  const cluster = await startCluster({ folder: folderFor(scope), port: 0, log: QUIET })
  scope.teardown(() => cluster.stop())
  await ask(cluster.url, 'CREATE TABLE public.plain_counter AS SELECT 0::bigint AS spent')
  return runPlain(scope, 'shared counter, charged after the answer', { PLAIN_COUNTER_URL: cluster.url }, options)
}

async function runPlain(
  scope: Scope,
  name: string,
  env: Readonly<Record<string, string>>,
  { seed, seconds, plan, signal }: BaselineOptions,
): Promise<BaselineResult> {
  const provider = await providerFor(scope)
  const fleet = startFleet(scope, { name: 'plain', seed, seconds })
  const start = (): Promise<Child> =>
    childFor(scope, 'test/demo/budget/plain-proxy.ts', {
      ...env,
      PLAIN_UPSTREAM: provider.url,
      PLAIN_LIMIT_NANO_USD: String(LIMIT_NANO_USD),
    })
  const members = await Promise.all(fleet.streams.map(async (streams) => ({ streams, process: await start() })))
  const targets = new Targets(members)
  for (const { streams, process } of members) streams.aim(process.url)
  await makeFaults(
    plan,
    {
      sidecarKills: (fault) =>
        targets.strike(fault, async (member) => {
          member.streams.aim(null)
          await member.process.kill()
          await pause(fault.lastsMs)
          member.process = await start()
          member.streams.aim(member.process.url)
        }),
    },
    seconds,
    signal,
  )
  await untilSpent(fleet, signal)
  await fleet.stop()
  const billed = [...(await provider.finalBill()).values()].reduce((sum, cost) => sum + cost, 0n)
  return { name, billed, overspend: billed > LIMIT_NANO_USD ? billed - LIMIT_NANO_USD : 0n }
}

/** Goes on until every sidecar refuses, or so much was answered that there is no doubt. */
async function untilSpent(fleet: Fleet, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + SPENT_MS_MAX
  fleet.hurry()
  while (performance.now() < deadline && !fleet.isRefused() && fleet.counts().served < SERVED_ENOUGH)
    await pause(LOOK_MS, undefined, { signal })
}
