/** What a request asks of the provider besides one answer of one model: whether something bounds it. */
import { isRecord, readArray, readPositiveInteger } from '../../read.ts'

type Json = Readonly<Record<string, unknown>>

/** What makes a request more than one answer to what stands in its body. */
export interface Hosted {
  readonly reason: string
  /** How many context windows it may fill; `null` if nothing in the body bounds that, or what it costs has no price. */
  readonly contextsMax: number | null
  /** Calls that may be billed one by one. */
  readonly callsMax: number
}

/** Tools that the client runs itself: an answer ends where one is called. */
const RUN_BY_CLIENT: ReadonlySet<unknown> = new Set([
  'function',
  'custom',
  'computer',
  'computer_use_preview',
  'local_shell',
  'apply_patch',
  'namespace',
])

/** A tool that the provider runs. */
interface Tool {
  readonly type: RegExp
  readonly what: string
  /** Whether each call is billed. */
  readonly fee: boolean
}

/** Hosted tools whose calls `max_tool_calls` bounds and whose fees are known. */
const BOUNDED: readonly Tool[] = [
  { type: /^web_search(?:_preview)?(?:_\d{4}_\d{2}_\d{2})?$/, what: 'web search', fee: true },
  { type: /^file_search$/, what: 'file search', fee: true },
  { type: /^mcp$/, what: 'an MCP server', fee: false },
  { type: /^tool_search$/, what: 'tool search', fee: false },
]

const UNKNOWN: Tool = { type: /^/, what: 'a hosted tool that nobody has a price for', fee: true }

/** Whether the provider describes this tool in its own words, which stand in no body. */
export const hasOwnDescription = (tool: unknown): boolean =>
  isRecord(tool) && tool.type !== 'function' && tool.type !== 'custom' && tool.type !== 'namespace'

/** What is asked for besides one answer; `null` for an ordinary request. @param tools all its definitions */
export function readHosted(json: Json, tools: readonly unknown[]): Hosted | null {
  const calls = readPositiveInteger(json.max_tool_calls)
  const bounded = (what: string, fee: boolean): Hosted =>
    calls === null
      ? { reason: `${what} without max_tool_calls`, contextsMax: null, callsMax: 0 }
      : { reason: what, contextsMax: calls + 1, callsMax: fee ? calls : 0 }
  if (compacts(json)) return { reason: 'a compaction', contextsMax: null, callsMax: 0 }
  // A template brings tools of its own, of which nothing stands in the body.
  if ((json.prompt ?? null) !== null) return { reason: 'a prompt template', contextsMax: null, callsMax: 0 }
  const hosted = tools.map(knownTool).filter((known) => known !== null)
  const [first] = hosted
  if (first === undefined) return null
  if (hosted.includes(UNKNOWN)) return { reason: UNKNOWN.what, contextsMax: null, callsMax: 0 }
  // The limit holds for the calls of all tools together.
  return bounded(
    first.what,
    hosted.some(({ fee }) => fee),
  )
}

function compacts({ context_management, input }: Json): boolean {
  return (
    readArray(context_management).some(isRecord) ||
    readArray(input).some((item) => isRecord(item) && item.type === 'compaction_trigger')
  )
}

/** What one tool is; `null` for one that the client runs. */
function knownTool(tool: unknown): Tool | null {
  if (!isRecord(tool) || RUN_BY_CLIENT.has(tool.type)) return null
  if (tool.type === 'tool_search' && tool.execution === 'client') return null
  if (tool.type === 'shell' && isRecord(tool.environment) && tool.environment.type === 'local') return null
  const { type } = tool
  return (typeof type === 'string' ? BOUNDED.find((known) => known.type.test(type)) : undefined) ?? UNKNOWN
}
