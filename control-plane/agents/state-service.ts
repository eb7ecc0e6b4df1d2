import { AGENT_COMMANDS_MAX, AGENT_REASON_MAX, type AgentCommand } from '@agentcostcontrol/contract'
import type { Caller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import type { BeginCommand } from '../sidecars/commands.ts'
import {
  type AgentChange,
  type AgentChangeRow,
  type AgentStateChange,
  type AgentStateRow,
  type AgentVerdictRow,
  agentStateRepository,
} from './state-repository.ts'

/** Stops agents everywhere, and lets them go on. */
export interface AgentStateService {
  /** Whatever an agent is held to from now on, in place of what it was. @throws ApiError where too many are stopped, or it is in quarantine */
  pause(caller: Caller, agent: string, reason: string, endsInMs: number | null): Promise<AgentStateRow>
  /** Ends a pause, and those that sidecars made themselves. An agent that is not paused may be resumed. @throws ApiError where it is in quarantine */
  resume(caller: Caller, agent: string, reason: string): Promise<AgentStateRow>
  /** Stops an agent until it is released. @throws ApiError where too many are stopped */
  quarantine(caller: Caller, agent: string, reason: string): Promise<AgentStateRow>
  /** Ends whatever an agent is held to, and what sidecars hold it to. One that is held to nothing may be released. */
  release(caller: Caller, agent: string, reason: string): Promise<AgentStateRow>
  /**
   * Puts agents into quarantine for what was found in events that are new, in the transaction that stores these; not
   * where somebody released the agent after the event. Must be the last of its transaction, since it waits for others.
   * @returns what it did, to be told when that is committed
   */
  quarantineFor(tx: Tx, orgId: string, instanceId: string, found: readonly QuarantineFinding[]): Promise<() => void>
  /** What was ever said of an agent, newest first. @param cursor the `nextCursor` of the page before */
  history(caller: Caller, agent: string, cursor: string | null, limit: number): Promise<AgentHistoryPage>
  /** For the list that sidecars follow. */
  commands(tx: Tx): Promise<AgentCommand[]>
}

/** A finding whose policy says that its agent is to be stopped. */
export interface QuarantineFinding {
  readonly agent: string
  /** Detector and rule. */
  readonly reason: string
  readonly eventId: string
  /** The end of its event, by the clock of the sidecar, ms since the epoch. */
  readonly atMs: number
}

/** A page of what was said of an agent. */
export interface AgentHistoryPage {
  readonly changes: readonly Omit<AgentChangeRow, 'number'>[]
  readonly nextCursor: string | null
}

/** What it needs. */
export interface AgentStateServiceOptions {
  readonly database: Database
  readonly begin: BeginCommand
  /** Told of each change when it is committed. */
  onChange(orgId: string, change: AgentChange, row: Pick<AgentStateRow, 'agent' | 'reason' | 'changedBy'>): void
  /** Told of an agent that a finding would have stopped, were there not too many. */
  onFull(orgId: string, found: QuarantineFinding): void
}

const CURSOR = /^[1-9]\d{0,14}$/

/** Makes the service. */
export function createAgentStateService(options: AgentStateServiceOptions): AgentStateService {
  const { database, begin, onChange, onFull } = options

  async function changed(tx: Tx, orgId: string, change: AgentStateChange): Promise<AgentStateRow> {
    const version = await begin(tx, orgId)
    const [known] = await agentStateRepository.of(tx, [change.agent])
    if (known?.state === 'quarantined' && (change.change === 'pause' || change.change === 'resume'))
      throw new ApiError(
        'acc_api_conflict',
        `"${change.agent}" is in quarantine: ${known.reason}. Release it, with a reason; nothing else ends that.`,
      )
    await agentStateRepository.set(tx, change, version)
    await agentStateRepository.forget(tx)
    // Rolled back whole: an agent that cannot be told to all is not stopped for some.
    const [row] = await agentStateRepository.of(tx, [change.agent])
    if (row === undefined || (await agentStateRepository.count(tx)) > AGENT_COMMANDS_MAX)
      throw new ApiError(
        'acc_api_conflict',
        `${AGENT_COMMANDS_MAX} agents are stopped already: resume or release some. To stop everybody, lower a global budget.`,
      )
    return row
  }

  async function change(
    { orgId, keyId }: Caller,
    change: AgentChange,
    agent: string,
    reason: string,
    endsInMs: number | null = null,
  ): Promise<AgentStateRow> {
    const made = { agent, change, reason, endsInMs, changedBy: keyId, eventId: null }
    const row = await database.inOrg(orgId, (tx) => changed(tx, orgId, made))
    onChange(orgId, change, row)
    return row
  }

  /** Those that their agents are to be stopped for, one an agent: the latest. */
  async function toQuarantine(tx: Tx, found: readonly QuarantineFinding[]): Promise<readonly QuarantineFinding[]> {
    const latest = new Map<string, QuarantineFinding>()
    for (const each of found)
      if (each.atMs > (latest.get(each.agent)?.atMs ?? Number.NEGATIVE_INFINITY)) latest.set(each.agent, each)
    const isNews = ({ agent, quarantined, releasedMs }: AgentVerdictRow): boolean =>
      !quarantined && (latest.get(agent)?.atMs ?? 0) > (releasedMs ?? Number.NEGATIVE_INFINITY)
    const verdicts = await agentStateRepository.verdicts(tx, [...latest.keys()])
    return verdicts.filter(isNews).flatMap(({ agent }) => latest.get(agent) ?? [])
  }

  return {
    pause: (caller, agent, reason, endsInMs) => change(caller, 'pause', agent, reason, endsInMs),
    resume: (caller, agent, reason) => change(caller, 'resume', agent, reason),
    quarantine: (caller, agent, reason) => change(caller, 'quarantine', agent, reason),
    release: (caller, agent, reason) => change(caller, 'release', agent, reason),
    quarantineFor: async (tx, orgId, instanceId, found) => {
      if ((await toQuarantine(tx, found)).length === 0) return () => {}
      const changedBy = `sidecar ${instanceId}`
      const tell: (() => void)[] = []
      await begin(tx, orgId)
      // Looked at again, now that nobody else changes anything.
      for (const each of await toQuarantine(tx, found)) {
        const { agent, eventId } = each
        if ((await agentStateRepository.stopped(tx)) >= AGENT_COMMANDS_MAX) {
          tell.push(() => onFull(orgId, each))
          continue
        }
        const reason = each.reason.slice(0, AGENT_REASON_MAX)
        const made = { agent, change: 'quarantine', reason, endsInMs: null, changedBy, eventId } as const
        await agentStateRepository.set(tx, made, await begin(tx, orgId))
        await agentStateRepository.forget(tx)
        tell.push(() => onChange(orgId, 'quarantine', made))
      }
      return () => {
        for (const each of tell) each()
      }
    },
    history: async ({ orgId }, agent, cursor, limit) => {
      if (cursor !== null && !CURSOR.test(cursor))
        throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
      const before = cursor === null ? null : Number(cursor)
      const rows = await database.inOrg(orgId, (tx) => agentStateRepository.history(tx, agent, before, limit + 1))
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      return {
        changes: page.map(({ number: _, ...shown }) => shown),
        nextCursor: rows.length > limit && last !== undefined ? String(last.number) : null,
      }
    },
    commands: agentStateRepository.commands,
  }
}
