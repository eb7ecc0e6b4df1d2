import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { type UsageEvent, usageEventSchema } from '@agentcostcontrol/contract'
import { storedEvents } from '../../sidecar/events/group-log.ts'
import { inCheckout } from './paths.ts'
import { folderFor, type Scope } from './scope.ts'
import { until } from './until.ts'

/** A real sidecar: a process of its own. */
export interface TestSidecar {
  /** `http://127.0.0.1:PORT`, where agents send. */
  readonly url: string
  readonly port: number
  readonly adminUrl: string
  readonly pid: number
  readonly dataDir: string
  readonly policyDir: string
  /** Every line that it logged so far, parsed. */
  readonly log: readonly Readonly<Record<string, unknown>>[]
  /** What it wrote to its standard error: nothing, while all is well. */
  complaint(): string
  /** The events on disk, oldest first, once there are at least `count`. */
  events(count: number): Promise<readonly UsageEvent[]>
  /** A metric's value summed over the series whose labels all match; 0 if there is none. */
  metric(name: string, labels?: Readonly<Record<string, string>>): Promise<number>
  /** Ends it as Kubernetes does. @returns its exit code */
  stop(): Promise<number | null>
  /** Ends it as a power switch does. */
  kill(): Promise<void>
}

/** How a sidecar is started. */
export interface TestSidecarOptions {
  /** The provider's base URL, e.g. `${simulator.url}/v1`. */
  readonly upstream: string
  /** Policy files by name; a budget that is never reached and no security policy if left out. Not with a control plane. */
  readonly policies?: Readonly<Record<string, string>>
  /** Settings over those of the tests. */
  readonly env?: Readonly<Record<string, string>>
  /** Folder of an earlier sidecar, to start again on what it left. */
  readonly dataDir?: string
  readonly policyDir?: string
  /** The shipped JavaScript instead of the checkout's sources. */
  readonly entry?: string
  /** Words of Node's own in front of the entry. */
  readonly nodeArgs?: readonly string[]
  /** Another Node than the one of the tests. */
  readonly node?: string
  /** User and group to run as; only root can. */
  readonly user?: number
}

/**
 * For `env`, in front of a Node that is to run as it would without tap, which puts a loader of its own into every Node
 * that a test starts: it takes 30 MB, and time.
 */
export const WITHOUT_TAP = ['-u', 'NODE_OPTIONS'] as const

/**
 * For the environment of a Node that runs the checkout: where the test command keeps what Node compiled before, which is
 * a third of a start. What is shipped starts without it, as it does elsewhere.
 */
export const COMPILED: Readonly<Record<string, string>> =
  process.env.NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE }

/** A budget that no test reaches by accident. */
export const AMPLE_BUDGET = budgetYaml({ name: 'ample', limit: '1000000.00' })

/** A budget document. */
export function budgetYaml(options: {
  readonly name: string
  readonly limit: string
  readonly period?: string
  readonly agent?: string
  readonly mode?: string
}): string {
  const { name, limit, period = 'total', agent, mode = 'enforce' } = options
  const scope = agent === undefined ? 'scope: global' : `scope: per_agent\n  selector: { agent: "${agent}" }`
  return `apiVersion: agentcostcontrol.io/v1
kind: Budget
metadata: { name: ${name} }
spec:
  ${scope}
  limit: "${limit}"
  period: ${period}
  mode: ${mode}
`
}

/** A ProviderConfig document. @param settings lines of `key: value` */
export function providerYaml(settings: Readonly<Record<string, string | number>>, provider = 'openai'): string {
  const lines = Object.entries(settings).map(([key, value]) => `  ${key}: ${value}\n`)
  return `apiVersion: agentcostcontrol.io/v1\nkind: ProviderConfig\nmetadata: { name: ${provider} }\nspec:\n  provider: ${provider}\n${lines.join('')}`
}

/** A SecurityPolicy that does one thing about every secret in each direction. */
export function securityYaml(actions: {
  readonly request?: string
  readonly response?: string
  readonly extra?: string
}): string {
  const all = (action: string): string => `{ low: ${action}, medium: ${action}, high: ${action}, critical: ${action} }`
  const { request = 'alert', response = 'alert', extra = '' } = actions
  return `apiVersion: agentcostcontrol.io/v1
kind: SecurityPolicy
metadata: { name: test }
spec:
  detectors:
    secrets:
      request: ${all(request)}
      response: ${all(response)}
${extra}`
}

