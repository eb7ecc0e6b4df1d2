/**
 * Ends the process at once. `process.exit()` waits for every thread, and a scan that spins in optimised code hears of no
 * end: so another program, which ends at once, takes the process's place (execve(2)), and no thread of it is left. Whatever
 * is to be on disk has to be there.
 */
export function leave(exitCode: number): never {
  try {
    process.execve?.(process.execPath, [process.execPath, '-e', `process.exit(${exitCode})`], {})
  } catch {
    // Not everywhere may another program be run.
  }
  process.exit(exitCode)
}
