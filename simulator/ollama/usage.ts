import type { Reported } from '../bill.ts'
import { NOTHING_CONSUMED } from '../pricing.ts'

/** Tokens in and out. */
export interface Counted {
  readonly input: number
  readonly output: number
}

/** What they stand for. */
export const reported = (counted: Counted): Reported => ({
  usage: counted,
  consumed: { ...NOTHING_CONSUMED, ...counted },
})
