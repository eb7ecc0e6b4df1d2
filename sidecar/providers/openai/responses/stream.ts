import { toolName } from '../../named-tool.ts'
import { OpenCalls } from '../../open-calls.ts'
import type { AnswerFacts, EndedCall, StreamEvent, StreamReader, TextPiece } from '../../provider.ts'
import { isRecord, readArray } from '../../read.ts'
import { answerStrings } from './segments.ts'
import { readFacts } from './usage.ts'

type Json = Readonly<Record<string, unknown>>
type Path = readonly (string | number)[]

const NOTHING: StreamEvent = { pieces: [], onlyUsage: false, emptyUsage: false }

/** Members of an event that hold text: what is added, or the whole of what was added before. */
const TEXTS = [
  'text',
  'arguments',
  'refusal',
  'input',
  'code',
  'command',
  'transcript',
  'diff',
  'part',
  'item',
  'output',
]
/** Events whose delta is sound or a picture. */
const HOLDS_BYTES: ReadonlySet<string> = new Set(['response.audio.delta'])
/** Events behind which nothing comes. */
const ENDS: ReadonlySet<string> = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
])
/** Tokens around an item that no event shows: the name of what is called stands in it, its tags do not. */
const ITEM_TOKENS = 16

/**
 * Reads a stream of response events. Text comes in pieces, and then again and again whole: when its part is done, its
 * item, and the response. Every repetition is judged, and none is counted. What was used is told by the last event alone.
 */
export function openResponseStream(): StreamReader {
  let last: Json = {}
  let facts: AnswerFacts | null = null
  let ended = false
  let sequence = -1
  const items: unknown[] = []
  /** Bytes of each output item: those of its pieces, or those of the whole where it was not told in pieces. */
  const bytes = new Map<number, number>()
  /** What the tool of each output item is called. */
  const tools = new Map<number, unknown>()
  const open = new OpenCalls()

  function read(data: string): StreamEvent | null {
    // Not of this API, but compatible servers may end a stream as they end a chat.
    if (data === '[DONE]') return NOTHING
    let event: unknown
    try {
      event = JSON.parse(data)
    } catch {
      return null
    }
    if (!isRecord(event) || typeof event.type !== 'string') return null
    if (typeof event.sequence_number === 'number') sequence = event.sequence_number
    if (event.delta !== undefined) return added(event, event.type)
    if (isRecord(event.response)) return whole(event.response, event.type)
    if (isRecord(event.item)) tools.set(indexOf(event), event.item.name ?? event.item.type)
    const pieces = readWhole(event, event.type)
    const ended = event.type.endsWith('.done') ? open.end((channel) => isOfItem(channel, event)) : NO_CALLS
    if (event.type === 'response.output_item.done') {
      // What it says is not kept: only the hosted calls among them are counted.
      if (isRecord(event.item)) items.push({ type: event.item.type, action: event.item.action })
      counted(indexOf(event), ITEM_TOKENS + bytesOf(pieces), false)
    }
    return told(pieces, [...ended, ...wholeCalls(pieces, tools.get(indexOf(event)))])
  }

  /** What the tool of an item is called: as it says itself at the end, or as it was told before. */
  function toolIn(output: unknown, at: number): unknown {
    const item = readArray(output)[at]
    return (isRecord(item) ? (item.name ?? item.type) : undefined) ?? tools.get(at)
  }

  function added(event: Json, type: string): StreamEvent {
    if (HOLDS_BYTES.has(type)) return NOTHING
    const isCall = CALL_DELTA.test(type)
    const channel = isCall ? callChannel(event, type) : channelOf(event, type)
    if (isCall) open.begin(channel, tools.get(indexOf(event)))
    const pieces: readonly TextPiece[] =
      typeof event.delta === 'string'
        ? event.delta === ''
          ? NOTHING.pieces
          : [{ channel, path: ['delta'], text: event.delta, ...(isCall ? IS_CALL : {}) }]
        : strings(event.delta, ['delta'], channel)
    counted(indexOf(event), bytesOf(pieces), true)
    return pieces.length === 0 ? NOTHING : { ...NOTHING, pieces }
  }

  function counted(index: number, count: number, adds: boolean): void {
    const known = bytes.get(index) ?? 0
    bytes.set(index, adds ? known + count : Math.max(known, count))
  }

  function whole(response: Json, type: string): StreamEvent {
    last = response
    if (ENDS.has(type)) {
      ended = true
      facts = readFacts(response, items)
    }
    const pieces = strings(response.output, ['response', 'output'], type)
    const calls = pieces.flatMap((piece) => wholeCalls([piece], toolIn(response.output, Number(piece.path[2]))))
    return { ...told(pieces, calls), ...(ENDS.has(type) ? { endsText: true } : {}) }
  }

  return {
    read,
    facts: () => facts ?? readFacts(last),
    outputBytes: () => [...bytes.values()].reduce((sum, count) => sum + count, 0),
    ended: () => ended,
    sequenceNumber: () => sequence,
  }
}

