import {
  type ChannelAnswer,
  type Counter,
  counterKey,
  type EventCharge,
  type GrantVerdict,
  type LeaseHello,
  type LeaseSyncAnswer,
  type LeaseSyncMessage,
  type LeaseWelcome,
  nanoUsd,
} from '@agentcostcontrol/contract'
import type { SidecarCaller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { ApiError } from '../errors.ts'
import { Books, newLease } from './books.ts'
import { inBuckets } from './figures.ts'
import { createGroups } from './groups.ts'
import { greet } from './hello.ts'
import { periodRepository } from './period-repository.ts'
import { ledgerRepository } from './repository.ts'
import { type LeaseKey, NOBODYS } from './rows.ts'
import { answerAll, type Outcome, type Question } from './sync.ts'

/** A budget of a revision that comes into force. */
export interface PublishedBudget {
  readonly uid: string
  readonly name: string
  readonly limit: bigint
  readonly period: { readonly spec: string; readonly resets: number }
}

/** Grants leases and books charges, as docs/budget-protocol.md says; its rules are named in the code. */
export interface LedgerService {
  hello(caller: SidecarCaller, hello: LeaseHello): Promise<LeaseWelcome>
  /** @throws ApiError `acc_api_stale_holder` to a holder of another generation or epoch: it says hello again */
  sync(caller: SidecarCaller, message: LeaseSyncMessage): Promise<LeaseSyncAnswer>
  /**
   * Books what events that are stored in this transaction charged to leases of a sidecar (C3): in every state, at any age.
   * @param uncovered what they spent of budgets that their sidecar did not know of yet: excess, on nobody's lease
   */
  book(
    tx: Tx,
    instanceId: string,
    charges: readonly EventCharge[],
    uncovered?: readonly Omit<EventCharge, 'generation'>[],
  ): Promise<void>
  /**
   * The budgets of a revision that comes into force with this transaction.
   * @param generation of the revision; 0 where no sidecar has to know of it
   */
  adoptBudgets(tx: Tx, orgId: string, budgets: readonly PublishedBudget[], generation?: number): Promise<void>
  /** What a sidecar is asked to give back since a version; `null` for nothing. */
  recallsSince(orgId: string, instanceId: string, version: number): Promise<ChannelAnswer['leases']>
}

/** What the service needs. */
export interface LedgerServiceOptions {
  readonly database: Database
  readonly wakes: Pick<Wakes, 'announce'>
  /** Part of the transaction that books: told of the counters that something was booked on, when that is written. */
  onBooked?(tx: Tx, counters: readonly Counter[]): Promise<void>
  /** Told of each grant that was asked for. */
  onVerdict(verdict: GrantVerdict): void
  /** Told when the ledger of an organisation may have lost something. `by`: the sidecar that says so, if nothing else does. */
  onEpoch(orgId: string, epoch: number, by: string | null): void
}

/** Whose the lease is that holds what nobody had a lease for. */
const UNCOVERED = { instanceId: NOBODYS, generation: 2 } as const
const RECALL_EVERY_MS = 500
/** Most items that one transaction answers, and most transactions of an organisation at once. */
const GROUP_ITEMS_MAX = 2_048
const GROUPS_MAX = 2
/** What is told of an epoch takes a ledger no farther than this: nobody makes it count to where numbers end. */
const EPOCHS_LOST_MAX = 2 ** 24

/** Makes the service. */
export function createLedgerService(options: LedgerServiceOptions): LedgerService {
  const { database, wakes, onBooked, onVerdict, onEpoch } = options

  /** Begins another epoch in a transaction of its own: what follows may have to be refused. */
  async function raiseEpoch(orgId: string, seen: number, above: number, by: string | null): Promise<void> {
    const epoch = await database.inOrg(orgId, async (tx) =>
      (await ledgerRepository.raiseEpoch(tx, seen, above, by)) ? (await ledgerRepository.state(tx)).epoch : null,
    )
    if (epoch !== null) onEpoch(orgId, epoch, by)
  }

  /** Those that arrive together wait for one commit, and lock a counter that they share once. */
  const ask = createGroups<Question, Outcome>({
    sizeOf: ({ message }) => message.items.length,
    sizeMax: GROUP_ITEMS_MAX,
    groupsMax: GROUPS_MAX,
    answer: async (orgId, questions) => {
      const outcomes = await database.inOrg(orgId, (tx) => answerAll(tx, questions))
      const short = outcomes.flatMap((outcome) => (outcome !== 'stale' && 'short' in outcome ? outcome.short : []))
      if (short.length > 0)
        await database.inOrg(orgId, async (tx) => {
          if (await ledgerRepository.recall(tx, short, RECALL_EVERY_MS)) await wakes.announce(tx, 'leases', orgId)
        })
      return outcomes
    },
  })

  return {
    hello: async ({ orgId, instanceId }, hello) => {
      const { state, isHeeded } = await database.inOrg(orgId, async (tx) => ({
        state: await ledgerRepository.state(tx),
        isHeeded: !(await ledgerRepository.unheeded(tx, [instanceId])).has(instanceId),
      }))
      const above = knownEpoch(hello.ledgerEpoch, state.epoch)
      if (state.moved) await raiseEpoch(orgId, state.epoch, above, null)
      else if (isHeeded && hello.ledgerEpoch > state.epoch) await raiseEpoch(orgId, state.epoch, above, instanceId)
      const greeted = await database.inOrg(orgId, (tx) => greet(tx, instanceId, hello))
      // The holder knows of more than was granted here: the ledger lost it.
      if (!greeted.isBehind || !isHeeded) return greeted.welcome
      await raiseEpoch(orgId, greeted.welcome.ledgerEpoch, 0, instanceId)
      return (await database.inOrg(orgId, (tx) => greet(tx, instanceId, hello))).welcome
    },
    sync: async ({ orgId, instanceId }, message) => {
      const done = await ask(orgId, { instanceId, message })
      const isBehind = done !== 'stale' && 'behind' in done
      if (isBehind) await raiseEpoch(orgId, done.behind, 0, done.by)
      if (isBehind || done === 'stale')
        throw new ApiError('acc_api_stale_holder', 'Say hello: another generation or epoch is in force.')
      for (const { verdict } of done.asked) onVerdict(verdict)
      return done.answer
    },
    book: async (tx, instanceId, charges, uncovered = []) => {
      const sums = new Map<string, LeaseKey & { nano: bigint }>()
      const told = [
        ...charges.map((charge) => ({ ...charge, instanceId })),
        ...uncovered.map((charge) => ({ ...charge, ...UNCOVERED })),
      ]
      for (const { budgetUid, subject, periodId, instanceId, generation, nanoUsd: nano } of told) {
        const counter = { budgetUid, subject, periodId }
        const key = `${counterKey(counter)}\u001f${instanceId}\u001f${generation}`
        const sum = sums.get(key) ?? { counter, instanceId, generation, nano: 0n }
        sum.nano += BigInt(nano)
        sums.set(key, sum)
      }
      const keys = [...sums.values()]
      if (keys.length === 0) return
      const books = await Books.open(tx, keys, { unknownToo: true })
      for (const { counter, instanceId, generation, nano } of keys) {
        const row = books.lease({ counter, instanceId, generation }) ?? newLease(counter, instanceId, generation)
        const settled = nanoUsd(row.lease.settled + nano)
        const lease = { ...row.lease, settled }
        books.put(instanceId === NOBODYS ? { ...row, lease, charged: settled, state: 'fenced' } : { ...row, lease })
      }
      const rolling = inBuckets(keys)
      await Promise.all([
        books.write(tx, 0),
        periodRepository.addDays(tx, keys),
        ...(rolling.length > 0 ? [periodRepository.addBuckets(tx, rolling)] : []),
      ])
      await onBooked?.(
        tx,
        keys.map(({ counter }) => counter),
      )
    },
    adoptBudgets: async (tx, orgId, budgets, generation = 0) => {
      await ledgerRepository.holdBudgets(tx, 'update')
      const lowered = await periodRepository.saveBudgets(tx, budgets, generation)
      if (lowered.length > 0) await wakes.announce(tx, 'leases', orgId)
    },
    recallsSince: (orgId, instanceId, version) =>
      database.inOrg(orgId, async (tx) => {
        const recalls = await ledgerRepository.recallsSince(tx, instanceId, version)
        if (recalls.length === 0) return null
        return {
          version: Math.max(...recalls.map((recall) => recall.version)),
          recalls: recalls.map(({ budgetUid, subject, periodId }) => ({
            counter: { budgetUid, subject, periodId },
            keep: '0',
          })),
        }
      }),
  }
}

/**
 * What another epoch is to be above, by the number that a holder knows of. To one far away the ledger does not go, and its
 * holder takes a lower one as well: it only has to be another than its own. It is, since an epoch begins by far less than
 * what lies between the two.
 */
const knownEpoch = (told: number, epoch: number): number =>
  told > epoch + 2 * EPOCHS_LOST_MAX ? epoch + EPOCHS_LOST_MAX : told
