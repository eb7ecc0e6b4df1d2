/** What the simulator answers to a request for a message: decided before the first byte, so that plain and streamed agree. */
import type { Controls } from '../controls.ts'
import { isRecord, type Json, list, positive } from '../json.ts'
import { exampleOf, prose, randomFrom, seedOf } from '../text.ts'
import { tokenPieces } from '../tokens.ts'
import { type Block, callsOf, idOf, searchBlocks, thinkingBlock } from './blocks.ts'
import { allTokens, countPrompt, type PromptCache } from './prompt.ts'
import { type AnthropicUsage, type InputUsage, type IterationUsage, merge } from './usage.ts'

/** The whole answer. */
export interface MessageAnswer {
  readonly id: string
  readonly model: string
  readonly blocks: readonly Block[]
  readonly stopReason: 'end_turn' | 'max_tokens' | 'tool_use' | 'stop_sequence' | 'refusal'
  readonly stopSequence: string | null
  /** As reported and billed when the answer is complete. */
  readonly usage: AnthropicUsage
  /** As reported when it begins. */
  readonly begun: AnthropicUsage
}

const DEFAULT_OUTPUT_TOKENS = 40
const THINKING_TOKENS = 32
const COMPACTION_TOKENS = 24
const SEARCHES_MAX = 3
/** Tokens that the results of a search add to the prompt of the next iteration. */
const RESULT_TOKENS = 100

/** Decides the answer. */
export function answerMessage(json: Json, controls: Controls, seed: number, cache: PromptCache): MessageAnswer {
  const random = randomFrom(seedOf(JSON.stringify(json.messages), seed))
  const model = String(json.model)
  const limit = Number(json.max_tokens) * (controls.fault === 'overrun' ? 2 : 1)
  const id = `msg_${idOf(random)}${seed.toString(36)}`
  const input = countPrompt(json, cache)
  const made = limit === 0 ? NOTHING : makeBlocks(json, controls, limit, random)
  const output = made.blocks.reduce((sum, { tokens }) => sum + tokens, 0)
  const searches = made.blocks.filter((block) => block.kind === 'server_tool_use').length
  const begun: AnthropicUsage = {
    ...input,
    output_tokens: 1,
    output_tokens_details: { thinking_tokens: 0 },
    server_tool_use: null,
    service_tier: controls.serviceTier ?? 'standard',
    inference_geo: typeof json.inference_geo === 'string' ? json.inference_geo : 'global',
    speed: json.speed === 'fast' ? 'fast' : 'standard',
    iterations: null,
  }
  const usage: AnthropicUsage = {
    ...begun,
    ...afterSearches(input, searches),
    output_tokens: output,
    output_tokens_details: {
      thinking_tokens: made.blocks.reduce((sum, each) => sum + (each.kind === 'thinking' ? each.tokens : 0), 0),
    },
    server_tool_use: searches === 0 ? null : { web_search_requests: searches, web_fetch_requests: 0 },
  }
  const over = (whole: AnthropicUsage): AnthropicUsage => (controls.usage ? merge(whole, controls.usage) : whole)
  return {
    id,
    model: controls.answerModel ?? model,
    ...compacted(json, made.blocks, over(usage), random),
    stopReason: made.stopReason,
    stopSequence: made.stopSequence,
    begun: { ...over(begun), output_tokens: 1, iterations: null },
  }
}

type Made = Pick<MessageAnswer, 'blocks' | 'stopReason' | 'stopSequence'>
const NOTHING: Made = { blocks: [], stopReason: 'max_tokens', stopSequence: null }

function makeBlocks(json: Json, controls: Controls, limit: number, random: () => number): Made {
  const thinks = isRecord(json.thinking) && json.thinking.type !== 'disabled'
  const thought = thinks
    ? [thinkingBlock(json, Math.min(THINKING_TOKENS, Math.floor(limit / 2)), controls.thinking, random)]
    : []
  const left = limit - thought.reduce((sum, { tokens }) => sum + tokens, 0)
  const calls = callsOf(json, controls, random)
  if (calls.length > 0) {
    const blocks = fitting(calls, left)
    return {
      blocks: [...thought, ...blocks],
      stopReason: blocks.length === calls.length ? 'tool_use' : 'max_tokens',
      stopSequence: null,
    }
  }
  const searched = fitting(Array.from({ length: searchesOf(json) }, (_, at) => searchBlocks(at, random)).flat(), left)
  const room = left - searched.reduce((sum, { tokens }) => sum + tokens, 0)
  const text = makeText(json, controls, room, random)
  return { ...text, blocks: [...thought, ...searched, ...text.blocks] }
}