/** Events that add to what a tool is called with. */
const CALL_DELTA = /_call(?:_\w+)?\.delta$/
/** Events that tell that once more, whole. */
const CALL_DONE = /_call(?:_\w+)?\.done$/
/** Of those, the ones of a shell, which is given several commands. */
const SHELL = /\.shell_call_\w+\.delta$/
const IS_CALL = { isCall: true } as const
const NO_CALLS: readonly EndedCall[] = []

const isOfItem = (channel: string, { output_index }: Json): boolean => channel.split(' ')[1] === String(output_index)

function told(pieces: readonly TextPiece[], calls: readonly EndedCall[]): StreamEvent {
  if (calls.length > 0) return { ...NOTHING, pieces, calls }
  return pieces.length === 0 ? NOTHING : { ...NOTHING, pieces }
}

/** Calls that an event repeats whole. */
const wholeCalls = (pieces: readonly TextPiece[], tool: unknown): readonly EndedCall[] =>
  pieces
    .filter(({ isCall }) => isCall)
    .map(({ channel }) => ({ tool: toolName(tool), channels: [channel], text: null }))

/** Where an event's text belongs: pieces of one text follow each other, in an item and in a part of it. */
const channelOf = ({ output_index, content_index, summary_index, command_index }: Json, type: string): string =>
  `${type} ${String(output_index)} ${String(content_index ?? summary_index ?? command_index)}`

/** The same of a call: an item is called with one text, whatever part of it is named; a shell with one a command. */
const callChannel = ({ output_index, command_index }: Json, type: string): string =>
  `${type} ${String(output_index)} ${SHELL.test(type) ? String(command_index) : ''}`

const indexOf = ({ output_index }: Json): number => (typeof output_index === 'number' ? output_index : -1)

/** What an event tells whole. */
function readWhole(event: Json, type: string): readonly TextPiece[] {
  const pieces: TextPiece[] = []
  for (const member of TEXTS) {
    const value = event[member]
    if (typeof value === 'string' ? value === '' : typeof value !== 'object' || value === null) continue
    const found = strings(value, [member], channelOf(event, type))
    pieces.push(...(CALL_DONE.test(type) ? found.map((piece) => ({ ...piece, ...IS_CALL })) : found))
  }
  return pieces
}

/** Every text in a value, each in a channel of its own: no two of them are one text. */
const strings = (value: unknown, root: Path, channel: string): readonly TextPiece[] =>
  leaves(value, root).map(({ path, text, isCall }) => ({
    channel: `${channel} ${path.join('.')}`,
    path,
    text,
    ...(isCall ? IS_CALL : {}),
  }))

/** What is read of an item as one JSON text is read of an event string by string: a piece is a string. */
function leaves(
  value: unknown,
  root: Path,
): readonly { readonly path: Path; readonly text: string; readonly isCall: boolean }[] {
  return answerStrings(value, root).flatMap(({ path, text, source }) => {
    let found = value
    for (const step of path.slice(root.length)) found = Reflect.get(Object(found), step)
    const isCall = source === 'tool_call'
    return (typeof found === 'string' ? [{ path, text }] : stringsIn(found, path)).map((leaf) => ({ ...leaf, isCall }))
  })
}

function stringsIn(value: unknown, path: Path): readonly { readonly path: Path; readonly text: string }[] {
  if (typeof value === 'string') return value === '' ? [] : [{ path, text: value }]
  if (Array.isArray(value)) return value.flatMap((each, index) => stringsIn(each, [...path, index]))
  return isRecord(value) ? Object.keys(value).flatMap((key) => stringsIn(value[key], [...path, key])) : []
}

const bytesOf = (pieces: readonly TextPiece[]): number =>
  pieces.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
