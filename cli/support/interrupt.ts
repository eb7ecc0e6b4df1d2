/** The signals that ask the process to end. */
export interface Interruptions {
  /** Resolves with the first one. */
  readonly asked: Promise<NodeJS.Signals>
  /** Resolves with the next one: somebody does not want to wait. */
  readonly again: Promise<NodeJS.Signals>
}

/** Waits for signals. From then on none ends the process by itself. */
export function interruptions(): Interruptions {
  const [first, next] = [Promise.withResolvers<NodeJS.Signals>(), Promise.withResolvers<NodeJS.Signals>()]
  let count = 0
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      count++
      if (count === 1) first.resolve(signal)
      else next.resolve(signal)
    })
  return { asked: first.promise, again: next.promise }
}

/** The process was asked to end before what it did was done. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}
