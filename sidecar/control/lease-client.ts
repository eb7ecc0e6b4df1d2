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
import { type LeaseSource, StaleHolderError } from '../budget/lease-source.ts'
import type { LedgerTime } from '../budget/ledger-time.ts'
import type { Clock } from '../clock.ts'
import { ControlPlaneError } from './client.ts'

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
    hello: async ({ generation, continuity, ledgerEpoch: known, leases }) => {
      const askedAtMs = clock.monotonicMs()
      const welcome = await calls.leaseHello({
        generation,
        continuity,
        ledgerEpoch: known,
        leases: leases.map(({ counter, granted, returned, charged, ...lease }) => ({
          counter,
          generation: lease.generation,
          granted: nanoToWire(granted),
          returned: nanoToWire(returned),
          charged: nanoToWire(charged),
        })),
      })
      time.hear(welcome.nowMs, askedAtMs)
      ledgerEpoch = welcome.ledgerEpoch
      return {
        generation: welcome.generation,
        continuity: welcome.continuity,
        ledgerEpoch,
        leases: welcome.leases.map(({ counter, granted, returned, settled }) => ({
          key: counterKey(counter),
          granted: amountOf(granted),
          returned: amountOf(returned),
          settled: amountOf(settled),
        })),
        periods: welcome.periods,
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

const amountOf = (text: string): NanoUsd => minUsd(NANO_USD_MAX, nanoUsd(BigInt(text)))
