import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Clock, Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'

/** When the control plane last answered, also before this process began. */
export interface LastWord {
  /** It answered. */
  heard(): void
  /** Milliseconds since then, by whichever clock says more; since the start if it never did. */
  ageMs(): number
  /** False while it never answered. */
  readonly ever: boolean
  close(): void
}

/** What it needs. */
export interface LastWordOptions {
  /** Holds the moment for the next start. */
  readonly file: string
  /** Silence of this length is too long. */
  readonly staleAfterMs: number
  /** Told when the silence gets too long, and when it ends. */
  onStale(stale: boolean): void
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

/** Written down so many times in the time after which it is stale: a start knows it to that part. */
const SAVES = 100
const LOOK_MS_MAX = 1_000
const SAVE_MS_MAX = 60_000

/** Reads when the control plane last answered, and watches its silence. */
export async function openLastWord(options: LastWordOptions): Promise<LastWord> {
  const { file, staleAfterMs, onStale, clock, timers, log } = options
  const kept = Number(await readFile(file, 'utf8').catch(() => ''))
  let ever = Number.isFinite(kept) && kept > 0
  let atWallMs = ever ? kept : clock.nowMs()
  let atMonotonicMs = clock.monotonicMs()
  let savedWallMs = 0
  let stale = false

  // A machine that slept, or a clock that is turned back, must not make it look younger.
  const ageMs = (): number => Math.max(clock.nowMs() - atWallMs, clock.monotonicMs() - atMonotonicMs)

  function judge(): void {
    const now = ageMs() > staleAfterMs
    if (now === stale) return
    stale = now
    if (stale) log.error('the control plane was silent for too long', { silentMs: Math.round(ageMs()), staleAfterMs })
    else log.info('the control plane is heard of again')
    onStale(stale)
  }

  function save(): void {
    if (Math.abs(atWallMs - savedWallMs) < Math.min(SAVE_MS_MAX, staleAfterMs / SAVES)) return
    savedWallMs = atWallMs
    writeFile(`${file}.new`, `${atWallMs}`)
      .then(() => rename(`${file}.new`, file))
      .catch((error: unknown) => log.debug('the last word of the control plane was not kept', errorFields(error)))
  }

  let callOff = (): void => {}
  function look(): void {
    judge()
    callOff = timers.after(Math.min(LOOK_MS_MAX, staleAfterMs / 4), look)
  }
  look()
  return {
    heard: () => {
      ever = true
      atWallMs = clock.nowMs()
      atMonotonicMs = clock.monotonicMs()
      judge()
      save()
    },
    ageMs,
    get ever() {
      return ever
    },
    close: () => callOff(),
  }
}
