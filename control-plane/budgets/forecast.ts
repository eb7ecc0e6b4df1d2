import type { Period } from '@agentcostcontrol/contract'

/** How fast a subject spends. */
export interface Burn {
  readonly nanoPerHour: bigint
  /** Over how many hours that was counted. */
  readonly overHours: number
}

const HOUR_MS = 3_600_000

/**
 * When the limit is reached if it goes on like this, ms since the epoch; `null` if that is not within the period.
 * @param left nano-USD until the limit
 */
export function projectedBreachMs(of: {
  readonly nowMs: number
  readonly left: bigint
  readonly burn: Burn | null
  readonly period: Pick<Period, 'endsAtMs'>
}): number | null {
  const { nowMs, left, burn, period } = of
  if (left <= 0n) return nowMs
  if (burn === null || burn.nanoPerHour <= 0n) return null
  const atMs = nowMs + (Number(left) / Number(burn.nanoPerHour)) * HOUR_MS
  // Further ahead than a date can say is never.
  return atMs < period.endsAtMs && atMs < LAST_MS ? Math.round(atMs) : null
}

const LAST_MS = Date.UTC(9999, 11, 31)
