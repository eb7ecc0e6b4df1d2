import {
  counterKey,
  type LeaseHello,
  type LeaseSyncAnswer,
  type LeaseSyncMessage,
  type LeaseWelcome,
  minUsd,
  NANO_USD_MAX,
  type NanoUsd,
  nanoToWire,
  nanoUsd,
} from '@agentcostcontrol/contract'
import { type GrantedLease, type HeldLease, type LeaseSource, StaleHolderError } from '../budget/lease-source.ts'
import type { LedgerTime } from '../budget/ledger-time.ts'
import type { Clock } from '../clock.ts'
import { ControlPlaneError } from './client.ts'
import { pageAfter } from './hello-pages.ts'

/** The calls that leases need. */
export interface LeaseCalls {
  leaseHello(hello: LeaseHello): Promise<LeaseWelcome>
  leaseSync(message: LeaseSyncMessage): Promise<LeaseSyncAnswer>
}

/** What it needs. */
export interface LeaseClientOptions {
  readonly calls: LeaseCalls
  readonly clock: Clock
  /** Told of the ledger's clock by each answer. */
  readonly time: LedgerTime
}

const CONFLICT = 409
/**
 * How often a page that is not sound is said, each time of leases as they stand then: an event that is booked while a page
 * is under way tells the ledger more than the page does. It judges nobody by any page but the last, which tells nothing.
 */
const PAGE_TRIES = 3

/** The ledger of the control plane as a source of leases. */
export function createLeaseClient({ calls, clock, time }: LeaseClientOptions): LeaseSource {
  let ledgerEpoch = 0
  return {
    isRemote: true,
    hello: async ({ generation, ledgerEpoch: known, leases, ...hello }, reread = async () => leases) => {
      let { continuity } = hello
      let after: string | null = null
      let tries = 1
      const heard: LeaseWelcome['leases'] = []
      for (let held = leases; ; held = await reread()) {
        const { leases: told, through } = pageAfter(held, after)
        const askedAtMs = clock.monotonicMs()
        const message = { generation, continuity, ledgerEpoch: known, leases: told.map(heldToWire) }
        const isWhole = after === null && through === null
        const welcome = await calls.leaseHello(isWhole ? message : { ...message, page: { after, through } })
        time.hear(welcome.nowMs, askedAtMs)
        if (through !== null) {
          if (welcome.continuity === 'broken' && continuity === 'same') {
            if (tries++ < PAGE_TRIES) continue
            // One page that is not sound is a holder that is not.
            continuity = 'broken'
          }
          heard.push(...welcome.leases)
          after = through
          tries = 1
          continue
        }
        ledgerEpoch = welcome.ledgerEpoch
        return {
          generation: welcome.generation,
          continuity: welcome.continuity,
          ledgerEpoch,
          leases: (welcome.generation === generation ? [...heard, ...welcome.leases] : welcome.leases).map(grantedOf),
          periods: welcome.periods,
        }
      }
    },
    sync: async ({ generation }, items) => {
      const askedAtMs = clock.monotonicMs()
      const answer = await calls
        .leaseSync({
          generation,
          ledgerEpoch,
          items: items.map(({ counter, close, ...item }) => ({
            counter,
            granted: nanoToWire(item.granted),
            returned: nanoToWire(item.returned),
            charged: nanoToWire(item.charged),
            uncharged: nanoToWire(item.uncharged),
            least: nanoToWire(item.least),
            need: nanoToWire(item.need),
            want: nanoToWire(item.want),
            close,
          })),
        })
        .catch((error: unknown) => {
          if (error instanceof ControlPlaneError && error.status === CONFLICT)
            throw new StaleHolderError('leases are not granted to this holder any more', { cause: error })
          throw error
        })
      time.hear(answer.nowMs, askedAtMs)
      if (answer.items.length !== items.length) throw new Error('the ledger answered something else than was asked')
      return answer.items.flatMap(({ granted, available, spent, ...terms }, at) => {
        const item = items[at]
        return item === undefined
          ? []
          : [
              {
                counter: item.counter,
                ...terms,
                granted: amountOf(granted),
                available: nanoUsd(BigInt(available)),
                spent: amountOf(spent),
              },
            ]
      })
    },
  }
}

const heldToWire = ({ counter, generation, granted, returned, charged }: HeldLease): LeaseHello['leases'][number] => ({
  counter,
  generation,
  granted: nanoToWire(granted),
  returned: nanoToWire(returned),
  charged: nanoToWire(charged),
})

const grantedOf = ({ counter, granted, returned, settled }: LeaseWelcome['leases'][number]): GrantedLease => ({
  key: counterKey(counter),
  granted: amountOf(granted),
  returned: amountOf(returned),
  settled: amountOf(settled),
})

const amountOf = (text: string): NanoUsd => minUsd(NANO_USD_MAX, nanoUsd(BigInt(text)))
