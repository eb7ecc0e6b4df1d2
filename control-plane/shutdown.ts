import { errorFields, type Logger } from './log.ts'

/** Closes a part that was opened. */
export type Closer = readonly [name: string, close: () => unknown]

/** Last opened, first closed; each is, whatever became of the others. @returns whether one could not be closed in order */
export async function closeAll(closers: Closer[], log: Logger | null): Promise<boolean> {
  let failed = false
  for (const [part, close] of closers.splice(0).reverse()) {
    try {
      await close()
    } catch (error) {
      failed = true
      log?.error('stopping failed', { part, ...errorFields(error) })
    }
  }
  return failed
}

/** Stops a control plane in order, once. */
export interface Shutdown {
  /** Begins it, if it has not begun. */
  begin(why: string): void
  /** A signal: the first one begins, one more breaks off what still runs. */
  signal(name: string): void
}

/** What a stop needs. */
export interface ShutdownParts {
  readonly log: Logger
  readonly closers: Closer[]
  /** Ends at once what still runs. */
  breakOff(): void
  /** Lets go of what is closed: told once, with 0 if everything went well. */
  end(exitCode: 0 | 1): void
}

/** Makes the one stop of a process. */
export function createShutdown({ log, closers, breakOff, end }: ShutdownParts): Shutdown {
  let signals = 0
  let begun = false

  async function run(why: string): Promise<void> {
    log.info('control plane stops', { why })
    const failed = await closeAll(closers, log)
    log.info('control plane stopped')
    end(failed ? 1 : 0)
  }

  function begin(why: string): void {
    if (begun) return
    begun = true
    void run(why)
  }

  return {
    begin,
    signal: (name) => {
      signals++
      begin(name)
      if (signals < 2) return
      log.warn('a second signal: what still runs is broken off', { signal: name })
      breakOff()
    },
  }
}
