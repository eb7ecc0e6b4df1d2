import type { SidecarFigures, SidecarHeartbeat } from '@agentcostcontrol/contract'
import type { AgentReports } from '../agents/reports.ts'
import type { Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import { type ControlPlaneClient, isRefusal } from './client.ts'
import { createPauses } from './pause.ts'

/** Tells the control plane how the sidecar and its agents are, off the request path: one message at a time. */
export interface Heartbeats {
  /** Tells what is left and ends; gives up at the first failure, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
  stats(): HeartbeatStats
}

/** For the metrics. */
export interface HeartbeatStats {
  readonly messages: Readonly<Record<'taken' | 'refused' | 'failed', number>>
}

/** What is needed to tell. */
export interface HeartbeatOptions {
  readonly reports: AgentReports
  readonly client: Pick<ControlPlaneClient, 'sendHeartbeat'>
  /** Made at each start. */
  readonly bootId: string
  /** The sidecar's own figures since they were asked for last. */
  figures(): SidecarFigures
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  readonly log: Logger
}

/** From one message to the next, but for the jitter. */
export const HEARTBEAT_EVERY_MS = 5_000
/** The part of it that is up to chance, so that sidecars that started together do not speak together. */
const JITTER = 0.2

/** Begins to tell: at once, then every five seconds, with what agents said in between. */
export function createHeartbeats(options: HeartbeatOptions): Heartbeats {
  const { reports, client, bootId, figures, timers, random, log } = options
  const messages = { taken: 0, refused: 0, failed: 0 }
  let seq = 0
  let failuresInARow = 0
  let draining = false
  const pauses = createPauses(timers)

  function failed(error: unknown): void {
    messages.failed++
    failuresInARow++
    const tell = failuresInARow === 1 ? log.warn : log.debug
    tell('heartbeats do not reach the control plane; what agents told is kept and sent again', errorFields(error))
  }

  /** @returns false if it has to be told again */
  async function tell(): Promise<boolean> {
    const { agents, tasks, settle } = reports.next()
    const message: SidecarHeartbeat = { bootId, seq: ++seq, sidecar: figures(), agents: [...agents], tasks: [...tasks] }
    try {
      const answer = await client.sendHeartbeat(JSON.stringify(message))
      if (answer.seq !== seq) throw new Error('the control plane answered something else than was sent')
      messages.taken++
      if (failuresInARow > 0) log.info('heartbeats reach the control plane again', { failures: failuresInARow })
      failuresInARow = 0
    } catch (error) {
      if (!isRefusal(error)) {
        failed(error)
        return false
      }
      // It would be refused again, and everything behind it would wait for ever.
      messages.refused++
      log.error('the control plane refused a heartbeat; what it told is lost', {
        ...errorFields(error),
        agents: agents.length,
        tasks: tasks.length,
      })
    }
    settle()
    return true
  }

  async function run(): Promise<void> {
    for (;;) {
      const last = draining
      const isTold = await tell()
      if (isTold && reports.stats().waitingTasks > 0) continue
      if (last || (draining && !isTold)) return
      if (!draining) await pauses.wait(HEARTBEAT_EVERY_MS * (1 - JITTER / 2 + JITTER * random()))
    }
  }

  const running = run()
  return {
    drain: async (timeoutMs) => {
      draining = true
      pauses.hurry()
      let callOff = (): void => {}
      const late = new Promise<void>((resolve) => {
        callOff = timers.after(timeoutMs, resolve)
      })
      await Promise.race([running, late])
      callOff()
    },
    stats: () => ({ messages }),
  }
}
