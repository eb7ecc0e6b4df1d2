import { randomUUID } from 'node:crypto'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clusterFor } from '../../control-plane/test/support/database.ts'
import { systemClock, systemTimers } from '../../sidecar/clock.ts'
import { createControlPlaneClient } from '../../sidecar/control/client.ts'
import { openPolicies } from '../../sidecar/policy-source.ts'
import { silentLog } from '../../sidecar/test/support/silent-log.ts'
import { chat } from './chat.ts'
import { controlPlaneFor, type TestControlPlane } from './control-plane.ts'
import { folderFor, type Scope } from './scope.ts'
import { budgetYaml, sidecarFor, writePolicies } from './sidecar.ts'
import { simulatorFor } from './simulator.ts'
import { until } from './until.ts'

/** What is measured. */
export interface PolicyLatencyOptions {
  /** Sidecars that are connected, by turns to one of two replicas. */
  readonly sidecars: number
  /** So many of them are processes of their own, whose requests tell what is enforced; the others are their channels and policy stores alone. */
  readonly processes: number
  readonly changes: number
  /** Told of each change: the slowest of its times, in ms. */
  onChange?(slowestMs: number): void
}

/** A sidecar whose policy can be seen. */
interface Watched {
  /** Resolves once a policy is enforced under which requests pass, or are refused. */
  enforces(passes: boolean): Promise<void>
}

const ARRIVES_WITHIN_MS = 30_000
/** Past the time that a folder is given to come to rest, and at another moment of its being looked at each time. */
const BETWEEN_MS = 400

const PASSES = { 'budget.yaml': budgetYaml({ name: 'one', limit: '1000000.00' }) }
const REFUSES = { 'budget.yaml': budgetYaml({ name: 'one', limit: '0.000000001' }) }

/**
 * Times from a change in the policy folder of one replica to its being enforced, ms: of each change by each sidecar.
 * Everything is real: PostgreSQL, two control planes, a socket for each sidecar. It ends with the scope.
 */
export async function measurePolicyLatency(
  scope: Scope,
  { sidecars, processes, changes, onChange = () => {} }: PolicyLatencyOptions,
): Promise<readonly (readonly number[])[]> {
  const folder = folderFor(scope)
  const replicas = await replicasFor(scope, folder)
  const watched = await Promise.all(
    Array.from({ length: sidecars }, (_, at) => {
      const env = replicas[at % replicas.length]?.env ?? {}
      return at < processes ? processOf(scope, env) : storeOf(scope, env)
    }),
  )
  await Promise.all(watched.map(({ enforces }) => enforces(true)))
  const times: (readonly number[])[] = []
  for (let change = 1; change <= changes; change++) {
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS + ((change * 97) % 250)))
    const passes = change % 2 === 0
    replaceFile(folder, `# change ${change}\n${(passes ? PASSES : REFUSES)['budget.yaml']}`)
    const changedMs = performance.now()
    const taken = await Promise.all(
      watched.map(({ enforces }) => enforces(passes).then(() => performance.now() - changedMs)),
    )
    times.push(taken)
    onChange(Math.max(...taken))
  }
  return times
}

/** Two control planes on one database, of which one alone has the folder that changes. */
async function replicasFor(scope: Scope, folder: string) {
  const database = await clusterFor(scope)
  const shared = {
    DATABASE_URL: await database(),
    CONTROL_PLANE_SIGNING_KEY_FILE: join(folderFor(scope), 'key.pem'),
  }
  const other = folderFor(scope)
  for (const each of [folder, other]) writePolicies(each, PASSES)
  const planes: { readonly env: Readonly<Record<string, string>>; readonly plane: TestControlPlane }[] = []
  for (const policyDir of [folder, other]) {
    const tokenFile = join(folderFor(scope), 'token')
    const plane = await controlPlaneFor(scope, {
      policyDir,
      env: { ...shared, CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile },
    })
    planes.push({ plane, env: { ACC_CONTROL_PLANE_URL: plane.url, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile } })
  }
  return planes
}

/** A sidecar as a process, seen through its requests. */
async function processOf(scope: Scope, env: Readonly<Record<string, string>>): Promise<Watched> {
  const simulator = await simulatorFor(scope)
  const { url } = await sidecarFor(scope, { upstream: `${simulator.url}/v1`, env })
  return {
    enforces: (passes) =>
      until(
        'the sidecar enforces it',
        async () => ((await chat(url)).status === (passes ? 200 : 429) ? true : null),
        ARRIVES_WITHIN_MS,
      ).then(() => {}),
  }
}

/** The channel and the policy store of a sidecar, as it has them. */
async function storeOf(scope: Scope, env: Readonly<Record<string, string>>): Promise<Watched> {
  const client = createControlPlaneClient({
    url: env.ACC_CONTROL_PLANE_URL ?? '',
    tokenFile: env.ACC_CONTROL_PLANE_TOKEN_FILE ?? '',
    instanceId: randomUUID(),
    clock: systemClock,
  })
  const policies = await openPolicies({
    source: { kind: 'controlPlane', keyFile: null, onStale: 'keep', staleAfterMs: 86_400_000 },
    dataDir: folderFor(scope),
    client,
    commands: { version: 0, take: async () => {} },
    intel: { version: null, take: () => {} },
    recall: () => {},
    clock: systemClock,
    timers: systemTimers,
    random: Math.random,
    log: silentLog,
  })
  scope.teardown(async () => {
    await policies.close()
    await client.close()
  })
  return {
    enforces: (passes) =>
      until(
        'the store has it',
        () => ((policies.store.current()?.budgets[0]?.limit ?? 0n) > 1n === passes ? true : null),
        ARRIVES_WITHIN_MS,
      ).then(() => {}),
  }
}

/** As an editor does that cares: at once. */
function replaceFile(folder: string, text: string): void {
  writeFileSync(join(folder, '.budget.yaml.new'), text)
  renameSync(join(folder, '.budget.yaml.new'), join(folder, 'budget.yaml'))
}
