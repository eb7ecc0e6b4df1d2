import type { UsageEvent } from '@agentcostcontrol/contract'
import type { Simulator } from '@agentcostcontrol/simulator'
import { chargeOf, nanoOf } from './ways-out.ts'

/** How a sidecar's events compare with the bill of its provider. */
export interface Audit {
  /** Everything that is wrong; empty when nothing is. */
  readonly faults: readonly string[]
  readonly exact: number
  readonly estimated: number
  readonly unresolved: number
  /** Nano-USD that estimates are above the bill. */
  readonly excess: bigint
  readonly billed: bigint
}

/**
 * Compares events with the bill, entry by entry: each request carried its name as `x-acc-task` and as `x-sim-tag`. What
 * is exact must be the bill to the nano, what is estimated must say so and not be below it, and nothing that was billed
 * may be missing or be told twice.
 */
export function audit(events: readonly UsageEvent[], bill: Simulator['bill']): Audit {
  const faults: string[] = []
  const byTask = new Map<string, UsageEvent>()
  for (const event of events) {
    const task = event.principal.task ?? ''
    if (task !== '' && byTask.has(task)) faults.push(`${task} was told twice`)
    byTask.set(task, event)
  }
  const count = { exact: 0, estimated: 0, unresolved: 0, excess: 0n, billed: 0n }
  const billed = new Set<string>()
  for (const { tag, responseId, costPicoUsd, ended } of bill.entries()) {
    const event = byTask.get(tag ?? '')
    const [attempt] = event?.attempts ?? []
    const cost = nanoOf(costPicoUsd)
    count.billed += cost
    billed.add(tag ?? '')
    if (!event || !attempt) {
      faults.push(`${tag} was billed ${cost} and never told`)
      continue
    }
    const charged = chargeOf(event)
    if (event.outcome === 'unresolved') count.unresolved++
    if (attempt.precision === 'exact') {
      count.exact++
      if (attempt.responseId !== responseId)
        faults.push(`${tag} is answer ${responseId}, told as ${attempt.responseId}`)
      if (charged !== cost || attempt.costNanoUsd !== String(cost))
        faults.push(`${tag} (${ended}) was billed ${cost}, told as exactly ${attempt.costNanoUsd}, charged ${charged}`)
    } else if (attempt.precision === 'estimated') {
      count.estimated++
      count.excess += charged - cost
      if (charged < cost) faults.push(`${tag} (${ended}) was billed ${cost}, estimated at ${charged}`)
      if (!attempt.reason) faults.push(`${tag} is estimated and does not say why`)
    } else faults.push(`${tag} was billed ${cost} and told as costing nothing: ${attempt.reason}`)
  }
  for (const [task, { attempts }] of byTask) {
    if (attempts[0]?.precision === 'exact' && !billed.has(task)) faults.push(`${task} is exact and was never billed`)
  }
  return { faults, ...count }
}

/** An audit in one line. */
export const auditLine = ({ exact, estimated, unresolved, excess, billed }: Audit): string =>
  `${exact} exact, ${estimated} estimated (${unresolved} unresolved); billed $${Number(billed) / 1e9}, estimates above the bill by $${Number(excess) / 1e9}`
