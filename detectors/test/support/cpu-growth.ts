import { bestCpuUs } from './cpu.ts'

/** A detector that is quadratic takes four times as long for each character of a text four times as long. */
export const GROWTH_MAX = 2.6
const GROWTH = 4
/** The clock of the CPU has a tick of a millisecond or so on some machines: less says nothing. */
const TICK_US = 3_000

/** CPU time per character of a long text over that of one a quarter as long; measured again if it looks bad. */
export function cpuGrowth(unit: string, smallChars: number, work: (text: string) => unknown): number {
  const small = unit.repeat(Math.ceil(smallChars / unit.length))
  const large = small.repeat(GROWTH)
  let ratio = 0
  for (const runs of [1, 4, 12]) {
    const [largeUs, smallUs] = [large, small].map((text) => bestCpuUs(runs, () => work(text)))
    ratio = Math.max(TICK_US, largeUs ?? 0) / Math.max(TICK_US, GROWTH * (smallUs ?? 0))
    if (ratio <= GROWTH_MAX) break
  }
  return ratio
}
