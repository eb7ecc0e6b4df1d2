import type { Tx } from '../db/database.ts'
import { ADDED, type Additions } from '../policies/additions.ts'
import { budgetRepository } from './repository.ts'

/** Where the document of a budget that the API made stands in a revision. */
export const pathOf = (name: string): string => `${ADDED}budgets/${name}.yaml`

const UID = 'Budget/'
/** The uid of the budget of a name. */
export const uidOf = (name: string): string => `${UID}${name}`

/** What the API adds to the policies of an organisation. */
export async function budgetAdditions(tx: Tx): Promise<Additions> {
  const [files, counts] = await Promise.all([budgetRepository.files(tx), budgetRepository.resetCounts(tx)])
  return {
    files: files.map(({ name, text }) => ({ path: pathOf(name), text })),
    resets: new Map(counts.map(({ budgetUid, more, least }) => [budgetUid.slice(UID.length), { more, least }])),
  }
}
