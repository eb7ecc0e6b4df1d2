import type { BillEntry } from '@agentcostcontrol/simulator'
import type { Scope } from '../../support/scope.ts'
import { until } from '../../support/until.ts'
import { nanoOf } from '../../support/ways-out.ts'
import { childFor } from './child.ts'

/** The simulated provider: a process of its own, that nothing strikes; its own bill is the truth. */
export interface Provider {
  readonly url: string
  /** What each request costs in nano-USD, by its name, once none is under way. */
  finalBill(): Promise<ReadonlyMap<string, bigint>>
}

const FINAL_MS_MAX = 60_000

/** Starts it. */
export async function providerFor(scope: Scope): Promise<Provider> {
  const { url } = await childFor(scope, 'simulator/main.ts', { SIM_LISTEN: '127.0.0.1:0', SIM_PARENT_WATCH: '1' })
  const entries = async (): Promise<readonly BillEntry[]> => {
    const { entries }: { readonly entries: readonly BillEntry[] } = JSON.parse(
      await (await fetch(`${url}/_sim/bill`)).text(),
    )
    return entries
  }
  const costOf = ({ costPicoUsd }: BillEntry): bigint => nanoOf(costPicoUsd)
  return {
    url,
    finalBill: async () => {
      const all = await until(
        'the bill is final',
        async () => {
          const seen = await entries()
          return seen.every(({ ended }) => ended !== 'open') ? seen : null
        },
        FINAL_MS_MAX,
      )
      const bill = new Map<string, bigint>()
      for (const entry of all) bill.set(entry.tag ?? '', (bill.get(entry.tag ?? '') ?? 0n) + costOf(entry))
      return bill
    },
  }
}
