import type { ToolPinReport } from '@agentcostcontrol/contract'
import type { Clock } from '../../clock.ts'
import { toldName } from '../../control/told-name.ts'
import type { ToolPinReports } from '../../control/tool-pin-reports.ts'
import type { Logger } from '../../log.ts'

/** Tells of definitions: the control plane of all that are new, the log of those that are not as pinned. */
export interface PinNews {
  /** Told once within {@link PIN_NEWS_AGAIN_MS}; of an agent's changes no more than a batch in that time. */
  tell(report: ToolPinReport): void
}

/** What it needs. */
export interface PinNewsOptions {
  /** `null` for a sidecar that stands alone. */
  readonly reports: Pick<ToolPinReports, 'report'> | null
  readonly clock: Clock
  readonly log: Logger
}

/** After so long a change that is still seen is told again: somebody may have forgotten it. */
export const PIN_NEWS_AGAIN_MS = 3_600_000

/** Changes of one agent that are told in that time: one that changes with each request tells nobody anything new. */
const CHANGES_MAX = 200
const AGENTS_MAX = 10_000
const LOGGED_NAME_CHARS = 64

/** Makes it. */
export function createPinNews({ reports, clock, log }: PinNewsOptions): PinNews {
  const agents = new Map<string, { readonly sinceMs: number; readonly told: Set<string> }>()
  const toldOf = (agent: string): Set<string> => {
    const known = agents.get(agent)
    if (known && clock.monotonicMs() - known.sinceMs < PIN_NEWS_AGAIN_MS) return known.told
    const [oldest] = agents.keys()
    if (!known && oldest !== undefined && agents.size >= AGENTS_MAX) agents.delete(oldest)
    const told = new Set<string>()
    agents.set(agent, { sinceMs: clock.monotonicMs(), told })
    return told
  }
  return {
    tell: (report) => {
      const { agent, tool, hash, previousHash, similarTo, changedPaths } = report
      if (previousHash === null && similarTo === null) {
        reports?.report(report)
        return
      }
      const told = toldOf(agent)
      const key = `${tool}\u0000${hash}`
      if (told.has(key) || told.size >= CHANGES_MAX) return
      told.add(key)
      reports?.report(report)
      const name = (text: string): string => toldName(text, LOGGED_NAME_CHARS)
      log.warn('the definition of a tool is not as it was pinned', {
        agent: name(agent),
        tool: name(tool),
        hash,
        similarTo: similarTo === null ? null : name(similarTo),
        changedPaths: [...changedPaths],
      })
    },
  }
}
