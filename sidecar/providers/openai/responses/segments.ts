import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { addDataUrl, type PassedOver, UNREAD } from '../../document.ts'
import { CalledTools, definedName, nameTool } from '../../named-tool.ts'
import { isRecord, readArray } from '../../read.ts'
import { readMessages } from '../../read-messages.ts'

type Path = readonly (string | number)[]
type Json = Readonly<Record<string, unknown>>

const SOURCE_BY_ROLE: Readonly<Record<string, SegmentSource>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  assistant: 'assistant',
  tool: 'tool_result',
}

/** Members that hold no text of anybody: settings, ids, and what is read on its own below. */
const REQUEST_SETTINGS = new Set([
  'input',
  'items',
  'instructions',
  'tools',
  'prompt',
  'model',
  'previous_response_id',
  'conversation',
  'tool_choice',
  'service_tier',
  'reasoning',
  'include',
  'stream_options',
  'truncation',
])
/** Members of an item or a part that hold none: kinds, ids, media, and what only the provider can read. */
const SETTINGS = new Set([
  'type',
  'id',
  'call_id',
  'item_id',
  'file_id',
  'container_id',
  'approval_request_id',
  'role',
  'status',
  'phase',
  'detail',
  'encrypted_content',
  'fingerprint',
  'file_data',
  'input_audio',
  'annotations',
  'logprobs',
  'prompt_cache_breakpoint',
])
/** Members that say what a tool is called with. */
const CALL_MEMBERS = new Set(['arguments', 'input', 'action', 'operation', 'code', 'queries', 'command', 'commands'])
/** Members that say what came of it. */
const RESULT_MEMBERS = new Set(['output', 'outputs', 'result', 'results', 'error'])
/** How deep parts are read one by one; what lies deeper is read as one JSON text. */
const DEPTH_MAX = 8

/** Text of the instructions, of every item, tool definition and free-form member of a request. */
export function requestSegments(json: Json, passedOver: PassedOver = UNREAD): readonly Segment[] {
  const segments: Segment[] = []
  addItems(segments, 'system', ['instructions'], json.instructions, passedOver)
  addItems(segments, 'user', ['input'], json.input, passedOver)
  // What a conversation begins with, or gets.
  addItems(segments, 'user', ['items'], json.items, passedOver)
  addTools(segments, ['tools'], json.tools, null)
  if (isRecord(json.prompt)) {
    for (const key of Object.keys(json.prompt))
      if (!SETTINGS.has(key)) addValue(segments, 'user', ['prompt', key], key, json.prompt[key], 0, passedOver)
  } else addJson(segments, 'user', ['prompt'], json.prompt)
  for (const key of Object.keys(json)) if (!REQUEST_SETTINGS.has(key)) addJson(segments, 'user', [key], json[key])
  return segments
}

/** Text of every item of a plain answer. What it repeats of the request was judged there. */
export function answerSegments(json: unknown): readonly Segment[] {
  return isRecord(json) ? answerStrings(json.output, ['output']) : []
}

/** Text of an item, a part or a list of them of an answer. */
export function answerStrings(value: unknown, path: Path): readonly Segment[] {
  const segments: Segment[] = []
  addItems(segments, 'assistant', path, value, UNREAD)
  return segments
}

/** Reads a text, an item, or a list of them. */
function addItems(into: Segment[], source: SegmentSource, path: Path, value: unknown, passedOver: PassedOver): void {
  if (!Array.isArray(value)) {
    addItem(into, source, path, value, new CalledTools(), passedOver)
    return
  }
  readMessages(into, value, SOURCE_BY_ROLE, passedOver, (item, index, called, told) => {
    addItem(into, source, [...path, index], item, called, told)
  })
}

/** An item that calls a tool names it, and one that tells a result names the call. */
function addItem(
  into: Segment[],
  source: SegmentSource,
  path: Path,
  item: unknown,
  called: CalledTools,
  passedOver: PassedOver,
): void {
  const from = into.length
  addPart(into, source, path, item, 0, passedOver)
  if (!isRecord(item) || item.type === 'mcp_list_tools') return
  called.note(item.call_id, item.name)
  if (typeof item.type === 'string' && sourceOfType(item.type)?.startsWith('tool_'))
    nameTool(into, from, item.name ?? called.of(item.call_id) ?? item.type)
}

