import type { CompiledProvider } from '@agentcostcontrol/policy'
import { Pool } from 'undici'

/** Connections to providers, one pool an origin and connect time-out; idle pools cost nothing but their entry. */
export interface UpstreamPools {
  /** The pool for a base URL, and the path in front of every target. */
  get(baseUrl: string, provider: CompiledProvider): { readonly pool: Pool; readonly basePath: string }
  /** `queued`: requests that wait for a connection to be free or made. */
  stats(): { readonly connected: number; readonly running: number; readonly queued: number }
  close(): Promise<void>
}

/**
 * How long a connection is kept for the next request, where the provider does not say. A request that meets a connection
 * which the provider is just closing is lost, and must not be sent again unasked: so no longer than the clients
 * themselves would keep it (4 s in Node's fetch, 5 s in Python's httpx), and less than any provider does.
 */
const KEEP_ALIVE_MS = 4_000
const ANSWER_HEADER_BYTES_MAX = 131_072

/** @param connectionsMax most connections to one origin */
export function createUpstreamPools(connectionsMax: number): UpstreamPools {
  const pools = new Map<string, { readonly pool: Pool; readonly basePath: string }>()
  return {
    get: (baseUrl, provider) => {
      const key = `${baseUrl} ${provider.connectTimeoutMs}`
      const known = pools.get(key)
      if (known) return known
      const url = new URL(baseUrl)
      const pool = new Pool(url.origin, {
        connections: connectionsMax,
        pipelining: 1,
        allowH2: false,
        keepAliveTimeout: KEEP_ALIVE_MS,
        maxHeaderSize: ANSWER_HEADER_BYTES_MAX,
        connect: { timeout: provider.connectTimeoutMs },
      })
      const entry = { pool, basePath: url.pathname.replace(/\/+$/, '') }
      pools.set(key, entry)
      return entry
    },
    stats: () => {
      const stats = [...pools.values()].map(({ pool }) => pool.stats)
      return {
        connected: stats.reduce((sum, { connected }) => sum + connected, 0),
        running: stats.reduce((sum, { running }) => sum + running, 0),
        queued: stats.reduce((sum, { pending }) => sum + pending, 0),
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()))
    },
  }
}
