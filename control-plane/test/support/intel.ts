import { createHash, randomUUID } from 'node:crypto'
import { ThreatIndex } from '@agentcostcontrol/detectors'
import { systemClock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { createMetrics } from '../../metrics.ts'
import type { IndexInForce } from '../../threat-intel/index-repository.ts'
import type { IntelList } from '../../threat-intel/list-repository.ts'
import { createThreatIntel } from '../../threat-intel/parts.ts'
import type { ThreatIntelService } from '../../threat-intel/service.ts'
import { QUIET } from './database.ts'
import type { TestReplica } from './replica.ts'

/** Lists on a database; nobody hears of them. */
export const intelOn = (database: Database): ThreatIntelService =>
  createThreatIntel({
    database,
    wakes: { announce: async () => {} },
    clock: systemClock,
    newId: randomUUID,
    allowedHosts: [],
    metrics: createMetrics().threatIntel,
    log: QUIET,
  }).service

/** What the API lists. */
export interface IntelPage {
  readonly lists: readonly IntelList[]
  readonly index: IndexInForce
}

/** An answer of the API: a list, or a problem. */
export type IntelAnswer = { readonly status: number; readonly body: IntelList & { readonly detail?: string } }

/** A list of URLhaus with these URLs. */
export const urlhaus = (...urls: readonly string[]): string =>
  urls.map((url, at) => `"${at}","2026-10-01 10:00:00","${url}","online","","malware_download","","",""\n`).join('')

/** Puts bytes into a list. */
export async function uploadList(
  url: string,
  adminKey: string,
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<IntelAnswer> {
  const response = await fetch(`${url}/api/v1/security/threat-intel/${path}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${adminKey}`, ...headers },
    body,
  })
  return { status: response.status, body: (await response.json()) as IntelAnswer['body'] }
}

/** An index as a sidecar gets it. */
export async function downloadIndex(replica: Pick<TestReplica, 'url'>, credential: string, version: string) {
  const response = await fetch(`${replica.url}/sidecar/v1/threat-intel/${version}`, {
    headers: { authorization: `Bearer ${credential}` },
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const shared = new SharedArrayBuffer(bytes.length)
  new Uint8Array(shared).set(bytes)
  return {
    status: response.status,
    headers: response.headers,
    hash: createHash('sha256').update(bytes).digest('hex'),
    read: () => new ThreatIndex(shared),
    shared,
  }
}
