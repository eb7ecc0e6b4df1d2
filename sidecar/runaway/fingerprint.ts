import { hash } from 'node:crypto'
import type { Segment } from '@agentcostcontrol/contract'
import { isRecord } from '../providers/read.ts'

/** What a request says that is new, as far as two of them are compared. */
export interface Fingerprint {
  /** Of all of it, pictures included. */
  readonly exact: string
  /** UTF-16 code units of its text. */
  readonly length: number
  /** Of what is no text. */
  readonly media: string
  /** Smallest hash of each bin of shingles; `null` for text that is compared as a whole alone. */
  sketch(): Uint32Array | null
}

/** Members of a request that hold a conversation; everything else is settings. */
const CONVERSATION = new Set(['messages', 'input', 'contents', 'content', 'prompt', 'requests'])
/** Members that hold or name what is no text. */
const MEDIA = new Set(['data', 'url', 'image_url', 'file_id', 'file_data', 'uri', 'fileUri', 'images', 'image'])
const SAMPLE_CHARS = 64
const DEPTH_MAX = 12

const SHINGLE = 8
const BINS = 64
/** A shorter text is another one with every character; a longer one would cost too much to look at. */
const SKETCH_CHARS = { least: 64, most: 32_768 } as const

/**
 * What people and tools said since the model spoke last: in a conversation that grows that alone is new. `null` where
 * there is nothing to compare.
 */
export function fingerprintOf(
  segments: readonly Segment[],
  json: Readonly<Record<string, unknown>>,
): Fingerprint | null {
  const tail = newSegments(segments)
  const [first] = tail
  if (first === undefined) return null
  const media = mediaOf(json, first.path)
  const text = tail.map((segment) => segment.text).join('\u0000')
  let sketch: Uint32Array | null | undefined
  return {
    exact: hash('sha256', `${media}\u0000${text}`, 'base64'),
    length: text.length,
    media,
    sketch: () => {
      sketch ??= text.length < SKETCH_CHARS.least || text.length > SKETCH_CHARS.most ? null : sketchOf(text)
      return sketch
    },
  }
}

function newSegments(segments: readonly Segment[]): readonly Segment[] {
  const tail: Segment[] = []
  for (const segment of segments.toReversed()) {
    const { source, path } = segment
    if (!CONVERSATION.has(String(path[0]))) continue
    if (source === 'user' || source === 'tool_result') tail.push(segment)
    // What is put into the model's mouth stands behind what is new.
    else if (tail.length > 0 && source !== 'system') break
  }
  return tail.reverse()
}

/** Pictures and files from the first new message on, by their names, lengths and a few characters. */
function mediaOf(json: Readonly<Record<string, unknown>>, [key = '', from = 0]: Segment['path']): string {
  const conversation = json[key]
  const fresh = Array.isArray(conversation) && typeof from === 'number' ? conversation.slice(from) : []
  const found: string[] = []
  const look = (value: unknown, isMedia: boolean, depth: number): void => {
    if (depth > DEPTH_MAX) return
    if (typeof value === 'string') {
      const middle = value.length >> 1
      if (isMedia)
        found.push(`${value.length} ${value.slice(middle, middle + SAMPLE_CHARS)} ${value.slice(-SAMPLE_CHARS)}`)
    } else if (Array.isArray(value)) for (const each of value) look(each, isMedia, depth + 1)
    else if (isRecord(value))
      for (const name of Object.keys(value)) look(value[name], isMedia || MEDIA.has(name), depth + 1)
  }
  look(fresh, false, 0)
  return found.join('\n')
}

/** MinHash with one permutation (Li, Owen, Zhang 2012) over shingles of characters, hashed as they roll by. */
function sketchOf(text: string): Uint32Array {
  const bins = new Uint32Array(BINS).fill(0xffffffff)
  const [base, drop] = [0x01000193, power(0x01000193, SHINGLE)]
  let rolling = 0
  for (let at = 0; at < text.length; at++) {
    rolling = (Math.imul(rolling, base) + text.charCodeAt(at)) | 0
    if (at >= SHINGLE) rolling = (rolling - Math.imul(text.charCodeAt(at - SHINGLE), drop)) | 0
    if (at < SHINGLE - 1) continue
    const mixed = mix(rolling)
    const bin = mixed & (BINS - 1)
    if (mixed < (bins[bin] ?? 0)) bins[bin] = mixed
  }
  return bins
}

function power(base: number, exponent: number): number {
  let result = 1
  for (let at = 0; at < exponent; at++) result = Math.imul(result, base)
  return result
}

/** The last steps of MurmurHash3. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** How alike two texts are, 0 to 1, as far as their sketches tell. */
export function likeness(one: Uint32Array, other: Uint32Array): number {
  let [same, used] = [0, 0]
  for (let bin = 0; bin < BINS; bin++) {
    const [a, b] = [one[bin], other[bin]]
    if (a === 0xffffffff && b === 0xffffffff) continue
    used++
    if (a === b) same++
  }
  return used === 0 ? 0 : same / used
}
