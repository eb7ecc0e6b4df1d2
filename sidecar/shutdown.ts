import { errorFields, type Logger } from './log.ts'

/** What a stop needs. */
export interface ShutdownParts {
  readonly log: Logger
  /** Requests under way. */
  inFlight(): number
  /** Refuses what is new and waits for what runs; resolves when nothing runs any more. */
  drain(): Promise<void>
  /** Ends what still runs at once. */
  breakOff(): void
  /** Everything else, in the order in which it is closed. Each is closed, whatever became of the ones before. */
  readonly closers: readonly (readonly [name: string, close: () => void | Promise<void>])[]
  /** Lets go of what is closed: told once, with 0 if everything went well. */
  end(exitCode: 0 | 1): void
}

/** Stops a sidecar in order, once. */
export interface Shutdown {
  /** True from the first word of it. */
  readonly begun: boolean
  /** Begins it, if it has not begun. */
  begin(why: string): void
  /** A signal: the first one begins, one more breaks off what still runs. */
  signal(name: string): void
}

/** Makes the one stop of a process. */
export function createShutdown(parts: ShutdownParts): Shutdown {
  const { log } = parts
  let begun = false
  let signals = 0

  async function run(why: string): Promise<void> {
    log.info('sidecar stops', { why, inFlight: parts.inFlight() })
    let failed = false
    for (const [name, close] of [['requests', parts.drain] as const, ...parts.closers]) {
      try {
        await close()
      } catch (error) {
        failed = true
        log.error('stopping failed', { part: name, ...errorFields(error) })
      }
    }
    log.info('sidecar stopped')
    parts.end(failed ? 1 : 0)
  }

  function begin(why: string): void {
    if (begun) return
    begun = true
    void run(why)
  }

  return {
    get begun() {
      return begun
    },
    begin,
    signal: (name) => {
      signals++
      begin(name)
      if (signals < 2 || parts.inFlight() === 0) return
      log.warn('a second signal: running requests are broken off', { signal: name, inFlight: parts.inFlight() })
      parts.breakOff()
    },
  }
}
