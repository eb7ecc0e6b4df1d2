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

/** How the system is started. */
export interface SystemOptions {
  /** `host:port` of each part; port 0 for any free one. */
  readonly listen: string
  readonly adminListen: string
  readonly simulatorListen: string
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
}

const START_TIMEOUT_MS = 30_000

/**
 * Starts simulator and sidecar and waits until they serve.
 * @throws InterruptedError, or with what a part said if it cannot start; nothing is left running then
 */
export async function startSystem(options: SystemOptions): Promise<System> {
  mkdirSync(options.dataDir, { recursive: true })
  const logFile = join(options.dataDir, 'sidecar.log')
  const children: Child[] = []
  const stop = async (): Promise<void> => {
    // The sidecar first, so that what it still waits for can be answered.
    for (const child of [...children].reverse()) await child.stop()
  }
  try {
    const simulator = options.simulated ? await startSimulator(options, children) : null
    const sidecar = await startSidecar(options, simulator, logFile, children)
    const broken = Promise.race(children.map((child) => child.ended.then((end) => sentence(child, end))))
    return { addresses: { ...sidecar, simulator }, logFile, broken, stop }
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

function startSidecar(
  options: SystemOptions,
  simulator: string | null,
  logFile: string,
  children: Child[],
): Promise<Pick<SystemAddresses, 'sidecar' | 'admin'>> {
  const env = {
    ACC_TRUST_HEADERS: 'agent,workflow,session,task,tags',
    ...beginning('ACC_', options.env),
    ACC_LISTEN: options.listen,
    ACC_ADMIN_LISTEN: options.adminListen,
    ACC_DATA_DIR: resolve(options.dataDir, 'sidecar'),
    ACC_POLICY_DIR: resolve(options.policyDir),
    ...(simulator === null ? {} : simulatedUpstreams(simulator, options.real)),
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
  /** What one of its lines says when it serves. */
  ready(line: string): T | null
}

/** Starts a part and resolves once it serves. */
function started<T>(options: SystemOptions, children: Child[], part: Part<T>): Promise<T> {
  const { name, entry, env } = part
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
      () => settle(() => reject(new Error(`${name} did not start within ${START_TIMEOUT_MS / 1_000} s`))),
      START_TIMEOUT_MS,
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
  if (end.complaint.includes('another sidecar is using the data folder'))
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
