import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { CompiledBudget } from '@agentcostcontrol/policy'
import { folderFor, type Scope } from '../../../test/support/scope.ts'
import type { Tx } from '../../db/database.ts'
import { createLogger } from '../../log.ts'
import type { PolicyResult } from '../../metrics.ts'
import { type PublisherOptions, startPublisher } from '../../policies/publisher.ts'
import { createPolicyService, type PolicyService } from '../../policies/service.ts'
import { openSigner, type Signer } from '../../policies/signer.ts'
import type { TestDatabase } from './database.ts'

/** What two replicas of a control plane have of policies. */
export interface TestPolicies {
  readonly orgId: string
  readonly caller: { readonly kind: 'admin'; readonly orgId: string; readonly keyId: string }
  readonly service: PolicyService
  readonly signer: Signer
  /** The limits that were written in the transactions that published, in order. */
  readonly limits: readonly (readonly CompiledBudget[])[]
  readonly announced: readonly string[]
  /** Watches a folder as a replica does, until the scope ends. */
  watch(folder: string, options?: Partial<PublisherOptions>): Promise<TestPublisher>
}

/** A publisher, and what it said. */
export interface TestPublisher {
  readonly log: readonly Readonly<Record<string, unknown>>[]
  readonly outcomes: readonly PolicyResult[]
  readonly generation: () => number
  close(): Promise<void>
}

/** How they are made. */
export interface TestPoliciesOptions {
  /** Key of another replica. */
  readonly keyFile?: string
  /** Another replica of the same organisation. */
  readonly orgId?: string
  /** Work in the transaction that publishes. */
  onPublish?(tx: Tx, orgId: string): Promise<void>
}

/** Makes the policies of an organisation of their own. */
export async function policiesFor(
  scope: Scope,
  { database, owner }: TestDatabase,
  options: TestPoliciesOptions = {},
): Promise<TestPolicies> {
  const orgId = options.orgId ?? randomUUID()
  if (options.orgId === undefined) await owner`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`
  const keyFile = options.keyFile ?? join(folderFor(scope), 'key.pem')
  // The installation's key is another for each test here.
  if (options.keyFile === undefined) await owner`DELETE FROM policy_key`
  const signer = await openSigner({ database, keyFile, formerKeyFiles: [] })
  const limits: (readonly CompiledBudget[])[] = []
  const announced: string[] = []
  const service = createPolicyService({
    database,
    signer,
    wakes: { announce: async (_, topic, org) => void announced.push(`${topic} ${org}`) },
    onPublish: async (tx, org, budgets) => {
      limits.push(budgets)
      await options.onPublish?.(tx, org)
    },
  })
  return {
    orgId,
    caller: { kind: 'admin', orgId, keyId: '' },
    service,
    signer,
    limits,
    announced,
    watch: async (folder, more = {}) => {
      const log: Readonly<Record<string, unknown>>[] = []
      const outcomes: PolicyResult[] = []
      let inForce = 0
      const publisher = await startPublisher({
        folder,
        orgId,
        replica: more.replica ?? randomUUID(),
        policies: service,
        clock: { nowMs: () => Date.now() },
        log: createLogger('info', (line) => log.push(JSON.parse(line))),
        beatMs: 100,
        onOutcome: (result, generation) => {
          if (result !== null) outcomes.push(result)
          inForce = generation
        },
        ...more,
      })
      scope.teardown(publisher.close)
      return { log, outcomes, generation: () => inForce, close: publisher.close }
    },
  }
}
