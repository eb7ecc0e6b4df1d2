import { errorFields, type Logger } from '../log.ts'

/** Moves what was written down out of the outbox's WAL into its file, again and again. */
export interface Checkpoints {
  /** One more; never rejects. */
  run(): Promise<void>
  /** How many failed. Nothing is lost by one: the WAL keeps what it has, and grows. */
  readonly failures: number
}

/**
 * Counts the checkpoints that fail, and tells the beginning and the end of an outage, not each second of it.
 * @param checkpoint rejects when it fails
 */
export function createCheckpoints(checkpoint: () => Promise<void>, log: Logger): Checkpoints {
  let failures = 0
  let failing = false
  return {
    run: async () => {
      try {
        await checkpoint()
        if (failing) log.info('the outbox is moved into its file again')
        failing = false
      } catch (error) {
        failures++
        if (!failing) log.error('the outbox cannot be moved into its file, so its WAL grows', errorFields(error))
        failing = true
      }
    },
    get failures() {
      return failures
    },
  }
}
