/**
 * `npm run bench:policy`: how long after a change in the policy folder it is enforced by every sidecar, through two
 * control planes on one PostgreSQL, all of it on the same machine.
 */
import { writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { measurePolicyLatency } from '../test/support/policy-latency.ts'
import type { Scope } from '../test/support/scope.ts'

const USAGE = `npm run bench:policy -- [options]
  --sidecars N   sidecars that are connected (50)
  --processes N  so many of them as processes of their own (2)
  --changes N    how often the policy changes (30)
  --json FILE    the figures as JSON
`

interface Options {
  readonly sidecars: number
  readonly processes: number
  readonly changes: number
  readonly jsonFile: string | null
}

function readOptions(words: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...words],
    options: {
      sidecars: { type: 'string', default: '50' },
      processes: { type: 'string', default: '2' },
      changes: { type: 'string', default: '30' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const [sidecars, processes, changes] = [values.sidecars, values.processes, values.changes].map(Number)
  if (values.help || !sidecars || processes === undefined || !(processes >= 0 && processes <= sidecars) || !changes)
    return null
  return { sidecars, processes, changes, jsonFile: values.json ?? null }
}

const percentile = (sorted: readonly number[], share: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)

async function run({ jsonFile, ...options }: Options): Promise<void> {
  const ends: (() => void | Promise<void>)[] = []
  const scope: Scope = { teardown: (work) => void ends.push(work) }
  try {
    const onChange = (slowestMs: number): void => void process.stdout.write(`${Math.round(slowestMs)} `)
    process.stdout.write('the slowest sidecar of each change, in ms: ')
    const times = (await measurePolicyLatency(scope, { ...options, onChange })).flat().sort((a, b) => a - b)
    const figures = {
      p50Ms: percentile(times, 0.5),
      p99Ms: percentile(times, 0.99),
      maxMs: Math.round(times.at(-1) ?? 0),
      ...options,
      replicas: 2,
      cores: availableParallelism(),
      cpu: cpus()[0]?.model ?? 'unknown',
      node: process.version,
    }
    process.stdout.write(
      `\nfrom a change in the folder to enforcement by ${options.sidecars} sidecars: p50 ${figures.p50Ms} ms, p99 ${figures.p99Ms} ms, at most ${figures.maxMs} ms\n`,
    )
    if (jsonFile !== null) writeFileSync(jsonFile, `${JSON.stringify(figures, null, 2)}\n`)
  } finally {
    for (const end of ends.reverse()) await end()
  }
}

const options = readOptions(process.argv.slice(2))
if (options === null) process.stdout.write(USAGE)
else await run(options)
