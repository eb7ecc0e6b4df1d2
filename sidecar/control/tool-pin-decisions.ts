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
  /** Follows a list at once; resolves when the next start knows it too. Never rejects. */
  take(list: readonly ToolPinDecision[]): Promise<void>
  /** Of one definition; `null` where nobody decided. @param agent `null` for requests that name none */
  of(agent: string | null, tool: string, hash: string): ToolPinDecision['decision'] | null
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

const keyOf = (agent: string, tool: string, hash: string): string => `${agent}\u0000${tool}\u0000${hash}`

/** Opens them as the last process left them. */
export async function openToolPinDecisions(options: ToolPinDecisionsOptions): Promise<ToolPinDecisions> {
  const { file, hasControlPlane, log } = options
  let list: readonly ToolPinDecision[] = hasControlPlane
    ? ((await readKeptList(file, WHAT, log, keptSchema)) ?? [])
    : []
  const index = () =>
    new Map(list.map(({ agent, tool, hash, decision }) => [keyOf(agent, tool, hash), decision] as const))
  let known = index()
  const kept = createKeptList(file, WHAT, log, () => JSON.stringify(list))
  return {
    take: async (told) => {
      list = told
      known = index()
      await kept.keep()
    },
    of: (agent, tool, hash) => known.get(keyOf(agent ?? SUBJECT_NONE, toldName(tool, TOOL_NAME_MAX), hash)) ?? null,
    close: kept.close,
  }
}
