import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'

/** One labelled text. */
export interface Row {
  readonly set: string
  /** 1 for an attack. */
  readonly label: number
  readonly role: string
  readonly text: string
}

/** Reads labelled texts from JSON lines, plain or gzip. @throws with the line number of a row that is none. */
export function readRows(path: string): readonly Row[] {
  const bytes = readFileSync(path)
  const lines = (bytes[0] === 0x1f ? gunzipSync(bytes) : bytes).toString('utf8').split('\n')
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return []
    const row: unknown = JSON.parse(line)
    if (!isRow(row)) throw new Error(`${path}:${index + 1}: expected set, label, role and text`)
    return [row]
  })
}

function isRow(value: unknown): value is Row {
  return (
    typeof value === 'object' &&
    value !== null &&
    'set' in value &&
    'label' in value &&
    'role' in value &&
    'text' in value &&
    typeof value.set === 'string' &&
    typeof value.label === 'number' &&
    typeof value.role === 'string' &&
    typeof value.text === 'string'
  )
}
