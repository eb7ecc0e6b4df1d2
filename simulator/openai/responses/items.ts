/** What the simulator's answers are made of. */
import type { Controls } from '../../controls.ts'
import { isRecord, type Json, list, positive } from '../../json.ts'
import { exampleOf, prose } from '../../text.ts'
import { countTokens, tokenPieces } from '../../tokens.ts'
import { cutCalls, toolCallsOf } from '../tool-calls.ts'
import { itemsOf, sealed } from './prompt.ts'
import type { HostedUse } from './usage.ts'

/** One item of an output. */
export type Item =
  | {
      readonly kind: 'reasoning'
      readonly id: string
      readonly tokens: number
      readonly summary: readonly string[]
      readonly encrypted: string | null
    }
  | {
      readonly kind: 'message'
      readonly id: string
      readonly pieces: readonly string[]
      readonly refusal: boolean
      readonly cites: boolean
    }
  | {
      readonly kind: 'function' | 'custom'
      readonly id: string
      readonly callId: string
      readonly name: string
      readonly text: string
    }
  /** A call that the provider made itself, with the steps that a stream tells of it. */
  | { readonly kind: 'hosted'; readonly steps: readonly string[]; readonly json: Json; readonly tokens: number }

/** An identifier, as the provider makes them. */
export const idOf = (prefix: string, random: () => number): string =>
  `${prefix}_${Math.floor(random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0')}`

/** Output tokens of an item. */
export function tokensOf(item: Item): number {
  switch (item.kind) {
    case 'message':
      return item.pieces.length
    case 'function':
    case 'custom':
      return countTokens(item.name) + countTokens(item.text)
    default:
      return item.tokens
  }
}

/** Reasoning, summarised and sealed where that is asked for. */
export function reasoningItem(json: Json, controls: Controls, tokens: number, random: () => number): Item {
  const asksSummary = isRecord(json.reasoning) && (json.reasoning.summary ?? null) !== null
  const summary = asksSummary ? tokenPieces(controls.thinking ?? prose(6, random)) : []
  const encrypted = list(json.include).includes('reasoning.encrypted_content') ? sealed(tokens) : null
  return { kind: 'reasoning', id: idOf('rs', random), tokens, summary, encrypted }
}

/** Calls of the client's own tools, as much of them as a limit leaves room for. */
export function callItems(
  json: Json,
  controls: Controls,
  limit: number,
  random: () => number,
): { readonly items: readonly Item[]; readonly whole: boolean } {
  const nested = (tool: unknown): unknown =>
    isRecord(tool) && (tool.type === 'function' || tool.type === 'custom')
      ? { type: tool.type, [tool.type]: tool }
      : null
  const last = itemsOf(json.input).at(-1)
  const calls = toolCallsOf(
    {
      tools: list(json.tools)
        .map(nested)
        .filter((tool) => tool !== null),
      tool_choice: isRecord(json.tool_choice) ? (nested(json.tool_choice) ?? 'auto') : json.tool_choice,
      parallel_tool_calls: json.parallel_tool_calls,
      messages: [last],
    },
    controls,
    random,
  )
  const cut = cutCalls(calls, limit)
  return {
    items: cut.map(({ kind, id, name, text }) => ({
      kind,
      id: idOf(kind === 'custom' ? 'ctc' : 'fc', random),
      callId: id,
      name,
      text,
    })),
    whole: cut.length === calls.length && cut.at(-1)?.text === calls.at(-1)?.text,
  }
}

/** The text of an answer. */
export function messageItem(json: Json, controls: Controls, limit: number, cites: boolean, random: () => number) {
  const wanted = controls.fault === 'overrun' && Number.isFinite(limit) ? limit : (controls.outputTokens ?? 40)
  const given = controls.reply ?? structured(json, random)
  const all = tokenPieces(given ?? prose(Math.max(1, wanted), random))
  const amount = given === null ? Math.min(wanted, limit) : limit
  const item: Item = {
    kind: 'message',
    id: idOf('msg', random),
    pieces: all.slice(0, amount),
    refusal: controls.fault === 'refusal',
    cites,
  }
  return { item, whole: !(all.length > amount && amount === limit) }
}

function structured(json: Json, random: () => number): string | null {
  const format = isRecord(json.text) ? json.text.format : null
  if (!isRecord(format) || format.type === 'text') return null
  return format.type === 'json_object' ? '{"ok": true}' : JSON.stringify(exampleOf(format.schema, random))
}

/** Output tokens of a call of a hosted tool. */
const HOSTED_TOKENS = 12
/** How often a hosted tool is called that nothing limits. */
const HOSTED_CALLS = 2

/** Calls of hosted tools, each of them once or twice, and no more than may be made. */
export function hostedItems(json: Json, random: () => number): readonly Item[] {
  if (json.tool_choice === 'none') return []
  const tools = list(json.tools).flatMap((tool) => (isRecord(tool) ? [String(tool.type)] : []))
  const calls = tools.flatMap((type) =>
    Array.from({ length: HOSTED_CALLS }, () => hostedItem(type, random)).filter((item) => item !== null),
  )
  return calls.slice(0, positive(json.max_tool_calls) ?? calls.length)
}

function hostedItem(type: string, random: () => number): Item | null {
  const make = (kind: string, steps: readonly string[], rest: Json): Item => ({
    kind: 'hosted',
    steps: steps.map((step) => `response.${kind}.${step}`),
    json: { id: idOf(kind.slice(0, 2), random), type: kind, status: 'completed', ...rest },
    tokens: HOSTED_TOKENS,
  })
  const query = prose(4, random)
  if (type.startsWith('web_search'))
    return make('web_search_call', ['in_progress', 'searching', 'completed'], {
      action: { type: 'search', query, queries: [query], sources: [] },
    })
  switch (type) {
    case 'file_search':
      return make('file_search_call', ['in_progress', 'searching', 'completed'], { queries: [query], results: null })
    case 'code_interpreter':
      return make('code_interpreter_call', ['in_progress', 'interpreting', 'completed'], {
        code: 'print(6 * 7)',
        container_id: 'cntr_1',
        outputs: null,
      })
    case 'image_generation':
      return make('image_generation_call', ['in_progress', 'generating', 'completed'], { result: 'iVBORw0KGgo=' })
    case 'mcp':
      return make('mcp_call', ['in_progress', 'completed'], {
        approval_request_id: null,
        arguments: JSON.stringify({ query }),
        error: null,
        name: 'look_up',
        output: prose(6, random),
        server_label: 'simulated',
      })
    default:
      return null
  }
}

/** What hosted calls are billed besides tokens. */
export function hostedUse(items: readonly Item[]): HostedUse {
  const count = (type: string): number =>
    items.filter((item) => item.kind === 'hosted' && item.json.type === type).length
  return {
    webSearches: count('web_search_call'),
    fileSearches: count('file_search_call'),
    containers: Math.min(1, count('code_interpreter_call')),
    pictureTokens: 1_056 * count('image_generation_call'),
  }
}
