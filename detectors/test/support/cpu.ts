/** CPU time of this process for a piece of work, in µs: the least of a few runs, since a busy machine only adds to it. */
export function bestCpuUs(runs: number, work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, user + system)
  }
  return best
}
