import { randomUUID } from 'node:crypto'
import type { AgentReport, SidecarHeartbeat, TaskReport } from '@agentcostcontrol/contract'

/** What a service of agents needs besides a database. */
export const AGENTS = { silentAfterMs: 60_000, keepDays: 30, onHeartbeat: () => {}, onForgotten: () => {} }

/** How an agent is. */
export const agentReport = (over: Partial<AgentReport> = {}): AgentReport => ({
  agent: 'researcher',
  workflow: 'reports',
  session: null,
  status: 'running',
  cpuShare: 0.5,
  memoryBytes: 100_000_000,
  queueDepth: 2,
  ageMs: 0,
  ...over,
})

/** What is known of a task. */
export const taskReport = (over: Partial<TaskReport> = {}): TaskReport => ({
  agent: 'researcher',
  taskId: 't-1',
  name: 'a report',
  workflow: 'reports',
  session: null,
  status: 'running',
  saidAt: '2026-11-24T12:00:00.000Z',
  queuedAt: null,
  startedAt: '2026-11-24T12:00:00.000Z',
  endedAt: null,
  errorCode: null,
  ...over,
})

/** A message of a sidecar, of another start each time. */
export const heartbeatOf = (over: Partial<SidecarHeartbeat> = {}): SidecarHeartbeat => ({
  bootId: randomUUID(),
  seq: 1,
  sidecar: {
    version: '0.1.0',
    nodeVersion: 'v24.0.0',
    startedAt: '2026-11-24T12:00:00.000Z',
    cpuShare: 0.1,
    memoryBytes: 90_000_000,
    eventLoopDelayMs: 1.5,
    unsentEvents: 3,
    queuedScans: 0,
    leaseWaits: 0,
    requestsInFlight: 4,
  },
  agents: [agentReport()],
  tasks: [taskReport()],
  ...over,
})
