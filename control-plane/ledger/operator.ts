/** What operators see of the ledger, and the two things that nobody else may do: write off, and end a recovery. */
import { type Counter, nanoUsd, openOf } from '@agentcostcontrol/contract'
import type { Caller } from '../auth/service.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { Books, NO_LEASE } from './books.ts'
import { type HolderRow, type ListedCounter, operatorRepository } from './operator-repository.ts'
import { ledgerRepository } from './repository.ts'
import { type LeaseKey, NOBODYS } from './rows.ts'

/** Spend of a holder that will not come back, as an operator states it; nano-USD. */
export interface StatedSpend {
  readonly counter: Counter
  readonly nano: bigint
}

/** The ledger as operators see it. */
export interface LedgerOverview {
  readonly epoch: number
  /** While true, counters that were open when the epoch began grant nothing. */
  readonly recovering: boolean
  /** The sidecar whose word alone began the recovery; `null` where it is known otherwise, or none runs. */
  readonly begunBy: string | null
  /** At most a thousand, those first that have not said hello in this epoch. */
  readonly holders: readonly HolderRow[]
}

/** The operators' side of the ledger. */
export interface LedgerOperator {
  overview(caller: Caller): Promise<LedgerOverview>
  counters(caller: Caller, after: Counter | null, limit: number): Promise<readonly ListedCounter[]>
  /**
   * Writes open money of a lease off: it can be granted again. The lease is fenced.
   * @throws ApiError unless the lease has ended long enough ago for every request on it to be over, and holds as much
   */
  release(caller: Caller, lease: LeaseKey, nano: bigint): Promise<void>
  /** Ends a recovery: what absent holders spent is stated, and counters grant again. @throws ApiError if there is none */
  endRecovery(caller: Caller, spent: readonly StatedSpend[]): Promise<void>
}

const STATED = { instanceId: NOBODYS, generation: 1 } as const
/** No request runs longer on a lease that has ended: the longest time-out of an answer, and as much again. */
const REQUEST_MS_MAX = 2 * 60 * 60 * 1_000
const HOLDERS_MAX = 1_000

/** Makes it. */
export function createLedgerOperator({ database }: { readonly database: Database }): LedgerOperator {
  return {
    overview: ({ orgId }) =>
      database.inOrg(orgId, async (tx) => {
        const { epoch, recovering } = await ledgerRepository.state(tx)
        const begunBy = await operatorRepository.begunBy(tx)
        return { epoch, recovering, begunBy, holders: await operatorRepository.holders(tx, HOLDERS_MAX) }
      }),
    counters: ({ orgId }, after, limit) => database.inOrg(orgId, (tx) => operatorRepository.counters(tx, after, limit)),
    release: ({ orgId }, key, nano) =>
      database.inOrg(orgId, async (tx) => {
        const books = await Books.open(tx, [key], { unknownToo: false })
        const [row, msLeft] = [books.lease(key), await operatorRepository.msToExpiry(tx, key)]
        if (row === null || msLeft === null) throw new ApiError('acc_api_not_found', 'There is no such lease.')
        const waitMs = msLeft + REQUEST_MS_MAX
        if (waitMs > 0)
          throw new ApiError(
            'acc_api_invalid',
            `Its holder may still spend it: wait ${Math.ceil(waitMs / 60_000)} minutes, or delete the sidecar's disk with its pod and state what it spent.`,
          )
        if (nano > openOf(row.lease))
          throw new ApiError('acc_api_invalid', `The lease has ${openOf(row.lease)} nano-USD open, and not ${nano}.`)
        const released = nanoUsd(row.lease.released + nano)
        books.put({ ...row, lease: { ...row.lease, released }, state: 'fenced' })
        await books.write(tx, 0)
      }),
    endRecovery: ({ orgId }, spent) =>
      database.inOrg(orgId, async (tx) => {
        if (!(await operatorRepository.endRecovery(tx)))
          throw new ApiError('acc_api_invalid', 'The ledger is not recovering.')
        if (spent.length === 0) return
        const keys = spent.map(({ counter }) => ({ counter, ...STATED }))
        const books = await Books.open(tx, keys, { unknownToo: false })
        for (const { counter, nano } of spent) {
          if (books.counter(counter) === null)
            throw new ApiError('acc_api_invalid', `spent: there is no budget ${counter.budgetUid}.`)
          const before = books.lease({ counter, ...STATED })?.lease ?? NO_LEASE
          const lease = { ...before, settled: nanoUsd(before.settled + nano) }
          books.put({ counter, ...STATED, lease, charged: lease.settled, state: 'fenced' })
        }
        await books.write(tx, 0)
      }),
  }
}
