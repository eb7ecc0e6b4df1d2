import { createHash, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { counterKey, type UsageEvent } from '@agentcostcontrol/contract'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import type { SidecarCaller } from '../../control-plane/auth/service.ts'
import type { Database, OwnerSql } from '../../control-plane/db/database.ts'
import { ApiError } from '../../control-plane/errors.ts'
import type { LedgerService } from '../../control-plane/ledger/service.ts'
import { ledgerOn } from '../../control-plane/test/support/ledger.ts'
import { recordOn } from '../../control-plane/test/support/security.ts'
import { createIngestService, type IngestService } from '../../control-plane/usage/ingest-service.ts'
import { ControlPlaneError } from '../../sidecar/control/client.ts'
import { createLeaseClient } from '../../sidecar/control/lease-client.ts'
import { settledAfter } from '../../sidecar/events/settled-events.ts'
import { SpendWorld } from '../../sidecar/test/support/spend-world.ts'
import type { Scope } from './scope.ts'

/** The ledger of one organisation in PostgreSQL, and sidecars' money cores that lease from it: all of it but the sockets. */
export class SharedLedger {
  readonly orgId: string
  readonly ledger: LedgerService
  readonly #database: Database
  readonly #owner: OwnerSql
  readonly #ingest: IngestService
  readonly worlds: SpendWorld[] = []
  /** Happens while a hello is under way, before the ledger looks at it. */
  beforeHello: () => Promise<void> = async () => {}

  private constructor(database: Database, owner: OwnerSql, orgId: string) {
    this.orgId = orgId
    this.#database = database
    this.#owner = owner
    this.ledger = ledgerOn(database)
    this.#ingest = createIngestService({
      database,
      record: recordOn(database),
      book: this.ledger.book,
      onBatch: () => {},
    })
  }

  /** Makes an organisation with these budgets, and sidecars in it. */
  static async open(
    scope: Scope,
    { database, owner }: { readonly database: Database; readonly owner: OwnerSql },
    budgets: readonly CompiledBudget[],
    sidecars: number,
  ): Promise<SharedLedger> {
    const shared = new SharedLedger(database, owner, randomUUID())
    await database.inOrg(
      shared.orgId,
      (tx) => tx`INSERT INTO organisations (org_id, name) VALUES (${shared.orgId}, 'test')`,
    )
    await shared.publish(budgets)
    for (let at = 0; at < sidecars; at++) {
      const remote: SpendWorld['remote'] = (instanceId, world) => {
        const caller = shared.#callerOf(instanceId)
        const calls = {
          leaseHello: async (hello: Parameters<LedgerService['hello']>[1]) => {
            await shared.beforeHello()
            return shared.ledger.hello(caller, hello).catch(asStatus)
          },
          leaseSync: (message: Parameters<LedgerService['sync']>[1]) =>
            shared.ledger.sync(caller, message).catch(asStatus),
        }
        return createLeaseClient({ calls, clock: world.time, time: world.ledgerTime })
      }
      shared.worlds.push(await SpendWorld.open(scope, budgets, { uploads: true, remote }))
    }
    return shared
  }

  #callerOf(instanceId: string): SidecarCaller {
    return { kind: 'sidecar', orgId: this.orgId, keyId: '', instanceId }
  }

  /** A revision comes into force here; sidecars hear of it when their `budgets` are set. */
  async publish(budgets: readonly CompiledBudget[]): Promise<void> {
    await this.#database.inOrg(this.orgId, (tx) => this.ledger.adoptBudgets(tx, this.orgId, budgets))
  }

  /** A sidecar's events go up. @param heard whether the answer reaches it */
  async upload(world: SpendWorld, heard: boolean): Promise<void> {
    await this.bringUp(world, heard)
    await world.settleDown()
  }

  /** The same, while the sidecar may be waiting for an answer. */
  async bringUp(world: SpendWorld, heard: boolean): Promise<void> {
    const { outbox } = world.core
    const db = new DatabaseSync(join(world.folder, 'outbox.sqlite'), { readOnly: true })
    try {
      const from = outbox.uploaded
      const batch = settledAfter(db, from, 500)
      if (batch === null) return
      const { events }: { readonly events: readonly { readonly seq: number; readonly event: UsageEvent }[] } =
        JSON.parse(batch.json)
      const { instanceId } = world.core
      const sent = events.map(({ seq, event }) => ({
        seq,
        event: { ...event, instanceId, eventId: uuidOf(`${instanceId}/${event.eventId}`) },
      }))
      const answer = await this.#ingest.ingest(this.#callerOf(instanceId), sent)
      if (answer.refused.length > 0) throw new Error(JSON.stringify(answer.refused))
      if (heard) outbox.acknowledge(from, batch.last, batch.count)
    } finally {
      db.close()
    }
  }

  /** A sidecar follows what was recalled. */
  async recall(world: SpendWorld): Promise<void> {
    const recalls = await this.ledger.recallsSince(this.orgId, world.core.instanceId, 0)
    world.core.gate.recall(recalls?.recalls.map(({ counter }) => counter) ?? [])
    await world.settleDown()
  }

  /** Every counter as it stands. */
  async counters(): Promise<
    ReadonlyMap<string, { readonly limit: bigint; readonly settled: bigint; readonly escrow: bigint }>
  > {
    const rows = await this.#owner<Record<'uid' | 'subject' | 'period' | 'limit' | 'settled' | 'escrow', string>[]>`
      SELECT budget_uid AS uid, subject, period_id AS period, limit_nano::text AS limit, settled_nano::text AS settled,
        escrow_nano::text AS escrow FROM acc.counters WHERE org_id = ${this.orgId}`
    return new Map(
      rows.map(({ uid, subject, period, limit, settled, escrow }) => [
        counterKey({ budgetUid: uid, subject, periodId: period }),
        { limit: BigInt(limit), settled: BigInt(settled), escrow: BigInt(escrow) },
      ]),
    )
  }
}

/** An error of the API as its client sees it. */
function asStatus(error: unknown): never {
  throw error instanceof ApiError ? new ControlPlaneError('/leases', error.status) : error
}

/** The same id for the same event, whoever sends it again. */
const uuidOf = (name: string): string =>
  createHash('sha256')
    .update(name)
    .digest('hex')
    .replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5')
