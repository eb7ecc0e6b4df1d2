/** When spending counts as too fast. */
export interface VelocitySettings {
  readonly factor: number
  /** nano-USD. */
  readonly minPerMinute: number
  readonly windowMs: number
}

/** What an agent spends a minute, in nano-USD: a judgement and no account, so floating point will do. */
export interface Spending {
  readonly perMinute: number
  /** Over the hour before the window, the nearest counting most; `null` before there is a window's worth of it. */
  readonly usualPerMinute: number | null
}

const SLOTS = 6
const PAST_MS = 60 * 60 * 1_000
const MINUTE_MS = 60_000
const AGENTS_MAX = 1_000

/** One agent's: a window of slots, and an exponentially weighted mean of the slots that left it. */
interface Track {
  readonly slotMs: number
  readonly slots: number[]
  /** Number of the newest slot, and of the first that was seen. */
  newest: number
  readonly first: number
  mean: number
  /** How much of the mean is known: it is too small by this factor. */
  known: number
  quietUntilMs: number
}

/** Who spends faster than is usual for it: in bounded memory, by the monotonic clock. */
export class Velocity {
  readonly #agents = new Map<string, Track>()

  /** Counts what was spent. @param nano nano-USD */
  spent(agent: string, nano: number, { windowMs }: VelocitySettings, nowMs: number): void {
    const track = this.#trackOf(agent, windowMs, nowMs)
    track.slots[SLOTS - 1] = (track.slots[SLOTS - 1] ?? 0) + nano
  }

  /** Whether an agent spends too fast; told once a window. */
  judge(agent: string, settings: VelocitySettings, nowMs: number): Spending | null {
    const known = this.#agents.get(agent)
    if (known === undefined) return null
    const track = this.#trackOf(agent, settings.windowMs, nowMs)
    const spending = read(track, settings.windowMs)
    const { perMinute, usualPerMinute } = spending
    if (usualPerMinute === null || nowMs < track.quietUntilMs) return null
    if (perMinute < settings.minPerMinute || perMinute <= settings.factor * usualPerMinute) return null
    track.quietUntilMs = nowMs + settings.windowMs
    return spending
  }

  /** Agents that are remembered. */
  get size(): number {
    return this.#agents.size
  }

  #trackOf(agent: string, windowMs: number, nowMs: number): Track {
    const slotMs = windowMs / SLOTS
    const now = Math.floor(nowMs / slotMs)
    let track = this.#agents.get(agent)
    if (track?.slotMs !== slotMs) {
      const slots = new Array<number>(SLOTS).fill(0)
      track = { slotMs, slots, newest: now, first: now, mean: 0, known: 0, quietUntilMs: Number.NEGATIVE_INFINITY }
    }
    this.#agents.delete(agent)
    const [oldest] = this.#agents.keys()
    if (this.#agents.size >= AGENTS_MAX && oldest !== undefined) this.#agents.delete(oldest)
    this.#agents.set(agent, track)
    advance(track, now)
    return track
  }
}

function advance(track: Track, now: number): void {
  const weight = 1 - Math.exp(-track.slotMs / PAST_MS)
  // More slots than there are leave nothing but silence behind.
  const steps = Math.min(now - track.newest, SLOTS)
  const silent = now - track.newest - steps
  for (let step = 0; step < steps; step++) {
    const left = track.slots.shift() ?? 0
    track.slots.push(0)
    track.newest++
    if (track.newest - SLOTS < track.first) continue
    track.mean += weight * (left - track.mean)
    track.known += weight * (1 - track.known)
  }
  if (silent <= 0) return
  const faded = (1 - weight) ** silent
  track.newest += silent
  track.mean *= faded
  track.known = 1 - (1 - track.known) * faded
}

function read(track: Track, windowMs: number): Spending {
  const sum = track.slots.reduce((total, slot) => total + slot, 0)
  const hasPast = track.newest - track.first >= 2 * SLOTS - 1
  const usual = track.known > 0 ? (track.mean / track.known) * (MINUTE_MS / track.slotMs) : 0
  return { perMinute: (sum / windowMs) * MINUTE_MS, usualPerMinute: hasPast ? usual : null }
}
