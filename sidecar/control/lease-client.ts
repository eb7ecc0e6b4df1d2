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
import { helloPages } from './hello-pages.ts'

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

/** The ledger of the control plane as a source of leases. */
export function createLeaseClient({ calls, clock, time }: LeaseClientOptions): LeaseSource {
  let ledgerEpoch = 0
  return {
    isRemote: true,
    hello: async ({ generation, ledgerEpoch: known, leases, ...hello }) => {
      let { continuity } = hello
      const heard: LeaseWelcome['leases'] = []
      for (const { leases: told, page } of helloPages(leases)) {
        const askedAtMs = clock.monotonicMs()
        const message = { generation, continuity, ledgerEpoch: known, leases: told.map(heldToWire) }
        const welcome = await calls.leaseHello(page === null ? message : { ...message, page })
        time.hear(welcome.nowMs, askedAtMs)
        for (const lease of welcome.leases) heard.push(lease)
        // One page that is not sound is a holder that is not.
        if (page !== null && page.through !== null) {
          if (welcome.continuity === 'broken') continuity = 'broken'
          continue
        }
        ledgerEpoch = welcome.ledgerEpoch
        return {
          generation: welcome.generation,
          continuity: welcome.continuity,
          ledgerEpoch,
          leases: (welcome.generation === generation ? heard : welcome.leases).map(grantedOf),
          periods: welcome.periods,
        }
      }
      throw new Error('a hello without a last page')
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
