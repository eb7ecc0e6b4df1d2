import { toolName } from '../named-tool.ts'
import type { AnswerFacts, EndedCall, StreamEvent, StreamReader, TextPiece } from '../provider.ts'
import { isRecord, readArray, stringsIn } from '../read.ts'
import { readFacts } from './usage.ts'

const NOTHING_SAID: AnswerFacts = {
  responseId: null,
  responseModel: null,
  serviceTier: null,
  usage: null,
  rawUsage: null,
}
/** Signs that a model writes around what it thinks and calls, counted as output and not shown; and its last one. */
const HIDDEN_SIGNS_BYTES = 32

/** Reads a stream of lines: each a piece of the answer, the last one `done`, with the usage. */
export function openStream(): StreamReader {
  let facts = NOTHING_SAID
  let outputBytes = HIDDEN_SIGNS_BYTES
  let calls = 0
  let ended = false

  function read(data: string): StreamEvent | null {
    let line: unknown
    try {
      line = JSON.parse(data)
    } catch {
      return null
    }
    if (!isRecord(line)) return null
    if (line.done === true) {
      ended = true
      facts = readFacts(line, true)
    } else if (facts.responseModel === null) facts = { ...facts, responseModel: readFacts(line, true).responseModel }
    const pieces: TextPiece[] = []
    for (const key of ['response', 'thinking']) addText(pieces, key, [key], line[key])
    const { message } = line
    if (isRecord(message)) {
      for (const key in message) {
        if (key !== 'role' && key !== 'tool_calls') addText(pieces, key, ['message', key], message[key])
      }
    }
    for (const { text } of pieces) outputBytes += Buffer.byteLength(text)
    const called = readArray(isRecord(message) ? message.tool_calls : undefined)
    if (called.length > 0) outputBytes += Buffer.byteLength(JSON.stringify(called)) + called.length * HIDDEN_SIGNS_BYTES
    const whole = called.map((call, at) => readCall(pieces, call, ['message', 'tool_calls', at]))
    return {
      pieces,
      onlyUsage: false,
      emptyUsage: false,
      endsText: ended && pieces.length === 0,
      ...(whole.length > 0 ? { calls: whole } : {}),
    }
  }

  /** A call comes whole in one line: it is judged whole, and redacted string by string. */
  function readCall(into: TextPiece[], call: unknown, root: readonly (string | number)[]): EndedCall {
    const channels: string[] = []
    for (const { text, path } of stringsIn(call, root)) {
      const channel = `tool.${calls++}`
      channels.push(channel)
      into.push({ channel, path, text, isCall: true })
    }
    const body = isRecord(call) ? call.function : undefined
    const { name, arguments: args } = isRecord(body) ? body : {}
    return { tool: toolName(name), channels, text: JSON.stringify(args ?? call ?? null) }
  }

  return { read, facts: () => facts, outputBytes: () => outputBytes, ended: () => ended }
}

function addText(into: TextPiece[], channel: string, path: readonly string[], text: unknown): void {
  if (typeof text === 'string' && text !== '') into.push({ channel, path, text })
}
