import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  assemblePolicy,
  type CompiledPolicy,
  checkBeside,
  checkPolicy,
  compilePolicy,
  EMPTIED_FOLDER,
  type FolderWatch,
  type PolicyFile,
  type PolicyProblem,
  policyRevision,
  watchFolder,
} from '@agentcostcontrol/policy'
import type { Clock } from './clock.ts'
import { errorFields, type Logger, unexpectedFields } from './log.ts'

/** The policy in force: read from a folder, swapped whole, the last good one kept in memory and on disk. */
export interface PolicyStore {
  current(): CompiledPolicy | null
  status(): PolicyStatus
  close(): void
}

/** For /readyz, /metrics and the log. */
export interface PolicyStatus {
  readonly revision: string | null
  /** Where the policy in force came from. */
  readonly source: 'folder' | 'last-known-good' | 'none'
  /** When it came into force, ms since the epoch. */
  readonly sinceMs: number | null
  /** What is wrong with what stands in the folder now; empty when it is in force. */
  readonly problems: readonly PolicyProblem[]
  /** How often a folder came into force, and how often one was refused, since the start. */
  readonly loads: number
  readonly refusals: number
}

/** What the store needs. */
export interface PolicyStoreOptions {
  readonly folder: string
  readonly lastGoodFile: string
  readonly clock: Clock
  readonly log: Logger
}

/** How long after the policy in force could not be kept it is tried again. */
const KEEP_AGAIN_MS = 500
/** The most mistakes of one folder that are logged; the first ones are those that matter. */
const LOGGED_MAX = 20

/** Opens the store: the folder's policy, or the last good one if the folder's is bad. */
export async function openPolicyStore(options: PolicyStoreOptions): Promise<PolicyStore> {
  const store = new FolderPolicyStore(options)
  await store.open()
  return store
}

class FolderPolicyStore implements PolicyStore {
  readonly #options: PolicyStoreOptions
  #policy: CompiledPolicy | null = null
  #status: PolicyStatus = { revision: null, source: 'none', sinceMs: null, problems: [], loads: 0, refusals: 0 }
  /** The files that were refused last, so that they are not compiled again. */
  #refused: { readonly revision: string; readonly problems: readonly PolicyProblem[] } | null = null
  /** Files of the last good policy: of the one in force, or before there is one those that were kept. */
  #lastGood: readonly PolicyFile[] = []
  #watch: FolderWatch | null = null
  /** Keeps what could not be kept. */
  #keepAgain: NodeJS.Timeout | null = null

  constructor(options: PolicyStoreOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    this.#lastGood = await readKept(this.#options.lastGoodFile)
    const { folder, clock, log } = this.#options
    this.#watch = await watchFolder({
      folder,
      clock,
      onFiles: (files, first) => this.#judge(files, first),
      onProblems: (problems) => this.#refuse(problems),
      onError: (error) => log.error('the policy folder could not be judged', unexpectedFields(error)),
    })
    if (this.#policy === null && this.#lastGood.length > 0) this.#restore(this.#lastGood)
  }

  current(): CompiledPolicy | null {
    return this.#policy
  }

  status(): PolicyStatus {
    return this.#status
  }

  close(): void {
    this.#watch?.close()
    if (this.#keepAgain) clearTimeout(this.#keepAgain)
  }

  async #judge(files: readonly PolicyFile[], first: boolean): Promise<void> {
    const { clock, log } = this.#options
    if (files.length === 0 && this.#lastGood.length > 0) {
      this.#refuse([EMPTIED_FOLDER])
      return
    }
    const revision = policyRevision(files)
    if (revision === this.#policy?.revision) {
      this.#status = { ...this.#status, source: 'folder', problems: [] }
      return
    }
    if (revision === this.#refused?.revision) {
      this.#refuse(this.#refused.problems)
      return
    }
    // Nothing waits for the main thread at the start, and a worker would only cost memory.
    const checked = first ? checkPolicy(files) : await checkBeside(files)
    if (!checked.ok) {
      this.#refused = { revision, problems: checked.problems }
      this.#refuse(checked.problems)
      return
    }
    const policy = assemblePolicy(checked)
    this.#policy = policy
    this.#lastGood = files
    this.#refused = null
    const loads = this.#status.loads + 1
    this.#status = { ...this.#status, revision, source: 'folder', sinceMs: clock.nowMs(), problems: [], loads }
    log.info('policy in force', { revision, files: files.length, budgets: policy.budgets.length })
    await this.#keep(files)
  }

  #refuse(problems: readonly PolicyProblem[]): void {
    const { log } = this.#options
    const inForce = this.#policy?.revision ?? null
    if (sameProblems(problems, this.#status.problems)) return
    this.#status = { ...this.#status, problems, refusals: this.#status.refusals + 1 }
    for (const { file, line, path, message } of problems.slice(0, LOGGED_MAX))
      log.error('policy refused', { file, line, path, reason: message, inForce, problems: problems.length })
  }

  async #keep(files: readonly PolicyFile[]): Promise<void> {
    const { lastGoodFile, log } = this.#options
    if (this.#keepAgain) clearTimeout(this.#keepAgain)
    try {
      await mkdir(dirname(lastGoodFile), { recursive: true })
      await writeFile(`${lastGoodFile}.new`, JSON.stringify(files), { flush: true })
      await rename(`${lastGoodFile}.new`, lastGoodFile)
      this.#keepAgain = null
    } catch (error) {
      if (this.#keepAgain === null)
        log.warn('the policy in force could not be kept for the next start; it is tried again', errorFields(error))
      this.#keepAgain = setTimeout(() => void this.#keep(files), KEEP_AGAIN_MS)
      this.#keepAgain.unref()
    }
  }

  /** Takes the policy that was in force when the last process ended. */
  #restore(files: readonly PolicyFile[]): void {
    const { clock, log } = this.#options
    const result = compilePolicy(files)
    if (!result.ok) return
    const { revision } = result.policy
    this.#policy = result.policy
    this.#status = { ...this.#status, revision, source: 'last-known-good', sinceMs: clock.nowMs() }
    log.warn('the last known good policy is in force', { revision })
  }
}

const sameProblems = (one: readonly PolicyProblem[], other: readonly PolicyProblem[]): boolean =>
  one.length > 0 && JSON.stringify(one) === JSON.stringify(other)

async function readKept(file: string): Promise<readonly PolicyFile[]> {
  try {
    const parsed: unknown = JSON.parse(await readFile(file, 'utf8'))
    return Array.isArray(parsed) && parsed.every(isPolicyFile) ? parsed : []
  } catch {
    return []
  }
}

const isPolicyFile = (value: unknown): value is PolicyFile =>
  typeof value === 'object' &&
  value !== null &&
  'path' in value &&
  typeof value.path === 'string' &&
  'text' in value &&
  typeof value.text === 'string'
