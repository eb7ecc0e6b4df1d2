/** What is measured: one {@link Case} for each row of the table. */
import { FORMATS, type Format } from './formats.ts'

/** The small body: one question. */
export const SMALL_BYTES = 1024
/** The large body: a long conversation of an agent with its tools. */
export const LARGE_BYTES = 200 * 1024
/** Events of content in each stream, and the pause between two of them. */
export const STREAM_CHUNKS = 100
/** See {@link STREAM_CHUNKS}. */
export const STREAM_CHUNK_DELAY_MS = 10

/** How the load is shaped. `flat`: each connection sends as soon as it has its answer. `fixed`: a schedule that waits for nobody. */
type Shape =
  | { readonly kind: 'idle' }
  | { readonly kind: 'flat' }
  | { readonly kind: 'fixed'; readonly requestsPerSecond: number }
  | { readonly kind: 'streams' }

/** One row of the table, for every proxy. */
export interface Case {
  /** E.g. `1k-new-c32`, `200k-seen-c100-500rps`, `streams-200`, `gemini-1k-new-c32`; what `--rows` selects by. */
  readonly id: string
  readonly format: Format
  readonly bodyBytes: number
  /** Whether the same conversation is sent each time; otherwise no text of a request was ever sent before. */
  readonly seen: boolean
  readonly connections: number
  readonly shape: Shape
  /** Length of one round, in seconds. */
  readonly seconds: number
  readonly rounds: number
}

const CONNECTIONS = [1, 32, 100] as const

/** A large body costs the bare Node proxy about half a core at this rate; 2 000 a second would be more than a whole one. */
const FIXED_RATES: ReadonlyMap<number, number> = new Map([
  [SMALL_BYTES, 2000],
  [LARGE_BYTES, 500],
])

function bodyName(bodyBytes: number, seen: boolean): string {
  return `${bodyBytes / 1024}k-${seen ? 'seen' : 'new'}`
}

function plainCase(bodyBytes: number, seen: boolean, connections: number, shape: Shape, quick: boolean): Case {
  const suffix = shape.kind === 'fixed' ? `-${shape.requestsPerSecond}rps` : ''
  return {
    id: `${bodyName(bodyBytes, seen)}-c${connections}${suffix}`,
    format: 'openai',
    bodyBytes,
    seen,
    connections,
    shape,
    seconds: quick ? 0.5 : 0.6,
    rounds: quick ? 2 : 3,
  }
}

function isInQuick(bodyBytes: number, seen: boolean, connections: number, fixed: boolean): boolean {
  if (bodyBytes === LARGE_BYTES || seen) return seen && connections === 32 && !fixed
  return connections > 1
}

/** Cases without streams; the quick list keeps those that the promises are read from. */
export function plainCases(quick: boolean): readonly Case[] {
  const cases: Case[] = []
  for (const fixed of [false, true]) {
    for (const [bodyBytes, requestsPerSecond] of FIXED_RATES) {
      for (const seen of [false, true]) {
        for (const connections of CONNECTIONS) {
          if (quick && !isInQuick(bodyBytes, seen, connections, fixed)) continue
          const shape: Shape = fixed ? { kind: 'fixed', requestsPerSecond } : { kind: 'flat' }
          cases.push(plainCase(bodyBytes, seen, connections, shape, quick))
        }
      }
    }
  }
  return cases
}

/** Connections at which formats are compared. */
const FORMATS_CONNECTIONS = 32

/** The rows in which every format is measured: what others of the same load are compared with. */
export const isCompared = ({ connections, shape }: Case): boolean =>
  connections === FORMATS_CONNECTIONS && (shape.kind === 'flat' || shape.kind === 'streams')

/**
 * Cases that are measured in turn, round by round, so that what the machine does meanwhile happens to all of them: a case
 * and the same in every other format, which the sidecar alone is given.
 */
export const inEveryFormat = (of: Case): readonly Case[] =>
  isCompared(of)
    ? FORMATS.map((format) => (format === of.format ? of : { ...of, format, id: `${format}-${of.id}` }))
    : [of]

/** Cases of the second part: memory of a fresh process, then streams. `idle` comes first, while the process is fresh. */
export function streamCases(quick: boolean): readonly Case[] {
  const stream = (connections: number, rounds: number): Case => ({
    id: `streams-${connections}`,
    format: 'openai',
    bodyBytes: SMALL_BYTES,
    seen: false,
    connections,
    shape: { kind: 'streams' },
    seconds: quick ? 2 : 2.5,
    rounds,
  })
  const idle: Case = {
    id: 'idle',
    format: 'openai',
    bodyBytes: 0,
    seen: false,
    connections: 0,
    shape: { kind: 'idle' },
    seconds: 0,
    rounds: 1,
  }
  const compared = stream(FORMATS_CONNECTIONS, quick ? 1 : 2)
  return quick ? [idle, stream(200, 1), compared] : [idle, stream(100, 1), stream(200, 3), compared]
}
