import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { addDataUrl, type PassedOver, UNREAD } from '../document.ts'
import { CalledTools, definedName, nameTool } from '../named-tool.ts'
import { isRecord, readArray } from '../read.ts'
import { readMessages } from '../read-messages.ts'

type Path = readonly (string | number)[]

const SOURCE_BY_ROLE: Readonly<Record<string, SegmentSource>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool_result',
  function: 'tool_result',
}

/** Members that hold no text of anybody: settings, ids, and what is read on its own below. */
const REQUEST_SETTINGS = new Set([
  'messages',
  'tools',
  'functions',
  'model',
  'tool_choice',
  'function_call',
  'service_tier',
  'reasoning_effort',
  'verbosity',
  'stream_options',
  'modalities',
  'logit_bias',
  'audio',
])
const MESSAGE_SETTINGS = new Set([
  'role',
  'content',
  'tool_calls',
  'function_call',
  'tool_call_id',
  'audio',
  'annotations',
])

/** Members of a content part that hold no text: its kind, sound, and where a cache ends. */
const PART_SETTINGS = new Set(['type', 'cache_control'])

/** Text of every message, tool call, tool definition and free-form member of a chat request. */
export function requestSegments(
  json: Readonly<Record<string, unknown>>,
  passedOver: PassedOver = UNREAD,
): readonly Segment[] {
  const segments: Segment[] = []
  if (!Array.isArray(json.messages)) addJson(segments, 'user', ['messages'], json.messages)
  readMessages(segments, readArray(json.messages), SOURCE_BY_ROLE, passedOver, (message, index, called, told) => {
    if (isRecord(message)) addMessage(segments, message, ['messages', index], called, told)
    else addJson(segments, 'user', ['messages', index], message)
  })
  for (const key of ['tools', 'functions']) {
    if (!Array.isArray(json[key])) addJson(segments, 'tool_definition', [key], json[key])
    readArray(json[key]).forEach((tool, index) => {
      const from = segments.length
      addJson(segments, 'tool_definition', [key, index], tool)
      nameTool(segments, from, definedName(tool))
    })
  }
  for (const key of Object.keys(json)) {
    if (!REQUEST_SETTINGS.has(key)) addJson(segments, 'user', [key], json[key])
  }
  return segments
}

/** Text of every choice of a plain answer. */
export function answerSegments(json: unknown): readonly Segment[] {
  const segments: Segment[] = []
  readArray(isRecord(json) ? json.choices : undefined).forEach((choice, index) => {
    const message = isRecord(choice) ? choice.message : undefined
    if (isRecord(message))
      addMessage(segments, { ...message, role: 'assistant' }, ['choices', index, 'message'], new CalledTools(), UNREAD)
  })
  return segments
}

function addMessage(
  into: Segment[],
  message: Readonly<Record<string, unknown>>,
  path: Path,
  called: CalledTools,
  passedOver: PassedOver,
): void {
  const role = message.role
  const source = (typeof role === 'string' ? SOURCE_BY_ROLE[role] : undefined) ?? 'user'
  const from = into.length
  addContent(into, source, [...path, 'content'], message.content, passedOver)
  if (source === 'tool_result') nameTool(into, from, message.name ?? called.of(message.tool_call_id))
  called.noteAll(message.tool_calls)
  readArray(message.tool_calls).forEach((call, index) => {
    if (!isRecord(call)) return
    for (const kind of ['function', 'custom']) {
      const body = call[kind]
      if (!isRecord(body)) continue
      const before = into.length
      for (const field of ['arguments', 'input']) {
        addText(into, 'tool_call', [...path, 'tool_calls', index, kind, field], body[field])
      }
      nameTool(into, before, body.name)
    }
  })
  const legacy = message.function_call
  if (isRecord(legacy)) {
    const before = into.length
    addText(into, 'tool_call', [...path, 'function_call', 'arguments'], legacy.arguments)
    nameTool(into, before, legacy.name)
  }
  for (const key of Object.keys(message)) {
    if (!MESSAGE_SETTINGS.has(key)) addJson(into, source, [...path, key], message[key])
  }
}

/** A message's content: a string, or parts of which text, refusals and files of text are read and other media are passed over. */
function addContent(
  into: Segment[],
  source: SegmentSource,
  path: Path,
  content: unknown,
  passedOver: PassedOver,
): void {
  if (!Array.isArray(content)) {
    addJson(into, source, path, content)
    return
  }
  readArray(content).forEach((part, index) => {
    if (isRecord(part)) addPart(into, source, [...path, index], part, passedOver)
    else addJson(into, source, [...path, index], part)
  })
}

/** What a server that is more lenient than OpenAI's may read is read here as well. */
function addPart(
  into: Segment[],
  source: SegmentSource,
  path: Path,
  part: Readonly<Record<string, unknown>>,
  passedOver: PassedOver,
): void {
  for (const key of Object.keys(part)) {
    const value = part[key]
    const at = [...path, key]
    if (key === 'image_url') {
      if (isRecord(value)) addLink(into, source, [...at, 'url'], value.url, passedOver)
      else addLink(into, source, at, value, passedOver)
    } else if (key === 'file' && isRecord(value)) {
      if (typeof value.file_data === 'string')
        addDataUrl(into, source, [...at, 'file_data'], value.file_data, passedOver)
    } else if (key === 'input_audio' && isRecord(value)) passedOver('audio')
    else if (!PART_SETTINGS.has(key)) addJson(into, source, at, value)
  }
}

function addLink(into: Segment[], source: SegmentSource, path: Path, url: unknown, passedOver: PassedOver): void {
  if (typeof url !== 'string') return
  if (url.startsWith('data:')) addDataUrl(into, source, path, url, passedOver)
  else addText(into, source, path, url)
}

function addText(into: Segment[], source: SegmentSource, path: Path, text: unknown): void {
  if (typeof text === 'string' && text !== '') into.push({ source, path, text })
}

/** A value without a fixed shape is read as its JSON text; a string as itself. */
export function addJson(into: Segment[], source: SegmentSource, path: Path, value: unknown): void {
  if (typeof value === 'string') addText(into, source, path, value)
  else if (typeof value === 'object' && value !== null) into.push({ source, path, text: JSON.stringify(value) })
}
