import { nanoUsd, parseUsd } from '@agentcostcontrol/contract'
import { budgetOf, linesOf } from '../sidecar/test/support/budgets.ts'
import { inScope } from '../sidecar/test/support/in-scope.ts'
import { SpendWorld } from '../sidecar/test/support/spend-world.ts'
import { percentile } from './plane.ts'

const BUDGETS = 20
const WARM_UP = 20_000
const ROUNDS = 200_000

/** What a request waits for its budgets while there is money: reserved on all of them in one step, and given back. */
export interface LocalCheck {
  readonly budgets: number
  readonly usP50: number
  readonly usP99: number
}

/** Measures it, in µs, at the gate of a sidecar, over requests that match twenty budgets. */
export async function measureLocalCheck(): Promise<LocalCheck> {
  const times: number[] = []
  await inScope(async (scope) => {
    const limit = Number(parseUsd('1000.00'))
    const budgets = Array.from({ length: BUDGETS }, (_, at) =>
      budgetOf({ name: `b${at}`, limit, scope: at % 2 === 0 ? 'global' : 'per_agent' }),
    )
    const lines = linesOf('agent-1', ...budgets)
    const world = await SpendWorld.open(scope, budgets)
    const first = await world.reserve(lines, 1_000)
    if (first.kind !== 'reserved') throw new Error(`refused: ${first.kind}`)
    const { gate } = world.core
    gate.release(first.reservation)
    const request = { lines, bound: nanoUsd(1_000n), least: nanoUsd(1_000n), signal: new AbortController().signal }
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      const begun = process.hrtime.bigint()
      const outcome = gate.reserve(request)
      if (outcome instanceof Promise || outcome.kind !== 'reserved') throw new Error('a request waited for a lease')
      gate.release(outcome.reservation)
      if (round >= 0) times.push(Number(process.hrtime.bigint() - begun) / 1_000)
    }
  })
  times.sort((a, b) => a - b)
  return { budgets: BUDGETS, usP50: percentile(times, 0.5, 2), usP99: percentile(times, 0.99, 2) }
}
