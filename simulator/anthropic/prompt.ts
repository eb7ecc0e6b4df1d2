import { createHash } from 'node:crypto'
import { isRecord, type Json, list } from '../json.ts'
import { countTokens, MESSAGE_TOKENS, REQUEST_TOKENS } from '../tokens.ts'
import type { InputUsage } from './usage.ts'

/** Tokens of a picture: the most that the vision guide names. */
const IMAGE_TOKENS = 4_784
/** Tokens of a document: two pages, each as text and as a picture. */
const DOCUMENT_TOKENS = 6_000
/** What the provider says to the model about tools, about one that it describes itself, and about a schema. */
const TOOLS_TOKENS = 346
const OWN_DESCRIPTION_TOKENS = 735
const FORMAT_TOKENS = 200

/** A piece of a prompt that a cache can end behind. */
interface Unit {
  readonly json: unknown
  readonly tokens: number
}

/** The prompt in its order: tools, system, messages. */
function unitsOf(json: Json): readonly Unit[] {
  const tools = list(json.tools)
  const format = isRecord(json.output_config) ? json.output_config.format : json.output_format
  const opening =
    REQUEST_TOKENS +
    (tools.length > 0 ? TOOLS_TOKENS : 0) +
    (isRecord(format) ? FORMAT_TOKENS + countTokens(JSON.stringify(format)) : 0)
  return [
    { json: format ?? null, tokens: opening },
    ...tools.map((tool) => ({ json: tool, tokens: toolTokens(tool) })),
    ...blocksOf(json.system).map((block) => ({ json: block, tokens: blockTokens(block) })),
    ...list(json.messages).flatMap((message) => {
      const blocks = isRecord(message) ? blocksOf(message.content) : []
      return blocks.map((block, at) => ({
        json: block,
        tokens: blockTokens(block) + (at === 0 ? MESSAGE_TOKENS : 0),
      }))
    }),
  ]
}

const blocksOf = (content: unknown): readonly unknown[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : list(content)

function toolTokens(tool: unknown): number {
  const typed = isRecord(tool) && typeof tool.type === 'string' && tool.type !== 'custom'
  return countTokens(JSON.stringify(tool)) + (typed ? OWN_DESCRIPTION_TOKENS : 0)
}

function blockTokens(block: unknown): number {
  if (!isRecord(block)) return 0
  switch (block.type) {
    case 'text':
      return countTokens(String(block.text))
    case 'image':
      return IMAGE_TOKENS
    case 'document':
      return isRecord(block.source) && block.source.type === 'text'
        ? countTokens(String(block.source.data))
        : DOCUMENT_TOKENS
    case 'thinking':
    case 'redacted_thinking':
      return countTokens(String(block.signature ?? block.data))
    case 'tool_result':
      return blocksOf(block.content).reduce<number>((sum, each) => sum + blockTokens(each), MESSAGE_TOKENS)
    default:
      return countTokens(JSON.stringify(block))
  }
}

/** What is in the caches: prefixes of prompts by their hash. */
export type PromptCache = Set<string>

/** Counts a prompt, and takes from the cache and puts into it what `cache_control` says. */
export function countPrompt(json: Json, cache: PromptCache): InputUsage {
  const units = unitsOf(json)
  const hash = createHash('sha256').update(String(json.model))
  let tokens = 0
  let read = 0
  let ends = 0
  const written = { short: 0, long: 0 }
  units.forEach((unit, at) => {
    hash.update(JSON.stringify(unit.json))
    tokens += unit.tokens
    const control = controlOf(unit.json) ?? (at === units.length - 1 ? json.cache_control : null)
    if (!isRecord(control)) return
    const prefix = hash.copy().digest('hex')
    if (cache.has(prefix)) {
      read = tokens
      written.short = 0
      written.long = 0
    } else written[control.ttl === '1h' ? 'long' : 'short'] += tokens - ends
    cache.add(prefix)
    ends = tokens
  })
  return {
    input_tokens: tokens - ends,
    cache_read_input_tokens: read,
    cache_creation_input_tokens: written.short + written.long,
    cache_creation: { ephemeral_5m_input_tokens: written.short, ephemeral_1h_input_tokens: written.long },
  }
}

const controlOf = (unit: unknown): unknown => (isRecord(unit) ? (unit.cache_control ?? null) : null)

/** All tokens of a prompt. */
export const allTokens = (input: InputUsage): number =>
  input.input_tokens + input.cache_read_input_tokens + input.cache_creation_input_tokens
