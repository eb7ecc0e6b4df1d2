import { BUNDLE_BYTES_MAX, bundleManifestSchema, type PolicyKey, type SignedBundle } from '@agentcostcontrol/contract'
import {
  assemblePolicy,
  type CheckedPolicy,
  type CompiledBudget,
  type CompiledPolicy,
  checkBeside,
  EMPTIED_FOLDER,
  folderProblem,
  type PolicyFile,
  type PolicyProblem,
} from '@agentcostcontrol/policy'
import type { Caller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { ApiError } from '../errors.ts'
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
  /** Part of the transaction that publishes: the limits of these budgets hold from its commit on. */
  onPublish?(tx: Tx, orgId: string, budgets: readonly CompiledBudget[]): Promise<void>
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

/** Makes the service. */
export function createPolicyService(options: PolicyServiceOptions): PolicyService {
  const { database, signer, wakes, onPublish } = options
  const compiled = new Map<string, Promise<CompiledPolicy | null>>()

  async function compile(orgId: string, asked: string | null): Promise<CompiledPolicy | null> {
    const revision = asked ?? (await database.inOrg(orgId, policyRepository.revisionInForce))
    if (revision === null) return null
    const key = `${orgId} ${revision}`
    const known = compiled.get(key)
    if (known !== undefined) return known
    const manifest = await database.inOrg(orgId, (tx) => policyRepository.manifest(tx, revision))
    if (manifest === null) return null
    const made = checkBeside(readManifest(manifest).files).then((check) => (check.ok ? assemblePolicy(check) : null))
    const [oldest] = compiled.keys()
    if (compiled.size >= COMPILED_MAX && oldest !== undefined) compiled.delete(oldest)
    compiled.set(key, made)
    return made
  }

  async function publish(tx: Tx, orgId: string, held: GoodFolder): Promise<Published> {
    const { replica, files, checked, followed } = held
    const { revision } = checked
    const told = async (state: FolderState, generation: number, isNew = false, problems: PolicyProblem[] = []) => {
      await policyRepository.noteFolder(tx, { replica, state, revision, problems })
      return { state, generation, isNew, problems }
    }
    await policyRepository.lock(tx)
    const current = await policyRepository.inForce(tx)
    const generation = current?.generation ?? 0
    const isSame = current?.revision === revision
    if (isSame && !current.restored) {
      if (held.provenance !== null) await policyRepository.amend(tx, generation, held.provenance)
      return told('inForce', generation)
    }
    if (files.length === 0 && current !== null && current.files > 0)
      return told('refused', generation, false, [EMPTIED_FOLDER])
    if (current !== null && !isSame && followed !== generation && (await isOld(tx, held, current)))
      return told('behind', generation)
    const next = await policyRepository.nextNumber(tx)
    const manifest = JSON.stringify({ orgId, generation: next, revision, files })
    if (Buffer.byteLength(manifest) > BUNDLE_BYTES_MAX) return told('refused', generation, false, [TOO_LARGE])
    await policyRepository.insertPublished(tx, {
      ...(held.provenance ?? NO_PROVENANCE),
      number: next,
      revision,
      tests: checked.tests,
      files: files.length,
      bundle: signer.sign(manifest),
      difference: differenceOf(current === null ? [] : readManifest(current.manifest).files, files),
    })
    await onPublish?.(tx, orgId, assemblePolicy(checked).budgets)
    await wakes.announce(tx, 'policy', orgId)
    return told('inForce', next, true)
  }

  /**
   * Whether a folder lags behind: what it holds was in force before, or was committed before what is in force, and that
   * stands in the folder of another replica. Without this, two replicas whose folders differ would take turns.
   */
  async function isOld(tx: Tx, { replica, checked, provenance }: GoodFolder, current: InForce): Promise<boolean> {
    const isEarlier = provenance?.uncommitted === false && isBefore(provenance.committedAt, current.committedAt)
    if (!isEarlier && !(await policyRepository.wasPublished(tx, checked.revision))) return false
    const folders = await policyRepository.folders(tx, FOLDER_HEARD_MS)
    return folders.some((other) => other.replica !== replica && other.revision === current.revision)
  }

  async function refuse(tx: Tx, held: BadFolder): Promise<Published> {
    const { replica, revision, files } = held
    await policyRepository.lock(tx)
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
    publish: (orgId, held) => database.inOrg(orgId, (tx) => publish(tx, orgId, held)),
    refuse: (orgId, held) => database.inOrg(orgId, (tx) => refuse(tx, held)),
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

const TOO_LARGE = folderProblem(
  `the files are larger than ${BUNDLE_BYTES_MAX / 1024} KiB as a signed bundle: take control characters out of them`,
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
  const { number, revision, state, seenAt, author, commit, committedAt, uncommitted } = row
  const { tests, files, problems, problemCount } = row
  const generation = state === 'refused' ? null : number
  const made = { author, commit, committedAt, uncommitted }
  return { generation, revision, state, seenAt, ...made, tests, files, problems, problemCount }
}

const detailOf = (row: RevisionDetail): Revision => ({
  ...summaryOf(row),
  content: row.manifest === null ? [] : readManifest(row.manifest).files,
  difference: row.difference,
})
