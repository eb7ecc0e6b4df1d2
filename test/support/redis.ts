import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { folderFor, type Scope } from './scope.ts'
import { until } from './until.ts'

/** A real Redis: a process of its own on a free port, which keeps nothing. */
export interface TestRedis {
  readonly url: string
  /** Ends it as a power switch does. */
  kill(): Promise<void>
  /** Starts it again where it was, empty. */
  again(): Promise<void>
  /** It takes connections and answers nothing. */
  hang(): void
  /** It goes on. */
  resume(): void
}

/** Starts a Redis that ends with the scope. @throws with the line to type if there is none */
export async function redisFor(scope: Scope): Promise<TestRedis> {
  const redis = await absentRedisFor(scope)
  await redis.again()
  return redis
}

/** A Redis that is not there yet. */
export async function absentRedisFor(scope: Scope): Promise<TestRedis> {
  const program = findRedis()
  const port = await freePort()
  const folder = folderFor(scope)
  let running: ReturnType<typeof spawn> | null = null

  async function end(): Promise<void> {
    if (running === null || running.exitCode !== null || running.signalCode !== null) return
    const exited = once(running, 'exit')
    // Also one that hangs.
    running.kill('SIGKILL')
    await exited
  }
  scope.teardown(end)
  return {
    url: `redis://127.0.0.1:${port}/0`,
    kill: end,
    again: async () => {
      const words = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no']
      // Debian's packages have one program, which goes by the name that it is called by.
      running = spawn(program, words, { argv0: 'redis-server', stdio: 'ignore' })
      await until('Redis listens', () =>
        running?.exitCode === null ? answers(port) : Promise.reject(new Error('Redis ended')),
      )
    },
    hang: () => void running?.kill('SIGSTOP'),
    resume: () => void running?.kill('SIGCONT'),
  }
}

/** `true` if somebody says PONG. */
const answers = (port: number): Promise<true | null> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', (bytes) => resolve(bytes.toString().startsWith('+PONG') ? true : null))
    socket.once('error', () => resolve(null))
    socket.once('data', () => socket.destroy())
  })

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('no port is free')
  return address.port
}

/** `redis-tools` of Debian brings the program without the service that `redis-server` would start. */
const PROGRAMS = ['redis-server', 'redis-check-rdb']
const INSTALL = ['apt-get', '-o', 'DPkg::Lock::Timeout=120', 'install', '-y', '--no-install-recommends', 'redis-tools']

/** Finds Redis, or as root on Debian installs it. @throws with the line to type */
function findRedis(): string {
  const found = onPath(PROGRAMS)
  if (found !== null) return found
  const [command = '', ...words] = INSTALL
  if (process.getuid?.() === 0 && onPath([command]) !== null) {
    try {
      execFileSync(command, words, { stdio: 'pipe', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
    } catch {
      // An image may hold no lists of packages.
      execFileSync(command, ['update'], { stdio: 'pipe' })
      execFileSync(command, words, { stdio: 'pipe' })
    }
    const installed = onPath(PROGRAMS)
    if (installed !== null) return installed
  }
  throw new Error('the tests need a redis-server on the PATH: sudo apt-get install redis-tools, or brew install redis')
}

/** Whether a Redis can be started without installing one. */
export const hasRedis = (): boolean => onPath(PROGRAMS) !== null

function onPath(names: readonly string[]): string | null {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    for (const name of names) {
      try {
        accessSync(join(folder, name), constants.X_OK)
        return join(folder, name)
      } catch {}
    }
  }
  return null
}
