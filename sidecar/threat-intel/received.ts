import type { ThreatIntelNews } from '@agentcostcontrol/contract'
import type { Clock, Timers } from '../clock.ts'
import type { ControlPlaneClient } from '../control/client.ts'
import { backoffMs, createPauses } from '../control/pause.ts'
import type { Intel } from '../inspect/environment.ts'
import { errorFields, type Logger } from '../log.ts'
import { ArrivingIndex, IndexRefused, type NamedIndex, readIndexFile, writeIndexFile } from './index-file.ts'

/** The index of the control plane's lists: fetched when the channel tells of another one, and kept on disk. */
export interface ReceivedIntel {
  /** Of the one that was told last, whether it is here already or not; `null` for none. */
  readonly version: string | null
  /** Fetches it beside everything else, until it is here or another one is told. */
  take(news: ThreatIntelNews): void
  /** In force: the last one that came whole. */
  current(): Intel | null
  stats(): ReceivedStats
  /** Ends a download that is under way; what is in force stays on disk. */
  close(): Promise<void>
}

/** For metrics and probes. */
export interface ReceivedStats {
  /** In force; `null` for none. */
  readonly version: string | null
  readonly entries: number
  /** When the one in force was built, ms since the epoch; `null` without one. */
  readonly builtAtMs: number | null
  /** What was told: came into force; was not what it should be; could not be fetched or kept, and is tried again. */
  readonly results: Readonly<Record<'taken' | 'refused' | 'failed', number>>
}

/** What it needs. */
export interface ReceivedIntelOptions {
  /** Where the index in force is kept. */
  readonly file: string
  readonly client: Pick<ControlPlaneClient, 'threatIndex'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  readonly log: Logger
}

/** Quick at first, as the channel is. */
const BACKOFF = { firstMs: 200, mostMs: 60_000 } as const
/** What was changed on its way may be so again, and each try costs all of its bytes. */
const REFUSED_BACKOFF = { firstMs: 5_000, mostMs: 3_600_000 } as const

/** Opens it with the index that was in force when the last process ended. */
export async function openReceivedIntel(options: ReceivedIntelOptions): Promise<ReceivedIntel> {
  const { file, log } = options
  let refused = 0
  const kept = await readIndexFile(file).catch((error: unknown) => {
    refused = 1
    log.error('the index of threat intelligence that was kept is not taken; it is fetched again', {
      file,
      ...errorFields(error),
    })
    return null
  })
  return new Received(options, kept, refused)
}

class Received implements ReceivedIntel {
  readonly #options: ReceivedIntelOptions
  readonly #ending = new AbortController()
  readonly #pauses: ReturnType<typeof createPauses>
  readonly #results: Record<'taken' | 'refused' | 'failed', number>
  readonly #running: Promise<void>
  #told: ThreatIntelNews
  #inForce: NamedIndex | null
  /** What the next start knows. */
  #kept: string | null

  constructor(options: ReceivedIntelOptions, kept: NamedIndex | null, refused: number) {
    this.#options = options
    this.#pauses = createPauses(options.timers)
    this.#results = { taken: 0, refused, failed: 0 }
    this.#inForce = kept
    this.#kept = kept?.version ?? null
    this.#told = { version: this.#kept, bytes: 0, builtAt: null }
    this.#running = this.#run()
  }

  get version(): string | null {
    return this.#told.version
  }

  take(news: ThreatIntelNews): void {
    this.#told = news
    this.#pauses.hurry()
  }

  current = (): Intel | null => this.#inForce

  stats(): ReceivedStats {
    const { version = null, entries = 0, builtAtMs = null } = this.#inForce ?? {}
    return { version, entries, builtAtMs, results: this.#results }
  }

  readonly close = async (): Promise<void> => {
    this.#ending.abort()
    this.#pauses.hurry()
    await this.#running
  }

  async #run(): Promise<void> {
    let failures = 0
    while (!this.#ending.signal.aborted) {
      const told = this.#told
      if (told.version === (this.#inForce?.version ?? null) && told.version === this.#kept) {
        await this.#pauses.wait()
        continue
      }
      try {
        await this.#follow(told)
        failures = 0
      } catch (error) {
        if (this.#ending.signal.aborted) return
        this.#failed(told, error, ++failures)
        if (this.#told === told) await this.#pauses.wait(this.#pauseMs(error, failures))
        if (this.#told !== told) failures = 0
      }
    }
  }

  /** @returns `undefined`: until another one is told */
  #pauseMs(error: unknown, failures: number): number | undefined {
    if (!(error instanceof IndexRefused)) return backoffMs(BACKOFF, failures, this.#options.random())
    return error.isWhole ? undefined : backoffMs(REFUSED_BACKOFF, failures, this.#options.random())
  }

  async #follow(told: ThreatIntelNews): Promise<void> {
    const { file, log } = this.#options
    if (told.version !== (this.#inForce?.version ?? null)) {
      this.#inForce = told.version === null ? null : await this.#fetch(told.version, told)
      this.#results.taken++
      const { version, entries } = this.stats()
      log.info('threat intelligence of the control plane in force', { version, entries })
    }
    await writeIndexFile(file, this.#inForce)
    this.#kept = told.version
  }

  async #fetch(version: string, { bytes, builtAt }: ThreatIntelNews): Promise<NamedIndex> {
    const arriving = new ArrivingIndex(bytes)
    for await (const piece of await this.#options.client.threatIndex(version, this.#ending.signal)) arriving.add(piece)
    return arriving.whole(version, builtAt === null ? this.#options.clock.nowMs() : Date.parse(builtAt))
  }

  #failed({ version }: ThreatIntelNews, error: unknown, failures: number): void {
    const { log } = this.#options
    const refused = error instanceof IndexRefused
    this.#results[refused ? 'refused' : 'failed']++
    const tell = failures > 1 ? log.debug : refused ? log.error : log.warn
    tell(
      refused
        ? 'the threat intelligence of the control plane is refused; the last good index stays in force'
        : 'the threat intelligence of the control plane could not be fetched and kept; it is tried again',
      { version, inForce: this.#inForce?.version ?? null, ...errorFields(error) },
    )
  }
}
