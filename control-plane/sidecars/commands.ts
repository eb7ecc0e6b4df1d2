import type { Commands } from '@agentcostcontrol/contract'
import type { Database, Tx } from '../db/database.ts'
import type { Wakes } from '../db/wakes.ts'
import type { CommandSource } from './channel.ts'
import { commandRepository } from './command-repository.ts'

/**
 * Begins a change of what sidecars follow, and wakes them at its commit. Changes of an organisation come one by one: one
 * that begins waits for the end of those before. @returns its version
 */
export type BeginCommand = (tx: Tx, orgId: string) => Promise<string>

/** Makes it. */
export const createBeginCommand =
  (wakes: Pick<Wakes, 'announce'>): BeginCommand =>
  async (tx, orgId) => {
    const version = await commandRepository.next(tx)
    await wakes.announce(tx, 'commands', orgId)
    return version
  }

/** Who knows the parts of the list. */
export interface CommandsOptions {
  readonly database: Database
  readonly agents: { commands(tx: Tx): Promise<Commands['agents']> }
  readonly suppressions: { commands(tx: Tx): Promise<Commands['suppressions']> }
  readonly toolPins: { commands(tx: Tx): Promise<Commands['toolPins']> }
}

/** Makes the list that sidecars follow. */
export const createCommands = ({ database, agents, suppressions, toolPins }: CommandsOptions): CommandSource => ({
  version: (orgId) => database.inOrg(orgId, commandRepository.version),
  current: (orgId) =>
    database.inOrg(orgId, async (tx) => ({
      // First: a list that is newer than its version is told again, one that is older would not be.
      version: await commandRepository.version(tx),
      agents: await agents.commands(tx),
      suppressions: await suppressions.commands(tx),
      toolPins: await toolPins.commands(tx),
    })),
})
