import type { Segment, SegmentSource } from '@agentcostcontrol/contract'
import { addFile, type PassedOver, UNREAD } from '../document.ts'
import { nameTool } from '../named-tool.ts'
import { isRecord } from '../read.ts'
import { readMessages } from '../read-messages.ts'
import { elementsOf, type Found, fieldName, fieldsOf, itemsOf } from './proto.ts'

const SOURCE_BY_ROLE: Readonly<Record<string, SegmentSource>> = {
  system: 'system',
  user: 'user',
  model: 'assistant',
  function: 'tool_result',
  tool: 'tool_result',
}

/** Members that hold no text of anybody: settings and ids. */
const REQUEST_SETTINGS = new Set(['model', 'toolConfig', 'safetySettings', 'cachedContent', 'serviceTier', 'store'])
/** What of a generation config holds text. */
const CONFIG_TEXTS = ['stopSequences', 'responseSchema', 'responseJsonSchema', '_responseJsonSchema']
const PART_SETTINGS = new Set(['thought', 'thoughtSignature', 'videoMetadata', 'mediaResolution', 'mediaProcessing'])

/** Text of every turn, instruction, tool definition and free-form member of a request. */
export function requestSegments(
  json: Readonly<Record<string, unknown>>,
  passedOver: PassedOver = UNREAD,
): readonly Segment[] {
  const segments: Segment[] = []
  for (const key in json) {
    const found = { path: [key], value: json[key] }
    const name = fieldName(key)
    if (name === 'contents' || name === 'content') {
      readMessages(segments, listOf(found.value), SOURCE_BY_ROLE, passedOver, (value, index, _, told) => {
        const path = Array.isArray(found.value) ? [key, index] : [key]
        addContent(segments, { value, path }, null, told)
      })
    } else if (name === 'systemInstruction') addContent(segments, found, 'system', passedOver)
    else if (name === 'tools') {
      for (const tool of elementsOf(found)) addTool(segments, tool)
    } else if (name === 'generationConfig') {
      for (const text of CONFIG_TEXTS)
        for (const one of fieldsOf(found.value, text, found.path)) addJson(segments, 'user', one)
    } else if (name === 'requests') {
      for (const request of elementsOf(found)) addNested(segments, request, passedOver)
    } else if (name === 'generateContentRequest') addNested(segments, found, passedOver)
    else if (!REQUEST_SETTINGS.has(name)) addJson(segments, 'user', found)
  }
  return segments
}

/** A list, or the one value that stands in its place. */
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])

/** Text of every candidate of a plain answer. */
export function answerSegments(json: unknown): readonly Segment[] {
  const segments: Segment[] = []
  for (const { value, path } of itemsOf(json, 'candidates')) {
    for (const content of fieldsOf(value, 'content', path)) addContent(segments, content, 'assistant', UNREAD)
  }
  return segments
}

/** One request of a batch. */
function addNested(into: Segment[], { value, path }: Found, passedOver: PassedOver): void {
  if (!isRecord(value)) return
  for (const segment of requestSegments(value, passedOver)) into.push({ ...segment, path: [...path, ...segment.path] })
}

function addContent(
  into: Segment[],
  { value, path }: Found,
  source: SegmentSource | null,
  passedOver: PassedOver,
): void {
  if (!isRecord(value)) {
    addJson(into, source ?? 'user', { value, path })
    return
  }
  const role = value.role
  const own = source ?? (typeof role === 'string' ? SOURCE_BY_ROLE[role] : undefined) ?? 'user'
  for (const key in value) {
    const name = fieldName(key)
    if (name === 'role') continue
    const found = { value: value[key], path: [...path, key] }
    if (name === 'parts') for (const part of elementsOf(found)) addPart(into, part, own, passedOver)
    else addJson(into, own, found)
  }
}

function addPart(into: Segment[], { value, path }: Found, source: SegmentSource, passedOver: PassedOver): void {
  if (!isRecord(value)) {
    addJson(into, source, { value, path })
    return
  }
  for (const key in value) {
    const found = { value: value[key], path: [...path, key] }
    const from = into.length
    switch (fieldName(key)) {
      case 'text':
        addText(into, source, found)
        break
      case 'functionCall':
        addMembers(into, 'tool_call', found, 'args')
        nameTool(into, from, nameIn(found))
        break
      case 'functionResponse':
        for (const response of fieldsOf(found.value, 'response', found.path)) addResponse(into, response)
        for (const part of itemsOf(found.value, 'parts', found.path)) addPart(into, part, 'tool_result', passedOver)
        nameTool(into, from, nameIn(found))
        break
      case 'toolCall':
        addJson(into, 'tool_call', found)
        break
      case 'toolResponse':
        addJson(into, 'tool_result', found)
        break
      case 'executableCode':
        addMembers(into, 'tool_call', found, 'code')
        break
      case 'codeExecutionResult':
        addMembers(into, 'tool_result', found, 'output')
        break
      case 'fileData':
        addMembers(into, source, found, 'fileUri')
        break
      case 'inlineData':
        addInline(into, source, found, passedOver)
        break
      default:
        if (!PART_SETTINGS.has(fieldName(key))) addJson(into, source, found)
    }
  }
}

const nameIn = ({ value }: Found): unknown => (isRecord(value) ? value.name : null)

function addInline(into: Segment[], source: SegmentSource, { value, path }: Found, passedOver: PassedOver): void {
  const [type] = fieldsOf(value, 'mimeType')
  for (const data of fieldsOf(value, 'data', path))
    if (typeof data.value === 'string')
      addFile(into, source, data.path, typeof type?.value === 'string' ? type.value : '', data.value, passedOver)
}

function addMembers(into: Segment[], source: SegmentSource, { value, path }: Found, name: string): void {
  for (const member of fieldsOf(value, name, path)) addJson(into, source, member)
}

/** Where a function's answer holds what it gave or why it failed (the API's own names, and what clients of it write). */
const RESPONSE_TEXTS = new Set(['output', 'error', 'result', 'content', 'name'])

/** What a function gave is read as it was given, not as JSON of it, where it is text under such a name. */
function addResponse(into: Segment[], found: Found): void {
  const { value, path } = found
  if (isRecord(value) && Object.keys(value).every((key) => RESPONSE_TEXTS.has(key)))
    for (const key in value) addJson(into, 'tool_result', { value: value[key], path: [...path, key] })
  else addJson(into, 'tool_result', found)
}

/** A function is a definition of its own; a tool that the provider hosts is one whole. */
function addTool(into: Segment[], { value, path }: Found): void {
  if (!isRecord(value)) {
    addJson(into, 'tool_definition', { value, path })
    return
  }
  for (const key in value) {
    const found = { value: value[key], path: [...path, key] }
    for (const one of fieldName(key) === 'functionDeclarations' ? elementsOf(found) : [found]) {
      const from = into.length
      addJson(into, 'tool_definition', one)
      nameTool(into, from, nameIn(one) ?? fieldName(key))
    }
  }
}

function addText(into: Segment[], source: SegmentSource, { value, path }: Found): void {
  if (typeof value === 'string' && value !== '') into.push({ source, path, text: value })
}

/** A value without a fixed shape is read as its JSON text; a string as itself. */
function addJson(into: Segment[], source: SegmentSource, { value, path }: Found): void {
  if (typeof value === 'string') addText(into, source, { value, path })
  else if (typeof value === 'object' && value !== null) into.push({ source, path, text: JSON.stringify(value) })
}
