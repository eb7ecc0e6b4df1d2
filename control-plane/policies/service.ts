import {
  BUNDLE_BYTES_MAX,
  BUNDLE_FILES_MAX,
  bundleManifestSchema,
  type PolicyKey,
  type SignedBundle,
} from '@agentcostcontrol/contract'
import {
  assemblePolicy,
  type BudgetSource,
  type CheckedPolicy,
  type CompiledBudget,
  type CompiledPolicy,
  checkBeside,
  EMPTIED_FOLDER,
  folderProblem,
  type PolicyFile,
  type PolicyProblem,
  policyRevision,
} from '@agentcostcontrol/policy'
import type { Caller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { ApiError } from '../errors.ts'
import { type Additions, additionsKey, createMerger, folderFiles, type Merged, NO_ADDITIONS } from './additions.ts'
import { type Difference, differenceOf } from './difference.ts'
import { NO_PROVENANCE, type Provenance } from './provenance.ts'
import {
  type FolderRow,
  type FolderState,
  type InForce,
  policyRepository,
  type RevisionDetail,
  type RevisionRow,
} from './repository.ts'
import type { Signer } from './signer.ts'

/** The policies of organisations: published once, kept for good, read by generation. */
export interface PolicyService {
  /** The public keys that bundles of this installation are signed with; given to sidecars at enrolment. */
  readonly keys: readonly PolicyKey[]
  /** The generation in force; 0 before the first. */
  generation(orgId: string): Promise<number>
  /** The signed bundle in force if its generation is larger; `null` if there is none newer. */
  newerThan(orgId: string, generation: number): Promise<SignedBundle | null>
  /** The revision of each of these generations that was published. */
  revisions(orgId: string, generations: readonly number[]): Promise<ReadonlyMap<number, string>>
  /** A revision that was published, compiled; the one in force for `null`. @returns `null` if there is none */
  compiled(orgId: string, revision: string | null): Promise<CompiledPolicy | null>
  /** The policy in force as a transaction sees it; `null` before the first. Takes no other connection. */
  inForceWithin(tx: Tx, orgId: string): Promise<CompiledPolicy | null>
  /** What is in force, read; `null` before the first. */
  inForce(orgId: string): Promise<PolicyInForce | null>
  /**
   * Publishes what is in force with other additions, and writes those in the same transaction.
   * @throws ApiError `acc_api_policy_refused` with the problems if no policy comes of it: nothing is changed then
   */
  change<T>(orgId: string, change: AdditionsChange<T>): Promise<Changed<T>>
  /** Publishes what a folder holds, unless it is in force or may not follow what is. */
  publish(orgId: string, held: GoodFolder): Promise<Published>
  /** Writes down what is wrong with what a folder holds; what is in force stays. */
  refuse(orgId: string, held: BadFolder): Promise<Published>
  /** Signs what is in force again if that was done with another key. */
  resign(orgId: string): Promise<void>
  /** A replica stops: its folder is none of those that count. */
  leave(orgId: string, replica: string): Promise<void>
  list(caller: Caller, cursor: string | null, limit: number): Promise<RevisionPage>
  /** @param wanted a generation, or a revision @throws ApiError if there is none */
  find(caller: Caller, wanted: string): Promise<Revision>
  current(caller: Caller): Promise<CurrentPolicy>
}

/** A revision, read. */
interface ReadRevision {
  readonly policy: CompiledPolicy
  /** Its budgets as they are written. */
  readonly budgets: readonly BudgetSource[]
}

/** The revision in force, read. */
export interface PolicyInForce extends ReadRevision {
  readonly generation: number
  readonly revision: string
}

/** A change of what the API adds to the policies of the folder. */
export interface AdditionsChange<T> {
  /** Told with the revision: what is changed, and by which key. */
  readonly madeBy: string
  /** What they are then. May be asked more than once. @throws ApiError if there is nothing to change */
  after(before: Additions): Additions
  /** Writes that. The additions are still those of before, and nobody else changes them until the end. */
  write(tx: Tx): Promise<T>
}

/** What a change came to. */
export interface Changed<T> {
  readonly result: T
  /** That is in force now. */
  readonly generation: number
}

/** A folder that was read and found good. */
export interface GoodFolder {
  readonly replica: string
  readonly files: readonly PolicyFile[]
  readonly checked: CheckedPolicy
  /** `null` if it is not known yet. */
  readonly provenance: Provenance | null
  /** The newest generation that this folder is known to have held while it was in force; 0 for none. */
  readonly followed: number
}

/** A folder whose files are not good, or cannot be read, which have no revision then. */
export interface BadFolder {
  readonly replica: string
  readonly revision: string | null
  readonly files: number
  readonly provenance: Provenance | null
  readonly problems: readonly PolicyProblem[]
}

/** What came of a folder. */
export interface Published {
  readonly state: FolderState
  /** The generation in force now; 0 for none. */
  readonly generation: number
  /** Whether a revision was written down: of what this replica saw nobody else had told before. */
  readonly isNew: boolean
  readonly problems: readonly PolicyProblem[]
}

/** A revision as it is listed. */
export interface RevisionSummary extends Omit<RevisionRow, 'number'> {
  /** `null` for one that was refused. */
  readonly generation: number | null
}

/** A revision with what it holds; of one that was refused the files are not kept. */
export interface Revision extends RevisionSummary {
  readonly content: readonly PolicyFile[]
  readonly difference: Difference | null
}

/** A page of revisions. */
export interface RevisionPage {
  readonly revisions: readonly RevisionSummary[]
  /** Where the next page begins; `null` on the last. */
  readonly nextCursor: string | null
}

/** What is in force, and what the folders hold. */
export interface CurrentPolicy {
  readonly inForce: RevisionSummary | null
  readonly folders: readonly FolderRow[]
}

/** What the service needs. */
export interface PolicyServiceOptions {
  readonly database: Database
  readonly signer: Signer
  readonly wakes: Pick<Wakes, 'announce'>
  /** What the API adds to the files of the folder, in the transaction's organisation. */
  additions?(tx: Tx): Promise<Additions>
  /** Part of the transaction that publishes: the limits of these budgets hold from its commit on. */
  onPublish?(tx: Tx, orgId: string, budgets: readonly CompiledBudget[], generation: number): Promise<void>
}

/** Problems of a refused revision that are kept. */
const PROBLEMS_MAX = 100
/** Of them in lists. */
const SHOWN_MAX = 10
const MESSAGE_CHARS_MAX = 2_000
const PATH_CHARS_MAX = 1_024
/** Refused revisions that are kept. */
const REFUSED_MAX = 200
/** A replica whose folder was not heard of for longer does not run. It says so about every five seconds. */
const FOLDER_HEARD_MS = 30_000
const COMPILED_MAX = 4
/** Somebody else may change something in between, so often. */
const ROUNDS_MAX = 20

/** Makes the service. */
export function createPolicyService(options: PolicyServiceOptions): PolicyService {
  const { database, signer, wakes, onPublish, additions = async () => NO_ADDITIONS } = options
  const merger = createMerger(policyRevision)
  const compiled = new Map<string, Promise<ReadRevision | null>>()

  async function compile(orgId: string, asked: string | null): Promise<CompiledPolicy | null> {
    const revision = asked ?? (await database.inOrg(orgId, policyRepository.revisionInForce))
    return revision === null ? null : ((await readRevision(orgId, revision))?.policy ?? null)
  }

  async function readRevision(
    orgId: string,
    revision: string,
    within = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => database.inOrg(orgId, work),
  ): Promise<ReadRevision | null> {
    const key = `${orgId} ${revision}`
    const known = compiled.get(key)
    if (known !== undefined) return known
    const manifest = await within((tx) => policyRepository.manifest(tx, revision))
    if (manifest === null) return null
    const made = checkBeside(readManifest(manifest).files).then((check) =>
      check.ok ? { policy: assemblePolicy(check), budgets: check.budgets } : null,
    )
    const [oldest] = compiled.keys()
    if (compiled.size >= COMPILED_MAX && oldest !== undefined) compiled.delete(oldest)
    compiled.set(key, made)
    return made
  }

  async function publish(tx: Tx, orgId: string, held: GoodFolder, merged: Merged): Promise<Published> {
    const { replica, files, followed } = held
    const { revision: folderRevision } = held.checked
    const told = async (state: FolderState, generation: number, isNew = false, problems: PolicyProblem[] = []) => {
      await policyRepository.noteFolder(tx, { replica, state, revision: folderRevision, problems })
      return { state, generation, isNew, problems }
    }
    const current = await policyRepository.inForce(tx)
    const generation = current?.generation ?? 0
    const isSame = current?.folderRevision === folderRevision
    if (isSame && current.revision === revisionOf(merged) && !current.restored) {
      if (held.provenance !== null) await policyRepository.amend(tx, generation, held.provenance)
      return told('inForce', generation)
    }
    if (files.length === 0 && current !== null && folderOf(current).length > 0)
      return told('refused', generation, false, [EMPTIED_FOLDER])
    if (current !== null && !isSame && followed !== generation && (await isOld(tx, held, current)))
      return told('behind', generation)
    const made = { ...(held.provenance ?? NO_PROVENANCE), folderRevision, madeBy: null }
    const next = await insert(tx, orgId, current, merged, made)
    return typeof next === 'number' ? told('inForce', next, true) : told('refused', generation, false, [next])
  }

  /** Signs and stores what is in force from now on. @returns its generation, or why no bundle can carry it */
  async function insert(tx: Tx, orgId: string, current: InForce | null, merged: Merged, made: Made) {
    const { files, originals, check } = merged
    if (!check.ok) throw new Error('files that are not good are not published')
    const { revision } = check
    const number = await policyRepository.nextNumber(tx)
    const manifest = JSON.stringify({ orgId, generation: number, revision, files })
    if (files.length > BUNDLE_FILES_MAX) return TOO_MANY
    if (Buffer.byteLength(manifest) > BUNDLE_BYTES_MAX) return TOO_LARGE
    await policyRepository.insertPublished(tx, {
      ...made,
      number,
      revision,
      originals,
      tests: check.tests,
      files: files.length,
      bundle: signer.sign(manifest),
      difference: differenceOf(current === null ? [] : readManifest(current.manifest).files, files),
    })
    await onPublish?.(tx, orgId, assemblePolicy(check).budgets, number)
    await wakes.announce(tx, 'policy', orgId)
    return number
  }

  /** Publishes a folder with what the API made, as that is when it is published. */
  async function publishFolder(orgId: string, held: GoodFolder): Promise<Published> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const before = await database.inOrg(orgId, additions)
      const merged = await merger.merge(held.files, held.checked, before)
      const outcome = await database.inOrg(orgId, async (tx) => {
        await policyRepository.lock(tx)
        if (additionsKey(await additions(tx)) !== additionsKey(before)) return null
        if (merged.check.ok) return publish(tx, orgId, held, merged)
        const { revision } = held.checked
        return refuse(tx, { ...held, revision, files: held.files.length, problems: merged.check.problems })
      })
      if (outcome !== null) return outcome
    }
    throw new ApiError('acc_api_unavailable', MANY_CHANGES)
  }

  /** Publishes what is in force with other additions: all of it or nothing. */
  async function change<T>(orgId: string, { madeBy, after, write }: AdditionsChange<T>): Promise<Changed<T>> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const { current, before } = await database.inOrg(orgId, async (tx) => ({
        current: await policyRepository.inForce(tx),
        before: await additions(tx),
      }))
      const files = current === null ? [] : folderOf(current)
      const merged = await merger.merge(files, null, after(before))
      if (!merged.check.ok) throw refusal(merged.check.problems)
      const done = await database.inOrg(orgId, async (tx) => {
        await policyRepository.lock(tx)
        const now = await policyRepository.inForce(tx)
        if (now?.generation !== current?.generation || additionsKey(await additions(tx)) !== additionsKey(before))
          return null
        const result = await write(tx)
        if (now !== null && now.revision === revisionOf(merged)) return { result, generation: now.generation }
        const { author, commit, committedAt, uncommitted } = now ?? NO_PROVENANCE
        const folderRevision = now?.folderRevision ?? policyRevision(files)
        const made = { author, commit, committedAt, uncommitted, folderRevision, madeBy }
        const generation = await insert(tx, orgId, now, merged, made)
        if (typeof generation !== 'number') throw refusal([generation])
        return { result, generation }
      })
      if (done !== null) return done
    }
    throw new ApiError('acc_api_unavailable', MANY_CHANGES)
  }

  /**
   * Whether a folder lags behind: what it holds was in force before, or was committed before what is in force, and that
   * stands in the folder of another replica. Without this, two replicas whose folders differ would take turns.
   */
  async function isOld(tx: Tx, { replica, checked, provenance }: GoodFolder, current: InForce): Promise<boolean> {
    const isEarlier = provenance?.uncommitted === false && isBefore(provenance.committedAt, current.committedAt)
    if (!isEarlier && !(await policyRepository.wasPublished(tx, checked.revision))) return false
    const folders = await policyRepository.folders(tx, FOLDER_HEARD_MS)
    return folders.some((other) => other.replica !== replica && other.revision === current.folderRevision)
  }

  async function refuse(tx: Tx, held: BadFolder): Promise<Published> {
    const { replica, revision, files } = held
    const problems = held.problems.slice(0, PROBLEMS_MAX).map(bounded)
    const first = problems.slice(0, SHOWN_MAX)
    let isNew = false
    if (revision !== null) {
      const number = await policyRepository.nextNumber(tx)
      const problemCount = held.problems.length
      const row = { ...(held.provenance ?? NO_PROVENANCE), number, revision, files, problems, problemCount }
      isNew = await policyRepository.insertRefused(tx, row)
      if (isNew) await policyRepository.trimRefused(tx, REFUSED_MAX)
    }
    const state = revision === null ? 'unreadable' : 'refused'
    await policyRepository.noteFolder(tx, { replica, state, revision, problems: first })
    return { state, generation: await policyRepository.generation(tx), isNew, problems: first }
  }

  return {
    keys: signer.keys,
    generation: (orgId) => database.inOrg(orgId, policyRepository.generation),
    newerThan: (orgId, generation) => database.inOrg(orgId, (tx) => policyRepository.newerThan(tx, generation)),
    revisions: async (orgId, generations) => {
      const rows = await database.inOrg(orgId, (tx) => policyRepository.revisions(tx, generations))
      return new Map(rows.map(({ generation, revision }) => [generation, revision]))
    },
    compiled: compile,
    inForceWithin: async (tx, orgId) => {
      const revision = await policyRepository.revisionInForce(tx)
      return revision === null ? null : ((await readRevision(orgId, revision, (work) => work(tx)))?.policy ?? null)
    },
    inForce: async (orgId) => {
      const current = await database.inOrg(orgId, policyRepository.atNow)
      const read = current && (await readRevision(orgId, current.revision))
      return read && { ...read, ...current }
    },
    change,
    publish: publishFolder,
    refuse: (orgId, held) =>
      database.inOrg(orgId, async (tx) => {
        await policyRepository.lock(tx)
        return refuse(tx, held)
      }),
    resign: (orgId) =>
      database.inOrg(orgId, async (tx) => {
        await policyRepository.lock(tx)
        const current = await policyRepository.inForce(tx)
        if (current === null || current.keyId === signer.keyId) return
        await policyRepository.resign(tx, current.generation, signer.sign(current.manifest))
      }),
    leave: (orgId, replica) =>
      database.inOrg(orgId, (tx) => policyRepository.forgetFolder(tx, replica, FOLDER_HEARD_MS)),
    list: async ({ orgId }, cursor, limit) => {
      const before = cursor === null ? null : readNumber(cursor, 'cursor: it is not one of ours')
      const rows = await database.inOrg(orgId, (tx) => policyRepository.list(tx, before, limit + 1))
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        revisions: page.map((row) => summaryOf({ ...row, problems: row.problems.slice(0, SHOWN_MAX) })),
        nextCursor: rows.length > limit && last !== undefined ? String(last.number) : null,
      }
    },
    find: async ({ orgId }, wanted) => {
      const key = REVISION.test(wanted) ? wanted : readNumber(wanted, 'expected a generation, or a revision in full')
      const row = await database.inOrg(orgId, (tx) => policyRepository.find(tx, key))
      if (row === null) throw new ApiError('acc_api_not_found', 'There is no such revision.')
      return detailOf(row)
    },
    current: ({ orgId }) =>
      database.inOrg(orgId, async (tx) => {
        const generation = await policyRepository.generation(tx)
        const row = generation === 0 ? null : await policyRepository.find(tx, generation)
        return {
          inForce: row === null ? null : summaryOf(row),
          folders: await policyRepository.folders(tx, FOLDER_HEARD_MS),
        }
      }),
  }
}

