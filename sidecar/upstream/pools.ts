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
        keepAliveTimeout: 4_000,
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
