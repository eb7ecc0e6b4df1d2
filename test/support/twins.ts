import type { UsageEvent } from '@agentcostcontrol/contract'
import type { BillEntry, Simulator, SimulatorOptions } from '@agentcostcontrol/simulator'
import type { Scope } from './scope.ts'
import { readEvents, sidecarFor, type TestSidecar, type TestSidecarOptions } from './sidecar.ts'
import { simulatorFor } from './simulator.ts'
import { until } from './until.ts'

/**
 * Two simulated providers of one seed, one of them behind a sidecar: what a client is told by `direct` is what it must be
 * told by `sidecar`. Their request ids agree as long as both are asked the same in the same order.
 */
export interface Twins {
  readonly direct: Simulator
  readonly behind: Simulator
  readonly sidecar: TestSidecar
}

/** Starts twins; they end with the scope. */
export async function twinsFor(
  scope: Scope,
  options: Omit<TestSidecarOptions, 'upstream'> = {},
  simulated: Partial<SimulatorOptions> = {},
): Promise<Twins> {
  const direct = await simulatorFor(scope, simulated)
  const behind = await simulatorFor(scope, simulated)
  return { direct, behind, sidecar: await sidecarFor(scope, besides(behind, options)) }
}

/** The providers that speak OpenAI's format in their own way. */
const DIALECTS = [
  'cerebras',
  'deepseek',
  'fireworks',
  'groq',
  'mistral',
  'moonshotai',
  'openrouter',
  'together',
  'vllm',
  'xai',
]

/** Settings with every provider that the simulator stands in for at its address. */
const besides = ({ url }: Simulator, options: Omit<TestSidecarOptions, 'upstream'>): TestSidecarOptions => ({
  ...options,
  upstream: `${url}/v1`,
  env: {
    ACC_UPSTREAM_ANTHROPIC: `${url}/anthropic/v1`,
    ACC_UPSTREAM_AZURE: `${url}/azure`,
    ACC_UPSTREAM_OLLAMA: `${url}/ollama`,
    ...Object.fromEntries(DIALECTS.map((name) => [`ACC_UPSTREAM_${name.toUpperCase()}`, `${url}/${name}/v1`])),
    ACC_UPSTREAM_GOOGLE: `${url}/google`,
    ...options.env,
  },
})

/** Headers that make a request's event and its line in the bill findable. */
export const tagged = (tag: string): Readonly<Record<string, string>> => ({ 'x-acc-task': tag, 'x-sim-tag': tag })

/** The events of requests with a tag, oldest first, once there are `count`. */
export function eventsOf(sidecar: TestSidecar, tag: string, count: number): Promise<readonly UsageEvent[]> {
  return until(`${count} events of ${tag}`, () => {
    const events = readEvents(sidecar.dataDir).filter(({ principal }) => principal.task === tag)
    return events.length >= count ? events : null
  })
}

/** A bill's line in nano-USD, rounded up as the sidecar rounds. */
const nanoOf = ({ costPicoUsd }: BillEntry): string => ((BigInt(costPicoUsd ?? 0) + 999n) / 1_000n).toString()

/** What the provider charges for the requests with a tag, in nano-USD, ascending. */
export const billOf = (simulator: Simulator, tag: string): readonly string[] =>
  ascending(
    simulator.bill
      .entries()
      .filter((entry) => entry.tag === tag)
      .map(nanoOf),
  )

/** What the sidecar says that these events cost, in nano-USD, ascending. */
export const costsOf = (events: readonly UsageEvent[]): readonly string[] =>
  ascending(events.flatMap(({ attempts }) => attempts.map(({ costNanoUsd }) => costNanoUsd ?? 'unknown')))

const ascending = (amounts: readonly string[]): readonly string[] =>
  [...amounts].sort((a, b) => a.length - b.length || (a < b ? -1 : 1))

/** What the budgets were charged for these events, in nano-USD. */
export const chargedOf = (events: readonly UsageEvent[]): bigint =>
  events.flatMap(({ attempts }) => attempts).reduce((sum, { chargedNanoUsd }) => sum + BigInt(chargedNanoUsd), 0n)
