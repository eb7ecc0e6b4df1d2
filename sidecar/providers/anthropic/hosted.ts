/** What a request asks of the provider besides one answer of one model: whether something bounds it. */
import { isRecord, readArray, readPositiveInteger } from '../read.ts'

type Json = Readonly<Record<string, unknown>>

/** What makes a request more than one answer to what stands in its body. */
export interface Hosted {
  readonly reason: string
  /** How many context windows it may fill; `null` if nothing in the body bounds that, or another model works on it. */
  readonly contextsMax: number | null
  /** Calls that are billed one by one. */
  readonly callsMax: number
}

/** Tools that the client runs itself: the provider only describes them to the model. */
const RUN_BY_CLIENT = /^(?:bash|text_editor|computer|memory|browser_toolset|computer_toolset)_\d{8}$/
/** The hosted tools whose uses `max_uses` bounds. Later versions run code between the searches, as often as they like. */
const BOUNDED_BY_USES: Readonly<Record<string, { readonly what: string; readonly fee: boolean }>> = {
  web_search_20250305: { what: 'web search', fee: true },
  web_fetch_20250910: { what: 'web fetch', fee: false },
}

/** Whether the provider describes this tool in its own words, which stand in no body. */
export const hasOwnDescription = (tool: unknown): boolean =>
  isRecord(tool) && typeof tool.type === 'string' && RUN_BY_CLIENT.test(tool.type)

/** What is asked for besides one answer; `null` for an ordinary request. @param tools all its definitions */
export function readHosted(json: Json, tools: readonly unknown[]): Hosted | null {
  const unbounded = readUnbounded(json)
  if (unbounded !== null) return { reason: unbounded, contextsMax: null, callsMax: 0 }
  let found: Hosted | null = isRecord(json.thread)
    ? { reason: 'a conversation by id', contextsMax: 1, callsMax: 0 }
    : null
  for (const tool of tools) {
    const hosted = readTool(tool)
    if (hosted === null) continue
    if (hosted.contextsMax === null) return hosted
    found = {
      reason: found?.reason ?? hosted.reason,
      contextsMax: (found?.contextsMax ?? 1) + hosted.contextsMax,
      callsMax: (found?.callsMax ?? 0) + hosted.callsMax,
    }
  }
  return found
}

function readUnbounded({ mcp_servers, container, fallbacks, compaction, context_management }: Json): string | null {
  if (readArray(mcp_servers).length > 0) return 'MCP servers'
  if ((container ?? null) !== null) return 'a container'
  if ((fallbacks ?? null) !== null) return 'fallback models'
  const edits = readArray(isRecord(context_management) ? context_management.edits : null)
  const compacts = edits.some((edit) => isRecord(edit) && String(edit.type).startsWith('compact'))
  return compacts || (compaction ?? null) !== null ? 'a compaction' : null
}

/** What one tool adds. */
function readTool(tool: unknown): Hosted | null {
  const type = isRecord(tool) ? (tool.type ?? 'custom') : 'custom'
  if (!isRecord(tool) || type === 'custom' || (typeof type === 'string' && RUN_BY_CLIENT.test(type))) return null
  const known = typeof type === 'string' && Object.hasOwn(BOUNDED_BY_USES, type) ? BOUNDED_BY_USES[type] : undefined
  if (!known) return { reason: 'a hosted tool that nothing limits', contextsMax: null, callsMax: 0 }
  const uses = readPositiveInteger(tool.max_uses)
  const direct = readArray(tool.allowed_callers).every((caller) => caller === 'direct')
  if (uses === null || !direct) return { reason: `${known.what} without max_uses`, contextsMax: null, callsMax: 0 }
  return { reason: known.what, contextsMax: uses, callsMax: known.fee ? uses : 0 }
}
