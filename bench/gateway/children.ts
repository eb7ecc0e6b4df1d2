/** Processes that the benchmark starts: each bound to one core, each ended by its own id. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** How a process is started. */
export interface ChildOrder {
  readonly name: string
  /** The core that the process and all its threads may use. */
  readonly core: number
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Opens a channel for messages. */
  readonly messages?: boolean
}

/** A running process. */
export interface Child {
  readonly name: string
  readonly pid: number
  readonly process: ChildProcess
  /** The last of what it wrote to standard error, to tell why it ended. */
  stderrTail(): string
  /** The first line that it writes to standard output. */
  readonly firstLine: Promise<string>
}

const STDERR_TAIL_LENGTH = 2000
const GRACE_MS = 5000
const START_MS = 30_000

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** All processes of one run. */
export class Children {
  readonly #running = new Set<Child>()
  #closed = false

  /** Starts a process. Standard output is read and thrown away but for its first line. */
  start(order: ChildOrder): Child {
    if (this.#closed) throw new Error('the run was ended')
    const child = spawn('taskset', ['-c', String(order.core), order.command, ...order.args], {
      env: { PATH: process.env.PATH, ...order.env },
      stdio: order.messages === true ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_TAIL_LENGTH)
    })
    const firstLine = new Promise<string>((resolve) => {
      let text = ''
      child.stdout?.setEncoding('utf8').on('data', (more: string) => {
        if (text.includes('\n')) return
        text += more
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')))
      })
    })
    child.on('error', () => undefined)
    if (child.pid === undefined) throw new Error(`${order.name}: cannot start taskset; it is in the package util-linux`)
    const started = { name: order.name, pid: child.pid, process: child, stderrTail: () => stderr, firstLine }
    this.#running.add(started)
    return started
  }

  /** Waits until `isReady` says so. Throws with the process's own words if it ends before, or takes longer than 30 s. */
  async waitUntil(child: Child, isReady: () => Promise<boolean>): Promise<void> {
    const giveUpAtMs = performance.now() + START_MS
    while (!(await isReady())) {
      if (hasEnded(child.process)) throw new Error(`${child.name} ended at its start:\n${child.stderrTail()}`)
      if (performance.now() > giveUpAtMs)
        throw new Error(`${child.name} is not ready after ${START_MS / 1000} s:\n${child.stderrTail()}`)
      await delay(50)
    }
  }

  /** Ends one process: politely, then for certain. */
  async stop(child: Child): Promise<void> {
    this.#running.delete(child)
    if (hasEnded(child.process)) return
    const ended = once(child.process, 'exit')
    child.process.kill('SIGTERM')
    const timer = setTimeout(() => child.process.kill('SIGKILL'), GRACE_MS)
    await ended
    clearTimeout(timer)
  }

  /** Ends all that still run; nothing starts any more. */
  async stopAll(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#running].map((child) => this.stop(child)))
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** True if a GET of the URL answers with one of the statuses (any, if none are named). */
export async function answers(url: string, ...statuses: readonly number[]): Promise<boolean> {
  try {
    const response = await fetch(url)
    await response.arrayBuffer()
    return statuses.length === 0 || statuses.includes(response.status)
  } catch {
    return false
  }
}
