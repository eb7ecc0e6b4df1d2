import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { type PassedOver, UNREAD } from '../document.ts'
import { definedName, nameTool } from '../named-tool.ts'
import { isRecord, readArray } from '../read.ts'

type Path = readonly (string | number)[]
type Json = Readonly<Record<string, unknown>>

const SOURCE_BY_ROLE: Readonly<Record<string, SegmentSource>> = {
  system: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool_result',
}
const SOURCE_BY_MEMBER: Readonly<Record<string, SegmentSource>> = { system: 'system', template: 'system' }

/** Members that hold no text of anybody: settings, pictures, tokens, and what is read on its own below. */
const REQUEST_SETTINGS = new Set(['model', 'messages', 'tools', 'options', 'keep_alive', 'images', 'context', 'think'])
const MESSAGE_SETTINGS = new Set(['role', 'images', 'tool_calls', 'tool_name'])

/** Text of every message, tool call, tool definition and free-form member of a request. */
export function requestSegments(json: Json, passedOver: PassedOver = UNREAD): readonly Segment[] {
  const segments: Segment[] = []
  countPictures(json, passedOver)
  if (!Array.isArray(json.messages)) addJson(segments, 'user', ['messages'], json.messages)
  readArray(json.messages).forEach((message, index) => {
    if (isRecord(message)) {
      countPictures(message, passedOver)
      addMessage(segments, message, ['messages', index])
    } else addJson(segments, 'user', ['messages', index], message)
  })
  if (!Array.isArray(json.tools)) addJson(segments, 'tool_definition', ['tools'], json.tools)
  readArray(json.tools).forEach((tool, index) => {
    const from = segments.length
    addJson(segments, 'tool_definition', ['tools', index], tool)
    nameTool(segments, from, definedName(tool))
  })
  for (const key of Object.keys(json)) {
    if (key === 'input') addEach(segments, 'user', [key], json[key])
    else if (!REQUEST_SETTINGS.has(key)) addJson(segments, SOURCE_BY_MEMBER[key] ?? 'user', [key], json[key])
  }
  return segments
}

/** Text of a plain answer: a message, or a completion and what was thought before it. */
export function answerSegments(json: unknown): readonly Segment[] {
  const segments: Segment[] = []
  if (!isRecord(json)) return segments
  if (isRecord(json.message)) addMessage(segments, { ...json.message, role: 'assistant' }, ['message'])
  for (const key of ['response', 'thinking']) addJson(segments, 'assistant', [key], json[key])
  return segments
}

function countPictures({ images }: Json, passedOver: PassedOver): void {
  for (const _ of readArray(images)) passedOver('image')
}

function addMessage(into: Segment[], message: Json, path: Path): void {
  const { role } = message
  const source = (typeof role === 'string' ? SOURCE_BY_ROLE[role] : undefined) ?? 'user'
  readArray(message.tool_calls).forEach((call, index) => {
    const body = isRecord(call) ? call.function : undefined
    if (!isRecord(body)) return
    const before = into.length
    addJson(into, 'tool_call', [...path, 'tool_calls', index, 'function', 'arguments'], body.arguments)
    nameTool(into, before, body.name)
  })
  const from = into.length
  for (const key of Object.keys(message)) {
    if (!MESSAGE_SETTINGS.has(key)) addJson(into, source, [...path, key], message[key])
  }
  if (source === 'tool_result') nameTool(into, from, message.tool_name)
}

function addEach(into: Segment[], source: SegmentSource, path: Path, value: unknown): void {
  if (!Array.isArray(value)) addJson(into, source, path, value)
  readArray(value).forEach((element, index) => {
    addJson(into, source, [...path, index], element)
  })
}

/** A value without a fixed shape is read as its JSON text; a string as itself. */
function addJson(into: Segment[], source: SegmentSource, path: Path, value: unknown): void {
  if (typeof value === 'string') {
    if (value !== '') into.push({ source, path, text: value })
  } else if (typeof value === 'object' && value !== null) into.push({ source, path, text: JSON.stringify(value) })
}
