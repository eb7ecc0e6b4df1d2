import {
  type Counter,
  maxUsd,
  minUsd,
  NANO_USD_MAX,
  type NanoUsd,
  nanoUsd,
  type Period,
  periodOf,
} from '@agentcostcontrol/contract'

/** How long an answer is believed: a lease holds until its period ends (C2). */
export const LEASE_TTL_MS = 60 * 60 * 1_000

/** A counter may be further above its limit, and a lease than it holds, than a number on the wire says. */
export const wire = (amount: bigint): string =>
  minUsd(NANO_USD_MAX, maxUsd(nanoUsd(-NANO_USD_MAX), nanoUsd(amount))).toString()
/** An amount of a message, as far as a column holds it. */
export const amountOf = (text: string): NanoUsd => minUsd(NANO_USD_MAX, nanoUsd(BigInt(text)))

/** The period that an id names; `null` where it names none. */
export function readPeriod(id: string): Period | null {
  try {
    return periodOf(id)
  } catch {
    return null
  }
}

/** A rolling window is cut into so many buckets: what is booked counts for at most one of them longer. */
const BUCKETS = 100

/** What is booked on counters with a rolling window, and how long their buckets are, in ms. */
export const inBuckets = (
  charged: readonly { readonly counter: Counter; readonly nano: bigint }[],
): readonly { readonly counter: Counter; readonly nano: bigint; readonly bucketMs: number }[] =>
  charged.flatMap(({ counter, nano }) => {
    const windowMs = readPeriod(counter.periodId)?.windowMs ?? null
    return windowMs === null ? [] : [{ counter, nano, bucketMs: Math.ceil(windowMs / BUCKETS) }]
  })
