/** CPU time and memory of processes, read from `/proc` as the kernel counts them; every thread is included. */
import { readdirSync, readFileSync } from 'node:fs'

const TICK_NS = 10_000_000

function cpuNsOf(pid: number): number {
  const folder = `/proc/${pid}/task`
  try {
    let total = 0
    for (const thread of readdirSync(folder)) {
      // First field: nanoseconds on a CPU (Documentation/scheduler/sched-stats.rst).
      total += Number(readFileSync(`${folder}/${thread}/schedstat`, 'latin1').split(' ', 1)[0])
    }
    return total
  } catch {
    // A kernel without schedstat: user and system time in ticks, fields 14 and 15 of proc(5).
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_NS
  }
}

/** CPU time that the processes have used since they began, in nanoseconds. Throws if one is gone. */
export function readCpuNs(pids: readonly number[]): number {
  return pids.reduce((total, pid) => total + cpuNsOf(pid), 0)
}

/** Resident memory of the processes together, in MB (1e6 bytes); pages that they share count for each. Throws if one is gone. */
export function readRssMb(pids: readonly number[]): number {
  return pids.reduce((total, pid) => {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
    return total + (Number(match?.[1] ?? 0) * 1024) / 1e6
  }, 0)
}

/** A process and all that descend from it. */
export function processTree(pid: number): readonly number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      // Gone between the listing and the reading.
    }
  }
  const tree = [pid]
  for (let index = 0; index < tree.length; index += 1) {
    for (const [child, parent] of parents) if (parent === tree[index]) tree.push(child)
  }
  return tree
}
