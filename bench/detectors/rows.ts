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
  readonly set: string
  readonly label: number
  readonly messages: readonly unknown[]
  readonly tools: readonly unknown[] | null
  /** The answer, or its message alone. */
  readonly response: unknown
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

const EXPECTED =
  'expected { set, label, role, text }, { set, label, messages, tools?, response? } or { text, spans: [{ type, start, end }] }'

/** Reads JSON lines, plain or gzip. @throws with the file and line of a row that is none, and of a file without any */
export function readEvalRows(path: string): readonly EvalRow[] {
  const bytes = readFileSync(path)
  const lines = (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8').split('\n')
  const rows = lines.flatMap((line, index) => (line.trim() === '' ? [] : [readRow(line, `${path}:${index + 1}`)]))
  if (rows.length === 0) throw new Error(`${path}: no rows: ${EXPECTED}, one a line`)
  return rows
}

function readRow(line: string, where: string): EvalRow {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    throw new Error(`${where}: not JSON: ${EXPECTED}`)
  }
  const row = isRecord(value) ? toRow(value) : null
  if (row === null) throw new Error(`${where}: ${EXPECTED}; roles are ${Object.keys(SOURCES).join(', ')}`)
  return row
}

function toRow(value: Readonly<Record<string, unknown>>): EvalRow | null {
  const { set, label, role, text, messages, tools, response, spans } = value
  if (typeof text === 'string' && Array.isArray(spans)) {
    return spans.every(isSpan) ? { kind: 'pii', text, spans } : null
  }
  if (typeof set !== 'string' || (label !== 0 && label !== 1)) return null
  if (Array.isArray(messages) && (tools === undefined || Array.isArray(tools))) {
    return { kind: 'exchange', set, label, messages, tools: tools ?? null, response }
  }
  if (typeof text !== 'string' || typeof role !== 'string' || SOURCES[role] === undefined) return null
  return { kind: 'text', set, label, role, text }
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
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
