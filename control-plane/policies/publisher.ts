import {
  type CheckedPolicy,
  checkBeside,
  checkPolicy,
  type PolicyFile,
  type PolicyProblem,
  policyRevision,
  watchFolder,
} from '@agentcostcontrol/policy'
import type { Clock } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import type { PolicyResult } from '../metrics.ts'
import { type Provenance, provenanceOf } from './provenance.ts'
import type { PolicyService, Published } from './service.ts'

/** Publishes what a folder holds, whenever that is another revision. */
export interface Publisher {
  /** Ends it, and takes the folder out of those that count. */
  close(): Promise<void>
}

/** What a publisher needs. */
export interface PublisherOptions {
  readonly folder: string
  /** Whose policy it is. */
  readonly orgId: string
  /** Names this replica, and no other that runs. */
  readonly replica: string
  readonly policies: Pick<PolicyService, 'publish' | 'refuse' | 'leave'>
  readonly clock: Clock
  readonly log: Logger
  /** Told of each outcome that is another one than before, and of the generation in force. */
  onOutcome(result: PolicyResult | null, generation: number): void
  /** How often the folder is held against what is in force; the tests are less patient. */
  readonly beatMs?: number
}

const BEAT_MS = 5_000
/** A folder may lag behind another replica's for so long before that is said. */
const BEHIND_MS = 10_000
/** Git is asked again while it has not told of a commit: first after so long, then after twice as long, and so on. */
const ASK_AGAIN_MS = 5_000
const ASK_AGAIN_MS_MAX = 60_000
/** How long a stop may wait for the folder to be forgotten. */
const LEAVE_MS_MAX = 1_000
/** The most mistakes of one revision that are logged. */
const LOGGED_MAX = 20

/** Files that were judged. */
interface Held {
  readonly revision: string
  readonly files: readonly PolicyFile[]
  readonly verdict:
    | { readonly ok: true; readonly checked: CheckedPolicy }
    | { readonly ok: false; readonly problems: readonly PolicyProblem[] }
  /** `null` where git did not answer in time. */
  provenance: Provenance | null
  /** When git is asked again, by the clock. */
  askAtMs: number
  askAgainMs: number
}

/** Starts to watch a folder. Resolves when what it holds at the start is published, or why it is not is logged. */
export async function startPublisher(options: PublisherOptions): Promise<Publisher> {
  const publisher = new FolderPublisher(options)
  await publisher.open()
  return publisher
}

class FolderPublisher implements Publisher {
  readonly #options: PublisherOptions
  #held: Held | null = null
  /** Why the folder cannot be read to its end, while that is so. */
  #unread: readonly PolicyProblem[] | null = null
  #followed = 0
  #told: Published | null = null
  #behindSinceMs: number | null = null
  #outage = false
  /** One outcome after the other. */
  #queue: Promise<unknown> = Promise.resolve()
  #stop = (): void => {}

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  async open(): Promise<void> {
    const { folder, clock, beatMs = BEAT_MS } = this.#options
    const watch = await watchFolder({
      folder,
      clock: { nowMs: clock.nowMs, monotonicMs: () => performance.now() },
      onFiles: (files, first) => this.#inTurn(() => this.#judge(files, first)),
      onProblems: (problems) => this.#inTurn(() => this.#unreadable(problems)),
      onError: (error) => this.#failed(error),
    })
    const timer = setInterval(() => void this.#inTurn(() => this.#beat()).catch((error) => this.#failed(error)), beatMs)
    this.#stop = () => {
      watch.close()
      clearInterval(timer)
    }
  }

