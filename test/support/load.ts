import type { Scope } from './scope.ts'

/** Clients that send one request after the other until they are stopped. */
export interface Load {
  /** Lets every client finish what it is doing. @throws what a client ran into */
  stop(): Promise<void>
}

/** Starts `count` clients; they end with the scope at the latest. */
export function loadFor(scope: Scope, count: number, send: () => Promise<unknown>): Load {
  let running = true
  const clients = Promise.all(
    Array.from({ length: count }, async () => {
      while (running) await send()
    }),
  )
  const stop = async (): Promise<void> => {
    running = false
    await clients
  }
  clients.catch(() => {})
  scope.teardown(() => stop().catch(() => {}))
  return { stop }
}
