import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { inCheckout } from '../../../test/support/paths.ts'
import type { Scope } from '../../../test/support/scope.ts'
import { until } from '../../../test/support/until.ts'

/** How a command of `acc` ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A command of `acc` that runs. */
export interface Running {
  readonly pid: number
  /** Everything that it printed so far. */
  stdout(): string
  /** Resolves with what it printed once that matches. @throws if it ends before */
  printed(pattern: RegExp): Promise<string>
  /** The processes that it started and that still run. */
  children(): readonly number[]
  kill(signal: NodeJS.Signals): void
  readonly ended: Promise<Ended>
}

/** How a command is started: nothing of the user's own environment but PATH reaches it. */
export interface AccOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Words of Node's own. */
  readonly nodeArgs?: readonly string[]
  readonly cwd?: string
}

/** Starts `acc` as a process of its own, without a terminal; it ends with the scope. */
export function startAcc(scope: Scope, words: readonly string[], options: AccOptions = {}): Running {
  const process_: ChildProcess = spawn(
    process.execPath,
    [...(options.nodeArgs ?? []), inCheckout('cli/bin.js'), ...words],
    {
      env: { PATH: process.env.PATH ?? '', ...options.env },
      cwd: options.cwd ?? inCheckout('.'),
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    process_[name]?.setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text
    })
  }
  const ended = once(process_, 'close').then(
    ([code]: unknown[]): Ended => ({ code: typeof code === 'number' ? code : null, ...printed }),
  )
  let over = false
  void ended.then(() => {
    over = true
  })
  const pid = process_.pid ?? 0
  scope.teardown(async () => {
    if (!over) process_.kill('SIGTERM')
    await ended
  })
  return {
    pid,
    stdout: () => printed.stdout,
    printed: (pattern) =>
      until(String(pattern), () => {
        if (over) throw new Error(`it ended before it printed ${pattern}: ${printed.stdout}${printed.stderr}`)
        return pattern.test(printed.stdout) ? printed.stdout : null
      }),
    children: () => childrenOf(pid),
    kill: (signal) => void process_.kill(signal),
    ended,
  }
}

/** Runs `acc` to its end. */
export const acc = (scope: Scope, words: readonly string[], options: AccOptions = {}): Promise<Ended> =>
  startAcc(scope, words, options).ended

/** Words that give every part of `acc up` a free port. */
export const FREE_PORTS = [
  '--port',
  '0',
  '--admin-port',
  '0',
  '--control-plane-port',
  '0',
  '--simulator-port',
  '0',
] as const

/** What `acc up` prints last when everything serves. */
export const UP = /Ctrl-C stops everything\./

/** Runs the curl line that stands in the greeting as a user would by copying it. @returns head and body of the answer */
export async function runCurlLine(greeting: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const [line = 'false'] = /^ {2}curl [\s\S]*?'$/m.exec(greeting) ?? []
  const { stdout } = await promisify(execFile)('bash', ['-c', `${line} -i`], {
    env: { PATH: process.env.PATH ?? '', ...env },
  })
  return stdout
}

/** Resolves once none of the processes is there any more. */
export const gone = (pids: readonly number[]): Promise<true> =>
  until(`the end of ${pids.join(', ')}`, () =>
    pids.some((pid) => existsSync(`/proc/${pid}`) && stateOf(pid) !== 'Z') ? null : true,
  )

/** From /proc, which Linux alone has; so the tests that ask for children run there. */
function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parent)
}

/** State and parent stand behind the name, which is in brackets and may hold anything. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return []
  }
}

const stateOf = (pid: number): string => statOf(pid)[0] ?? ''
const parentOf = (pid: number): number => Number(statOf(pid)[1])
