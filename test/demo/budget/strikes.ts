import { setTimeout as pause } from 'node:timers/promises'
import { FAULTS, type Fault, type PlannedFault } from './fault-plan.ts'

/** Makes a fault and mends it. @returns false if there is nothing left that it could strike */
export type Strike = (fault: PlannedFault) => Promise<boolean>

/** How many faults of each kind were made. */
export type FaultCounts = Readonly<Record<Fault, number>>

/** Makes the faults of a plan, each at its time, and waits until all are mended. */
export async function makeFaults(
  plan: readonly PlannedFault[],
  strikes: Readonly<Partial<Record<Fault, Strike>>>,
  seconds: number,
  signal: AbortSignal,
): Promise<FaultCounts> {
  const counts = new Map<Fault, number>()
  const made = plan.map(async (fault) => {
    await pause(fault.atMs, undefined, { signal })
    const struck = (await strikes[fault.kind]?.(fault)) ?? false
    if (struck) counts.set(fault.kind, (counts.get(fault.kind) ?? 0) + 1)
  })
  await Promise.all([pause(seconds * 1_000, undefined, { signal }), ...made])
  const of = (kind: Fault): number => counts.get(kind) ?? 0
  return {
    sidecarKills: of('sidecarKills'),
    replicaKills: of('replicaKills'),
    postgresRestarts: of('postgresRestarts'),
    redisStops: of('redisStops'),
    partitions: of('partitions'),
    clockMoves: of('clockMoves'),
  }
}

/** Things of one kind that a fault strikes: none is struck by two of one kind at once. */
export class Targets<T> {
  readonly #all: readonly T[]
  readonly #struck = new Set<T>()

  constructor(all: readonly T[]) {
    this.#all = all
  }

  /** Strikes the one that the fault means, or the next that is whole, and tells whether there was one. */
  async strike({ target }: PlannedFault, work: (each: T) => Promise<void>): Promise<boolean> {
    const first = Math.floor(target * this.#all.length)
    const turned = [...this.#all.slice(first), ...this.#all.slice(0, first)]
    const chosen = turned.find((each) => !this.#struck.has(each))
    if (chosen === undefined) return false
    this.#struck.add(chosen)
    try {
      await work(chosen)
    } finally {
      this.#struck.delete(chosen)
    }
    return true
  }
}

/** For tables. */
export const faultText = (counts: FaultCounts): string => FAULTS.map((kind) => `${kind} ${counts[kind]}`).join(', ')
