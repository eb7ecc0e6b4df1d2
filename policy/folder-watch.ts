import { folderProblem, readFolder, viewFolder } from './folder.ts'
import type { PolicyFile, PolicyProblem } from './types.ts'

/** What a watch of a folder needs. */
export interface FolderWatchOptions {
  readonly folder: string
  readonly clock: {
    nowMs(): number
    monotonicMs(): number
  }
  /**
   * Told of what the folder holds: at the start, and after each change once it has come to rest. If it rejects, it is
   * told again at the next look.
   */
  onFiles(files: readonly PolicyFile[], first: boolean): Promise<void>
  /** Told of what keeps the folder from being read; again at each look while it cannot be. If it rejects, as above. */
  onProblems(problems: readonly PolicyProblem[]): Promise<void> | void
  /** Told of what the others threw. */
  onError(error: unknown): void
}

/** A watch of a folder. */
export interface FolderWatch {
  /** Ends it; what runs is not waited for. */
  close(): void
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

/** A volume that is gone leaves an empty folder behind; taking every limit away must be said. */
export const EMPTIED_FOLDER: PolicyProblem = folderProblem(
  'the folder holds no policy any more, and the last one stays in force. To have no policy, leave a file with nothing but a comment in it',
)

/** Watches a folder of policy. Resolves when what it holds at the start was told. */
export async function watchFolder(options: FolderWatchOptions): Promise<FolderWatch> {
  const watch = new Watch(options)
  await watch.look(true)
  watch.schedule(POLL_MS)
  return watch
}

class Watch implements FolderWatch {
  readonly #options: FolderWatchOptions
  /** Signature of the folder as it was told last. */
  #told = ''
  #restlessSinceMs: number | null = null
  #viewMs = 0
  #timer: NodeJS.Timeout | null = null
  #closed = false

  constructor(options: FolderWatchOptions) {
    this.#options = options
  }

  close(): void {
    this.#closed = true
    if (this.#timer) clearTimeout(this.#timer)
  }

  schedule(delayMs: number): void {
    if (this.#closed) return
    this.#timer = setTimeout(async () => {
      await this.look(false)
      this.schedule(Math.min(POLL_MS_MAX, Math.max(POLL_MS, this.#viewMs * POLL_SHARE)))
    }, delayMs)
    this.#timer.unref()
  }

  /** Looks at the folder, and tells of it if it is another one than was told. */
  async look(first: boolean): Promise<void> {
    const { onFiles, onProblems, onError } = this.#options
    try {
      const found = await this.#read(first).catch(unreadable)
      if (found === null) return
      if (found.problems.length > 0) await onProblems(found.problems)
      else await onFiles(found.files, first)
      this.#told = found.signature
    } catch (error) {
      this.#told = ''
      onError(error)
    }
  }

  /** @returns `null` while there is nothing to tell */
  async #read(first: boolean): Promise<Found | null> {
    const { folder, clock } = this.#options
    const startedMs = clock.monotonicMs()
    // A file may go between being listed and being looked at, as editors' temporary ones do.
    const view = await viewFolder(folder).catch(() => viewFolder(folder))
    this.#viewMs = clock.monotonicMs() - startedMs
    if (view.signature === this.#told) return null
    const quiet = this.#isQuiet(view.changedMs)
    if (!first && !quiet) return null
    const content = await readFolder(folder, view)
    // Files that changed while they were read may belong to two revisions: the next look has them whole.
    if (!first && (await viewFolder(folder)).signature !== view.signature) return null
    this.#restlessSinceMs = null
    // At the start it may have been in the middle of being written: then it is looked at again.
    return { ...content, signature: quiet ? view.signature : '' }
  }

  /** Whether the folder has come to rest. A time of change ahead of this clock says nothing. */
  #isQuiet(changedMs: number): boolean {
    const nowMs = this.#options.clock.nowMs()
    const ageMs = nowMs - changedMs
    if (ageMs >= QUIET_MS || ageMs < 0) return true
    this.#restlessSinceMs ??= nowMs
    return nowMs - this.#restlessSinceMs > UNREST_MS_MAX
  }
}

interface Found {
  readonly files: readonly PolicyFile[]
  readonly problems: readonly PolicyProblem[]
  /** Of the folder as it was read; empty to look at it again. */
  readonly signature: string
}

function unreadable(error: unknown): Found {
  const reason = error instanceof Error ? error.message : String(error)
  return { files: [], problems: [folderProblem(`the policy folder cannot be read: ${reason}`)], signature: '' }
}
