import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import type { SignedBundle } from '@agentcostcontrol/contract'
import type { Scope } from '../../../test/support/scope.ts'
import { createAgentService } from '../../agents/service.ts'
import { type AppOptions, createApp } from '../../app.ts'
import { makeKey } from '../../auth/keys.ts'
import { createAuthService } from '../../auth/service.ts'
import { systemClock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { createWakes, type Wakes } from '../../db/wakes.ts'
import { createMetrics } from '../../metrics.ts'
import { type ChannelOptions, createChannel } from '../../sidecars/channel.ts'
import { createRegister } from '../../sidecars/register.ts'
import { createSidecarService } from '../../sidecars/service.ts'
import { createThreatIntel, type ThreatIntelPartsOptions } from '../../threat-intel/parts.ts'
import { createIngestService } from '../../usage/ingest-service.ts'
import { createReadService } from '../../usage/read-service.ts'
import { AGENTS } from './agents.ts'
import { QUIET, type TestDatabase } from './database.ts'
import { saidOn } from './security.ts'

/** What is published, as all replicas see it; how often a bundle was read is counted. */
export function publishedPolicies() {
  const bundles = new Map<string, { readonly generation: number; readonly bundle: SignedBundle }>()
  let reads = 0
  return {
    reads: () => reads,
    put: (orgId: string, generation: number, text = '') =>
      bundles.set(orgId, { generation, bundle: signedBundle(orgId, generation, text) }),
    newerThan: async (orgId: string, generation: number): Promise<SignedBundle | null> => {
      reads++
      const known = bundles.get(orgId)
      return known !== undefined && known.generation > generation ? known.bundle : null
    },
    generation: async (orgId: string): Promise<number> => bundles.get(orgId)?.generation ?? 0,
    revisions: async (orgId: string): Promise<ReadonlyMap<number, string>> => {
      const { generation } = bundles.get(orgId) ?? { generation: 0 }
      return new Map([[generation, `revision of ${generation}`]])
    },
  }
}

const { privateKey } = generateKeyPairSync('ed25519')

/** A bundle of one file. */
function signedBundle(orgId: string, generation: number, text: string): SignedBundle {
  const revision = createHash('sha256').update(text).digest('hex')
  const manifest = JSON.stringify({ orgId, generation, revision, files: [{ path: 'a.yaml', text }] })
  return {
    manifest,
    keyId: '0'.repeat(16),
    signature: sign(null, Buffer.from(manifest), privateKey).toString('base64'),
  }
}

/** One replica's API on a real socket, with what it is made of. */
export interface TestReplica {
  readonly url: string
  readonly wakes: Wakes
  readonly channel: ReturnType<typeof createChannel>
  readonly app: Awaited<ReturnType<typeof createApp>>
  readonly metrics: ReturnType<typeof createMetrics>
  readonly threatIntel: ReturnType<typeof createThreatIntel>
  /** Makes an organisation and gives its admin key. */
  organisation(): Promise<{ readonly orgId: string; readonly adminKey: string }>
  /** A credential of a sidecar. */
  credential(orgId: string, instanceId: string): Promise<string>
  /** Changes something, and says so as a replica does. */
  publish(orgId: string, change: () => void): Promise<void>
}

/** Starts a replica on a database; it ends with the scope. */
export async function replicaFor(
  scope: Scope,
  { url, database, owner }: TestDatabase,
  policies: ReturnType<typeof publishedPolicies>,
  more: {
    readonly recallsSince?: ChannelOptions['recallsSince']
    readonly counted?: Database
    readonly fetching?: ThreatIntelPartsOptions['fetching']
  } = {},
): Promise<TestReplica> {
  const wakes = createWakes({ url, log: QUIET, beatMs: 200 })
  const used = more.counted ?? database
  const register = createRegister({ database: used, clock: systemClock, log: QUIET })
  const { recallsSince = async () => null } = more
  const { agentStates, security, commands } = saidOn(database, wakes)
  const metrics = createMetrics()
  const threatIntel = createThreatIntel({
    database,
    wakes,
    clock: systemClock,
    newId: randomUUID,
    allowedHosts: ['127.0.0.1'],
    metrics: metrics.threatIntel,
    log: QUIET,
    ...(more.fetching === undefined ? {} : { fetching: more.fetching }),
  })
  const intel = threatIntel.service
  const channel = createChannel({ policies, recallsSince, commands, intel, wakes, register, log: QUIET })
  const auth = createAuthService({ database, clock: systemClock, newId: randomUUID, policyKeys: [] })
  metrics.readPolls(() => channel.polls)
  const read = createReadService({ database })
  const agents = createAgentService({ ...AGENTS, database, read, clock: systemClock })
  // Nobody asks the other capabilities anything here.
  const app = await createApp({
    auth,
    channel,
    agents,
    agentStates,
    security,
    ingest: createIngestService({
      database,
      book: async () => {},
      record: security.events.record,
      onBatch: () => {},
    }),
    sidecars: createSidecarService({ database, policies, agents }),
    threatIntel: intel,
    clock: systemClock,
    log: QUIET,
    metrics,
  } as Partial<AppOptions> as AppOptions)
  scope.teardown(async () => {
    channel.close()
    await app.close()
    await threatIntel.close()
    await register.close()
    await wakes.close()
  })
  return {
    url: await app.listen({ host: '127.0.0.1', port: 0 }),
    wakes,
    channel,
    app,
    metrics,
    threatIntel,
    organisation: async () => {
      const [orgId, keyId] = [randomUUID(), randomUUID()]
      const { text, hash } = makeKey('admin', orgId, keyId)
      await owner`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`
      await owner`INSERT INTO keys (org_id, key_id, kind, secret_hash) VALUES (${orgId}, ${keyId}, 'admin', ${hash})`
      return { orgId, adminKey: text }
    },
    credential: async (orgId, instanceId) => {
      const caller = await auth.identify(await auth.makeEnrolmentToken(orgId))
      if (caller === null) throw new Error('a token that was just made is not known')
      return (await auth.enrol(caller, instanceId)).credential
    },
    publish: (orgId, change) =>
      database.inOrg(orgId, async (tx) => {
        change()
        await wakes.announce(tx, 'policy', orgId)
      }),
  }
}
