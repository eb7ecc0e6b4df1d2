/** Resolves with the first signal that asks the process to end. From then on none ends it by itself. */
export function interrupted(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal))
  })
}

/** The process was asked to end before what it did was done. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}
