import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startCluster } from '../../../control-plane/db/cluster.ts'
import { QUIET } from '../../../control-plane/test/support/database.ts'
import { controlPlaneFor, type TestControlPlane } from '../../support/control-plane.ts'
import { type CuttingProxy, cuttingProxyFor } from '../../support/cutting-proxy.ts'
import { inCheckout } from '../../support/paths.ts'
import { hasRedis, redisFor } from '../../support/redis.ts'
import { folderFor, type Scope } from '../../support/scope.ts'
import { sidecarFor, type TestSidecar, writePolicies } from '../../support/sidecar.ts'
import { until } from '../../support/until.ts'
import { POLICIES } from './budgets.ts'
import type { Fault } from './fault-plan.ts'
import type { Streams } from './streams.ts'
import type { Strike } from './strikes.ts'
import { strikesOf } from './system-strikes.ts'

/** A sidecar, its network and its clients. */
export interface SystemMember {
  readonly streams: Streams
  /** The process that runs now, or ran last. */
  sidecar(): TestSidecar
  /** Starts the next one on what the last one left. */
  again(): Promise<void>
}

/** Both planes, all of it processes of their own. */
export interface System {
  readonly members: readonly SystemMember[]
  readonly databaseUrl: string
  readonly adminKey: string
  /** Of a replica, whichever process it is at the moment. */
  readonly planeUrl: string
  readonly hasRedis: boolean
  readonly strikes: Readonly<Record<Fault, Strike>>
}

const REPLICAS = 2
/** A machine that is busy with all of this takes its time to start a process. */
const UP_MS_MAX = 60_000
const AGAIN_MS = 200

/** A clock that can be moved. */
interface MovableClock {
  readonly nodeArgs: readonly string[]
  readonly env: Readonly<Record<string, string>>
  move(shiftMs: number): void
}

function clockFor(scope: Scope): MovableClock {
  const file = join(folderFor(scope), 'shift-ms')
  const move = (shiftMs: number): void => writeFileSync(file, String(shiftMs))
  move(0)
  return { nodeArgs: ['--import', inCheckout('test/preload/moving-clock.ts')], env: { TEST_CLOCK_FILE: file }, move }
}

/** Tries to start something until it starts: what it needs may be struck at the moment. With the scope it gives up. */
function persistFor(scope: Scope): <T extends { kill(): Promise<void> }>(start: () => Promise<T>) => Promise<T> {
  let isOver = false
  scope.teardown(() => {
    isOver = true
  })
  return async (start) => {
    const deadline = performance.now() + UP_MS_MAX
    for (;;) {
      try {
        const started = await start()
        // In front of its own orderly end, which would wait for the others when all end at once.
        scope.teardown(() => started.kill())
        return started
      } catch (error) {
        if (isOver || performance.now() > deadline) throw error
        await pause(AGAIN_MS)
      }
    }
  }
}

/** A replica that comes back where it was. */
export interface Replica {
  readonly url: string
  readonly clock: MovableClock
  readonly adminKey: string | null
  kill(): Promise<void>
  again(): Promise<void>
}

async function replicaFor(scope: Scope, policyDir: string, env: Readonly<Record<string, string>>): Promise<Replica> {
  const clock = clockFor(scope)
  const start = (listen: string): Promise<TestControlPlane> =>
    controlPlaneFor(scope, {
      policyDir,
      env: { ...env, ...clock.env, CONTROL_PLANE_LISTEN: listen },
      nodeArgs: clock.nodeArgs,
    })
  const persist = persistFor(scope)
  let plane = await persist(() => start('127.0.0.1:0'))
  const { url, adminKey } = plane
  return {
    url,
    clock,
    adminKey,
    kill: () => plane.kill(),
    again: async () => {
      plane = await persist(() => start(new URL(url).host))
    },
  }
}

/** The same as faults see it. */
export interface Member extends SystemMember {
  readonly network: CuttingProxy
  readonly clock: MovableClock
  kill(): Promise<void>
}

async function memberFor(
  scope: Scope,
  upstream: string,
  planeUrl: string,
  tokenFile: string,
  streams: Streams,
): Promise<Member> {
  const network = await cuttingProxyFor(scope, planeUrl)
  const clock = clockFor(scope)
  const dataDir = folderFor(scope)
  const env = { ...clock.env, ACC_CONTROL_PLANE_URL: network.url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile }
  const persist = persistFor(scope)
  const start = async (): Promise<TestSidecar> => {
    const started = await persist(() => sidecarFor(scope, { upstream, dataDir, env, nodeArgs: clock.nodeArgs }))
    await until(
      'a policy is in force',
      async () => ((await started.metric('acc_policy_loaded')) === 1 ? true : null),
      UP_MS_MAX,
    )
    return started
  }
  let sidecar = await start()
  return {
    streams,
    network,
    clock,
    sidecar: () => sidecar,
    kill: async () => {
      streams.aim(null)
      await sidecar.kill()
    },
    again: async () => {
      sidecar = await start()
      streams.aim(sidecar.url)
    },
  }
}

/** Starts PostgreSQL, Redis where there is one, two replicas and a sidecar for each of the clients; no client sends yet. */
export async function systemFor(scope: Scope, providerUrl: string, clients: readonly Streams[]): Promise<System> {
  const cluster = await startCluster({ folder: folderFor(scope), port: 0, log: QUIET })
  scope.teardown(() => cluster.stop())
  const redis = hasRedis() ? await redisFor(scope) : null
  const policyDir = folderFor(scope)
  writePolicies(policyDir, POLICIES)
  const tokenFile = join(folderFor(scope), 'token')
  const env = {
    DATABASE_URL: cluster.url,
    CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile,
    ...(redis === null ? {} : { REDIS_URL: redis.url }),
  }
  const replicas = await Promise.all(Array.from({ length: REPLICAS }, () => replicaFor(scope, policyDir, env)))
  const [first] = replicas
  if (!first) throw new Error('no replica')
  const members = await Promise.all(
    clients.map((streams, at) =>
      memberFor(scope, `${providerUrl}/v1`, (replicas[at % REPLICAS] ?? first).url, tokenFile, streams),
    ),
  )
  return {
    members,
    databaseUrl: cluster.url,
    adminKey: replicas.map(({ adminKey }) => adminKey).find((key) => key !== null) ?? '',
    planeUrl: first.url,
    hasRedis: redis !== null,
    strikes: strikesOf(members, replicas, redis, () => cluster.pid),
  }
}
