import { AGENT_COMMANDS_MAX, type Commands } from '@agentcostcontrol/contract'
import type { Caller } from '../auth/service.ts'
import type { Database, Tx } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import { ApiError } from '../errors.ts'
import { type AgentStateChange, type AgentStateRow, agentStateRepository } from './state-repository.ts'

/** Stops agents everywhere, and lets them go on. */
export interface AgentStateService {
  /** Whatever an agent is held to from now on, in place of what it was. @throws ApiError where too many are stopped */
  pause(caller: Caller, agent: string, reason: string, endsInMs: number | null): Promise<AgentStateRow>
  /** Ends a pause, and those that sidecars made themselves. An agent that is not paused may be resumed. */
  resume(caller: Caller, agent: string, reason: string): Promise<AgentStateRow>
  /** For the downward channel: the number of the last change. */
  version(orgId: string): Promise<number>
  /** The list that sidecars follow. */
  current(orgId: string): Promise<Commands>
}

/** What it needs. */
export interface AgentStateServiceOptions {
  readonly database: Database
  readonly wakes: Pick<Wakes, 'announce'>
  /** Told of each change. */
  onChange(orgId: string, row: AgentStateRow): void
}

/** Makes the service. */
export function createAgentStateService({ database, wakes, onChange }: AgentStateServiceOptions): AgentStateService {
  async function changed(tx: Tx, orgId: string, change: AgentStateChange): Promise<AgentStateRow> {
    const version = await agentStateRepository.nextVersion(tx)
    await agentStateRepository.set(tx, change, version)
    await agentStateRepository.forget(tx)
    // Rolled back whole: an agent that cannot be told to all is not stopped for some.
    const [row] = await agentStateRepository.of(tx, [change.agent])
    if (row === undefined || (await agentStateRepository.count(tx)) > AGENT_COMMANDS_MAX)
      throw new ApiError(
        'acc_api_conflict',
        `${AGENT_COMMANDS_MAX} agents are paused already: resume some. To stop everybody, lower a global budget.`,
      )
    await wakes.announce(tx, 'commands', orgId)
    return row
  }

  async function change({ orgId, keyId }: Caller, wanted: Omit<AgentStateChange, 'changedBy'>): Promise<AgentStateRow> {
    const row = await database.inOrg(orgId, (tx) => changed(tx, orgId, { ...wanted, changedBy: keyId }))
    onChange(orgId, row)
    return row
  }

  return {
    pause: (caller, agent, reason, endsInMs) => change(caller, { agent, state: 'paused', reason, endsInMs }),
    resume: (caller, agent, reason) => change(caller, { agent, state: 'active', reason, endsInMs: null }),
    version: (orgId) => database.inOrg(orgId, agentStateRepository.version),
    current: async (orgId) => {
      const rows = await database.inOrg(orgId, agentStateRepository.commands)
      const agents = rows.flatMap(({ listVersion: _, agent, ...told }) =>
        agent === null ? [] : [{ agent, ...told, release: 0 }],
      )
      return { version: rows[0]?.listVersion ?? 0, agents, suppressions: [], toolPins: [] }
    },
  }
}
