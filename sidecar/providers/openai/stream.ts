import { toolName } from '../named-tool.ts'
import { OpenCalls } from '../open-calls.ts'
import type { AnswerFacts, EndedCall, StreamEvent, StreamReader, TextPiece } from '../provider.ts'
import { isRecord, readArray, stringsIn } from '../read.ts'
import { type ChatDialect, OPENAI_CHAT } from './dialects.ts'
import { rawUsageOf, readServiceTier, readUsage, statedCost } from './usage.ts'

const NOTHING: StreamEvent = { pieces: [], onlyUsage: false, emptyUsage: false }
const END: StreamEvent = { ...NOTHING, endsText: true }

/**
 * Reads a stream of `chat.completion.chunk` events. The last usage wins: where a provider sends several, they are
 * cumulative. It is final in a chunk without choices, in one that finishes a choice, and at the end mark; one that comes
 * with a delta tells of the output until then.
 */
export function openChatStream(dialect: ChatDialect = OPENAI_CHAT): StreamReader {
  let responseId: string | null = null
  let responseModel: string | null = null
  let serviceTier: AnswerFacts['serviceTier'] = null
  let usage: AnswerFacts['usage'] = null
  let usageSoFar: AnswerFacts['usage'] = null
  let rawUsage: unknown = null
  let outputBytes = 0
  let ended = false
  const open = new OpenCalls()

  function read(data: string): StreamEvent | null {
    if (data === '[DONE]') {
      ended = true
      return END
    }
    let chunk: unknown
    try {
      chunk = JSON.parse(data)
    } catch {
      return null
    }
    if (!isRecord(chunk)) return null
    if (responseId === null && typeof chunk.id === 'string' && chunk.id !== '') responseId = chunk.id
    if (responseModel === null && typeof chunk.model === 'string' && chunk.model !== '') responseModel = chunk.model
    if (typeof chunk.service_tier === 'string') serviceTier = readServiceTier(chunk.service_tier)
    const reported = rawUsageOf(chunk, dialect)
    const choices = readArray(chunk.choices)
    if (reported !== null) {
      rawUsage = reported
      usageSoFar = readUsage(reported, dialect)
      usage = choices.every(isFinished) ? usageSoFar : null
    }
    const pieces = choices.length === 0 ? NOTHING.pieces : readPieces(choices, open)
    const calls = choices.length === 0 ? NO_CALLS : joined(open.brought(), endedCalls(choices, open))
    for (const piece of pieces) outputBytes += Buffer.byteLength(piece.text)
    return {
      pieces,
      onlyUsage: choices.length === 0 && isRecord(reported) && Array.isArray(chunk.choices),
      emptyUsage: chunk.usage === null,
      ...(calls.length > 0 ? { calls } : {}),
    }
  }

  return {
    read,
    facts: () => ({
      responseId,
      responseModel,
      serviceTier,
      usage: ended ? usageSoFar : usage,
      ...(usageSoFar ? { started: usageSoFar } : {}),
      ...statedCost(rawUsage, dialect),
      rawUsage,
    }),
    outputBytes: () => outputBytes,
    ended: () => ended,
  }
}

const isFinished = (choice: unknown): boolean => isRecord(choice) && typeof choice.finish_reason === 'string'

const NO_CALLS: readonly EndedCall[] = []

const joined = (some: readonly EndedCall[], others: readonly EndedCall[]): readonly EndedCall[] =>
  some.length === 0 ? others : [...some, ...others]

/** A choice's calls are complete when it is: not before, since its parts may come in any order. */
function endedCalls(choices: readonly unknown[], open: OpenCalls): readonly EndedCall[] {
  if (!choices.some(isFinished)) return NO_CALLS
  return choices.flatMap((choice, at) => {
    if (!isRecord(choice) || !isFinished(choice)) return NO_CALLS
    const index = typeof choice.index === 'number' ? choice.index : at
    return open.end((channel) => channel.startsWith(`${index}.`))
  })
}

