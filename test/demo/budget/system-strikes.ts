import { setTimeout as pause } from 'node:timers/promises'
import type { TestRedis } from '../../support/redis.ts'
import { until } from '../../support/until.ts'
import type { Fault, PlannedFault } from './fault-plan.ts'
import { type Strike, Targets } from './strikes.ts'
import type { Member, Replica } from './system.ts'

const RESTART_MS_MAX = 60_000
const CUTS = ['refuse', 'reset', 'hole up', 'hole down', 'hole'] as const
const MINUTE_MS = 60_000
const CLOCK_SHIFTS_MS = [5 * MINUTE_MS, -5 * MINUTE_MS, 26 * 60 * MINUTE_MS, -26 * 60 * MINUTE_MS] as const

const pick = <T>(choices: readonly [T, ...T[]], at: number): T => choices[Math.floor(at * choices.length)] ?? choices[0]

/** How each kind of fault strikes the system, and is mended. */
export function strikesOf(
  members: readonly Member[],
  replicas: readonly Replica[],
  redis: TestRedis | null,
  postgresPid: () => number,
): Readonly<Record<Fault, Strike>> {
  const killable = async (each: Member | Replica, { lastsMs }: PlannedFault): Promise<void> => {
    await each.kill()
    await pause(lastsMs)
    await each.again()
  }
  const [sidecars, planes, networks] = [new Targets(members), new Targets(replicas), new Targets(members)]
  const clocks = new Targets([...members, ...replicas].map(({ clock }) => clock))
  const [postgres, redises] = [new Targets([postgresPid]), new Targets(redis === null ? [] : [redis])]
  return {
    sidecarKills: (fault) => sidecars.strike(fault, (each) => killable(each, fault)),
    replicaKills: (fault) => planes.strike(fault, (each) => killable(each, fault)),
    partitions: (fault) =>
      networks.strike(fault, async ({ network }) => {
        await network.cut(pick(CUTS, fault.manner))
        await pause(fault.lastsMs)
        await network.cut('forward')
      }),
    clockMoves: (fault) =>
      clocks.strike(fault, async (clock) => {
        clock.move(pick(CLOCK_SHIFTS_MS, fault.manner))
        await pause(fault.lastsMs)
        clock.move(0)
      }),
    redisStops: (fault) =>
      redises.strike(fault, async (each) => {
        await each.kill()
        await pause(fault.lastsMs)
        await each.again()
      }),
    postgresRestarts: (fault) =>
      postgres.strike(fault, async (pid) => {
        const before = pid()
        // In order, or as a power switch does; whoever started it starts it again.
        process.kill(before, fault.manner < 0.5 ? 'SIGINT' : 'SIGKILL')
        await until('PostgreSQL runs again', () => (pid() !== before ? true : null), RESTART_MS_MAX)
      }),
  }
}