const TOO_MANY = folderProblem(
  `the folder and the API have more than ${BUNDLE_FILES_MAX} files together: put some of the folder's together`,
)

const TOO_LARGE = folderProblem(
  `the files are larger than ${BUNDLE_BYTES_MAX / 1024} KiB as a signed bundle: take control characters out of them`,
)

const MANY_CHANGES = 'The policies are changed by others all the time; nothing was changed. Try again.'

/** Where what is published comes from. */
interface Made extends Provenance {
  readonly folderRevision: string
  readonly madeBy: string | null
}

const folderOf = ({ manifest, originals }: InForce): readonly PolicyFile[] =>
  folderFiles(readManifest(manifest).files, originals)

const revisionOf = ({ check }: Merged): string | null => (check.ok ? check.revision : null)

const refusal = (problems: readonly PolicyProblem[]): ApiError =>
  new ApiError(
    'acc_api_policy_refused',
    problems
      .slice(0, SHOWN_MAX)
      .map(bounded)
      .map(({ file, line, path, message }) => `${file}:${line}: ${path === '' ? '' : `${path}: `}${message}`)
      .join('\n'),
  )

const isBefore = (one: string | null, other: string | null): boolean =>
  one !== null && other !== null && Date.parse(one) < Date.parse(other)

const REVISION = /^[0-9a-f]{64}$/
const NUMBER = /^[1-9]\d{0,14}$/

function readNumber(text: string, otherwise: string): number {
  if (!NUMBER.test(text)) throw new ApiError('acc_api_invalid', otherwise)
  return Number(text)
}

const readManifest = (manifest: string) => bundleManifestSchema.parse(JSON.parse(manifest))

const bounded = ({ file, line, path, message }: PolicyProblem): PolicyProblem => ({
  file: file.slice(0, PATH_CHARS_MAX),
  line,
  path: path.slice(0, PATH_CHARS_MAX),
  message: message.slice(0, MESSAGE_CHARS_MAX),
})

function summaryOf(row: RevisionRow): RevisionSummary {
  const { number, revision, folderRevision, madeBy, state, seenAt, author, commit, committedAt, uncommitted } = row
  const { tests, files, problems, problemCount } = row
  const generation = state === 'refused' ? null : number
  const made = { author, commit, committedAt, uncommitted }
  return { generation, revision, folderRevision, madeBy, state, seenAt, ...made, tests, files, problems, problemCount }
}

const detailOf = (row: RevisionDetail): Revision => ({
  ...summaryOf(row),
  content: row.manifest === null ? [] : readManifest(row.manifest).files,
  difference: row.difference,
})
