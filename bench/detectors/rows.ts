import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import type { SegmentSource } from '@agentcostcontrol/contract'

/** One labelled text. */
export interface TextRow {
  readonly kind: 'text'
  readonly set: string
  /** 1 for an attack. */
  readonly label: number
  readonly role: string
  readonly text: string
}

/** A whole exchange in OpenAI's chat form, of the set `set`. */
export interface ExchangeRow {
  readonly kind: 'exchange'
  /** File and line. */
  readonly where: string
  readonly set: string
  readonly label: number
  readonly messages: readonly unknown[]
  readonly tools: readonly unknown[] | null
  /** The answer, or its message alone; `null` if there is none. */
  readonly response: Readonly<Record<string, unknown>> | null
}

/** A text with the places of what is personal in it. */
export interface PiiRow {
  readonly kind: 'pii'
  readonly text: string
  readonly spans: readonly { readonly type: string; readonly start: number; readonly end: number }[]
}

/** A row of a file to evaluate on. */
export type EvalRow = TextRow | ExchangeRow | PiiRow

/** Whose text each role's is. */
export const SOURCES: Readonly<Record<string, SegmentSource>> = {
  user: 'user',
  tool: 'tool_result',
  system: 'system',
  tooldef: 'tool_definition',
  assistant: 'assistant',
}

const FORMS =
  '{ set, label, role, text }, { set, label, messages, tools?, response? } or { text, spans: [{ type, start, end }] }'

/** Reads JSON lines, plain or gzip. @throws with the file and line of a row that is none, and of a file without any */
export function readEvalRows(path: string): readonly EvalRow[] {
  const bytes = readFileSync(path)
  const lines = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8').split('\n')
  const rows = lines.flatMap((line, index) => (line.trim() === '' ? [] : [readRow(line, `${path}:${index + 1}`)]))
  if (rows.length === 0) throw new Error(`${path}: no rows; expected one a line, ${FORMS}`)
  return rows
}

function readRow(line: string, where: string): EvalRow {
  const row = toRow(parsed(line, where), where)
  if (typeof row === 'string') throw new Error(`${where}: ${row}; a row is ${FORMS}`)
  return row
}

function parsed(line: string, where: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    throw new Error(`${where}: not JSON; a row is ${FORMS}`)
  }
}

/** The row, or what is wrong with it. */
function toRow(value: unknown, where: string): EvalRow | string {
  if (!isRecord(value)) return 'not an object'
  const { set, label, role, text, messages, spans } = value
  if (spans !== undefined) {
    if (typeof text !== 'string') return 'spans without a text'
    if (!Array.isArray(spans) || !spans.every(isSpan)) return 'spans must be a list of { type, start, end }'
    return { kind: 'pii', text, spans }
  }
  if (typeof set !== 'string') return 'set must be a string'
  if (label !== 0 && label !== 1) return 'label must be 0 or 1'
  if (messages !== undefined) return toExchange(value, { set, label, where })
  if (typeof text !== 'string') return 'neither text, messages nor spans'
  if (typeof role !== 'string' || SOURCES[role] === undefined) {
    return `role must be one of ${Object.keys(SOURCES).join(', ')}`
  }
  return { kind: 'text', set, label, role, text }
}

function toExchange(
  { messages, tools = null, response = null }: Readonly<Record<string, unknown>>,
  of: Pick<ExchangeRow, 'set' | 'label' | 'where'>,
): ExchangeRow | string {
  if (!Array.isArray(messages)) return 'messages must be a list'
  if (tools !== null && !Array.isArray(tools)) return 'tools must be a list'
  if (response !== null && !isRecord(response)) return 'response must be an answer or its message'
  return { kind: 'exchange', ...of, messages, tools, response }
}

function isSpan(value: unknown): value is PiiRow['spans'][number] {
  return (
    isRecord(value) &&
    typeof value.type === 'string' &&
    typeof value.start === 'number' &&
    typeof value.end === 'number'
  )
}

/** Whether it is a JSON object. */
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
