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
 * In a rolling window what is spent leaves it again: a pace that its limit bears for a whole window goes on for ever.
 */
export function projectedBreachMs(of: {
  readonly nowMs: number
  /** This and the next in nano-USD. */
  readonly limit: bigint
  readonly spent: bigint
  readonly burn: Burn | null
  readonly period: Pick<Period, 'endsAtMs' | 'windowMs'>
}): number | null {
  const { nowMs, limit, spent, burn, period } = of
  const left = limit - spent
  if (left <= 0n) return nowMs
  if (burn === null || burn.nanoPerHour <= 0n) return null
  const { windowMs } = period
  if (windowMs !== null && (Number(burn.nanoPerHour) * windowMs) / HOUR_MS <= Number(limit)) return null
  const atMs = nowMs + (Number(left) / Number(burn.nanoPerHour)) * HOUR_MS
  // Further ahead than a date can say is never.
  return atMs < period.endsAtMs && atMs < LAST_MS ? Math.round(atMs) : null
}

const LAST_MS = Date.UTC(9999, 11, 31)
