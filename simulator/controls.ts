import type { UsagePlace } from './openai/usage-place.ts'

/** Every fault by name; `status-NNN` stands beside them. */
export const FAULTS = [
  'hang',
  'reset-before-headers',
  'html',
  'cut-mid-stream',
  'reset-mid-stream',
  'stall-mid-stream',
  'end-mid-stream',
  'error-event',
  'cut-mid-body',
  'stall-mid-body',
  'truncated-json',
  'no-usage',
  'malformed-usage',
  'one-byte-chunks',
  'split-utf8',
  'split-lines',
  'overrun',
  'refusal',
] as const

/** Every control by the name of its header, `x-sim-` left out. */
export const CONTROLS = [
  'fault',
  'encoding',
  'output-tokens',
  'chunk-delay-ms',
  'usage',
  'usage-in',
  'answer-model',
  'service-tier',
  'reply',
  'thinking',
  'tool-call',
  'lines',
  'tag',
] as const
type Control = (typeof CONTROLS)[number]

/** What a test or a demo asks of the simulator, by request headers; simulator/README.md lists them. */
export interface Controls {
  readonly fault: string | null
  readonly encoding: 'gzip' | 'br' | 'deflate' | 'zstd' | null
  readonly outputTokens: number | null
  readonly chunkDelayMs: number
  /** Members merged over the reported and billed usage. */
  readonly usage: Readonly<Record<string, unknown>> | null
  /** Where a stream reports its usage, if it was asked for; `null`: once, in a chunk of its own at the end. */
  readonly usageIn: UsagePlace | null
  /** The model and the service tier that the answer names and the bill is made for. */
  readonly answerModel: string | null
  readonly serviceTier: string | null
  readonly reply: string | null
  /** What a model that thinks thought, shown as it is. */
  readonly thinking: string | null
  readonly toolCall: string | null
  readonly lines: ReadonlySet<string>
  readonly tag: string | null
}

/** A control that nobody knows, or a value that it does not take: a test that misspells one must not pass by it. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
}

/** Reads the `x-sim-*` headers. @throws ControlError */
export function readControls(headers: NodeJS.Dict<string | string[]>, chunkDelayMs: number): Controls {
  const unknown = Object.keys(headers).find(
    (name) => name.startsWith('x-sim-') && !CONTROLS.some((control) => name === `x-sim-${control}`),
  )
  if (unknown !== undefined) throw new ControlError(`there is no control ${unknown}`)
  const text = (name: Control): string | null => {
    const value = headers[`x-sim-${name}`]
    return typeof value === 'string' && value !== '' ? value : null
  }
  const number = (name: Control): number | null => {
    const value = text(name)
    if (value !== null && !/^\d{1,9}$/.test(value)) throw new ControlError(`x-sim-${name}: expected a whole number`)
    return value === null ? null : Number(value)
  }
  const choice = <T extends string>(name: Control, choices: readonly T[]): T | null => {
    const value = text(name)
    const chosen = choices.find((each) => each === value)
    if (value !== null && chosen === undefined)
      throw new ControlError(`x-sim-${name}: expected one of ${choices.join(', ')}`)
    return chosen ?? null
  }
  const fault = text('fault')
  return {
    fault: fault !== null && /^status-[45]\d\d$/.test(fault) ? fault : choice('fault', FAULTS),
    encoding: choice('encoding', ['gzip', 'br', 'deflate', 'zstd']),
    outputTokens: number('output-tokens'),
    chunkDelayMs: number('chunk-delay-ms') ?? chunkDelayMs,
    usage: parse(text('usage')),
    usageIn: choice('usage-in', ['every-chunk', 'last-choice', 'twice']),
    answerModel: text('answer-model'),
    serviceTier: text('service-tier'),
    reply: decode(text('reply')),
    thinking: decode(text('thinking')),
    toolCall: decode(text('tool-call')),
    lines: new Set((text('lines') ?? '').split(',').map(readLine)),
    tag: text('tag'),
  }
}

const LINES = ['', 'crlf', 'nospace', 'comments']

function readLine(name: string): string {
  if (!LINES.includes(name)) throw new ControlError(`x-sim-lines: expected some of ${LINES.slice(1).join(', ')}`)
  return name
}

function parse(json: string | null): Readonly<Record<string, unknown>> | null {
  if (json === null) return null
  try {
    const value: unknown = JSON.parse(json)
    if (typeof value === 'object' && value !== null) return { ...value }
  } catch {
    // Told below.
  }
  throw new ControlError('x-sim-usage: expected a JSON object')
}

function decode(text: string | null): string | null {
  try {
    return text === null ? null : decodeURIComponent(text)
  } catch {
    return text
  }
}
