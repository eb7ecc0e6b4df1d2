/** What agents told of themselves since the control plane was last told: in memory, bounded, of each the newest alone. */
import {
  type AgentReport,
  HEARTBEAT_AGENTS_MAX,
  HEARTBEAT_TASKS_MAX,
  mergeTasks,
  type TaskReport,
} from '@agentcostcontrol/contract'
import type { Clock } from '../clock.ts'

/** How an agent is, at the moment of its saying so. */
export type Heartbeat = Omit<AgentReport, 'ageMs'>

/** What agents told of themselves. */
export interface AgentReports {
  /** Takes a heartbeat. Where there are too many agents, the one that was heard of longest ago is no longer told of. */
  heartbeat(heartbeat: Heartbeat): void
  /** Takes reports of tasks, all of them or none. @returns false if there is no room: the agent has to come again */
  tasks(reports: readonly TaskReport[]): boolean
  /** As much as one message holds, the oldest first; it stays until it is taken. */
  next(): Told
  stats(): ReportStats
}

/** A part of what is to be told. */
export interface Told {
  readonly agents: readonly AgentReport[]
  readonly tasks: readonly TaskReport[]
  /** The control plane has it, or will never take it: it is told no more, but for what came in between. */
  settle(): void
}

/** For the metrics. */
export interface ReportStats {
  readonly heartbeats: number
  readonly tasks: number
  readonly refusedTasks: number
  readonly replacedAgents: number
  /** To be told. */
  readonly waitingAgents: number
  readonly waitingTasks: number
}

/** Most agents whose heartbeats wait. */
export const AGENTS_MAX = HEARTBEAT_AGENTS_MAX
/** Most tasks that wait: four messages, a few megabytes at worst. */
export const TASKS_MAX = 4 * HEARTBEAT_TASKS_MAX

/** @param keep false where nobody is to be told: then everything is counted and let go */
export function createAgentReports({ clock, keep }: { readonly clock: Clock; readonly keep: boolean }): AgentReports {
  const agents = new Map<string, { readonly heartbeat: Heartbeat; readonly atMs: number }>()
  const tasks = new Map<string, TaskReport>()
  const counts = { heartbeats: 0, tasks: 0, refusedTasks: 0, replacedAgents: 0 }
  const keyOf = ({ agent, taskId }: TaskReport): string => `${agent}\u0000${taskId}`

  function remember(heartbeat: Heartbeat): void {
    agents.delete(heartbeat.agent)
    const [oldest] = agents.keys()
    if (agents.size >= AGENTS_MAX && oldest !== undefined) {
      agents.delete(oldest)
      counts.replacedAgents++
    }
    agents.set(heartbeat.agent, { heartbeat, atMs: clock.monotonicMs() })
  }

  return {
    heartbeat: (heartbeat) => {
      counts.heartbeats++
      if (keep) remember(heartbeat)
    },
    tasks: (reports) => {
      const keys = new Set(reports.map(keyOf))
      for (const key of keys) if (tasks.has(key)) keys.delete(key)
      if (tasks.size + keys.size > TASKS_MAX) {
        counts.refusedTasks += reports.length
        return false
      }
      counts.tasks += reports.length
      for (const report of keep ? reports : []) {
        const known = tasks.get(keyOf(report))
        tasks.set(keyOf(report), known ? mergeTasks(known, report) : report)
      }
      return true
    },
    next: () => {
      const nowMs = clock.monotonicMs()
      const toldAgents = [...agents.values()]
      const toldTasks = [...tasks.values()].slice(0, HEARTBEAT_TASKS_MAX)
      return {
        agents: toldAgents.map(({ heartbeat, atMs }) => ({ ...heartbeat, ageMs: Math.round(nowMs - atMs) })),
        tasks: toldTasks,
        settle: () => {
          for (const told of toldAgents)
            if (agents.get(told.heartbeat.agent) === told) agents.delete(told.heartbeat.agent)
          for (const task of toldTasks) if (tasks.get(keyOf(task)) === task) tasks.delete(keyOf(task))
        },
      }
    },
    stats: () => ({ ...counts, waitingAgents: agents.size, waitingTasks: tasks.size }),
  }
}
