import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BudgetAlert, Counter } from '@agentcostcontrol/contract'
import { checkPolicy, createPriceBook, type PolicyFile, readRateCard } from '@agentcostcontrol/policy'
import { inCheckout } from '../../../test/support/paths.ts'
import { folderFor, type Scope } from '../../../test/support/scope.ts'
import { type AppOptions, createApp } from '../../app.ts'
import { makeKey } from '../../auth/keys.ts'
import { createAuthService } from '../../auth/service.ts'
import { budgetAdditions } from '../../budgets/additions.ts'
import { type BudgetAlerts, createBudgetAlerts } from '../../budgets/alerts.ts'
import { createBudgetService } from '../../budgets/service.ts'
import { createBudgetStatus } from '../../budgets/status.ts'
import { createFindUncovered } from '../../budgets/uncovered.ts'
import { systemClock } from '../../clock.ts'
import { createLedgerService, type LedgerService } from '../../ledger/service.ts'
import { createMetrics } from '../../metrics.ts'
import { NO_PROVENANCE } from '../../policies/provenance.ts'
import { createPolicyService, type PolicyService } from '../../policies/service.ts'
import { openSigner } from '../../policies/signer.ts'
import { createIngestService, type IngestService } from '../../usage/ingest-service.ts'
import { QUIET, type TestDatabase } from './database.ts'
import { batchOf, charge, usageEvent } from './events.ts'
import { recordOn, saidOn } from './security.ts'

/** An answer of the API. */
interface Answer {
  readonly status: number
  readonly etag: string | null
  // biome-ignore lint/suspicious/noExplicitAny: tests match whatever came
  readonly body: any
}

/** A replica with everything that budgets need, on a real socket. */
export interface BudgetReplica {
  readonly policies: PolicyService
  readonly ledger: LedgerService
  readonly alerts: BudgetAlerts
  readonly ingest: IngestService
  /** What its callback was told, in order. */
  readonly told: readonly BudgetAlert[]
  /** Asks the API. */
  ask(key: string, method: string, path: string, body?: unknown, ifMatch?: string): Promise<Answer>
  /** The folder of this replica holds these files now. */
  folder(orgId: string, files: readonly PolicyFile[], replica?: string): ReturnType<PolicyService['publish']>
  /** A sidecar brings up what it charged to these counters, an event each. @param nano to each */
  spend(orgId: string, counters: readonly Counter[], nano: bigint): Promise<void>
}

/** Replicas of one installation share its key. */
export interface BudgetReplicaOptions {
  readonly keyFile?: string
  /** In place of noting what it was told. */
  onAlert?(orgId: string, alert: BudgetAlert): Promise<void> | void
  readonly handWithinMs?: number
}

/** Starts a replica; it ends with the scope. */
export async function budgetReplicaFor(
  scope: Scope,
  { database }: TestDatabase,
  options: BudgetReplicaOptions = {},
): Promise<BudgetReplica> {
  const keyFile = options.keyFile ?? join(folderFor(scope), 'key.pem')
  const signer = await openSigner({ database, keyFile, formerKeyFiles: [] })
  const told: BudgetAlert[] = []
  const alerts = createBudgetAlerts({
    database,
    log: QUIET,
    onAlert: options.onAlert ?? ((_, alert) => void told.push(alert)),
    ...(options.handWithinMs === undefined ? {} : { handWithinMs: options.handWithinMs }),
  })
  const wakes = { announce: async () => {} }
  const ledger = createLedgerService({
    database,
    wakes,
    onBooked: alerts.booked,
    onVerdict: () => {},
    onEpoch: () => {},
  })
  const policies = createPolicyService({
    database,
    signer,
    wakes,
    additions: budgetAdditions,
    onPublish: async (tx, orgId, budgets, generation) => {
      await ledger.adoptBudgets(tx, orgId, budgets, generation)
      await alerts.adoptBudgets(tx, budgets)
    },
  })
  // Nobody asks the other capabilities anything here.
  const app = await createApp({
    auth: createAuthService({ database, clock: systemClock, newId: randomUUID, policyKeys: [] }),
    budgets: createBudgetService({ database, policies }),
    budgetStatus: createBudgetStatus({ database, policies }),
    security: saidOn(database).security,
    clock: systemClock,
    log: QUIET,
    metrics: createMetrics(),
  } as Partial<AppOptions> as AppOptions)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  scope.teardown(async () => {
    await app.close()
    await alerts.idle()
  })
  const ingest = createIngestService({
    database,
    record: recordOn(database),
    book: ledger.book,
    findUncovered: createFindUncovered({
      policies,
      prices: createPriceBook(readRateCard(readFileSync(inCheckout('seed/rate-card.json'), 'utf8'))),
    }),
    onBatch: () => {},
  })
  return {
    policies,
    ledger,
    alerts,
    ingest,
    told,
    ask: async (key, method, path, body, ifMatch) => {
      const response = await fetch(`${url}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        etag: response.headers.get('etag'),
        body: text === '' ? null : JSON.parse(text),
      }
    },
    folder: async (orgId, files, replica = 'test') => {
      const checked = checkPolicy(files)
      if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
      const { generation } = await policies.publish(orgId, {
        replica,
        files,
        checked,
        provenance: NO_PROVENANCE,
        followed: await policies.generation(orgId),
      })
      return policies.publish(orgId, { replica, files, checked, provenance: NO_PROVENANCE, followed: generation })
    },
    spend: async (orgId, counters, nano) => {
      const instanceId = randomUUID()
      const events = counters.map((counter) =>
        usageEvent({ instanceId, charges: [charge({ ...counter, nanoUsd: String(nano) })] }),
      )
      const { refused } = await ingest.ingest({ kind: 'sidecar', orgId, keyId: '', instanceId }, batchOf(events).events)
      if (refused.length > 0) throw new Error(JSON.stringify(refused))
      await alerts.idle()
    },
  }
}

/** A new organisation. @returns its id, and an admin key */
export async function tenantOf({
  owner,
}: TestDatabase): Promise<{ readonly orgId: string; readonly key: string; readonly keyId: string }> {
  const [orgId, keyId] = [randomUUID(), randomUUID()]
  const { text, hash } = makeKey('admin', orgId, keyId)
  await owner`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`
  await owner`INSERT INTO keys (org_id, key_id, kind, secret_hash) VALUES (${orgId}, ${keyId}, 'admin', ${hash})`
  return { orgId, key: text, keyId }
}

/** A budget as a body. @param limit USD */
export const budgetBody = (name: string, limit = '1.00', spec: Readonly<Record<string, unknown>> = {}) => ({
  metadata: { name },
  spec: { scope: 'global', limit, period: 'total', ...spec },
})
