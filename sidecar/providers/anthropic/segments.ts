import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { addFile, type PassedOver, UNREAD } from '../document.ts'
import { type CalledTools, definedName, nameTool } from '../named-tool.ts'
import { isRecord, readArray } from '../read.ts'
import { readMessages } from '../read-messages.ts'

type Path = readonly (string | number)[]
type Json = Readonly<Record<string, unknown>>

const SOURCE_BY_ROLE: Readonly<Record<string, SegmentSource>> = { system: 'system', assistant: 'assistant' }

/** Members that hold no text of anybody: settings, ids, and what is read on its own below. */
const REQUEST_SETTINGS = new Set([
  'messages',
  'system',
  'tools',
  'mcp_servers',
  'model',
  'service_tier',
  'speed',
  'inference_geo',
])
/** Members of a block that hold none as long as they are strings: ids, kinds, and what only the provider can read. */
const BLOCK_SETTINGS = new Set([
  'type',
  'id',
  'tool_use_id',
  'file_id',
  'name',
  'signature',
  'media_type',
  'cache_control',
  'caller',
  'encrypted_content',
  'encrypted_index',
  'encrypted_stdout',
])
/** How deep blocks are read one by one; what lies deeper is read as one JSON text. */
const DEPTH_MAX = 16

/** Text of the system prompt, of every message, tool definition and free-form member of a request. */
export function requestSegments(json: Json, passedOver: PassedOver = UNREAD): readonly Segment[] {
  const segments: Segment[] = []
  addBlocks(segments, { ...SYSTEM, passedOver }, ['system'], json.system)
  if (!Array.isArray(json.messages)) addBlocks(segments, USER, ['messages'], json.messages)
  readMessages(segments, readArray(json.messages), SOURCE_BY_ROLE, passedOver, (message, index, called, told) => {
    if (!isRecord(message)) {
      addBlocks(segments, USER, ['messages', index], message)
      return
    }
    const source = (typeof message.role === 'string' ? SOURCE_BY_ROLE[message.role] : undefined) ?? 'user'
    for (const key of Object.keys(message))
      if (key !== 'role')
        addBlocks(segments, { ...SYSTEM, source, called, passedOver: told }, ['messages', index, key], message[key])
  })
  for (const key of ['tools', 'mcp_servers']) {
    if (!Array.isArray(json[key])) addJson(segments, 'tool_definition', [key], json[key])
    readArray(json[key]).forEach((tool, index) => {
      const from = segments.length
      // A credential goes where it is meant to go; everything else is judged.
      if (!isRecord(tool) || typeof tool.authorization_token !== 'string')
        addJson(segments, 'tool_definition', [key, index], tool)
      else
        for (const member of Object.keys(tool))
          if (member !== 'authorization_token') addJson(segments, 'tool_definition', [key, index, member], tool[member])
      nameTool(segments, from, definedName(tool))
    })
  }
  for (const key of Object.keys(json)) if (!REQUEST_SETTINGS.has(key)) addJson(segments, 'user', [key], json[key])
  return segments
}

/** Text of every block of a plain answer. */
export function answerSegments(json: unknown): readonly Segment[] {
  const segments: Segment[] = []
  addBlocks(segments, ANSWER, ['content'], isRecord(json) ? json.content : undefined)
  return segments
}

/** Every string of a piece of a streamed answer that is text. */
export function answerStrings(value: unknown, path: Path): readonly Segment[] {
  const segments: Segment[] = []
  addBlocks(segments, { ...ANSWER, callsWhole: false }, path, value)
  return segments
}

/** What is known of the text that is being read. */
interface Reading {
  readonly source: SegmentSource
  readonly sealed: boolean
  /** Whether the input of a tool is one JSON text; else it is read string by string. */
  readonly callsWhole: boolean
  /** The calls before it; left out where there are none. */
  readonly called?: CalledTools
  readonly passedOver: PassedOver
}

const SYSTEM: Reading = { source: 'system', sealed: false, callsWhole: true, passedOver: UNREAD }
const USER: Reading = { ...SYSTEM, source: 'user' }
const ANSWER: Reading = { ...SYSTEM, source: 'assistant' }

/** Reads a text, a block, or a list of them. */
function addBlocks(into: Segment[], reading: Reading, path: Path, value: unknown, depth = 0): void {
  if (typeof value === 'string') addText(into, reading, path, value)
  else if (depth > DEPTH_MAX) addJson(into, reading.source, path, value)
  else if (Array.isArray(value))
    value.forEach((each, index) => {
      addBlocks(into, reading, [...path, index], each, depth + 1)
    })
  else if (isRecord(value)) addBlock(into, reading, path, value, depth)
}

function addBlock(into: Segment[], reading: Reading, path: Path, block: Json, depth: number): void {
  const kind = typeof block.type === 'string' ? block.type : ''
  if (kind.endsWith('tool_use') && reading.callsWhole) {
    const from = into.length
    addJson(into, 'tool_call', [...path, 'input'], block.input)
    nameTool(into, from, block.name)
    reading.called?.note(block.id, block.name)
    return
  }
  const inner: Reading = {
    ...reading,
    source: kind.endsWith('tool_result') ? 'tool_result' : reading.source,
    sealed: reading.sealed || isSealed(block, kind),
  }
  const from = into.length
  for (const key of Object.keys(block)) {
    const value = block[key]
    const isBytes = key === 'data' && HOLDS_BYTES.has(kind)
    if (isBytes && kind === 'base64' && typeof value === 'string')
      addFile(into, inner.source, [...path, key], mediaTypeOf(block), value, inner.passedOver)
    const isSetting = BLOCK_SETTINGS.has(key) || isBytes
    if (!isSetting || typeof value !== 'string') addBlocks(into, inner, [...path, key], value, depth + 1)
  }
  if (inner.source === 'tool_result' && reading.source !== 'tool_result')
    nameTool(into, from, reading.called?.of(block.tool_use_id))
}

const mediaTypeOf = ({ media_type: type }: Json): string => (typeof type === 'string' ? type : '')

const HOLDS_BYTES: ReadonlySet<string> = new Set(['base64', 'redacted_thinking'])

/** Thinking, and whatever else is signed: the provider refuses it, in a later turn, if a byte was changed. */
const isSealed = (block: Json, kind: string): boolean => kind === 'thinking' || typeof block.signature === 'string'

function addText(into: Segment[], { source, sealed }: Reading, path: Path, text: string): void {
  if (text !== '') into.push(sealed ? { source, path, text, sealed } : { source, path, text })
}

/** A value without a fixed shape is read as its JSON text; a string as itself. */
function addJson(into: Segment[], source: SegmentSource, path: Path, value: unknown): void {
  if (typeof value === 'string') addText(into, { ...SYSTEM, source }, path, value)
  else if (typeof value === 'object' && value !== null) into.push({ source, path, text: JSON.stringify(value) })
}
