import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  type CompiledPolicy,
  compilePolicy,
  type PolicyFile,
  type PolicyProblem,
  type PolicyResult,
  policyRevision,
} from '@agentcostcontrol/policy'
import type { Clock } from './clock.ts'
import { errorFields, type Logger } from './log.ts'
import { compileBeside } from './policy-compiler.ts'
import { readFolder, viewFolder } from './policy-folder.ts'

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

/** How often the folder is looked at. Polling sees git checkouts and Kubernetes' symlink swaps alike. */
const POLL_MS = 250
/** A look at a large folder takes longer: then it is looked at less often, but twice a second at least. */
const POLL_SHARE = 20
const POLL_MS_MAX = 500
/** A folder is read once nothing in it has changed for so long: whoever is writing it may not be done. */
const QUIET_MS = 200
/** One that never comes to rest is read all the same. */
const UNREST_MS_MAX = 3_000
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
  /** Signature of the folder that was judged last. */
  #judged = ''
  /** The files that were refused last, so that they are not compiled again. */
  #refused: { readonly revision: string; readonly problems: readonly PolicyProblem[] } | null = null
  #restlessSinceMs: number | null = null
  #viewMs = 0
  /** Files of the last good policy: of the one in force, or before there is one those that were kept. */
  #lastGood: readonly PolicyFile[] = []
  #unkept: readonly PolicyFile[] | null = null
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(options: PolicyStoreOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    this.#lastGood = await readKept(this.#options.lastGoodFile)
    await this.#look(true).catch((error: unknown) => this.#unreadable(error))
    if (this.#policy === null && this.#lastGood.length > 0) this.#restore(this.#lastGood)
    this.#schedule(POLL_MS)
  }

  current(): CompiledPolicy | null {
    return this.#policy
  }

  status(): PolicyStatus {
    return this.#status
  }

  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#poll(), delayMs)
    this.#timer.unref()
  }

  async #poll(): Promise<void> {
    await this.#look(false).catch((error: unknown) => this.#unreadable(error))
    this.#schedule(Math.min(POLL_MS_MAX, Math.max(POLL_MS, this.#viewMs * POLL_SHARE)))
  }

  async #look(first: boolean): Promise<void> {
    const { folder, clock } = this.#options
    if (this.#unkept) await this.#keep(this.#unkept)
    const startedMs = clock.monotonicMs()
    // A file may go between being listed and being looked at, as editors' temporary ones do.
    const view = await viewFolder(folder).catch(() => viewFolder(folder))
    this.#viewMs = clock.monotonicMs() - startedMs
    if (view.signature === this.#judged) return
    const quiet = this.#isQuiet(view.changedMs)
    if (!first && !quiet) return
    const { files, problems } = await readFolder(folder, view)
    // Files that changed while they were read may belong to two revisions: the next look has them whole.
    if (!first && (await viewFolder(folder)).signature !== view.signature) return
    this.#restlessSinceMs = null
    if (problems.length > 0) this.#refuse(problems)
    else if (files.length === 0 && this.#lastGood.length > 0) this.#refuse([EMPTIED])
    else await this.#judge(files, first)
    // At the start it may have been in the middle of being written: then it is looked at again.
    this.#judged = quiet ? view.signature : ''
  }

  /** Whether the folder has come to rest. A time of change ahead of this clock says nothing. */
  #isQuiet(changedMs: number): boolean {
    const nowMs = this.#options.clock.nowMs()
    const ageMs = nowMs - changedMs
    if (ageMs >= QUIET_MS || ageMs < 0) return true
    this.#restlessSinceMs ??= nowMs
    return nowMs - this.#restlessSinceMs > UNREST_MS_MAX
  }

  async #judge(files: readonly PolicyFile[], first: boolean): Promise<void> {
    const { clock, log } = this.#options
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
    const result = first ? compilePolicy(files) : await compileBeside(files).catch(uncompiled)
    if (!result.ok) {
      this.#refused = { revision, problems: result.problems }
      this.#refuse(result.problems)
      return
    }
    this.#policy = result.policy
    this.#lastGood = files
    this.#refused = null
    const loads = this.#status.loads + 1
    this.#status = { ...this.#status, revision, source: 'folder', sinceMs: clock.nowMs(), problems: [], loads }
    log.info('policy in force', { revision, files: files.length, budgets: result.policy.budgets.length })
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

  #unreadable(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#judged = ''
    this.#refuse([wholeFolder(`the policy folder cannot be read: ${reason}`)])
  }

  async #keep(files: readonly PolicyFile[]): Promise<void> {
    const { lastGoodFile, log } = this.#options
    try {
      await mkdir(dirname(lastGoodFile), { recursive: true })
      await writeFile(`${lastGoodFile}.new`, JSON.stringify(files), { flush: true })
      await rename(`${lastGoodFile}.new`, lastGoodFile)
      this.#unkept = null
    } catch (error) {
      if (this.#unkept === null)
        log.warn('the policy in force could not be kept for the next start; it is tried again', errorFields(error))
      this.#unkept = files
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

/** A volume that is gone leaves an empty folder behind; taking every limit away must be said. */
const EMPTIED = wholeFolder(
  'the folder holds no policy any more, and the last one stays in force. To have no policy, leave a file with nothing but a comment in it',
)

function wholeFolder(message: string): PolicyProblem {
  return { file: '.', line: 1, path: '', message }
}

const uncompiled = (error: unknown): PolicyResult => ({
  ok: false,
  problems: [wholeFolder(error instanceof Error ? error.message : String(error))],
})

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
