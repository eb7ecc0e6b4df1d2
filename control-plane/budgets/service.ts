import { POLICY_API_VERSION } from '@agentcostcontrol/contract'
import { type BudgetSource, budgetText, type CompiledBudget } from '@agentcostcontrol/policy'
import type { Caller } from '../auth/service.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { ADDED, type Additions } from '../policies/additions.ts'
import type { PolicyInForce, PolicyService } from '../policies/service.ts'
import { HEARD_WITHIN_MS } from '../sidecars/service.ts'
import { activationRepository } from './activation-repository.ts'
import { pathOf, uidOf } from './additions.ts'
import { type ApiBudgetRow, budgetRepository, type ResetRow, type WrittenBudget } from './repository.ts'
import { type Activation, activationOf } from './status.ts'

/** A budget as the API shows it. */
export interface ShownBudget {
  readonly uid: string
  readonly name: string
  readonly managedBy: 'git' | 'api'
  /** Where it is written, if in git: `FILE:LINE` of the policy folder. */
  readonly source: string | null
  /** As its author wrote it. */
  readonly document: Readonly<Record<string, unknown>>
  readonly limitNanoUsd: string | null
  /** What it is in force with; `null` for one that was deleted. */
  readonly inForce: CompiledBudget | null
  /** `null` for one that was deleted. */
  readonly activation: Activation | null
  /** Only of one that the API made. */
  readonly api: Omit<ApiBudgetRow, 'name' | 'document'> | null
}

/** One budget, with its resets through the API, the newest first. */
export interface BudgetDetail extends ShownBudget {
  readonly resets: readonly ResetRow[]
}

/** A page of budgets by name. */
export interface BudgetPage {
  readonly budgets: readonly ShownBudget[]
  /** Where the next page begins; `null` on the last. */
  readonly nextCursor: string | null
}

/** What a document of the API is made of. */
export interface BudgetInput {
  readonly name: string
  /** As it was sent; whether it is valid is known already. */
  readonly sent: Readonly<Record<string, unknown>>
}

/** What was spent of a budget on each day. */
export interface BudgetHistory {
  readonly uid: string
  readonly days: readonly { readonly day: string; readonly chargedNanoUsd: string }[]
}

/** Budgets: those of the folder, to read; and those that the API makes. A change is published before it is answered. */
export interface BudgetService {
  list(caller: Caller, cursor: string | null, limit: number): Promise<BudgetPage>
  /** One in force, or one of the API that was deleted. @throws ApiError if there is none */
  find(caller: Caller, name: string): Promise<BudgetDetail>
  /** @throws ApiError if there is one of this name, or no policy comes of it */
  make(caller: Caller, input: BudgetInput): Promise<BudgetDetail>
  /** @param version that is known; `null` for whichever @throws ApiError if git manages it, or another version is in force */
  replace(caller: Caller, input: BudgetInput, version: number | null): Promise<BudgetDetail>
  /** As {@link BudgetService.replace}. What it spent is kept. */
  remove(caller: Caller, name: string, version: number | null): Promise<void>
  /**
   * Begins the period anew, with nothing spent, wherever the budget is managed.
   * @param known how many resets there were through the API; `null` for whatever there were
   */
  reset(caller: Caller, name: string, reason: string, known: number | null): Promise<BudgetDetail>
  /** @param subject `null` for all of them */
  history(caller: Caller, name: string, subject: string | null, days: number): Promise<BudgetHistory>
}

/** What the service needs. */
export interface BudgetServiceOptions {
  readonly database: Database
  readonly policies: Pick<PolicyService, 'inForce' | 'change'>
}

/** A bundle holds a thousand files, and the folder has some of them. */
const BUDGETS_MAX = 500
const RESETS_SHOWN = 50

