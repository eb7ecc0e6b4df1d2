import { createHash } from 'node:crypto'
import { isRecord, type Json, list } from '../../json.ts'
import { countTokens, MESSAGE_TOKENS, REQUEST_TOKENS } from '../../tokens.ts'
import type { Store } from './store.ts'

/** Tokens of a picture at high detail, and of a file: two pages, each as text and as a picture. */
const IMAGE_TOKENS = 1_105
const FILE_TOKENS = 4_000
/** Tokens of the provider's own words about a tool that it describes itself. */
const OWN_DESCRIPTION_TOKENS = 500
/** The shortest prompt that is cached. */
const CACHED_TOKENS_MIN = 1_024
/** Models whose caches are written at a price. */
const PAYS_FOR_WRITES = /^gpt-(?:5\.6|6)/

/** A prompt, counted. */
export interface Prompt {
  readonly tokens: number
  readonly cached: number
  readonly written: number
  /** Of the written ones, those that are kept for twelve hours. */
  readonly long: number
}

/** The items of an input, whichever way it is written. */
export const itemsOf = (input: unknown): readonly unknown[] =>
  typeof input === 'string' ? [{ type: 'message', role: 'user', content: input }] : list(input)

/** Counts a prompt, and finds it in the caches and puts it there. @param before what a conversation holds already */
export function countPrompt(json: Json, before: readonly unknown[], store: Store): Prompt {
  const format = isRecord(json.text) ? json.text.format : null
  const units: { readonly json: unknown; readonly tokens: number }[] = [
    {
      json: [json.model, format],
      tokens: REQUEST_TOKENS + (isRecord(format) ? countTokens(JSON.stringify(format)) : 0),
    },
    ...list(json.tools).map((tool) => ({ json: tool, tokens: toolTokens(tool) })),
    {
      json: json.instructions,
      tokens: typeof json.instructions === 'string' ? countTokens(json.instructions) + MESSAGE_TOKENS : 0,
    },
    ...[...before, ...itemsOf(json.input)].map((item) => ({ json: item, tokens: itemTokens(item, store) })),
  ]
  const hash = createHash('sha256')
  let tokens = 0
  let cached = 0
  for (const unit of units) {
    hash.update(JSON.stringify(unit.json) ?? '')
    tokens += unit.tokens
    const prefix = hash.copy().digest('hex')
    if (tokens >= CACHED_TOKENS_MIN && store.prefixes.has(prefix)) cached = tokens
    store.prefixes.add(prefix)
  }
  const writes = tokens >= CACHED_TOKENS_MIN && PAYS_FOR_WRITES.test(String(json.model))
  const written = writes ? tokens - cached : 0
  const options = json.prompt_cache_options
  return { tokens, cached, written, long: isRecord(options) && options.ttl === '12h' ? written : 0 }
}

function toolTokens(tool: unknown): number {
  const own = isRecord(tool) && tool.type !== 'function' && tool.type !== 'custom'
  return countTokens(JSON.stringify(tool)) + (own ? OWN_DESCRIPTION_TOKENS : 0)
}

function itemTokens(item: unknown, store: Store): number {
  if (!isRecord(item)) return 0
  const { type, content, output } = item
  if (type === 'reasoning') return reasoningTokens(item, store)
  if (type === 'compaction') return countTokens(String(item.encrypted_content))
  if (content !== undefined) return MESSAGE_TOKENS + partsTokens(content)
  if (output !== undefined) return MESSAGE_TOKENS + partsTokens(output)
  return MESSAGE_TOKENS + countTokens(JSON.stringify(item))
}

/** Reasoning comes back whole, sealed or by its id. */
function reasoningTokens({ id, encrypted_content }: Json, store: Store): number {
  if (typeof encrypted_content === 'string')
    return Math.floor(Buffer.from(encrypted_content, 'base64').length / SEALED_BYTES)
  return store.reasoning.get(String(id)) ?? 0
}

/** Bytes that seal one token of reasoning. */
const SEALED_BYTES = 8

/** Reasoning as it is given to a client that keeps it itself. */
export const sealed = (tokens: number): string => Buffer.from('thought '.repeat(tokens)).toString('base64')

function partsTokens(parts: unknown): number {
  if (typeof parts === 'string') return countTokens(parts)
  if (isRecord(parts)) return partTokens(parts)
  return list(parts).reduce<number>((sum, part) => sum + partTokens(part), 0)
}

function partTokens(part: unknown): number {
  if (!isRecord(part)) return 0
  if (part.type === 'input_image' || part.type === 'computer_screenshot') return IMAGE_TOKENS
  if (part.type === 'input_file') return FILE_TOKENS
  return typeof part.text === 'string' ? countTokens(part.text) : countTokens(JSON.stringify(part))
}
