import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Logger } from '../log.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import { findOwnUser, type OwnUser } from './own-user.ts'

/** An embedded PostgreSQL: a real one, in processes of its own, for this process alone. */
export interface Cluster {
  /** Of its superuser, on loopback, with a password of its own. */
  readonly url: string
  /** The process id of its postmaster; another one after it had to be started again. */
  readonly pid: number
  /** Ends it in order. */
  stop(): Promise<void>
}

/** How a cluster is started. */
export interface ClusterOptions {
  /** Holds its data and its password; made where it is not there. */
  readonly folder: string
  /** 0 for any free one. */
  readonly port: number
  /** `name=value` over the settings below. */
  readonly settings?: readonly string[]
  readonly log: Logger
}

const SETTINGS = [
  'listen_addresses=127.0.0.1',
  // No socket: its path may be longer than a socket's may.
  'unix_socket_directories=',
  'max_connections=60',
  'shared_buffers=128MB',
  'max_wal_size=2GB',
  'wal_compression=on',
  'jit=off',
  'timezone=UTC',
  // What a statement held is data and has no place in a log.
  'log_min_error_statement=panic',
]
const DATABASE = 'agentcostcontrol'
const START_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 30_000
const RESTART_DELAY_MS_MAX = 5_000
const STARTS_MAX = 5

/** What every start of one cluster needs. */
interface Place {
  readonly data: string
  readonly binaries: Binaries
  readonly user: OwnUser
  readonly settings: readonly string[]
  readonly log: Logger
}

/**
 * Starts the cluster of a folder and waits until it takes connections; makes it at the first start. If it ends while it
 * is not asked to, it is started again on the same port. One process a folder: whoever calls this holds its lock.
 * @throws with what PostgreSQL said if it cannot start
 */
export async function startCluster({ folder, port, settings = [], log }: ClusterOptions): Promise<Cluster> {
  mkdirSync(folder, { recursive: true, mode: 0o711 })
  const root = resolve(folder)
  const binaries = findBinaries()
  const user = findOwnUser([binaries.folder, root])
  const place = { data: join(root, 'postgres'), binaries, user, settings: [...SETTINGS, ...settings], log }
  const password = initialise(root, place)
  await endOrphan(place.data)

  let { server, port: bound } = await startOnFreePort(place, port)
  let stopping = false
  let callOff = (): void => {}
  const watch = (): void =>
    void server.process.once('exit', (code, signal) => {
      if (stopping) return
      log.error('the embedded PostgreSQL ended by itself and is started again', { code, signal })
      again(100)
    })
  const again = (delayMs: number): void => {
    const timer = setTimeout(async () => {
      try {
        server = await startServer(place, bound)
        if (stopping) await endServer(server)
        else watch()
        log.info('the embedded PostgreSQL runs again', { pid: server.process.pid ?? 0 })
      } catch (error) {
        log.error('the embedded PostgreSQL does not start', { reason: String(error) })
        if (!stopping) again(Math.min(delayMs * 2, RESTART_DELAY_MS_MAX))
      }
    }, delayMs)
    callOff = () => clearTimeout(timer)
  }
  watch()
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${bound}/${DATABASE}`,
    get pid() {
      return server.process.pid ?? 0
    },
    stop: async () => {
      stopping = true
      callOff()
      await endServer(server)
    },
  }
}

/** Where the cluster of a folder that runs can be reached by other programs of its owner; `null` if none runs. */
export function runningClusterUrl(folder: string): string | null {
  const [pid, , , port] = lines(join(folder, 'postgres', 'postmaster.pid'))
  if (port === undefined || !isPostmaster(Number(pid), resolve(folder, 'postgres'))) return null
  const password = readFileSync(join(folder, 'postgres-password'), 'utf8').trim()
  return `postgres://postgres:${password}@127.0.0.1:${port}/${DATABASE}`
}

