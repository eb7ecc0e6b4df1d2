import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import type { EnrolmentAnswer, EventBatchAnswer } from '@agentcostcontrol/contract'
import { runningClusterUrl } from '../../control-plane/db/cluster.ts'
import { inCheckout } from './paths.ts'
import { folderFor, type Scope } from './scope.ts'
import { AMPLE_BUDGET, COMPILED, WITHOUT_TAP, writePolicies } from './sidecar.ts'

/** A real control plane: a process of its own, with a PostgreSQL of its own unless another one is named. */
export interface TestControlPlane {
  readonly url: string
  readonly adminUrl: string
  readonly dataDir: string
  readonly policyDir: string
  readonly pid: number
  /** Of its PostgreSQL's postmaster; `null` where that is another's. */
  postgresPid(): number | null
  /** Printed at the first start of an installation. */
  readonly adminKey: string | null
  readonly log: readonly Readonly<Record<string, unknown>>[]
  complaint(): string
  stop(): Promise<number | null>
  kill(): Promise<void>
}

/** How a control plane is started. */
export interface TestControlPlaneOptions {
  readonly dataDir?: string
  /** The folder with the policies of its organisation; one of its own if left out. */
  readonly policyDir?: string
  /** What stands in that folder of its own; a budget that is never reached if left out. */
  readonly policies?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Words of Node's own in front of the entry. */
  readonly nodeArgs?: readonly string[]
  /** The shipped JavaScript instead of the checkout's sources. */
  readonly entry?: string
  /** Another Node than the one of the tests. */
  readonly node?: string
  /** User and group to run as; only root can. */
  readonly user?: number
}

/** Replicas of one database have one key, as they need to. */
const keys: { folder: string | null } = { folder: null }

function sharedKey(databaseUrl: string): string {
  if (keys.folder === null) {
    const folder = mkdtempSync(join(tmpdir(), 'acc-test-keys-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    keys.folder = folder
  }
  return join(keys.folder, `${createHash('sha256').update(databaseUrl).digest('hex')}.pem`)
}

/** Starts a control plane on free ports and waits until it listens; it ends with the scope. @throws with what it said if it cannot start */
export async function controlPlaneFor(scope: Scope, options: TestControlPlaneOptions = {}): Promise<TestControlPlane> {
  const dataDir = options.dataDir ?? folderFor(scope)
  // Found again by one that is started on the same data.
  const policyDir = options.policyDir ?? join(dataDir, 'policies')
  if (options.policyDir === undefined && !existsSync(policyDir))
    writePolicies(policyDir, options.policies ?? { 'budget.yaml': AMPLE_BUDGET })
  const databaseUrl = options.env?.DATABASE_URL
  const process_ = spawn(
    'env',
    [
      ...WITHOUT_TAP,
      options.node ?? process.execPath,
      ...(options.nodeArgs ?? []),
      options.entry ?? inCheckout('control-plane/main.ts'),
    ],
    {
      env: {
        PATH: process.env.PATH ?? '',
        CONTROL_PLANE_LISTEN: '127.0.0.1:0',
        CONTROL_PLANE_ADMIN_LISTEN: '127.0.0.1:0',
        CONTROL_PLANE_DATA_DIR: dataDir,
        CONTROL_PLANE_PARENT_WATCH: '1',
        ...(options.entry === undefined ? COMPILED : {}),
        CONTROL_PLANE_POLICY_DIR: policyDir,
        ...(databaseUrl === undefined ? {} : { CONTROL_PLANE_SIGNING_KEY_FILE: sharedKey(databaseUrl) }),
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
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
        if (entry.message === 'control plane listens') resolve(entry)
      })
    void exited.then((code) => reject(new Error(`the control plane ended with ${code}: ${complaint.trim()}`)))
  })
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (process_.exitCode === null && process_.signalCode === null) process_.kill(signal)
    return exited
  }
  scope.teardown(async () => void (await end('SIGTERM')))
  const { url, admin } = await listens
  const key = log.find(({ adminKey }) => adminKey !== undefined)?.adminKey
  return {
    url: String(url),
    adminUrl: `http://${String(admin)}`,
    dataDir,
    policyDir,
    pid: process_.pid ?? 0,
    postgresPid: () => {
      const runs = log.findLast(({ message }) => String(message).startsWith('the embedded PostgreSQL runs'))
      return typeof runs?.pid === 'number' ? runs.pid : null
    },
    adminKey: typeof key === 'string' ? key : null,
    log,
    complaint: () => complaint,
    stop: () => end('SIGTERM'),
    kill: async () => void (await end('SIGKILL')),
  }
}

/** An answer of the API. */
export interface ApiAnswer<Body> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

/**
 * Asks the API: by GET, or by POST with a body or with `''` for none, unless a method is named. Where it is told to ask
 * less often it waits and asks again, since nothing was done: a test that polls asks as often as the machine is fast.
 */
export async function askApi<Body>(...asked: Parameters<typeof askApiOnce>): Promise<ApiAnswer<Body>> {
  for (;;) {
    const answer = await askApiOnce<Body>(...asked)
    if (answer.status !== 429) return answer
    await setTimeout(Number(answer.headers.get('retry-after')) * 1_000)
  }
}

/** The same for one who looks at how often it may ask. */
export async function askApiOnce<Body>(
  url: string,
  key: string | null,
  body?: unknown,
  method = body === undefined ? 'GET' : 'POST',
): Promise<ApiAnswer<Body>> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined || body === '' ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined || body === '' ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
}

/** What the API tells at a URL. @throws where it is anything but that */
export async function readApi<Body>(url: string, key: string | null): Promise<Body> {
  const { status, body } = await askApi<Body>(url, key)
  if (status !== 200) throw new Error(`${url} answered ${status}: ${JSON.stringify(body)}`)
  return body
}

/** Enrols a sidecar. @returns its credential */
export async function enrol(url: string, adminKey: string, instanceId: string): Promise<string> {
  const token = await askApi<{ readonly token: string }>(`${url}/api/v1/enrolment-tokens`, adminKey, '')
  const answer = await askApi<EnrolmentAnswer>(`${url}/sidecar/v1/enrol`, token.body.token, { instanceId })
  if (answer.status !== 200) throw new Error(`enrolment answered ${answer.status}`)
  return answer.body.credential
}

/** Sends a batch of events. */
export const sendEvents = (url: string, credential: string, batch: unknown): Promise<ApiAnswer<EventBatchAnswer>> =>
  askApi(`${url}/sidecar/v1/events`, credential, batch)

/** The URL of a control plane's own PostgreSQL, as its superuser. */
export const clusterUrlOf = ({ dataDir }: TestControlPlane): string => runningClusterUrl(dataDir) ?? ''