function readPieces(choices: readonly unknown[], open: OpenCalls): readonly TextPiece[] {
  const pieces: TextPiece[] = []
  for (let at = 0; at < choices.length; at++) {
    const choice = choices[at]
    if (!isRecord(choice)) continue
    const delta = choice.delta
    if (!isRecord(delta)) continue
    const index = typeof choice.index === 'number' ? choice.index : at
    for (const field in delta) {
      const value = delta[field]
      if (typeof value === 'string') {
        if (value !== '' && field !== 'role') {
          pieces.push({ channel: `${index}.${field}`, path: ['choices', at, 'delta', field], text: value })
        }
      } else if (field === 'tool_calls') addToolCalls(pieces, readArray(value), index, at, open)
      else if (field === 'function_call')
        addCall(pieces, value, `${index}.function_call`, ['choices', at, 'delta', field], open)
      else if (IN_PARTS.has(field)) addParts(pieces, value, `${index}.${field}`, ['choices', at, 'delta', field])
    }
  }
  return pieces
}

/** Members of a delta that some providers send in parts: Mistral's content with its thoughts, OpenRouter's reasoning. */
const IN_PARTS: ReadonlySet<string> = new Set(['content', 'reasoning_details'])
/** Members of a part that hold text. */
const PART_TEXTS = ['text', 'thinking', 'summary'] as const
const PART_LEVELS_MAX = 4

function addParts(
  pieces: TextPiece[],
  parts: unknown,
  channel: string,
  path: readonly (string | number)[],
  level = 0,
): void {
  if (level > PART_LEVELS_MAX) return
  readArray(parts).forEach((part, position) => {
    if (!isRecord(part)) return
    for (const field of PART_TEXTS) {
      const text = part[field]
      const at = [...path, position, field]
      if (typeof text === 'string' && text !== '') pieces.push({ channel: `${channel}.${field}`, path: at, text })
      else if (Array.isArray(text)) addParts(pieces, text, `${channel}.${field}`, at, level + 1)
    }
  })
}

/** Members of a call that hold the tool's name and what it is called with. */
const KINDS = ['function', 'custom'] as const

const namesTool = (body: unknown): boolean => isRecord(body) && typeof body.name === 'string' && body.name !== ''

/** What a part of a call brings of its text. */
function textOf(body: unknown): string {
  const text = isRecord(body) ? (body.arguments ?? body.input) : undefined
  return typeof text === 'string' ? text : ''
}

function addToolCalls(
  pieces: TextPiece[],
  calls: readonly unknown[],
  choice: number,
  at: number,
  open: OpenCalls,
): void {
  calls.forEach((call, position) => {
    if (!isRecord(call)) return
    const index = typeof call.index === 'number' ? call.index : position
    const place = `${choice}.tool.${index}`
    const isNamed = KINDS.some((kind) => namesTool(call[kind]))
    const channel = open.place(place, call.id, isNamed)
    for (const kind of KINDS) {
      const path = ['choices', at, 'delta', 'tool_calls', position, kind]
      addCall(pieces, call[kind], channel, path, open)
      open.came(place, textOf(call[kind]))
    }
  })
}

function addWholeCall(
  pieces: TextPiece[],
  args: Readonly<Record<string, unknown>>,
  tool: string | null,
  channel: string,
  root: readonly (string | number)[],
  open: OpenCalls,
): void {
  const channels = stringsIn(args, root).map(({ text, path }) => {
    const own = `${channel} ${path.join('.')}`
    pieces.push({ channel: own, path, text, isCall: true })
    return own
  })
  open.bring({ tool, channels, text: JSON.stringify(args) })
}

function addCall(
  pieces: TextPiece[],
  call: unknown,
  channel: string,
  path: readonly (string | number)[],
  open: OpenCalls,
): void {
  if (!isRecord(call)) return
  const { name } = call
  if (typeof name === 'string' && name !== '')
    pieces.push({ channel: `${channel}.name`, path: [...path, 'name'], text: name })
  for (const field of ['arguments', 'input']) {
    const text = call[field]
    // Some servers send it as it is, and not as the text of its JSON: then it is whole.
    if (isRecord(text)) addWholeCall(pieces, text, toolName(name), `${channel}.${field}`, [...path, field], open)
    if (typeof text !== 'string') continue
    open.begin(`${channel}.${field}`, name)
    if (text !== '') pieces.push({ channel: `${channel}.${field}`, path: [...path, field], text, isCall: true })
  }
}
