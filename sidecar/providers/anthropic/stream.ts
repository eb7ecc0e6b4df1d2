import { OpenCalls } from '../open-calls.ts'
import type { StreamEvent, StreamReader, TextPiece } from '../provider.ts'
import { isRecord, readArray } from '../read.ts'
import { answerStrings } from './segments.ts'
import { readFacts } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

const NOTHING: StreamEvent = { pieces: [], onlyUsage: false, emptyUsage: false }
const END: StreamEvent = { ...NOTHING, endsText: true }
/** Tokens around a call of a tool that no event shows: its tags, and those of its parameters. */
const CALL_TOKENS = 64

/** Members of a delta that hold text, and the channel that it belongs to: that of the block's own member. */
const TEXT_OF_DELTA: Readonly<Record<string, string>> = { text: 'text', thinking: 'thinking', partial_json: 'input' }

/**
 * Reads a stream of message events. What `message_start` reports of the usage is final for the input where the answer
 * is made in one go; each `message_delta` is cumulative and takes the place of what was known.
 * @param isInOneGo whether the model is asked once, without hosted tools in between; asked of a stream that broke off
 */
export function openMessageStream(isInOneGo: () => boolean): StreamReader {
  let message: Json = {}
  let usage: Json | null = null
  let isFinal = false
  let outputBytes = 0
  let ended = false
  const open = new OpenCalls()

  function read(data: string): StreamEvent | null {
    let event: unknown
    try {
      event = JSON.parse(data)
    } catch {
      return null
    }
    if (!isRecord(event)) return null
    switch (event.type) {
      case 'content_block_delta':
        return counted(readDelta(event.delta, indexOf(event)))
      case 'content_block_start':
        if (isCall(event.content_block)) {
          outputBytes += CALL_TOKENS
          open.begin(`${indexOf(event)}.input`, event.content_block.name)
        }
        return counted(readStrings(event.content_block, ['content_block'], indexOf(event)))
      case 'content_block_stop': {
        const calls = open.end((channel) => channel === `${indexOf(event)}.input`)
        return calls.length === 0 ? NOTHING : { ...NOTHING, calls }
      }
      case 'message_start':
        return counted(readStart(event.message))
      case 'message_delta':
        overwrite(event.usage)
        if (isRecord(event.delta) && typeof event.delta.stop_reason === 'string') isFinal = true
        return NOTHING
      case 'message_stop':
        ended = true
        return END
      default:
        return typeof event.type === 'string' ? NOTHING : null
    }
  }

  function counted(pieces: readonly TextPiece[]): StreamEvent {
    for (const { text } of pieces) outputBytes += Buffer.byteLength(text)
    return pieces.length === 0 ? NOTHING : { ...NOTHING, pieces }
  }

  /** A message may begin with blocks in it: calls that were put off, or what is gone on with. */
  function readStart(started: unknown): readonly TextPiece[] {
    if (!isRecord(started)) return NOTHING.pieces
    const { id, model, service_tier, usage: reported, content } = started
    message = { id, model, service_tier }
    overwrite(reported)
    return readArray(content).flatMap((block, index) =>
      readStrings(block, ['message', 'content', index], String(index)),
    )
  }

  function overwrite(reported: unknown): void {
    if (!isRecord(reported)) return
    const told = Object.entries(reported).filter(([, value]) => value !== null)
    usage = { ...usage, ...Object.fromEntries(told) }
  }

  return {
    read,
    facts: () => {
      const facts = readFacts(message, usage)
      if (isFinal || facts.usage === null) return facts
      return { ...facts, usage: null, ...(isInOneGo() ? { started: facts.usage } : { soFar: facts.usage }) }
    },
    outputBytes: () => outputBytes,
    ended: () => ended,
  }
}

const indexOf = (event: Json): string => (typeof event.index === 'number' ? String(event.index) : '?')

const isCall = (block: unknown): block is Json =>
  isRecord(block) && typeof block.type === 'string' && block.type.endsWith('tool_use')

function readDelta(delta: unknown, block: string): readonly TextPiece[] {
  if (!isRecord(delta)) return NOTHING.pieces
  for (const member in TEXT_OF_DELTA) {
    const text = delta[member]
    if (typeof text !== 'string') continue
    if (text === '') return NOTHING.pieces
    const piece = { channel: `${block}.${TEXT_OF_DELTA[member]}`, path: ['delta', member], text }
    if (member === 'partial_json') return [{ ...piece, isCall: true }]
    return [member === 'thinking' ? { ...piece, sealed: true } : piece]
  }
  const pieces = readStrings(delta, ['delta'], block)
  // A summary of what was compacted may be signed, in an event that is still to come.
  return delta.type === 'compaction_delta' ? pieces.map((piece) => ({ ...piece, sealed: true })) : pieces
}

/** Every text in a value, each in the channel of its member. */
const readStrings = (value: unknown, root: readonly (string | number)[], block: string): readonly TextPiece[] =>
  answerStrings(value, root).map(({ path, text, sealed }) => ({
    channel: `${block}.${path.slice(root.length).join('.')}`,
    path,
    text,
    ...(sealed ? { sealed } : {}),
  }))
