import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A process of the system that `acc` started. */
export interface Child {
  readonly name: string
  readonly pid: number
  /** Resolves when it has ended, with what it said last on stderr. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null; readonly complaint: string }>
  /** Ends it: SIGTERM, and SIGKILL if it has not gone by then. */
  stop(): Promise<void>
  /** Asks it to end once more, which breaks off what it still waits for, and ends it in a moment if it hangs. */
  hurry(): void
}

/** How a process is started. */
export interface ChildOptions {
  readonly name: string
  /** Path of its entry file. */
  readonly entry: string
  readonly env: Readonly<Record<string, string>>
  /** Each line that it prints. */
  onLine(line: string): void
}

const STOP_TIMEOUT_MS = 30_000
/** Time to write down what was broken off. */
const HURRY_TIMEOUT_MS = 2_000

/**
 * Starts a process with an IPC channel: when `acc` dies, also by SIGKILL, the channel closes and the process ends itself.
 * It has a process group of its own, so that Ctrl-C reaches it through `acc` alone and in order.
 */
export function startChild({ name, entry, env, onLine }: ChildOptions): Child {
  const process_: ChildProcess = spawn(process.execPath, [entry], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  })
  let complaint = ''
  process_.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2_000)
  })
  if (process_.stdout) createInterface(process_.stdout).on('line', onLine)
  const ended = once(process_, 'close').then(([code, signal]: unknown[]) => ({
    code: typeof code === 'number' ? code : null,
    signal: typeof signal === 'string' ? signal : null,
    complaint: complaint.trim(),
  }))
  let over = false
  void ended.then(() => {
    over = true
  })
  return {
    name,
    pid: process_.pid ?? 0,
    ended,
    stop: async () => {
      if (over) return
      process_.kill('SIGTERM')
      const timer = setTimeout(() => process_.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await ended
      clearTimeout(timer)
    },
    hurry: () => {
      if (over) return
      process_.kill('SIGTERM')
      const timer = setTimeout(() => process_.kill('SIGKILL'), HURRY_TIMEOUT_MS)
      void ended.then(() => clearTimeout(timer))
    },
  }
}
