/**
 * `npm run demo:budget`: eight sidecars, two replicas of the control plane, eight hundred streams at a time, one dollar,
 * and everything goes wrong. Prints what the provider billed against the limit, and the same for two plain designs.
 */
import { writeFileSync } from 'node:fs'
import { InterruptedError, interruptions } from '../../../cli/support/interrupt.ts'
import type { Scope } from '../../support/scope.ts'
import { inMemory, sharedCounter } from './baselines.ts'
import { planFaults } from './fault-plan.ts'
import { SIDECARS, STREAMS } from './fleet.ts'
import { type DemoOptions, readOptions, USAGE } from './options.ts'
import { figuresOf, hasHeld, summaryOf } from './report.ts'
import { run } from './run.ts'

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const began = performance.now()
const step = (line: string): void => say(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`)

/** Runs something, and ends all that it started, last in, first out. */
async function inScope<T>(signal: AbortSignal, work: (scope: Scope) => Promise<T>): Promise<T> {
  const ends: (() => void | Promise<void>)[] = []
  const interrupted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new InterruptedError()), { once: true })
  })
  const working = work({ teardown: (end) => void ends.push(end) })
  try {
    return await Promise.race([working, interrupted])
  } finally {
    await endAll(ends)
    // What was under way when it was interrupted fails now, or has started something more.
    await working.catch(() => {})
    await endAll(ends)
  }
}

async function endAll(ends: (() => void | Promise<void>)[]): Promise<void> {
  for (let end = ends.pop(); end; end = ends.pop()) await Promise.resolve(end()).catch(() => {})
}

async function demo(options: DemoOptions, signal: AbortSignal): Promise<number> {
  const { seed, seconds, jsonFile } = options
  const plan = planFaults(seed, seconds)
  const shared = { seed, seconds, plan, signal }
  say(`Seed ${seed}: ${SIDECARS} sidecars, 2 control planes, ${STREAMS} streams at a time on each sidecar, one dollar.`)
  const result = await inScope(signal, (scope) => run(scope, { ...shared, say: step }))
  step('the same for plain designs')
  const baselines = await inScope(signal, (scope) =>
    Promise.all([inMemory(scope, shared), sharedCounter(scope, shared)]),
  )
  step(`done\n\n${summaryOf(result, baselines)}\n`)
  if (jsonFile !== null) writeFileSync(jsonFile, `${JSON.stringify(figuresOf(options, result, baselines), null, 2)}\n`)
  const held = hasHeld(result)
  say(held ? 'The limit held: nothing overspent, nothing lost, nothing stuck.' : 'THE GUARANTEE DID NOT HOLD.')
  return held ? 0 : 1
}

const stopping = new AbortController()
void interruptions().asked.then(() => stopping.abort())
try {
  const options = readOptions(process.argv.slice(2))
  if (options === null) say(USAGE)
  else process.exitCode = await demo(options, stopping.signal)
} catch (error) {
  process.exitCode = error instanceof InterruptedError ? 130 : 2
  process.stderr.write(error instanceof InterruptedError ? 'Stopped.\n' : `${String(error)}\n`)
}
if (process.connected) process.disconnect()
