/** Runs `npm start` as a new user would: free ports, the printed curl line, Ctrl-C; nothing may be left behind. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const dataDir = mkdtempSync(join(tmpdir(), 'acc-smoke-'))
const DEADLINE_MS = 60_000
const PARTS = ['port', 'admin-port', 'control-plane-port', 'simulator-port']

interface Process {
  readonly pid: number
  readonly parent: number
  readonly args: string
}

const processes = (): readonly Process[] =>
  execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .map((match) => ({ pid: Number(match?.[1]), parent: Number(match?.[2]), args: match?.[3] ?? '' }))

/** What a process started, and what those started. */
const descendantsOf = (root: number, all = processes()): readonly Process[] =>
  all.filter(({ parent }) => parent === root).flatMap((child) => [child, ...descendantsOf(child.pid, all)])

async function run(round: number): Promise<void> {
  const start = spawn(
    'npm',
    ['start', '--silent', '--', ...PARTS.flatMap((part) => [`--${part}`, '0']), '--data', dataDir],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    },
  )
  let printed = ''
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`not up within ${DEADLINE_MS / 1_000} s; printed so far:\n${printed}`)),
      DEADLINE_MS,
    )
    start.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString()
      if (!printed.includes('Ctrl-C stops everything')) return
      clearTimeout(timer)
      resolve()
    })
    start.once('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${printed}`)))
  })
  await ready
  const line = /^ {2}curl [\s\S]*?'$/m.exec(printed)?.[0]
  if (line === undefined) throw new Error(`no curl line was printed:\n${printed}`)
  const answer = JSON.parse(execFileSync('bash', ['-c', line], { encoding: 'utf8' }))
  if (typeof answer.choices?.[0]?.message?.content !== 'string')
    throw new Error(`the curl line answered ${JSON.stringify(answer)}`)
  const begun = descendantsOf(start.pid ?? 0)
  if (begun.length < 5)
    throw new Error(`npm start should have started acc, a simulator, both planes and PostgreSQL, not ${begun.length}`)
  const exited = once(start, 'exit')
  // Ctrl-C in a terminal reaches the whole foreground group.
  process.kill(-(start.pid ?? 0), 'SIGINT')
  const [code, signal] = await exited
  // npm itself ends by the signal once what it started has ended.
  if (code !== 0 && signal !== 'SIGINT') throw new Error(`npm start ended with ${code ?? signal} after Ctrl-C`)
  const alive = new Set(processes().map(({ pid }) => pid))
  const left = begun.filter(({ pid }) => alive.has(pid))
  if (left.length > 0) throw new Error(`left behind:\n${left.map(({ pid, args }) => `${pid} ${args}`).join('\n')}`)
  process.stdout.write(`round ${round}: up, answered, stopped, nothing left\n`)
}

try {
  await run(1)
  await run(2)
  const spend = JSON.parse(execFileSync('npx', ['acc', 'spend', '--json', '--data', dataDir], { encoding: 'utf8' }))
  if (spend.total.requests !== 2)
    throw new Error(`a second start should have found the first one's data: ${JSON.stringify(spend.total)}`)
  process.stdout.write('the second start found the data of the first\n')
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}
