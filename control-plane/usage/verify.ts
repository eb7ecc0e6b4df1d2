import type { Database } from '../db/database.ts'
import { type LedgerAudit, operatorRepository } from '../ledger/operator-repository.ts'
import { readRepository, type Totals } from './read-repository.ts'

/** Whether the sums that are read, and what is booked against budgets, are those of the events that are stored. */
export interface Verdict {
  readonly ok: boolean
  readonly totals: readonly Totals[]
  readonly ledger: LedgerAudit
}

/** Adds up every event of an organisation, and every sum of them, and compares: to the nano, the token and the request. */
export async function verify(database: Database, orgId: string): Promise<Verdict> {
  const totals = await database.inOrg(orgId, readRepository.totals)
  const [events, ...sums] = totals.map(({ of: _, ...rest }) => JSON.stringify(rest))
  const ledger = await database.inOrg(orgId, operatorRepository.audit)
  return { ok: ledger.wrong === 0 && sums.length === 3 && sums.every((each) => each === events), totals, ledger }
}
