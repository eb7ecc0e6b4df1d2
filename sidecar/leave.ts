import { accessSync, constants } from 'node:fs'

/**
 * Ends the process at once. `process.exit()` waits for every thread, and a scan that spins in optimised code hears of no
 * end: so another program, which ends at once, takes the process's place (execve(2)), and no thread of it is left. Whatever
 * is to be on disk has to be there.
 */
export function leave(exitCode: number): never {
  try {
    // One that cannot be run (the file is gone since the start) Node does not throw about: it aborts, with another exit code.
    accessSync(process.execPath, constants.X_OK)
    process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${exitCode})`], {})
  } catch {
    // Then it ends as soon as its threads do.
  }
  process.exit(exitCode)
}
