import {
  CHANGED_PATH_CHARS_MAX,
  CHANGED_PATHS_MAX,
  TOOL_NAME_MAX,
  TOOL_PIN_BATCH_MAX,
  type ToolPinReport,
  toolPinReportSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Timers } from '../clock.ts'
import { errorFields, type Logger } from '../log.ts'
import { type ControlPlaneClient, isRefusal } from './client.ts'
import { createKeptList, readKeptList } from './kept-list.ts'
import { backoffMs, createPauses } from './pause.ts'
import { toldName } from './told-name.ts'

/** Brings what was seen of tools up, off the request path, and keeps it on disk until it is there. */
export interface ToolPinReports {
  /** Takes a report; one that waits already, or that is not of the contract's shape, is passed over. */
  report(report: ToolPinReport): void
  /** Brings up what is left and ends; gives up at the first failure, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>
  stats(): ToolPinReportStats
}

/** For the metrics. */
export interface ToolPinReportStats {
  /** `stored`: new to the control plane; `refused`: never taken; `dropped`: too many waited, or not of the right shape. */
  readonly reports: Readonly<Record<'stored' | 'repeated' | 'refused' | 'dropped', number>>
  readonly waiting: number
  readonly failures: number
}

/** What they need. */
export interface ToolPinReportsOptions {
  readonly file: string
  readonly client: Pick<ControlPlaneClient, 'sendToolPins'>
  readonly timers: Timers
  /** 0 to 1, for jitter. */
  random(): number
  readonly log: Logger
}

/** Most reports that wait; names and definitions come from requests. */
const WAITING_MAX = 2_000
/** A request names all its tools at once: their reports go up together. */
const GATHER_MS = 100
const BACKOFF = { firstMs: 500, mostMs: 15_000 } as const
const WHAT = 'what was seen of tools'
const keptSchema = z.array(toolPinReportSchema).max(WAITING_MAX)

const keyOf = ({ agent, tool, hash, previousHash }: ToolPinReport): string =>
  `${agent}\u0000${tool}\u0000${hash}\u0000${previousHash}`

/** Names of tools, and of what changed in them, come from whoever may want to be overlooked. */
const tellable = (report: ToolPinReport): ToolPinReport => ({
  ...report,
  tool: toldName(report.tool, TOOL_NAME_MAX),
  similarTo: report.similarTo === null ? null : toldName(report.similarTo, TOOL_NAME_MAX),
  changedPaths: report.changedPaths.slice(0, CHANGED_PATHS_MAX).map((path) => toldName(path, CHANGED_PATH_CHARS_MAX)),
})

/** Opens them with what the last process left, and begins to bring it up. */
export async function openToolPinReports(options: ToolPinReportsOptions): Promise<ToolPinReports> {
  const { file, client, timers, random, log } = options
  const left = (await readKeptList(file, WHAT, log, keptSchema)) ?? []
  const waiting = new Map(left.map((report) => [keyOf(report), report]))
  const kept = createKeptList(file, WHAT, log, () => JSON.stringify([...waiting.values()]))
  const reports = { stored: 0, repeated: 0, refused: 0, dropped: 0 }
  const pauses = createPauses(timers)
  let failures = 0
  let failuresInARow = 0
  let draining = false

  async function send(batch: readonly (readonly [string, ToolPinReport])[]): Promise<void> {
    try {
      const { stored } = await client.sendToolPins(JSON.stringify({ reports: batch.map(([, report]) => report) }))
      reports.stored += stored
      reports.repeated += batch.length - stored
    } catch (error) {
      if (!isRefusal(error)) throw error
      // It would be refused again, and everything behind it would wait for ever.
      reports.refused += batch.length
      log.error('the control plane refused reports of tools; they are lost', errorFields(error))
    }
    for (const [key] of batch) waiting.delete(key)
    await kept.keep()
  }

  async function step(): Promise<'sent' | 'empty' | 'failed'> {
    const batch = [...waiting].slice(0, TOOL_PIN_BATCH_MAX)
    if (batch.length === 0) return 'empty'
    try {
      await send(batch)
      failuresInARow = 0
      return 'sent'
    } catch (error) {
      failures++
      failuresInARow++
      const tell = failuresInARow === 1 ? log.warn : log.debug
      tell('reports of tools do not reach the control plane; they are kept and sent again', errorFields(error))
      return 'failed'
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      const result = await step()
      if (draining && result !== 'sent') return
      if (result === 'failed') await pauses.wait(backoffMs(BACKOFF, failuresInARow, random()))
      else if (result === 'empty') {
        if (waiting.size === 0) await pauses.wait()
        if (!draining) await pauses.wait(GATHER_MS)
      }
    }
  }

  const running = run()
  return {
    report: (seen) => {
      const report = tellable(seen)
      const key = keyOf(report)
      if (waiting.has(key)) return
      if (waiting.size >= WAITING_MAX || !toolPinReportSchema.safeParse(report).success) {
        reports.dropped++
        return
      }
      waiting.set(key, report)
      void kept.keep()
      if (failuresInARow === 0) pauses.hurry()
    },
    drain: async (timeoutMs) => {
      draining = true
      pauses.hurry()
      let callOff = (): void => {}
      const late = new Promise<void>((resolve) => {
        callOff = timers.after(timeoutMs, resolve)
      })
      await Promise.race([running, late])
      callOff()
      kept.close()
    },
    stats: () => ({ reports, waiting: waiting.size, failures }),
  }
}
