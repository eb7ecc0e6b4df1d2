import {
  type AgentStatus,
  mergeTasks,
  type SidecarHeartbeat,
  type SidecarHeartbeatAnswer,
} from '@agentcostcontrol/contract'
import type { Caller } from '../auth/service.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { ReadService } from '../usage/read-service.ts'
import {
  type AgentCounts,
  type AgentInstanceRow,
  agentRepository,
  KEPT_TABLES,
  type SidecarFiguresRow,
  type TaskFilter,
  type TaskRow,
} from './repository.ts'
import { type AgentStateRow, agentStateRepository } from './state-repository.ts'

/** What is known of agents, of their tasks and of their sidecars. */
export interface AgentService {
  /** Stores a message of a sidecar, all of it; what is older than what is known changes nothing. */
  heartbeat(caller: Caller & { readonly kind: 'sidecar' }, heartbeat: SidecarHeartbeat): Promise<SidecarHeartbeatAnswer>
  /** By name. @param cursor the `nextCursor` of the page before */
  agents(caller: Caller, cursor: string | null, limit: number): Promise<AgentPage>
  /** Newest first. */
  tasks(caller: Caller, filter: TaskFilter, cursor: string | null, limit: number): Promise<TaskPage>
  /** What sidecars told of themselves, by their instance; those that told nothing are left out. */
  sidecars(caller: Caller, instanceIds: readonly string[]): Promise<ReadonlyMap<string, SidecarFiguresRow>>
}

/** An agent: all that have its name. */
export interface Agent extends AgentCounts {
  /** Of the instance that was heard of last. */
  readonly status: KnownStatus
  /** `null` where it never was: it is known because it is stopped. */
  readonly lastHeardAt: string | null
  /** What people hold it to; `null` where nobody said anything for a while. */
  readonly control: Omit<AgentStateRow, 'agent'> | null
  /** Since midnight UTC. */
  readonly requestsToday: number
  readonly costTodayNanoUsd: string
  /** Those that were heard of last. */
  readonly heartbeats: readonly AgentInstance[]
}

/** What an agent said that it does; `silent` if it was not heard of for a while. */
export type KnownStatus = AgentStatus | 'silent'

/** An agent behind one sidecar. */
export interface AgentInstance extends Omit<AgentInstanceRow, 'agent' | 'silentForMs' | 'status'> {
  readonly status: KnownStatus
}

/** A page of agents. */
export interface AgentPage {
  readonly agents: readonly Agent[]
  readonly nextCursor: string | null
}

/** A page of tasks. */
export interface TaskPage {
  readonly tasks: readonly Omit<TaskRow, 'number'>[]
  readonly nextCursor: string | null
}

/** What the service needs. */
export interface AgentServiceOptions {
  readonly database: Database
  readonly read: Pick<ReadService, 'today'>
  readonly clock: Clock
  /** An agent that was not heard of for so long is `silent`. */
  readonly silentAfterMs: number
  /** Tasks, agents and sidecars that were not heard of for so long are forgotten. */
  readonly keepDays: number
  /** Told of each message that is stored. */
  onHeartbeat(heartbeat: SidecarHeartbeat): void
  /** Told of what was forgotten, or could not be. */
  onForgotten(rows: number | Error): void
}

const INSTANCES_SHOWN = 20
const FORGET_EVERY_MS = 60 * 60 * 1_000
const ORGANISATIONS_MAX = 10_000

