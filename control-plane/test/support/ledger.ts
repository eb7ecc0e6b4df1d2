import { randomUUID } from 'node:crypto'
import { type Counter, counterKey, type LeaseSyncAnswer, parseUsd, ruleOf } from '@agentcostcontrol/contract'
import type { SidecarCaller } from '../../auth/service.ts'
import type { Database } from '../../db/database.ts'
import { createLedgerService, type LedgerService, type PublishedBudget } from '../../ledger/service.ts'

/** A ledger whose recalls nobody hears of. @param onEpoch is told of each epoch that begins */
export const ledgerOn = (database: Database, onEpoch: (epoch: number) => void = () => {}): LedgerService =>
  createLedgerService({
    database,
    wakes: { announce: async () => {} },
    onVerdict: () => {},
    onEpoch: (_, epoch) => onEpoch(epoch),
  })

/** A budget of a revision. @param limit USD @param spec how its periods are cut, like `daily@Europe/Berlin` */
export const published = (name: string, limit: string, spec = 'total', resets = 0): PublishedBudget => ({
  uid: `Budget/${name}`,
  name,
  limit: parseUsd(limit),
  period: ruleOf(spec, resets),
})

/** A new organisation with these budgets in force. */
export async function organisationWith(database: Database, budgets: readonly PublishedBudget[]): Promise<string> {
  const orgId = randomUUID()
  await database.inOrg(orgId, async (tx) => {
    await tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`
    await ledgerOn(database).adoptBudgets(tx, orgId, budgets)
  })
  return orgId
}

/** The counter of a budget. */
export const counter = (name: string, subject = '*', periodId = 'total'): Counter => ({
  budgetUid: `Budget/${name}`,
  subject,
  periodId,
})

/** What a holder of a test knows of one lease, in nano-USD. */
export interface HeldFigures {
  granted: bigint
  returned: bigint
  charged: bigint
  uncharged: bigint
}

type Answer = LeaseSyncAnswer['items'][number]

/** A holder as plain as can be: what it was told, and what it says. */
export class TestHolder {
  readonly caller: SidecarCaller
  readonly #ledger: LedgerService
  readonly held = new Map<string, HeldFigures & { readonly counter: Counter }>()
  generation = 0
  ledgerEpoch = 0

  constructor(ledger: LedgerService, orgId: string, instanceId: string = randomUUID()) {
    this.#ledger = ledger
    this.caller = { kind: 'sidecar', orgId, keyId: '', instanceId }
  }

  lease(of: Counter): HeldFigures {
    const key = counterKey(of)
    const known = this.held.get(key) ?? { counter: of, granted: 0n, returned: 0n, charged: 0n, uncharged: 0n }
    this.held.set(key, known)
    return known
  }

  async hello(continuity: 'same' | 'broken' = 'same') {
    const welcome = await this.#ledger.hello(this.caller, {
      generation: this.generation,
      continuity,
      ledgerEpoch: this.ledgerEpoch,
      leases: [...this.held.values()].map(({ counter: of, granted, returned, charged }) => ({
        counter: of,
        generation: this.generation,
        granted: String(granted),
        returned: String(returned),
        charged: String(charged),
      })),
    })
    if (welcome.generation !== this.generation) this.held.clear()
    this.generation = welcome.generation
    this.ledgerEpoch = welcome.ledgerEpoch
    for (const { counter: of, granted } of welcome.leases) this.lease(of).granted = BigInt(granted)
    return welcome
  }

  async sync(
    of: Counter,
    ask: { readonly need?: bigint; readonly want?: bigint; readonly least?: bigint; readonly close?: boolean } = {},
  ): Promise<Answer> {
    const lease = this.lease(of)
    const { need = 0n, want = need, least = need, close = false } = ask
    const { items } = await this.#ledger.sync(this.caller, {
      generation: this.generation,
      ledgerEpoch: this.ledgerEpoch,
      items: [
        {
          counter: of,
          granted: String(lease.granted),
          returned: String(lease.returned),
          charged: String(lease.charged),
          uncharged: String(lease.uncharged),
          least: String(least),
          need: String(need),
          want: String(want),
          close,
        },
      ],
    })
    const [answer] = items
    if (!answer) throw new Error('no answer')
    if (BigInt(answer.granted) > lease.granted) lease.granted = BigInt(answer.granted)
    return answer
  }
}