/** Reads one item or part: each of its members from whom it is. */
function addPart(
  into: Segment[],
  from: SegmentSource,
  path: Path,
  part: unknown,
  depth: number,
  passedOver: PassedOver,
): void {
  if (!isRecord(part) || depth > DEPTH_MAX) {
    addJson(into, from, path, part)
    return
  }
  const { role, type } = part
  const source = (typeof role === 'string' ? SOURCE_BY_ROLE[role] : undefined) ?? sourceOfType(type) ?? from
  // A picture that the provider made is bytes, wherever it stands.
  const isPicture = type === 'image_generation_call'
  for (const key of Object.keys(part)) {
    const file = part[key]
    if (key === 'file_data' && typeof file === 'string') addDataUrl(into, source, [...path, key], file, passedOver)
    if (key === 'input_audio') passedOver('audio')
    if (SETTINGS.has(key) && (typeof part[key] !== 'object' || HOLDS_NO_TEXT.has(key))) continue
    if (isPicture && key === 'result') continue
    if (CALL_MEMBERS.has(key)) addJson(into, 'tool_call', [...path, key], part[key])
    else if (key === 'tools')
      addTools(into, [...path, key], part[key], type === 'mcp_list_tools' ? part.server_label : null)
    else
      addValue(
        into,
        RESULT_MEMBERS.has(key) ? 'tool_result' : source,
        [...path, key],
        key,
        part[key],
        depth,
        passedOver,
      )
  }
}

/** Settings that are objects or lists. */
const HOLDS_NO_TEXT = new Set(['input_audio', 'annotations', 'logprobs', 'prompt_cache_breakpoint'])

/** Whose an item is that has no role, but for what its members say; `null` for one that is part of something else. */
function sourceOfType(type: unknown): SegmentSource | null {
  if (typeof type !== 'string') return null
  if (type.endsWith('_output')) return 'tool_result'
  if (type.endsWith('_call') || type.endsWith('_request')) return 'tool_call'
  if (type === 'mcp_list_tools') return 'tool_definition'
  return type === 'reasoning' || type === 'program' ? 'assistant' : null
}

/** Reads a member: a link is read, a file in its place only if it is text. */
function addValue(
  into: Segment[],
  source: SegmentSource,
  path: Path,
  key: string,
  value: unknown,
  depth: number,
  passedOver: PassedOver,
): void {
  if (typeof value === 'string') {
    const isMedia = /url$/.test(key) && value.startsWith('data:')
    if (isMedia) addDataUrl(into, source, path, value, passedOver)
    else addText(into, source, path, value)
  } else if (Array.isArray(value))
    value.forEach((each, index) => {
      addPart(into, source, [...path, index], each, depth + 1, passedOver)
    })
  else if (isRecord(value)) addPart(into, source, path, value, depth + 1, passedOver)
}

/** A server's credentials go where they are meant to go; everything else of a definition is judged. */
const CREDENTIALS = new Set(['authorization', 'headers'])

/** @param server whose the tools are that it listed: two servers may have one of the same name */
function addTools(into: Segment[], path: Path, tools: unknown, server: unknown): void {
  if (!Array.isArray(tools)) addJson(into, 'tool_definition', path, tools)
  readArray(tools).forEach((tool, index) => {
    const from = into.length
    if (!isRecord(tool) || !Object.keys(tool).some((key) => CREDENTIALS.has(key)))
      addJson(into, 'tool_definition', [...path, index], tool)
    else
      for (const key of Object.keys(tool))
        if (!CREDENTIALS.has(key)) addJson(into, 'tool_definition', [...path, index, key], tool[key])
    const name = definedName(tool)
    nameTool(into, from, typeof server === 'string' && typeof name === 'string' ? `${server}/${name}` : name)
  })
}

function addText(into: Segment[], source: SegmentSource, path: Path, text: string): void {
  if (text !== '') into.push({ source, path, text })
}

/** A value without a fixed shape is read as its JSON text; a string as itself. */
function addJson(into: Segment[], source: SegmentSource, path: Path, value: unknown): void {
  if (typeof value === 'string') addText(into, source, path, value)
  else if (typeof value === 'object' && value !== null) into.push({ source, path, text: JSON.stringify(value) })
}