/** Makes the data folder if there is none: under another name until it is whole. @returns the superuser's password */
function initialise(root: string, { data, binaries, user }: Place): string {
  const passwordFile = join(root, 'postgres-password')
  if (!existsSync(passwordFile)) writeFileSync(passwordFile, randomBytes(24).toString('hex'), { mode: 0o600 })
  user.own(passwordFile)
  if (existsSync(data)) return readFileSync(passwordFile, 'utf8').trim()
  const raw = `${data}.new`
  rmSync(raw, { recursive: true, force: true })
  mkdirSync(raw, { mode: 0o700 })
  user.own(raw)
  const words = ['-D', raw, '-U', 'postgres', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '--no-instructions']
  run(user.command(binaries.initdb, [...words, '--encoding=UTF8', '--locale=C.UTF-8'], { dies: true }))
  // The database of ours, without a server for it.
  run(
    user.command(binaries.postgres, ['--single', '-D', raw, 'postgres'], { dies: true }),
    `CREATE DATABASE ${DATABASE}\n`,
  )
  renameSync(raw, data)
  return readFileSync(passwordFile, 'utf8').trim()
}

function run([program = '', ...words]: readonly string[], input = ''): void {
  const { status, stderr, error } = spawnSync(program, words, { input, encoding: 'utf8', cwd: '/', env: ENVIRONMENT })
  if (status !== 0) throw new Error(`the embedded PostgreSQL could not be made: ${error?.message ?? stderr.trim()}`)
}

const ENVIRONMENT = { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8', TZ: 'UTC' }

interface Server {
  readonly process: ChildProcess
}

/** The port may be taken between being found free and being used. */
async function startOnFreePort(place: Place, port: number): Promise<{ server: Server; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const chosen = port === 0 ? await freePort() : port
    try {
      return { server: await startServer(place, chosen), port: chosen }
    } catch (error) {
      if (port !== 0 || attempt === STARTS_MAX) throw error
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

function startServer({ data, binaries, user, settings, log }: Place, port: number): Promise<Server> {
  const words = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
  const [program = '', ...rest] = user.command(binaries.postgres, words, { dies: true })
  // A group of its own: Ctrl-C in a terminal is for whoever started it, who ends it in order.
  const child = spawn(program, rest, {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    cwd: '/',
    env: ENVIRONMENT,
  })
  return new Promise((resolveReady, reject) => {
    const said: string[] = []
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the embedded PostgreSQL did not start within ${START_TIMEOUT_MS / 1_000} s`))
    }, START_TIMEOUT_MS)
    child.once('error', reject)
    child.once('exit', () => {
      clearTimeout(timer)
      reject(new Error(`the embedded PostgreSQL cannot start: ${said.join('\n')}`))
    })
    createInterface(child.stderr).on('line', (line) => {
      if (said.push(line) > 20) said.shift()
      if (/ (FATAL|PANIC|ERROR): /.test(line)) log.debug('the embedded PostgreSQL says', { line })
      if (!line.includes('database system is ready to accept connections')) return
      clearTimeout(timer)
      resolveReady({ process: child })
    })
  })
}

async function endServer({ process: child }: Server): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  // Fast: transactions under way are rolled back, what is committed is written down.
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(timer)
}

/** A postmaster that outlived the process that started it, where that could not be prevented. */
async function endOrphan(data: string): Promise<void> {
  const pid = Number(lines(join(data, 'postmaster.pid'))[0])
  const deadline = performance.now() + STOP_TIMEOUT_MS
  if (isPostmaster(pid, data)) process.kill(pid, 'SIGINT')
  while (isPostmaster(pid, data)) {
    if (performance.now() > deadline) throw new Error(`a PostgreSQL of an earlier start still runs (process ${pid})`)
    await new Promise((done) => setTimeout(done, 20))
  }
}

function isPostmaster(pid: number, data: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    if (process.platform !== 'linux') return true
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(data)
  } catch {
    return false
  }
}

function lines(file: string): readonly string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}
