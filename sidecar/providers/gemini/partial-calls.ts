import { toolName } from '../named-tool.ts'
import type { EndedCall, TextPiece } from '../provider.ts'
import { isRecord, readArray, readString, stringsIn } from '../read.ts'

type Path = readonly (string | number)[]
type Json = Readonly<Record<string, unknown>>

/** One that is under way. */
interface OpenCall {
  readonly number: number
  tool: string | null
  readonly channels: Set<string>
  /** What the arguments are by now, by their JSON path. */
  readonly values: Map<string, unknown>
  chars: number
}

/** Most characters of a call that are put together; what is longer is judged string by string. */
const WHOLE_CHARS_MAX = 256 * 1_024
/** The steps of a JSON path: `.name`, `['name']`, `["name"]`, `[0]`. */
const STEP = /\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[(\d{1,6})\]/y
const STEPS_MAX = 64

/**
 * Calls of functions whose arguments come in parts, as `partialArgs` (streamed function calls of Vertex AI): a string is
 * told in pieces under one JSON path. A candidate has one such call at a time, until a part of it does not say
 * `willContinue`.
 */
export class PartialCalls {
  readonly #open = new Map<number, OpenCall>()
  #count = 0

  /** Whether a function call is a part of one, or the end of one that is under way. */
  isPart(candidate: number, call: Json): boolean {
    return call.willContinue === true || call.partialArgs !== undefined || this.#open.has(candidate)
  }

  /** Takes a part; tells its strings, and the calls that are complete with it. @param path where it stands in the event */
  add(
    candidate: number,
    call: Json,
    path: Path,
  ): { readonly pieces: readonly TextPiece[]; readonly ended: readonly EndedCall[] } {
    const name = readString(call.name)
    // Another name begins another call.
    const left = name !== null && this.#open.get(candidate)?.tool ? this.end(candidate) : []
    const open = this.#openIn(candidate)
    open.tool ??= toolName(name)
    const pieces: TextPiece[] = []
    for (const { text, path: below } of stringsIn(call, [])) {
      const channel = `${candidate}.call.${open.number} ${placeOf(call, below)}`
      open.channels.add(channel)
      pieces.push({ channel, path: [...path, ...below], text, isCall: true })
    }
    for (const part of readArray(call.partialArgs)) addValue(open, part)
    // A call that is whole after all: its arguments stand beside.
    if (isRecord(call.args)) for (const [key, value] of Object.entries(call.args)) open.values.set(`.${key}`, value)
    return { pieces, ended: call.willContinue === true ? left : [...left, ...this.end(candidate)] }
  }

  /** Ends the call of a candidate that is under way. */
  end(candidate: number): readonly EndedCall[] {
    const open = this.#open.get(candidate)
    if (!open) return []
    this.#open.delete(candidate)
    const { tool, channels, values, chars } = open
    if (channels.size === 0) return []
    const text = chars > WHOLE_CHARS_MAX ? null : JSON.stringify(putTogether(values))
    if (text !== null) return [{ tool, channels: [...channels], text }]
    return [...channels].map((channel) => ({ tool, channels: [channel], text: null }))
  }

  #openIn(candidate: number): OpenCall {
    let open = this.#open.get(candidate)
    if (!open) {
      open = { number: this.#count++, tool: null, channels: new Set(), values: new Map(), chars: 0 }
      this.#open.set(candidate, open)
    }
    return open
  }
}

/** The pieces of one argument are one text; every other string is one of its own. */
function placeOf(call: Json, below: Path): string {
  const [member, at, field] = below
  const part = member === 'partialArgs' && typeof at === 'number' ? readArray(call.partialArgs)[at] : null
  if (field === 'stringValue' && isRecord(part)) return `= ${String(part.jsonPath)}`
  if (field === 'jsonPath' && isRecord(part)) return `: ${String(part.jsonPath)}`
  return below.join('.')
}

function addValue(open: OpenCall, part: unknown): void {
  if (!isRecord(part)) return
  const { jsonPath, stringValue, numberValue, boolValue } = part
  const path = String(jsonPath ?? '')
  if (typeof stringValue === 'string') {
    open.chars += stringValue.length
    if (open.chars > WHOLE_CHARS_MAX) return
    const known = open.values.get(path)
    open.values.set(path, typeof known === 'string' ? known + stringValue : stringValue)
  } else open.values.set(path, numberValue ?? boolValue ?? null)
}

/** The arguments as one value; under a path that cannot be followed a value stands as it was told. */
function putTogether(values: ReadonlyMap<string, unknown>): unknown {
  const root: Record<string | number, unknown> = Object.create(null)
  for (const [path, value] of values) {
    const steps = stepsOf(path)
    if (steps === null || !put(root, steps, value)) root[path] = value
  }
  return root
}

function stepsOf(path: string): readonly (string | number)[] | null {
  const steps: (string | number)[] = []
  STEP.lastIndex = path.startsWith('$') ? 1 : 0
  while (STEP.lastIndex < path.length) {
    const found = STEP.exec(path)
    if (!found || steps.length >= STEPS_MAX) return null
    const [, name, single, double, index] = found
    steps.push(index === undefined ? (name ?? single ?? double ?? '') : Number(index))
  }
  return steps.length === 0 ? null : steps
}

function put(root: Record<string | number, unknown>, steps: readonly (string | number)[], value: unknown): boolean {
  let at = root
  for (const step of steps.slice(0, -1)) {
    const below = at[step] ?? Object.create(null)
    if (typeof below !== 'object') return false
    at[step] = below
    at = below
  }
  const [last] = steps.slice(-1)
  if (last === undefined) return false
  at[last] = value
  return true
}
