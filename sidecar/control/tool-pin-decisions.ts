import {
  SUBJECT_NONE,
  TOOL_NAME_MAX,
  TOOL_PIN_DECISIONS_MAX,
  type ToolPinDecision,
  toolPinDecisionSchema,
} from '@agentcostcontrol/contract'
import * as z from 'zod'
import type { Logger } from '../log.ts'
import { createKeptList, readKeptList } from './kept-list.ts'
import { toldName } from './told-name.ts'

/** What people decided of definitions of tools, kept on disk. */
export interface ToolPinDecisions {
  /** Another number whenever they may be others. */
  readonly version: number
  /** Follows a list at once; resolves when the next start knows it too. Never rejects. */
  take(list: readonly ToolPinDecision[]): Promise<void>
  /** Of one definition; `null` where nobody decided. @param agent `null` for requests that name none */
  of(agent: string | null, tool: string, hash: string): ToolPinDecision['decision'] | null
  /** Whether anything was decided of any definition of an agent's tool. */
  isDecided(agent: string | null, tool: string): boolean
  close(): void
}

/** What they need. */
export interface ToolPinDecisionsOptions {
  readonly file: string
  /** Whether there is a control plane: nobody else can change what it said, so without one it does not count. */
  readonly hasControlPlane: boolean
  readonly log: Logger
}

const WHAT = 'what was decided of tools'
const keptSchema = z.array(toolPinDecisionSchema).max(TOOL_PIN_DECISIONS_MAX)

const nameOf = (agent: string | null, tool: string): string =>
  `${agent ?? SUBJECT_NONE}\u0000${toldName(tool, TOOL_NAME_MAX)}`
const keyOf = (agent: string | null, tool: string, hash: string): string => `${nameOf(agent, tool)}\u0000${hash}`

/** Opens them as the last process left them. */
export async function openToolPinDecisions(options: ToolPinDecisionsOptions): Promise<ToolPinDecisions> {
  const { file, hasControlPlane, log } = options
  let list: readonly ToolPinDecision[] = hasControlPlane
    ? ((await readKeptList(file, WHAT, log, keptSchema)) ?? [])
    : []
  const index = () => ({
    names: new Set(list.map(({ agent, tool }) => nameOf(agent, tool))),
    decisions: new Map(list.map(({ agent, tool, hash, decision }) => [keyOf(agent, tool, hash), decision] as const)),
  })
  let known = index()
  let version = 0
  const kept = createKeptList(file, WHAT, log, () => JSON.stringify(list))
  return {
    take: async (told) => {
      list = told
      known = index()
      version++
      await kept.keep()
    },
    get version() {
      return version
    },
    of: (agent, tool, hash) => known.decisions.get(keyOf(agent, tool, hash)) ?? null,
    isDecided: (agent, tool) => known.names.has(nameOf(agent, tool)),
    close: kept.close,
  }
}
