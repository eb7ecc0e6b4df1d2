/** The blocks of an answer, each cut into pieces of one token or less. */
import { createHash } from 'node:crypto'
import type { Controls } from '../controls.ts'
import { isRecord, type Json, list } from '../json.ts'
import { exampleOf, prose } from '../text.ts'
import { countTokens, tokenPieces } from '../tokens.ts'

/** One block. `tokens` are billed for it, whatever is shown. */
export type Block =
  | {
      readonly kind: 'thinking'
      readonly pieces: readonly string[]
      readonly signature: string
      readonly tokens: number
    }
  | { readonly kind: 'text'; readonly pieces: readonly string[]; readonly tokens: number }
  | {
      readonly kind: 'tool_use' | 'server_tool_use'
      readonly id: string
      readonly name: string
      readonly json: string
      readonly tokens: number
    }
  /** Made by the provider's tools, or as a side product: sent whole. */
  | { readonly kind: 'whole'; readonly json: object; readonly tokens: number }

const SIGNED = (text: string): string => createHash('sha256').update(`signed ${text}`).digest('base64')

/** Whether a thinking block of an earlier answer is as it was sent. */
export const isAsSigned = (block: Json): boolean =>
  typeof block.signature === 'string' && block.signature.startsWith(`${SIGNED(String(block.thinking))}.`)

/** What the model thought: billed whole, shown as a summary of half the length, or not at all. @param given what it thought */
export function thinkingBlock(json: Json, tokens: number, given: string | null, random: () => number): Block {
  const all = tokenPieces(given ?? prose(tokens, random)).slice(0, tokens)
  const isHidden = isRecord(json.thinking) && json.thinking.display === 'omitted'
  const pieces = isHidden ? [] : given === null ? all.slice(0, Math.ceil(all.length / 2)) : all
  const sealed = Buffer.from(all.join('')).toString('base64')
  return { kind: 'thinking', pieces, signature: `${SIGNED(pieces.join(''))}.${sealed}`, tokens }
}

/** Calls of tools: as `tool_choice` demands, as a header says, or after a user's message when there are tools. */
export function callsOf(json: Json, controls: Controls, random: () => number): readonly Block[] {
  const tools = list(json.tools).filter(isRecord).filter(isOwnTool)
  const choice = isRecord(json.tool_choice) ? json.tool_choice : {}
  if (tools.length === 0 || choice.type === 'none') return []
  const asked = choice.type === 'any' || choice.type === 'tool' || controls.toolCall !== null || endsWithUser(json)
  if (!asked) return []
  const picked =
    choice.type === 'tool'
      ? tools.filter(({ name }) => name === choice.name)
      : tools.slice(0, choice.disable_parallel_tool_use === true ? 1 : 2)
  return picked.map((tool, at) => {
    const text = controls.toolCall ?? JSON.stringify(exampleOf(tool.input_schema, random))
    return callBlock('tool_use', `toolu_${idOf(random)}${at}`, String(tool.name), text)
  })
}

/** A call, with its tokens. */
function callBlock(kind: 'tool_use' | 'server_tool_use', id: string, name: string, json: string): Block {
  return { kind, id, name, json, tokens: countTokens(name) + countTokens(json) }
}

/** Some characters of an id. */
export const idOf = (random: () => number): string => Math.floor(random() * 2 ** 48).toString(36)

const isOwnTool = ({ type }: Json): boolean => type === undefined || type === null || type === 'custom'

/** Whether a person said the last word, and not a tool. */
function endsWithUser(json: Json): boolean {
  const last = list(json.messages).at(-1)
  if (!isRecord(last) || last.role !== 'user') return false
  return !list(last.content).some((block) => isRecord(block) && block.type === 'tool_result')
}

/** A web search: the call of it and what it found. */
export function searchBlocks(at: number, random: () => number): readonly Block[] {
  const id = `srvtoolu_${idOf(random)}${at}`
  const result = {
    type: 'web_search_tool_result',
    tool_use_id: id,
    caller: { type: 'direct' },
    content: [
      {
        type: 'web_search_result',
        title: 'A simulated page',
        url: `https://simulated.example/page${at}`,
        encrypted_content: Buffer.from(prose(20, random)).toString('base64'),
        page_age: null,
      },
    ],
  }
  return [
    callBlock('server_tool_use', id, 'web_search', JSON.stringify({ query: prose(3, random) })),
    { kind: 'whole', json: result, tokens: 0 },
  ]
}