/** Writes policy files into a folder. */
export function writePolicies(folder: string, policies: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(policies)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

/** Starts a sidecar on free ports and waits until it listens; it ends with the scope. @throws with what it said if it cannot start */
export async function sidecarFor(scope: Scope, options: TestSidecarOptions): Promise<TestSidecar> {
  const dataDir = options.dataDir ?? folderFor(scope)
  const policyDir = options.policyDir ?? folderFor(scope)
  if (options.policyDir === undefined) writePolicies(policyDir, options.policies ?? { 'budget.yaml': AMPLE_BUDGET })
  const process_ = spawn(
    'env',
    [
      ...WITHOUT_TAP,
      options.node ?? process.execPath,
      ...(options.nodeArgs ?? []),
      options.entry ?? inCheckout('sidecar/main.ts'),
    ],
    {
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
      env: {
        PATH: process.env.PATH ?? '',
        ACC_LISTEN: '127.0.0.1:0',
        ACC_ADMIN_LISTEN: '127.0.0.1:0',
        ACC_DATA_DIR: dataDir,
        // From the control plane, where there is one.
        ...(options.env?.ACC_CONTROL_PLANE_URL === undefined ? { ACC_POLICY_DIR: policyDir } : {}),
        ACC_UPSTREAM_OPENAI: options.upstream,
        ACC_TRUST_HEADERS: 'agent,workflow,session,task,tags',
        ACC_PARENT_WATCH: '1',
        ...(options.entry === undefined ? COMPILED : {}),
        ...options.env,
      },
      // The IPC channel ends it when the test's process is killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    },
  )
  const exited = once(process_, 'close').then(([code]: unknown[]) => (typeof code === 'number' ? code : null))
  const log: Readonly<Record<string, unknown>>[] = []
  let complaint = ''
  process_.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text
  })
  const listens = new Promise<Readonly<Record<string, unknown>>>((resolve, reject) => {
    if (process_.stdout)
      createInterface(process_.stdout).on('line', (line) => {
        const entry: Readonly<Record<string, unknown>> = JSON.parse(line)
        log.push(entry)
        if (entry.message === 'sidecar listens') resolve(entry)
      })
    void exited.then((code) => reject(new Error(`the sidecar ended with ${code}: ${complaint.trim()}`)))
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (process_.exitCode === null && process_.signalCode === null) process_.kill(signal)
    return exited
  }
  scope.teardown(async () => void (await end('SIGTERM')))
  const { data, admin } = await listens
  const adminUrl = `http://${String(admin)}`
  return {
    url: `http://${String(data)}`,
    port: Number(String(data).split(':')[1]),
    adminUrl,
    pid: process_.pid ?? 0,
    dataDir,
    policyDir,
    log,
    complaint: () => complaint,
    events: (count) =>
      until(`${count} events on disk`, () => {
        const events = readEvents(dataDir)
        return events.length >= count ? events : null
      }),
    metric: async (name, labels = {}) => sumMetric(await (await fetch(`${adminUrl}/metrics`)).text(), name, labels),
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  }
}

/** Waits until a sidecar has the policy of its control plane. */
export async function withPolicy(starting: Promise<TestSidecar>): Promise<TestSidecar> {
  const sidecar = await starting
  await until('a policy is in force', async () => ((await sidecar.metric('acc_policy_loaded')) === 1 ? true : null))
  return sidecar
}

/** The events in a data folder, oldest first; also while a sidecar runs on it. */
export function readEvents(dataDir: string): readonly UsageEvent[] {
  const file = join(dataDir, 'outbox.sqlite')
  if (!existsSync(file)) return []
  const db = new DatabaseSync(file, { readOnly: true })
  try {
    const events = [...storedEvents(db)]
    // Whatever a sidecar writes down the control plane has to take.
    for (const event of events) usageEventSchema.parse(event)
    return events
  } finally {
    db.close()
  }
}

function sumMetric(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line)
    if (match?.[1] !== name) continue
    const fits = Object.entries(labels).every(([key, value]) => match[2]?.includes(`${key}="${value}"`))
    if (fits) sum += Number(match[3])
  }
  return sum
}
