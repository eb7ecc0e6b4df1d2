import { appendFileSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Child, startChild } from './child.ts'
import { inCheckout } from './paths.ts'

/** Where the parts of the system listen. */
export interface SystemAddresses {
  readonly sidecar: string
  readonly admin: string
  /** `null` when traffic goes to the real provider. */
  readonly simulator: string | null
}

/** A running system. */
export interface System {
  readonly addresses: SystemAddresses
  readonly logFile: string
  /** Resolves with a sentence when a part ends by itself. */
  readonly broken: Promise<string>
  stop(): Promise<void>
}

/** How the system is started. Ports may be 0 for any free one. */
export interface SystemOptions {
  readonly port: number
  readonly adminPort: number
  readonly simulatorPort: number
  readonly dataDir: string
  readonly policyDir: string
  /** True to call the real provider instead of the simulator. */
  readonly realProvider: boolean
}

const START_TIMEOUT_MS = 30_000

/** Starts simulator and sidecar and waits until they serve. @throws with what a part said if it cannot start */
export async function startSystem(options: SystemOptions): Promise<System> {
  mkdirSync(options.dataDir, { recursive: true })
  const logFile = join(options.dataDir, 'sidecar.log')
  const children: Child[] = []
  const stop = async (): Promise<void> => {
    // The sidecar first, so that what it still waits for can be answered.
    for (const child of [...children].reverse()) await child.stop()
  }
  try {
    const simulator = options.realProvider ? null : await startSimulator(options, children)
    const sidecar = await startSidecar(options, simulator, logFile, children)
    const broken = Promise.race(children.map((child) => child.ended.then((end) => sentence(child, end))))
    return { addresses: { ...sidecar, simulator }, logFile, broken, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startSimulator(options: SystemOptions, children: Child[]): Promise<string> {
  const env = {
    ...inherited('SIM_'),
    SIM_LISTEN: process.env.SIM_LISTEN ?? `127.0.0.1:${options.simulatorPort}`,
    SIM_RATE_CARD: inCheckout('seed/rate-card.json'),
    SIM_PARENT_WATCH: '1',
  }
  return started(
    children,
    'the simulator',
    inCheckout('simulator/main.ts'),
    env,
    '--simulator-port or SIM_LISTEN',
    (line) => {
      const listening = member(line, 'listening')
      return typeof listening === 'string' ? listening : null
    },
  )
}

async function startSidecar(
  options: SystemOptions,
  simulator: string | null,
  logFile: string,
  children: Child[],
): Promise<Pick<SystemAddresses, 'sidecar' | 'admin'>> {
  const env = {
    ACC_TRUST_HEADERS: 'agent,workflow,session,task,tags',
    ...inherited('ACC_'),
    ACC_LISTEN: process.env.ACC_LISTEN ?? `127.0.0.1:${options.port}`,
    ACC_ADMIN_LISTEN: process.env.ACC_ADMIN_LISTEN ?? `127.0.0.1:${options.adminPort}`,
    ACC_DATA_DIR: resolve(options.dataDir, 'sidecar'),
    ACC_POLICY_DIR: resolve(options.policyDir),
    ...(simulator === null ? {} : { ACC_UPSTREAM_OPENAI: `${simulator}/v1` }),
    ACC_PARENT_WATCH: '1',
  }
  return started(
    children,
    'the sidecar',
    inCheckout('sidecar/main.ts'),
    env,
    '--port, --admin-port, ACC_LISTEN or ACC_ADMIN_LISTEN',
    (line) => {
      appendFileSync(logFile, `${line}\n`)
      if (member(line, 'message') !== 'sidecar listens') return null
      return { sidecar: `http://${String(member(line, 'data'))}`, admin: `http://${String(member(line, 'admin'))}` }
    },
  )
}

/** Starts a child and resolves with what `ready` makes of one of its lines. */
function started<T>(
  children: Child[],
  name: string,
  entry: string,
  env: Readonly<Record<string, string>>,
  addressOptions: string,
  ready: (line: string) => T | null,
): Promise<T> {
  return new Promise((resolveReady, reject) => {
    const child = startChild({
      name,
      entry,
      env: { PATH: process.env.PATH ?? '', ...env },
      onLine: (line) => {
        const found = ready(line)
        if (found !== null) settle(() => resolveReady(found))
      },
    })
    children.push(child)
    const timer = setTimeout(
      () => settle(() => reject(new Error(`${name} did not start within ${START_TIMEOUT_MS / 1_000} s`))),
      START_TIMEOUT_MS,
    )
    const settle = (then: () => void): void => {
      clearTimeout(timer)
      then()
    }
    void child.ended.then((end) => {
      const taken = /EADDRINUSE.*?:(\d+)/.exec(end.complaint)
      const remedy = taken
        ? `: port ${taken[1]} is taken by another process. Choose another by ${addressOptions}.`
        : `: ${end.complaint || sentence(child, end)}`
      settle(() => reject(new Error(`${name} cannot start${remedy}`)))
    })
  })
}

const sentence = (child: Child, { code, signal, complaint }: Awaited<Child['ended']>): string =>
  `${child.name} ended by itself (${signal ?? `exit code ${code}`})${complaint ? `: ${complaint}` : ''}`

/** Variables that the user set for a part. */
const inherited = (prefix: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[0].startsWith(prefix) && entry[1] !== undefined,
    ),
  )

function member(line: string, name: string): unknown {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && name in value
      ? Object.entries(value).find(([key]) => key === name)?.[1]
      : undefined
  } catch {
    return undefined
  }
}
