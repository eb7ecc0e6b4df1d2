/**
 * Puts each fault into a copy of the sources and looks whether its test fails: `npm run test:faults [-- WORD …]` runs
 * all, or those whose name has one of the words. A test that passes with its fault in holds nothing.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { inCheckout } from '../support/paths.ts'
import type { Fault } from './fault.ts'
import { FAULTS } from './faults.ts'

const ROOT = inCheckout('')
const RUN_MS_MAX = 120_000
const LANES = Math.min(3, availableParallelism())

/** What came of one run of a test. */
interface Run {
  readonly failed: boolean
  readonly output: string
  readonly seconds: number
}

/** What came of a fault. `broken`: it could not be put in, or the sidecar did not start with it. */
interface Verdict {
  readonly fault: Fault
  readonly verdict: 'caught' | 'MISSED' | 'broken'
  readonly why: string
  readonly seconds: number
}

/** A copy of the sources whose packages are its own, and whose dependencies are the checkout's. */
function copySources(folder: string): void {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT })
  for (const file of listed.toString().split('\0')) {
    if (!/\.(?:ts|json|ya?ml|csv|md|sql)$/.test(file) || /^(?:docs|bench|console)\//.test(file)) continue
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    cpSync(join(ROOT, file), join(folder, file), { force: true })
  }
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@agentcostcontrol'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@agentcostcontrol') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const name of readdirSync(join(ROOT, 'node_modules/@agentcostcontrol'))) {
    symlinkSync(join(folder, name), join(modules, '@agentcostcontrol', name))
    const own = join(ROOT, name, 'node_modules')
    if (existsSync(own)) symlinkSync(own, join(folder, name, 'node_modules'))
  }
}

async function runTest(folder: string, test: string, only: readonly string[]): Promise<Run> {
  const begun = performance.now()
  const child = spawn(process.execPath, [join(folder, test)], {
    cwd: folder,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      TAP_GREP: only.map((pattern) => `/${pattern}/`).join('\n'),
      TAP_TIMEOUT: String(RUN_MS_MAX / 1_000),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: what a test with its fault in leaves running is ended with it.
    detached: true,
  })
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // Nothing of it runs any more.
    }
  }
  process.once('exit', endGroup)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const timer = setTimeout(endGroup, RUN_MS_MAX)
  const [code] = await once(child, 'exit')
  clearTimeout(timer)
  endGroup()
  process.off('exit', endGroup)
  return { failed: code !== 0, output, seconds: (performance.now() - begun) / 1_000 }
}

async function judge(folder: string, fault: Fault): Promise<Verdict> {
  const verdict = (verdict: Verdict['verdict'], why: string, seconds = 0): Verdict => ({ fault, verdict, why, seconds })
  const originals = new Map<string, string>()
  try {
    for (const { file, search, replace } of fault.edits) {
      const path = join(folder, file)
      const text = readFileSync(path, 'utf8')
      if (!originals.has(path)) originals.set(path, text)
      const found = text.split(search).length - 1
      if (found !== 1) return verdict('broken', `${file} has ${found} times: ${search.slice(0, 60)}`)
      // Not a pattern: "$" means itself.
      writeFileSync(
        path,
        text.replace(search, () => replace),
      )
    }
    const { failed, output, seconds } = await runTest(folder, fault.test, fault.only)
    const unfit = /the sidecar cannot start: (?!another sidecar).*|SyntaxError.*|ERR_[A-Z_]+.*|ReferenceError.*/.exec(
      output,
    )
    if (unfit) return verdict('broken', unfit[0], seconds)
    if (!failed) return verdict('MISSED', ranNothing(output) ? 'no test has this name' : 'the test passes', seconds)
    return verdict(
      'caught',
      /not ok \d+ - (.*?)(?: # time.*)?$/m.exec(output)?.[1] ?? 'it ended with an error',
      seconds,
    )
  } finally {
    for (const [path, text] of originals) writeFileSync(path, text)
  }
}

const ranNothing = (output: string): boolean => !/^ +ok \d+ - (?!.*# SKIP)/m.test(output)

/** Every test must pass without a fault, or its failing says nothing. */
async function checkBaseline(folder: string, faults: readonly Fault[]): Promise<readonly string[]> {
  const complaints: string[] = []
  const seen = new Set<string>()
  for (const { test, only } of faults) {
    const key = `${test} ${only.join(' / ')}`
    if (seen.has(key)) continue
    seen.add(key)
    const { failed, output } = await runTest(folder, test, only)
    if (failed || ranNothing(output)) complaints.push(`${key}: ${failed ? 'fails without a fault' : 'no such test'}`)
  }
  return complaints
}

function table(verdicts: readonly Verdict[]): string {
  const width = Math.max(...verdicts.map(({ fault }) => fault.name.length))
  return verdicts
    .map(
      ({ fault, verdict, why, seconds }) =>
        `${verdict.padEnd(7)} ${fault.name.padEnd(width)}  ${seconds.toFixed(1).padStart(5)} s  ${fault.test.replace('test/', '')}: ${why.slice(0, 100)}`,
    )
    .join('\n')
}

async function main(words: readonly string[]): Promise<number> {
  const baseline = words.includes('--baseline')
  const wanted = words.filter((word) => word !== '--baseline')
  const faults = FAULTS.filter(({ name }) => wanted.length === 0 || wanted.some((word) => name.includes(word)))
  const begun = performance.now()
  const home = mkdtempSync(join(tmpdir(), 'acc-faults-'))
  try {
    const lanes = Array.from({ length: LANES }, (_, at) => join(home, `${at}`))
    for (const lane of lanes) copySources(lane)
    const complaints = baseline ? await checkBaseline(lanes[0] ?? home, faults) : []
    const left = [...faults]
    const verdicts: Verdict[] = []
    await Promise.all(
      lanes.map(async (lane) => {
        for (let fault = left.shift(); fault; fault = left.shift()) {
          const verdict = await judge(lane, fault)
          verdicts.push(verdict)
          if (process.stdout.isTTY) process.stdout.write(`${table([verdict])}\n`)
        }
      }),
    )
    verdicts.sort((a, b) => faults.indexOf(a.fault) - faults.indexOf(b.fault))
    const caught = verdicts.filter(({ verdict }) => verdict === 'caught').length
    process.stdout.write(`\n${table(verdicts)}\n${complaints.map((complaint) => `${complaint}\n`).join('')}`)
    process.stdout.write(
      `\n${caught} of ${faults.length} faults caught in ${Math.round((performance.now() - begun) / 1_000)} s\n`,
    )
    return caught === faults.length && complaints.length === 0 ? 0 : 1
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

// An interrupted run leaves no test behind either.
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.exit(130))

process.exitCode = await main(process.argv.slice(2))
