import { randomFrom } from '../../../simulator/text.ts'

/** Everything that goes wrong, by the name under which it is counted. */
export const FAULTS = [
  'sidecarKills',
  'replicaKills',
  'postgresRestarts',
  'redisStops',
  'partitions',
  'clockMoves',
] as const
export type Fault = (typeof FAULTS)[number]

/** One fault. */
export interface PlannedFault {
  readonly kind: Fault
  /** After the first request, in ms. */
  readonly atMs: number
  /** How long it lasts until it is mended, in ms. */
  readonly lastsMs: number
  /** Decides whom it strikes, and how: in [0, 1). */
  readonly target: number
  readonly manner: number
}

/** How many of each kind there are at least, and one more for each so many seconds. */
const RATES: Readonly<Record<Fault, { readonly least: number; readonly everyS: number }>> = {
  sidecarKills: { least: 2, everyS: 10 },
  replicaKills: { least: 1, everyS: 12 },
  postgresRestarts: { least: 1, everyS: 15 },
  redisStops: { least: 1, everyS: 15 },
  partitions: { least: 2, everyS: 8 },
  clockMoves: { least: 2, everyS: 8 },
}
/** The part of the time in which faults begin: requests run before the first and after the last. */
const BEGIN = 0.08
const END = 0.92
const LASTS_MS = { least: 300, most: 4_000 }

/** The faults of a seed, in order of time: every kind of them, at any moment, one upon the other. */
export function planFaults(seed: number, seconds: number): readonly PlannedFault[] {
  const random = randomFrom(seed)
  const mostMs = Math.min(LASTS_MS.most, seconds * 100)
  const faults = FAULTS.flatMap((kind) =>
    Array.from({ length: Math.max(RATES[kind].least, Math.floor(seconds / RATES[kind].everyS)) }, () => ({
      kind,
      atMs: Math.round((BEGIN + random() * (END - BEGIN)) * seconds * 1_000),
      lastsMs: Math.round(LASTS_MS.least + random() * (mostMs - LASTS_MS.least)),
      target: random(),
      manner: random(),
    })),
  )
  return faults.toSorted((one, other) => one.atMs - other.atMs)
}