/** Makes the service. */
export function createBudgetService({ database, policies }: BudgetServiceOptions): BudgetService {
  const sourcesOf = async (orgId: string): Promise<readonly BudgetSource[]> =>
    (await policies.inForce(orgId))?.budgets ?? []

  const isAdded = ({ files }: Additions, name: string): boolean => files.some(({ path }) => path === pathOf(name))

  /** @throws ApiError with what is to be told of a budget that the API did not make */
  async function missing(orgId: string, name: string): Promise<never> {
    const source = (await sourcesOf(orgId)).find((one) => one.name === name && !one.file.startsWith(ADDED))
    throw source === undefined ? noSuch(name) : ofGit(source)
  }

  async function change<T>(
    orgId: string,
    madeBy: string,
    after: (before: Additions) => Additions,
    write: Parameters<typeof policies.change<T | null>>[1]['write'],
  ): Promise<T> {
    const { result } = await policies.change(orgId, {
      madeBy,
      after,
      write: async (tx) => {
        const written = await write(tx)
        if (written === null) throw new ApiError('acc_api_changed', CHANGED)
        return written
      },
    })
    return result
  }

  async function find({ orgId }: Caller, name: string): Promise<BudgetDetail> {
    const current = await policies.inForce(orgId)
    const source = current?.budgets.find((one) => one.name === name)
    return database.inOrg(orgId, async (tx) => {
      const [row] = await budgetRepository.find(tx, [name])
      const resets = await budgetRepository.resets(tx, uidOf(name), RESETS_SHOWN)
      const activating = await activationRepository.activating(tx, HEARD_WITHIN_MS)
      if (current !== null && source !== undefined) return { ...shown(source, current, row, activating), resets }
      if (row === undefined || row.deletedAt === null) throw noSuch(name)
      return { ...deleted(row), resets }
    })
  }

  return {
    find,
    list: async ({ orgId }, cursor, limit) => {
      const current = await policies.inForce(orgId)
      if (current === null) return { budgets: [], nextCursor: null }
      const names = current.budgets.map(({ name }) => name)
      const after = names.filter((name) => cursor === null || name > cursor).sort()
      const page = after.slice(0, limit)
      const { rows, activating } = await database.inOrg(orgId, async (tx) => ({
        rows: await budgetRepository.find(tx, page),
        activating: await activationRepository.activating(tx, HEARD_WITHIN_MS),
      }))
      const budgets = page.flatMap((name) => {
        const source = current.budgets.find((one) => one.name === name)
        const row = rows.find((one) => one.name === name)
        return source === undefined ? [] : [shown(source, current, row, activating)]
      })
      return { budgets, nextCursor: after.length > limit ? (page.at(-1) ?? null) : null }
    },
    make: async (caller, input) => {
      const { orgId } = caller
      const { name } = input
      const existing = (await sourcesOf(orgId)).find((one) => one.name === name && !one.file.startsWith(ADDED))
      if (existing !== undefined) throw ofGit(existing)
      const written = writtenOf(caller, input)
      const after = (before: Additions): Additions => {
        if (isAdded(before, name))
          throw new ApiError(
            'acc_api_conflict',
            `There is a budget "${name}": change it by PUT, or name this one otherwise.`,
          )
        if (before.files.length >= BUDGETS_MAX)
          throw new ApiError(
            'acc_api_conflict',
            `There are ${BUDGETS_MAX} budgets of the API, which is the most: delete some.`,
          )
        return withFile(before, name, written.text)
      }
      await change(orgId, madeBy(caller, 'made', name), after, (tx) => budgetRepository.make(tx, written))
      return find(caller, name)
    },
    replace: async (caller, input, version) => {
      const { name } = input
      const written = writtenOf(caller, input)
      await present(caller.orgId, name)
      const after = (before: Additions): Additions => {
        if (!isAdded(before, name)) throw noSuch(name)
        return withFile(before, name, written.text)
      }
      await change(caller.orgId, madeBy(caller, 'changed', name), after, (tx) =>
        budgetRepository.replace(tx, written, version),
      )
      return find(caller, name)
    },
    remove: async (caller, name, version) => {
      await present(caller.orgId, name)
      const after = (before: Additions): Additions => {
        if (!isAdded(before, name)) throw noSuch(name)
        return { ...before, files: before.files.filter(({ path }) => path !== pathOf(name)) }
      }
      await change(caller.orgId, madeBy(caller, 'deleted', name), after, (tx) =>
        budgetRepository.remove(tx, name, caller.keyId, version),
      )
    },
    reset: async (caller, name, reason, known) => {
      const { orgId, keyId } = caller
      if (!(await sourcesOf(orgId)).some((one) => one.name === name)) throw noSuch(name)
      let next = 0
      const after = ({ files, resets }: Additions): Additions => {
        const { more, least } = resets.get(name) ?? { more: 0, least: 0 }
        if (known !== null && known !== more) throw new ApiError('acc_api_changed', CHANGED)
        next = more + 1
        return { files, resets: new Map([...resets, [name, { more: next, least: least + 1 }]]) }
      }
      await change(orgId, madeBy(caller, 'reset', name), after, async (tx) =>
        (await budgetRepository.reset(tx, uidOf(name), next, keyId, reason)) ? true : null,
      )
      return find(caller, name)
    },
    history: ({ orgId }, name, subject, days) =>
      database.inOrg(orgId, async (tx) => {
        if (!(await budgetRepository.wasInForce(tx, uidOf(name)))) throw noSuch(name)
        return { uid: uidOf(name), days: await budgetRepository.history(tx, uidOf(name), subject, days) }
      }),
  }

  /** @throws ApiError unless the API made it */
  async function present(orgId: string, name: string): Promise<void> {
    const [row] = await database.inOrg(orgId, (tx) => budgetRepository.find(tx, [name]))
    if (row === undefined || row.deletedAt !== null) await missing(orgId, name)
  }
}

