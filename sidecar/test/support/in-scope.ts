import type { Scope } from '../../../test/support/scope.ts'

/** Runs something that cleans up after itself: for the runs of a property, of which a test has many. */
export async function inScope(work: (scope: Scope) => Promise<void>): Promise<void> {
  const teardowns: (() => void | Promise<void>)[] = []
  try {
    await work({ teardown: (teardown) => teardowns.unshift(teardown) })
  } finally {
    for (const teardown of teardowns) await teardown()
  }
}
