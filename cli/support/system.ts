import { appendFileSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { ProviderName } from '@agentcostcontrol/contract'
import { type Child, startChild } from './child.ts'
import { InterruptedError } from './interrupt.ts'
import { inCheckout } from './paths.ts'
import { simulatedUpstreams } from './upstreams.ts'

/** Where the parts of the system listen. */
export interface SystemAddresses {
  readonly sidecar: string
  readonly admin: string
  /** `null` for a sidecar that stands alone. */
  readonly controlPlane: string | null
  /** `null` when traffic goes to the real provider. */
  readonly simulator: string | null
}

/** A running system. */
export interface System {
  readonly addresses: SystemAddresses
  /** The file with the control plane's admin key, and whether it was made now. */
  readonly adminKey: { readonly file: string; readonly isNew: boolean }
  readonly logFile: string
  /** Resolves with a sentence when a part ends by itself. */
  readonly broken: Promise<string>
  stop(): Promise<void>
}

/** How the system is started. */
export interface SystemOptions {
  /** `host:port` of each part; port 0 for any free one. */
  readonly listen: string
  readonly adminListen: string
  readonly simulatorListen: string
  /** `null` for a sidecar that stands alone. */
  readonly controlPlane: { readonly listen: string; readonly adminListen: string } | null
  readonly dataDir: string
  readonly policyDir: string
  /** False to call the real providers. */
  readonly simulated: boolean
  /** Those that are called all the same. */
  readonly real: readonly ProviderName[]
  /** The user's environment: what begins with `ACC_` or `SIM_` reaches the parts, but for what stands above. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Resolves when the process is asked to end; a start that is under way is given up. */
  readonly interrupted: Promise<unknown>
  /** Resolves when it is to end at once: nothing is waited for any more. */
  readonly hurried: Promise<unknown>
}

const START_TIMEOUT_MS = 30_000
/** The control plane makes its database at the first start. */
const FIRST_START_TIMEOUT_MS = 60_000

/**
 * Starts simulator, control plane and sidecar and waits until they serve.
 * @throws InterruptedError, or with what a part said if it cannot start; nothing is left running then
 */
export async function startSystem(options: SystemOptions): Promise<System> {
  mkdirSync(options.dataDir, { recursive: true })
  const logFile = join(options.dataDir, 'sidecar.log')
  const children: Child[] = []
  void options.hurried.then(() => {
    for (const child of children) child.hurry()
  })
  const stop = async (): Promise<void> => {
    // The sidecar first, so that what it still waits for can be answered.
    for (const child of [...children].reverse()) await child.stop()
  }
  try {
    let isNew = false
    const [simulator, controlPlane] = await Promise.all([
      options.simulated ? startSimulator(options, children) : null,
      options.controlPlane &&
        startControlPlane(options, options.controlPlane, children, () => {
          isNew = true
        }),
    ])
    const sidecar = await startSidecar(options, simulator, controlPlane, logFile, children)
    const broken = Promise.race(children.map((child) => child.ended.then((end) => sentence(child, end))))
    const adminKey = { file: adminKeyFile(options), isNew }
    return { addresses: { ...sidecar, simulator, controlPlane }, adminKey, logFile, broken, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function startSimulator(options: SystemOptions, children: Child[]): Promise<string> {
  const env = {
    ...beginning('SIM_', options.env),
    SIM_LISTEN: options.simulatorListen,
    SIM_RATE_CARD: inCheckout('seed/rate-card.json'),
    SIM_PARENT_WATCH: '1',
  }
  return started(options, children, {
    name: 'the simulator',
    entry: inCheckout('simulator/main.ts'),
    env,
    addressOptions: '--simulator-port or SIM_LISTEN',
    ready: (line) => {
      const listening = member(line, 'listening')
      return typeof listening === 'string' ? listening : null
    },
  })
}

const adminKeyFile = ({ dataDir }: SystemOptions): string => join(dataDir, 'admin-key')
const tokenFile = ({ dataDir }: SystemOptions): string => resolve(dataDir, 'enrolment-token')

/** @param onAdminKey told of the admin key at the first start, and then only */
function startControlPlane(
  options: SystemOptions,
  { listen, adminListen }: NonNullable<SystemOptions['controlPlane']>,
  children: Child[],
  onAdminKey: () => void,
): Promise<string> {
  const logFile = join(options.dataDir, 'control-plane.log')
  const { DATABASE_URL, REDIS_URL } = options.env
  const env = {
    ...beginning('CONTROL_PLANE_', options.env),
    ...(DATABASE_URL === undefined ? {} : { DATABASE_URL }),
    ...(REDIS_URL === undefined ? {} : { REDIS_URL }),
    CONTROL_PLANE_LISTEN: listen,
    CONTROL_PLANE_ADMIN_LISTEN: adminListen,
    CONTROL_PLANE_DATA_DIR: resolve(options.dataDir, 'control-plane'),
    CONTROL_PLANE_ADMIN_KEY_FILE: resolve(adminKeyFile(options)),
    CONTROL_PLANE_ENROLMENT_TOKEN_FILE: tokenFile(options),
    CONTROL_PLANE_POLICY_DIR: resolve(options.policyDir),
    CONTROL_PLANE_PARENT_WATCH: '1',
  }
  return started(options, children, {
    name: 'the control plane',
    entry: inCheckout('control-plane/main.ts'),
    env,
    addressOptions: '--control-plane-port, CONTROL_PLANE_LISTEN or CONTROL_PLANE_ADMIN_LISTEN',
    timeoutMs: FIRST_START_TIMEOUT_MS,
    ready: (line) => {
      if (typeof member(line, 'adminKey') === 'string') {
        // Not for the log; it stands in its file.
        onAdminKey()
        return null
      }
      appendFileSync(logFile, `${line}\n`)
      const url = member(line, 'url')
      return typeof url === 'string' && member(line, 'message') === 'control plane listens' ? url : null
    },
  })
}

function startSidecar(
  options: SystemOptions,
  simulator: string | null,
  controlPlane: string | null,
  logFile: string,
  children: Child[],
): Promise<Pick<SystemAddresses, 'sidecar' | 'admin'>> {
  const { ACC_POLICY_DIR: _, ...own } = beginning('ACC_', options.env)
  const env = {
    ACC_TRUST_HEADERS: 'agent,workflow,session,task,tags',
    ...own,
    ACC_LISTEN: options.listen,
    ACC_ADMIN_LISTEN: options.adminListen,
    ACC_DATA_DIR: resolve(options.dataDir, 'sidecar'),
    ...(simulator === null ? {} : simulatedUpstreams(simulator, options.real)),
    ...(controlPlane === null
      ? { ACC_POLICY_DIR: resolve(options.policyDir) }
      : { ACC_CONTROL_PLANE_URL: controlPlane, ACC_CONTROL_PLANE_TOKEN_FILE: tokenFile(options) }),
    ACC_PARENT_WATCH: '1',
  }
  return started(options, children, {
    name: 'the sidecar',
    entry: inCheckout('sidecar/main.ts'),
    env,
    addressOptions: '--port, --admin-port, ACC_LISTEN or ACC_ADMIN_LISTEN',
    ready: (line) => {
      appendFileSync(logFile, `${line}\n`)
      if (member(line, 'message') !== 'sidecar listens') return null
      return { sidecar: `http://${String(member(line, 'data'))}`, admin: `http://${String(member(line, 'admin'))}` }
    },
  })
}

interface Part<T> {
  readonly name: string
  readonly entry: string
  readonly env: Readonly<Record<string, string>>
  /** What chooses another address, for the message. */
  readonly addressOptions: string
  readonly timeoutMs?: number
  /** What one of its lines says when it serves. */
  ready(line: string): T | null
}

/** Starts a part and resolves once it serves. */
function started<T>(options: SystemOptions, children: Child[], part: Part<T>): Promise<T> {
  const { name, entry, env, timeoutMs = START_TIMEOUT_MS } = part
  return new Promise((resolveReady, reject) => {
    const child = startChild({
      name,
      entry,
      env: { PATH: process.env.PATH ?? '', ...env },
      onLine: (line) => {
        const found = part.ready(line)
        if (found !== null) settle(() => resolveReady(found))
      },
    })
    children.push(child)
    const timer = setTimeout(
      () => settle(() => reject(new Error(`${name} did not start within ${timeoutMs / 1_000} s`))),
      timeoutMs,
    )
    const settle = (then: () => void): void => {
      clearTimeout(timer)
      then()
    }
    void options.interrupted.then(() => settle(() => reject(new InterruptedError())))
    void child.ended.then((end) => settle(() => reject(new Error(whyNot(part, child, end, options.dataDir)))))
  })
}

/** Why a part did not start, and what to do. */
function whyNot(
  { name, addressOptions }: Pick<Part<unknown>, 'name' | 'addressOptions'>,
  child: Child,
  end: Awaited<Child['ended']>,
  dataDir: string,
): string {
  const taken = /EADDRINUSE.*?:(\d+)/.exec(end.complaint)
  if (taken)
    return `${name} cannot start: port ${taken[1]} is taken, perhaps by another "acc up". Choose another by ${addressOptions}.`
  if (/another (?:sidecar|control plane) is using the data folder/.test(end.complaint))
    return `another "acc up" is using ${dataDir}. Stop it, or give this one a folder of its own by --data.`
  if (end.complaint.startsWith(`${name} cannot start`)) return end.complaint
  return `${name} cannot start: ${end.complaint || sentence(child, end)}`
}

const sentence = (child: Child, { code, signal, complaint }: Awaited<Child['ended']>): string =>
  `${child.name} ended by itself (${signal ?? `exit code ${code}`})${complaint ? `: ${complaint}` : ''}`

/** The variables of the user that begin with `prefix`. */
const beginning = (
  prefix: string,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(env).filter(
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