const CHANGED = 'Somebody else changed it since you read it: read it again.'

const noSuch = (name: string): ApiError => new ApiError('acc_api_not_found', `There is no budget "${name}".`)

const ofGit = ({ name, file, line }: BudgetSource): ApiError =>
  new ApiError(
    'acc_api_conflict',
    `The budget "${name}" stands in the policy folder, at ${file}:${line}, and is read-only here: change it there.`,
  )

const madeBy = ({ keyId }: Caller, what: string, name: string): string => `budget ${name} ${what} with the key ${keyId}`

function writtenOf({ keyId }: Caller, { name, sent }: BudgetInput): WrittenBudget {
  const document = { apiVersion: POLICY_API_VERSION, kind: 'Budget', ...sent }
  return { name, document, text: budgetText(document), by: keyId }
}

/** Files in the order of their names. */
const withFile = ({ files, resets }: Additions, name: string, text: string): Additions => ({
  files: [...files.filter(({ path }) => path !== pathOf(name)), { path: pathOf(name), text }],
  resets,
})

function shown(
  source: BudgetSource,
  { policy }: PolicyInForce,
  row: ApiBudgetRow | undefined,
  activating: ReadonlySet<string>,
): ShownBudget {
  const { name, file, line, document } = source
  const inForce = policy.budgets.find((one) => one.name === name) ?? null
  const isOfApi = file.startsWith(ADDED)
  return {
    uid: uidOf(name),
    name,
    managedBy: isOfApi ? 'api' : 'git',
    source: isOfApi ? null : `${file}:${line}`,
    document: isOfApi && row !== undefined ? row.document : document,
    limitNanoUsd: inForce?.limit.toString() ?? null,
    inForce,
    activation: activationOf(activating, uidOf(name)),
    api: isOfApi && row !== undefined ? recordOf(row) : null,
  }
}

const deleted = (row: ApiBudgetRow): ShownBudget => ({
  uid: uidOf(row.name),
  name: row.name,
  managedBy: 'api',
  source: null,
  document: row.document,
  limitNanoUsd: null,
  inForce: null,
  activation: null,
  api: recordOf(row),
})

const recordOf = ({ name: _, document: __, ...row }: ApiBudgetRow): Omit<ApiBudgetRow, 'name' | 'document'> => row
