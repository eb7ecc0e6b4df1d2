import { hash } from 'node:crypto'
import type { Segment } from '@agentcostcontrol/contract'
import { decodeSegment } from '../../providers/byte-strings.ts'
import { isRecord } from '../../providers/read.ts'
import type { SeenUnit } from '../session/session-request.ts'
import { DEFINITION_CHARS_MAX, readDefinition, type ToolDefinition, unreadDefinition } from './definition.ts'

/** One definition of a request: the segments that it was read as. */
export interface DefinedTool {
  readonly tool: string
  readonly segments: readonly Segment[]
  /** Where they stand among the definitions' segments of the request. */
  readonly at: readonly number[]
}

/** Segments of definitions in the order of the request, and what names all of them together. */
export interface ToolSegments {
  readonly segments: readonly Segment[]
  /** Where they stand among all segments of the request. */
  readonly at: readonly number[]
  /** SHA-256 of what they say, a character a byte. */
  readonly digest: string
}

/** Takes the definitions out of a request; `null` where there are none. Hashes only what the scan has not. */
export function toolSegments(
  all: readonly Segment[],
  units: readonly SeenUnit[],
  byteStrings: boolean,
): ToolSegments | null {
  const at: number[] = []
  const segments: Segment[] = []
  let id = byteStrings ? 'b' : ''
  for (const unit of units) {
    if (all[unit.at[0] ?? 0]?.source !== 'tool_definition') continue
    if (unit.key !== null) id += `k${unit.key.length}:${unit.key}`
    for (const index of unit.at) {
      const segment = all[index]
      if (!segment) continue
      at.push(index)
      segments.push(segment)
      const member = memberOf(segment)
      if (member !== null) id += `m${member.length}:${member}`
      if (unit.key === null) id += named(segment)
    }
  }
  if (segments.length === 0) return null
  if (at.every((one, index) => index === 0 || one > (at[index - 1] ?? 0))) return { segments, at, digest: digestOf(id) }
  // A long member is a unit before the row that short ones around it are in: apart, they would be two tools.
  const order = at.map((_, index) => index).toSorted((a, b) => (at[a] ?? 0) - (at[b] ?? 0))
  return {
    segments: order.flatMap((index) => segments[index] ?? []),
    at: order.map((index) => at[index] ?? 0),
    digest: digestOf(`${id}o${order.join()}`),
  }
}

/** The definitions that segments hold. What has no name cannot be called, and is none. */
export function definedTools(segments: readonly Segment[]): readonly DefinedTool[] {
  const tools: DefinedTool[] = []
  let segmentsOf: Segment[] = []
  let at: number[] = []
  segments.forEach((segment, index) => {
    const last = segmentsOf.at(-1)
    if (last && isSameTool(last, segment)) {
      segmentsOf.push(segment)
      at.push(index)
      return
    }
    if (segment.tool === undefined) return
    segmentsOf = [segment]
    at = [index]
    tools.push({ tool: segment.tool, segments: segmentsOf, at })
  })
  return tools
}

/** How long a definition is. */
export const charsOf = ({ segments }: DefinedTool): number => segments.reduce((sum, { text }) => sum + text.length, 0)

/** Whether a definition is too long to be read. */
export const isLong = (tool: DefinedTool): boolean => charsOf(tool) > DEFINITION_CHARS_MAX

/** What names a definition as it was sent. */
export const rawKeyOf = ({ segments }: DefinedTool, byteStrings: boolean): string =>
  digestOf(`${byteStrings ? 'b' : ''}${segments.map((one) => `${memberOf(one) ?? ''}:${named(one)}`).join('')}`)

/** Reads a definition; one that is too long is taken as it was sent. */
export function readTool(tool: DefinedTool, byteStrings: boolean): ToolDefinition {
  const segments = byteStrings ? tool.segments.map(decodeSegment) : tool.segments
  const [first] = segments
  const isWhole = first !== undefined && memberOf(first) === null
  if (isLong(tool))
    return unreadDefinition(
      isWhole ? first.text : segments.map((one) => `${memberOf(one)}:${one.text.length}:${one.text}`).join(''),
    )
  if (isWhole) return readDefinition(recordOf(parsed(first.text)))
  return readDefinition(
    Object.fromEntries(segments.map((segment) => [memberOf(segment) ?? '', parsed(segment.text)] as const)),
  )
}

/** The member of a definition that a segment is; `null` for one that is the whole of it. */
function memberOf({ path }: Segment): string | null {
  const last = path.at(-1)
  return typeof last === 'string' ? last : null
}

/** Whether two segments are members of the same definition. */
function isSameTool(a: Segment, b: Segment): boolean {
  if (a.tool !== b.tool || a.path.length !== b.path.length) return false
  if (memberOf(a) === null || memberOf(b) === null) return false
  for (let step = 0; step < a.path.length - 1; step++) if (a.path[step] !== b.path[step]) return false
  return true
}

const named = ({ tool = '', text }: Segment): string => `t${tool.length}:${tool}${text.length}:${text}`

const digestOf = (text: string): string => hash('sha256', text, 'binary')

/** A member is JSON where it is more than a string. */
function parsed(text: string): unknown {
  if (!text.startsWith('{') && !text.startsWith('[')) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : { '': value })