/** Makes the service. */
export function createAgentService(options: AgentServiceOptions): AgentService {
  const { database, read, clock, silentAfterMs, keepDays, onHeartbeat, onForgotten } = options
  const forgottenAtMs = new Map<string, number>()

  /** Whoever fills the tables clears them as well: once an hour for each organisation. */
  async function forget(orgId: string): Promise<void> {
    const nowMs = clock.nowMs()
    if (nowMs - (forgottenAtMs.get(orgId) ?? 0) < FORGET_EVERY_MS) return
    if (forgottenAtMs.size >= ORGANISATIONS_MAX) forgottenAtMs.clear()
    forgottenAtMs.set(orgId, nowMs)
    try {
      let rows = 0
      for (const table of KEPT_TABLES)
        rows += await database.inOrg(orgId, (tx) => agentRepository.forget(tx, table, keepDays))
      onForgotten(rows)
    } catch (error) {
      // The heartbeat itself is stored.
      onForgotten(error instanceof Error ? error : new Error(String(error)))
    }
  }

  const shown = ({ agent: _, silentForMs, ...told }: AgentInstanceRow): AgentInstance => ({
    ...told,
    status: silentForMs > silentAfterMs ? 'silent' : told.status,
  })

  return {
    heartbeat: async ({ orgId, instanceId }, heartbeat) => {
      const agents = byKey(
        heartbeat.agents,
        ({ agent }) => agent,
        (_, last) => last,
      )
      const tasks = byKey(heartbeat.tasks, ({ agent, taskId }) => `${agent}\u0000${taskId}`, mergeTasks)
      await database.inOrg(orgId, async (tx) => {
        const isNewer = await agentRepository.sidecar(tx, instanceId, heartbeat)
        if (isNewer && agents.length > 0) await agentRepository.agents(tx, instanceId, agents)
        if (tasks.length > 0) await agentRepository.tasks(tx, instanceId, tasks)
      })
      onHeartbeat(heartbeat)
      await forget(orgId)
      return { seq: heartbeat.seq }
    },
    agents: async (caller, cursor, limit) => {
      const after = cursor === null ? '' : readCursor(cursor)
      const { rows, instances, states } = await database.inOrg(caller.orgId, async (tx) => {
        const found = await agentRepository.counts(tx, after, limit + 1)
        const names = found.slice(0, limit).map(({ agent }) => agent)
        const heard = await agentRepository.instances(tx, names, INSTANCES_SHOWN)
        return { rows: found, instances: heard, states: await agentStateRepository.of(tx, names) }
      })
      const page = rows.slice(0, limit)
      const names = page.map(({ agent }) => agent)
      const today = await read.today(caller, names)
      const agents = page.map((counts): Agent => {
        const heartbeats = instances.filter(({ agent }) => agent === counts.agent).map(shown)
        const [latest] = heartbeats
        const spent = today.get(counts.agent)
        return {
          ...counts,
          status: latest?.status ?? 'silent',
          lastHeardAt: latest?.lastHeardAt ?? null,
          control: states.find(({ agent }) => agent === counts.agent) ?? null,
          requestsToday: spent?.requests ?? 0,
          costTodayNanoUsd: spent?.costNanoUsd ?? '0',
          heartbeats,
        }
      })
      return { agents, nextCursor: rows.length > limit ? writeCursor(names.at(-1) ?? '') : null }
    },
    tasks: async ({ orgId }, filter, cursor, limit) => {
      const before = cursor === null ? null : readNumber(cursor)
      const rows = await database.inOrg(orgId, (tx) => agentRepository.listTasks(tx, filter, before, limit + 1))
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        tasks: page.map(({ number: _, ...task }) => task),
        nextCursor: rows.length > limit && last !== undefined ? writeCursor(String(last.number)) : null,
      }
    },
    sidecars: async ({ orgId }, instanceIds) => {
      const rows = await database.inOrg(orgId, (tx) => agentRepository.sidecars(tx, instanceIds))
      return new Map(rows.map((row) => [row.instanceId, row]))
    },
  }
}

/** One of each key: PostgreSQL changes no row twice in one statement. */
function byKey<T extends { readonly agent: string }>(
  all: readonly T[],
  keyOf: (one: T) => string,
  join: (known: T, other: T) => T,
): readonly T[] {
  const found = new Map<string, T>()
  for (const one of all) {
    const known = found.get(keyOf(one))
    found.set(keyOf(one), known === undefined ? one : join(known, one))
  }
  return [...found.values()]
}

const writeCursor = (text: string): string => Buffer.from(text).toString('base64url')

const NAME = /^[^\p{Cc}\p{Cs}]{1,253}$/u
const notOurs = (): never => {
  throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
}

function readCursor(cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString()
  return NAME.test(text) ? text : notOurs()
}

function readNumber(cursor: string): number {
  const text = readCursor(cursor)
  return /^\d{1,15}$/.test(text) ? Number(text) : notOurs()
}
