import type { Segment } from '@agentcostcontrol/contract'
import { told } from '../told.ts'
import { isRecord, readArray } from './read.ts'

const NAME_CHARS_MAX = 253

/** A tool's name as it may be told: of its length, and of characters that every database takes; `null` for none. */
export function toolName(name: unknown): string | null {
  if (typeof name !== 'string' || name === '') return null
  return told(name, NAME_CHARS_MAX)
}

/** Says of the segments from `from` on which tool they are of, where that is known. */
export function nameTool(segments: Segment[], from: number, name: unknown): void {
  const tool = toolName(name)
  if (tool === null) return
  for (let at = from; at < segments.length; at++) {
    const segment = segments[at]
    if (segment) segments[at] = { ...segment, tool }
  }
}

/** The name of a tool's definition: its own, or that of the function in it, or its kind. */
export function definedName(tool: unknown): unknown {
  if (!isRecord(tool)) return null
  if (isRecord(tool.function)) return tool.function.name
  return tool.name ?? tool.server_label ?? tool.type
}

/** Which tool each call by its id is of, so that a result, which names the call, can name the tool. */
export class CalledTools {
  readonly #names: Map<unknown, unknown>

  constructor(names: ReadonlyMap<unknown, unknown> = new Map()) {
    this.#names = new Map(names)
  }

  /** The same calls, to which others may come. */
  copy(): CalledTools {
    return new CalledTools(this.#names)
  }

  /** Notes a call. */
  note(id: unknown, name: unknown): void {
    if (typeof id === 'string' && typeof name === 'string') this.#names.set(id, name)
  }

  /** Notes the calls of a message in OpenAI's form. */
  noteAll(calls: unknown): void {
    for (const call of readArray(calls)) {
      if (!isRecord(call)) continue
      const body = isRecord(call.function) ? call.function : call.custom
      if (isRecord(body)) this.note(call.id, body.name)
    }
  }

  of(id: unknown): unknown {
    return this.#names.get(id) ?? null
  }
}
