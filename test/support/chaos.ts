import type { Simulator } from '@agentcostcontrol/simulator'
import type { Test } from 'tap'
import { askBody, send } from './ask.ts'
import { readBooks } from './books.ts'
import { folderFor, type Scope } from './scope.ts'
import { budgetYaml, type TestSidecar, writePolicies } from './sidecar.ts'
import { until } from './until.ts'
import { chargeOf } from './ways-out.ts'

/** The limit of the budget over all, in nano-USD: $10. */
const LIMIT_NANO = 10_000_000_000n
/** So many clients make the load. */
export const CLIENTS = 24

/** Folders that outlive one sidecar. */
export function foldersFor(scope: Scope) {
  const dataDir = folderFor(scope)
  const policyDir = folderFor(scope)
  writePolicies(policyDir, {
    'all.yaml': budgetYaml({ name: 'all', limit: '10.00' }),
    'each.yaml': budgetYaml({ name: 'each', limit: '20.00', agent: '*' }),
  })
  return { dataDir, policyDir }
}

/** Waits until the provider has billed so many requests. */
export const billed = (simulator: Simulator, count: number): Promise<true> =>
  until(`${count} requests billed`, () => (simulator.bill.entries().length >= count ? true : null))

/** Nothing runs at the provider any more: its bill is final. */
export const finalBill = (simulator: Simulator): Promise<true> =>
  until('the bill is final', () => (simulator.bill.entries().every(({ ended }) => ended !== 'open') ? true : null))

/** gpt-5.5-pro, in nano-USD per token. */
const DEAR = { input: 30_000n, output: 180_000n }

/**
 * All that was not charged can be reserved, to the token: a request that could cost more than the whole budget is told
 * the output limit that the rest of the money affords. @param lost money that nobody has any more
 */
export async function checkRemaining(t: Test, sidecar: TestSidecar, lost = 0n): Promise<void> {
  const ask = { model: 'gpt-5.5-pro', prompt: 'how much is left' }
  const spent = readBooks(sidecar.dataDir).events.reduce((sum, event) => sum + chargeOf(event), 0n)
  const input = BigInt(Buffer.byteLength(askBody(ask)) + 72) * DEAR.input
  const response = await send(sidecar.url, { ...ask, headers: { 'x-acc-task': 'the rest' }, sim: { tag: 'the rest' } })
  t.equal(response.status, 200)
  t.equal(response.headers.get('x-acc-output-limit'), String((LIMIT_NANO - lost - spent - input) / DEAR.output))
  await response.text()
}