/** The blocks that an output limit leaves room for: one that is cut short would be no JSON. */
function fitting(blocks: readonly Block[], limit: number): readonly Block[] {
  let left = limit
  const end = blocks.findIndex(({ tokens }) => {
    left -= tokens
    return left < 0
  })
  return end === -1 ? blocks : blocks.slice(0, end)
}

function makeText(json: Json, controls: Controls, limit: number, random: () => number): Made {
  const told = controls.fault === 'overrun' ? limit : (controls.outputTokens ?? DEFAULT_OUTPUT_TOKENS)
  const given = controls.reply ?? structured(json, random)
  const all = tokenPieces(given ?? prose(Math.max(1, told), random))
  const amount = given === null ? Math.min(told, limit) : limit
  const shown = all.slice(0, amount)
  const stopped = stopAt(shown, json.stop_sequences)
  const pieces = stopped?.pieces ?? shown
  const blocks: readonly Block[] = pieces.length === 0 ? [] : [{ kind: 'text', pieces, tokens: pieces.length }]
  if (controls.fault === 'refusal') return { blocks, stopReason: 'refusal', stopSequence: null }
  if (stopped) return { blocks, stopReason: 'stop_sequence', stopSequence: stopped.sequence }
  return { blocks, stopReason: all.length > amount && amount === limit ? 'max_tokens' : 'end_turn', stopSequence: null }
}

function structured(json: Json, random: () => number): string | null {
  const format = isRecord(json.output_config) ? json.output_config.format : json.output_format
  return isRecord(format) ? JSON.stringify(exampleOf(format.schema, random)) : null
}

function stopAt(
  pieces: readonly string[],
  sequences: unknown,
): { readonly pieces: readonly string[]; readonly sequence: string } | null {
  const text = pieces.join('')
  const found = list(sequences)
    .map(String)
    .filter((sequence) => sequence !== '' && text.includes(sequence))
    .sort((a, b) => text.indexOf(a) - text.indexOf(b))[0]
  return found === undefined ? null : { pieces: tokenPieces(text.slice(0, text.indexOf(found))), sequence: found }
}

/** How often the model searches the web: as often as it may, up to a few times. */
function searchesOf(json: Json): number {
  const tool = list(json.tools).find((each) => isRecord(each) && String(each.type).startsWith('web_search_'))
  return isRecord(tool) ? Math.min(positive(tool.max_uses) ?? 1, SEARCHES_MAX) : 0
}

/** Each search is followed by another look at the prompt, longer by what was found; what was cached is read again. */
function afterSearches(input: InputUsage, searches: number): InputUsage {
  if (searches === 0) return input
  const cached = input.cache_read_input_tokens + input.cache_creation_input_tokens
  const found = (RESULT_TOKENS * searches * (searches + 1)) / 2
  return {
    ...input,
    input_tokens: input.input_tokens * (searches + 1) + found,
    cache_read_input_tokens: input.cache_read_input_tokens + cached * searches,
  }
}

/** A compaction stands in front of the answer, and in the iterations of its usage alone. */
function compacted(
  json: Json,
  blocks: readonly Block[],
  usage: AnthropicUsage,
  random: () => number,
): Pick<MessageAnswer, 'blocks' | 'usage'> {
  const edits = list(isRecord(json.context_management) ? json.context_management.edits : null)
  if (!edits.some((edit) => isRecord(edit) && edit.type === 'compact_20260112')) return { blocks, usage }
  const content = prose(COMPACTION_TOKENS, random)
  const summary: Block = { kind: 'whole', json: { type: 'compaction', content, encrypted_content: null }, tokens: 0 }
  const none = { cache_read_input_tokens: 0, cache_creation_input_tokens: 0 }
  const compaction: IterationUsage = {
    type: 'compaction',
    ...none,
    input_tokens: allTokens(usage),
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: COMPACTION_TOKENS,
  }
  const { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, cache_creation } = usage
  const message: IterationUsage = {
    type: 'message',
    input_tokens,
    output_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    cache_creation,
  }
  return { blocks: [summary, ...blocks], usage: { ...usage, iterations: [compaction, message] } }
}
