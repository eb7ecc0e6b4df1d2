import type { Controls } from '../controls.ts'
import { isRecord, type Json, list } from '../json.ts'
import { exampleOf, prose } from '../text.ts'
import { countTokens, tokenPieces } from '../tokens.ts'

/** A call that the answer makes: of a function with JSON, or of a custom tool with free text. */
export interface ToolCall {
  readonly kind: 'function' | 'custom'
  readonly id: string
  readonly name: string
  /** The arguments of a function, or the input of a custom tool. */
  readonly text: string
}

/** Calls of tools: as `tool_choice` demands, as a header says, or after a user message when there are tools. */
export function toolCallsOf(json: Json, controls: Controls, random: () => number): readonly ToolCall[] {
  const tools = list(json.tools).map(readTool)
  const choice = json.tool_choice
  if (tools.length === 0 || choice === 'none') return []
  const last = list(json.messages).at(-1)
  const asked =
    choice === 'required' || isRecord(choice) || controls.toolCall !== null || (isRecord(last) && last.role === 'user')
  if (!asked) return []
  const named = isRecord(choice) ? readTool(choice).name : null
  const picked =
    named === null
      ? tools.slice(0, json.parallel_tool_calls === false ? 1 : 2)
      : tools.filter(({ name }) => name === named)
  return picked.map(({ kind, name, parameters }, at) => ({
    kind,
    id: `call_${Math.floor(random() * 2 ** 40).toString(36)}${at}`,
    name,
    text: controls.toolCall ?? (kind === 'custom' ? prose(6, random) : JSON.stringify(exampleOf(parameters, random))),
  }))
}

/** As much of the calls as an output limit leaves room for: the last one may break off in its middle. */
export function cutCalls(calls: readonly ToolCall[], limit: number): readonly ToolCall[] {
  const cut: ToolCall[] = []
  let left = limit
  for (const call of calls) {
    left -= countTokens(call.name)
    if (left < 0) break
    const pieces = tokenPieces(call.text)
    cut.push(pieces.length <= left ? call : { ...call, text: pieces.slice(0, left).join('') })
    left -= pieces.length
    if (left < 0) break
  }
  return cut
}

/** A tool's definition, or the choice of one: both name it in the member that its type says. */
function readTool(tool: unknown): {
  readonly kind: ToolCall['kind']
  readonly name: string
  readonly parameters: unknown
} {
  const kind = isRecord(tool) && tool.type === 'custom' ? 'custom' : 'function'
  const body = isRecord(tool) ? tool[kind] : null
  return isRecord(body)
    ? { kind, name: String(body.name), parameters: body.parameters }
    : { kind, name: '', parameters: null }
}
