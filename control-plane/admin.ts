import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from './config.ts'

/** What the admin port shows. */
export interface AdminOptions {
  /** Whether the database answers; rejects if not. */
  check(): Promise<unknown>
  /** The Prometheus text format. */
  metrics(): Promise<string>
}

/** Starts the admin port, which shows nothing of any tenant and is for probes alone: `/healthz`, `/readyz`, `/metrics`. */
export async function startAdminServer(
  listen: ListenAddress,
  { check, metrics }: AdminOptions,
): Promise<{ readonly address: AddressInfo; close(): Promise<void> }> {
  const pages: Readonly<Record<string, () => Promise<readonly [status: number, body: string]>>> = {
    '/healthz': async () => [200, 'ok\n'],
    '/readyz': () =>
      check().then(
        () => [200, 'ready\n'] as const,
        () => [503, 'the database does not answer\n'] as const,
      ),
    '/metrics': async () => [200, await metrics()],
  }
  // Longer than from one probe or scrape to the next: nobody asks on a connection that is just being closed.
  const server = createServer({ keepAliveTimeout: 65_000 }, async (request, response) => {
    const page = pages[(request.url ?? '').split('?')[0] ?? '']
    const [status, body] = page ? await page() : ([404, 'here are /healthz, /readyz and /metrics\n'] as const)
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' }).end(body)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen.port, listen.host, resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the admin port has no address')
  return {
    address,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