  readonly close = async (): Promise<void> => {
    const { policies, orgId, replica } = this.#options
    this.#stop()
    // A replica that cannot say that it goes is soon taken for one that is gone.
    const left = this.#inTurn(() => policies.leave(orgId, replica)).catch(() => {})
    await Promise.race([left, new Promise((resolve) => setTimeout(resolve, LEAVE_MS_MAX).unref())])
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => {})
    return turn
  }

  async #judge(files: readonly PolicyFile[], first: boolean): Promise<void> {
    const revision = policyRevision(files)
    this.#unread = null
    if (this.#held?.revision !== revision) {
      // Nothing waits for the main thread at the start.
      const [check, provenance] = await Promise.all([
        first ? checkPolicy(files) : checkBeside(files),
        provenanceOf(this.#options.folder, files),
      ])
      const verdict = check.ok ? { ok: true as const, checked: check } : check
      const askAtMs = this.#options.clock.nowMs() + ASK_AGAIN_MS
      this.#held = { revision, files, verdict, provenance, askAtMs, askAgainMs: ASK_AGAIN_MS }
    }
    await this.#tell()
  }

  async #unreadable(problems: readonly PolicyProblem[]): Promise<void> {
    // It is told at each look, and said again with each beat.
    if (JSON.stringify(problems) === JSON.stringify(this.#unread)) return
    this.#held = null
    this.#unread = problems
    await this.#tell()
  }

  /** Holds the folder against what is in force, which another replica may have changed. */
  async #beat(): Promise<void> {
    if (this.#held !== null) await this.#askAgain(this.#held)
    await this.#tell()
  }

  /** A revision may be committed after it was published. */
  async #askAgain(held: Held): Promise<void> {
    const { folder, clock } = this.#options
    const settled = held.provenance !== null && held.provenance.uncommitted !== true
    if (settled || clock.nowMs() < held.askAtMs) return
    held.provenance = (await provenanceOf(folder, held.files)) ?? held.provenance
    held.askAgainMs = Math.min(held.askAgainMs * 2, ASK_AGAIN_MS_MAX)
    held.askAtMs = clock.nowMs() + held.askAgainMs
  }

  async #tell(): Promise<void> {
    const { policies, orgId, replica } = this.#options
    if (this.#unread !== null) {
      const bad = { replica, revision: null, files: 0, provenance: null, problems: this.#unread }
      this.#took(await policies.refuse(orgId, bad), this.#unread)
      return
    }
    if (this.#held === null) return
    const { revision, files, verdict, provenance } = this.#held
    if (!verdict.ok) {
      const { problems } = verdict
      const bad = { replica, revision, files: files.length, provenance, problems }
      this.#took(await policies.refuse(orgId, bad), problems)
      return
    }
    const { checked } = verdict
    const outcome = await policies.publish(orgId, { replica, files, checked, provenance, followed: this.#followed })
    if (outcome.state === 'inForce') this.#followed = outcome.generation
    this.#took(outcome, outcome.problems)
  }

  #took(outcome: Published, problems: readonly PolicyProblem[]): void {
    const { log, onOutcome } = this.#options
    const { state, generation, isNew } = outcome
    if (this.#outage) log.info('policies are published again')
    this.#outage = false
    const before = this.#told
    const same = before?.state === state && JSON.stringify(before.problems) === JSON.stringify(outcome.problems)
    this.#told = outcome
    this.#lags(state === 'behind', generation)
    if (state === 'inForce' && isNew) {
      log.info('policy published', { generation, revision: this.#held?.revision ?? '' })
      onOutcome('published', generation)
    } else if ((state === 'refused' || state === 'unreadable') && !same) {
      for (const { file, line, path, message } of problems.slice(0, LOGGED_MAX))
        log.error('policy refused', {
          file,
          line,
          path,
          reason: message,
          inForce: generation,
          problems: problems.length,
        })
      onOutcome('refused', generation)
    } else onOutcome(null, generation)
  }

  /** Replicas see a change at different moments: what differs for longer is told, once. */
  #lags(behind: boolean, generation: number): void {
    const { clock, log, onOutcome } = this.#options
    const nowMs = clock.nowMs()
    if (!behind) {
      if (this.#behindSinceMs === Number.POSITIVE_INFINITY)
        log.info('the policy folder is no longer behind', { generation })
      this.#behindSinceMs = null
      return
    }
    this.#behindSinceMs ??= nowMs
    if (nowMs - this.#behindSinceMs < BEHIND_MS) return
    // Told; it is never longer than that again.
    this.#behindSinceMs = Number.POSITIVE_INFINITY
    log.warn(
      'the policy folder of this replica holds a revision that was in force before, and the one in force stands in the folder of another replica: nothing is published from here until they agree, or until this folder holds something new',
      { generation, revision: this.#held?.revision ?? '' },
    )
    onOutcome('behind', generation)
  }

  #failed(error: unknown): void {
    const { log } = this.#options
    if (!this.#outage)
      log.error('what the policy folder holds could not be published; it is tried again', errorFields(error))
    this.#outage = true
  }
}
