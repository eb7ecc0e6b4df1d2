import type { Tx } from '../db/database.ts'
import { ledgerRepository } from '../ledger/repository.ts'
import { policyRepository } from '../policies/repository.ts'

/**
 * What has to be known of a restore by those whose numbers went back with it. Runs in the transaction that restores, as
 * the owner of the tables, over every organisation at once, when all rows are there and the schema is the newest.
 */
export async function afterRestore(tx: Tx): Promise<void> {
  // Holders know of more than the ledger does now: counters that are open grant nothing until they have said so.
  await ledgerRepository.raiseEpoch(tx, null, 0)
  // Sidecars have followed recalls of numbers that the copy has not given out yet.
  await ledgerRepository.raiseRecalls(tx)
  // Sidecars refuse generations that are older than what they run.
  await policyRepository.markRestored(tx)
}
