import { formatUsd, nanoUsd } from '@agentcostcontrol/contract'
import type { BaselineResult } from './baselines.ts'
import { LIMIT_NANO_USD } from './budgets.ts'
import type { DemoOptions } from './options.ts'
import type { RunResult } from './run.ts'
import { type FaultCounts, faultText } from './strikes.ts'

/** What `--json` writes: amounts are decimal strings of nano-USD, as everywhere on a wire. */
export interface DemoFigures {
  readonly seed: number
  readonly seconds: number
  readonly limitNanoUsd: string
  readonly billedNanoUsd: string
  readonly settledNanoUsd: string
  readonly overchargedNanoUsd: string
  readonly excessNanoUsd: string
  readonly overspendNanoUsd: string
  readonly lostNanoUsd: string
  readonly stuckReservations: number
  readonly strandedNanoUsd: string
  readonly served: number
  readonly refused: number
  readonly faults: FaultCounts
  readonly baselines: readonly {
    readonly name: string
    readonly billedNanoUsd: string
    readonly overspendNanoUsd: string
  }[]
}

/** The figures of a run. */
export const figuresOf = (
  { seed, seconds }: DemoOptions,
  run: RunResult,
  baselines: readonly BaselineResult[],
): DemoFigures => ({
  seed,
  seconds,
  limitNanoUsd: String(LIMIT_NANO_USD),
  billedNanoUsd: String(run.billed),
  settledNanoUsd: String(run.settled),
  overchargedNanoUsd: String(run.overcharged),
  excessNanoUsd: String(run.excess),
  overspendNanoUsd: String(run.overspend),
  lostNanoUsd: String(run.lost),
  stuckReservations: run.stuckReservations,
  strandedNanoUsd: String(run.stranded),
  served: run.counts.served,
  refused: run.counts.refused,
  faults: run.faults,
  baselines: baselines.map(({ name, billed, overspend }) => ({
    name,
    billedNanoUsd: String(billed),
    overspendNanoUsd: String(overspend),
  })),
})

/** Whether the guarantee held: nothing overspent, lost or stuck, and the ledger is the sum of its events. */
export const hasHeld = ({ overspend, lost, stuckReservations, isVerified }: RunResult): boolean =>
  overspend === 0n && lost === 0n && stuckReservations === 0 && isVerified

const usd = (nano: bigint): string => `$${formatUsd(nanoUsd(nano))}`

/** The figures for people. */
export function summaryOf(run: RunResult, baselines: readonly BaselineResult[]): string {
  const rows: readonly (readonly [string, string])[] = [
    ['limit', usd(LIMIT_NANO_USD)],
    ['billed by the provider', `${usd(run.billed)} for ${run.requestsBilled} requests`],
    ['OVERSPENT', usd(run.overspend)],
    ['LOST (billed, told by no event)', `${usd(run.lost)} ${run.lostNames.join(' ')}`.trim()],
    ['STUCK reservations', String(run.stuckReservations)],
    ['settled in the ledger', `${usd(run.settled)}${run.isVerified ? '' : ', which is NOT what its events say'}`],
    [
      'overcharged',
      `${usd(run.overcharged)}: ${usd(run.overcharged - run.estimatedAbove)} by kill -9 (the bound of each request that was under way), ${usd(run.estimatedAbove)} for answers that clients or faults broke off`,
    ],
    ['excess (booked above a lease)', usd(run.excess)],
    [
      'stranded',
      `${usd(run.stranded)} left when every sidecar refused${run.isSpent ? '' : ' (NOT all spent in the time)'}`,
    ],
    [
      'requests',
      `${run.counts.served} served, ${run.counts.refused} refused, ${run.counts.broken} broken off by a fault`,
    ],
    ['faults', `${faultText(run.faults)}${run.hasRedis ? '' : ' (there is no redis-server on this machine)'}`],
    ...baselines.map(
      ({ name, billed, overspend }) =>
        [`plain: ${name}`, `billed ${usd(billed)}, overspent ${usd(overspend)}`] as const,
    ),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`).join('\n')
}
