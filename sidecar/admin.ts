import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from './config.ts'
import { boundAddress, listening } from './server.ts'

/** Whether the sidecar can serve, and what it waits for if not. */
export interface Readiness {
  readonly ready: boolean
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail: string }>>
}

/** What the admin port shows. */
export interface AdminOptions {
  readiness(): Readiness
  /** The Prometheus text format. */
  metrics(): Promise<string>
}

/** Starts the admin port: `/healthz`, `/readyz`, `/metrics`. */
export async function startAdminServer(
  listen: ListenAddress,
  { readiness, metrics }: AdminOptions,
): Promise<{ readonly address: AddressInfo; close(): Promise<void> }> {
  // Longer than from one probe or scrape to the next: nobody asks on a connection that is just being closed.
  const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
    const send = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(405, 'text/plain; charset=utf-8', 'only GET\n')
      return
    }
    switch ((request.url ?? '').split('?')[0]) {
      case '/healthz':
        send(200, 'text/plain; charset=utf-8', 'ok\n')
        return
      case '/readyz': {
        const state = readiness()
        send(state.ready ? 200 : 503, 'application/json', `${JSON.stringify(state)}\n`)
        return
      }
      case '/metrics':
        metrics().then(
          (text) => send(200, 'text/plain; version=0.0.4; charset=utf-8', text),
          () => send(500, 'text/plain; charset=utf-8', 'metrics could not be collected\n'),
        )
        return
      default:
        send(404, 'text/plain; charset=utf-8', 'here are /healthz, /readyz and /metrics\n')
    }
  })
  await listening(server, listen)
  return {
    address: boundAddress(server),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
