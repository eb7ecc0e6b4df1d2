import type { MatchedBudget } from '@agentcostcontrol/policy'
import fc from 'fast-check'
import type { Database } from '../../control-plane/db/database.ts'
import { verify } from '../../control-plane/usage/verify.ts'
import type { Reservation } from '../../sidecar/budget/types.ts'
import type { Intent } from '../../sidecar/events/types.ts'
import type { SpendWorld } from '../../sidecar/test/support/spend-world.ts'
import type { SharedLedger } from './shared-ledger.ts'

/** An attempt that was sent, and what the provider bills for it in the end. */
export interface Sent {
  readonly intent: Intent
  readonly who: number
  /** `null`: it runs, or nobody knows any more what became of it, and it may have cost its bound. */
  cost: bigint | null
  isLost: boolean
}

/** What happens to one sidecar, beside what a test adds. */
export type Happening = 'end' | 'upload' | 'idle' | 'recall' | 'loseQuestion' | 'loseAnswer' | 'crash' | 'restart'

/** How much a request reserves. */
export const anyAmount = fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 400 }))

/** Sidecars that share a ledger, and what they sent, as only an all-seeing accountant knows it. */
export class LedgerStory {
  readonly shared: SharedLedger
  readonly sent: Sent[] = []

  constructor(shared: SharedLedger) {
    this.shared = shared
  }

  /** What runs on a sidecar, oldest first. */
  running(who: number): readonly Sent[] {
    return this.sent.filter((each) => each.who === who && each.cost === null && !each.isLost)
  }

  /** Sends a request if its money can be had. @param look sees the reservation before it is committed */
  async send(
    who: number,
    world: SpendWorld,
    lines: readonly MatchedBudget[],
    amount: number,
    look: (reservation: Reservation) => void = () => {},
  ): Promise<boolean> {
    const outcome = await world.reserve(lines, amount)
    if (outcome.kind !== 'reserved') return false
    look(outcome.reservation)
    const intent = world.intentOf(outcome.reservation)
    const committed = world.core.outbox.commitIntent(intent)
    await world.settleDown()
    await committed
    this.sent.push({ intent, who, cost: null, isLost: false })
    return true
  }

  /** @param part of its bound that the oldest request costs which ends, in per cent; also whether an answer is heard */
  async happen(kind: Happening, who: number, world: SpendWorld, part: number): Promise<void> {
    switch (kind) {
      case 'end': {
        const [one] = this.running(who)
        if (!one) break
        this.#settle(world, one, (one.intent.reservation.bound * BigInt(part)) / 100n)
        await world.settleDown()
        break
      }
      case 'upload':
        await this.shared.upload(world, part > 25)
        break
      case 'idle':
        await world.pass(6_000, 2_000)
        await world.during(world.core.gate.returnIdle(false))
        break
      case 'recall':
        await this.shared.recall(world)
        break
      case 'loseQuestion':
        world.faults.lostQuestions = 1
        break
      case 'loseAnswer':
        world.faults.lostAnswers = 1
        break
      case 'crash':
      case 'restart':
        // What was under way may have cost its bound, and is charged that.
        for (const each of this.running(who)) each.cost = each.intent.reservation.bound
        await world[kind]()
    }
  }

  /** The machine of a sidecar loses power: nobody knows any more what became of what it sent. */
  async losePower(who: number, world: SpendWorld): Promise<void> {
    for (const each of this.running(who)) each.isLost = true
    await world.losePower()
  }

  /** What a counter was billed and may still be billed. */
  taken(key: string): bigint {
    return this.sent
      .filter(({ intent }) => intent.reservation.holds.some((hold) => hold.key === key))
      .reduce((sum, { intent, cost }) => sum + (cost ?? intent.reservation.bound), 0n)
  }

  /** @throws unless every counter keeps to its limit, and what is settled and set aside does */
  async keepsToLimits(): Promise<void> {
    for (const [key, { limit, settled, escrow }] of await this.shared.counters()) {
      if (this.taken(key) > limit) throw new Error(`${key}: more than its limit`)
      if (settled + escrow > limit) throw new Error(`I1: ${key}: ${settled} and ${escrow} of ${limit}`)
    }
  }

  /** What runs ends at its bound, nothing more is lost, all money goes back and all events go up. */
  async finish(): Promise<void> {
    for (const [who, world] of this.shared.worlds.entries())
      for (const each of this.running(who)) this.#settle(world, each, each.intent.reservation.bound)
    for (const world of this.shared.worlds) {
      Object.assign(world.faults, { lostQuestions: 0, lostAnswers: 0 })
      await world.pass(3_000, 500)
      await world.during(world.core.gate.returnIdle(false))
      await world.during(world.core.gate.returnIdle(true))
      await this.shared.upload(world, true)
      await this.shared.upload(world, true)
    }
  }

  /** @throws unless the ledger is the sum of its events; and all that was taken is settled, where everything is known */
  async isSettled(database: Database, isAllKnown = true): Promise<void> {
    const { ledger } = await verify(database, this.shared.orgId)
    if (ledger.wrong > 0) throw new Error(`the ledger is wrong: ${JSON.stringify(ledger)}`)
    for (const [key, { settled, escrow }] of await this.shared.counters()) {
      const taken = this.taken(key)
      if (isAllKnown && settled !== taken) throw new Error(`${key}: ${settled} settled of ${taken}`)
      if (isAllKnown && escrow !== 0n) throw new Error(`${key}: ${escrow} is stuck`)
      // What a power loss made unknown stands as open money: billed or not, it is covered.
      if (settled + escrow < taken) throw new Error(`${key}: spend was lost`)
    }
  }

  #settle(world: SpendWorld, each: Sent, cost: bigint): void {
    each.cost = cost
    world.end(each.intent, Number(cost))
  }
}
