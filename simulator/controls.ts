import type { UsagePlace } from './openai/usage-place.ts'

/** What a test or a demo asks of the simulator, by request headers; simulator/README.md lists them. */
export interface Controls {
  readonly fault: string | null
  readonly encoding: 'gzip' | 'br' | 'deflate' | 'zstd' | null
  readonly outputTokens: number | null
  readonly chunkDelayMs: number
  readonly chunks: number | null
  /** Members merged over the reported and billed usage. */
  readonly usage: Readonly<Record<string, unknown>> | null
  /** Where a stream reports its usage, if it was asked for; `null`: once, in a chunk of its own at the end. */
  readonly usageIn: UsagePlace | null
  /** The model and the service tier that the answer names and the bill is made for. */
  readonly answerModel: string | null
  readonly serviceTier: string | null
  readonly reply: string | null
  readonly toolCall: string | null
  readonly lines: ReadonlySet<string>
  readonly tag: string | null
}

/** Reads the `x-sim-*` headers; what cannot be read is as if it were not there. */
export function readControls(headers: NodeJS.Dict<string | string[]>, chunkDelayMs: number): Controls {
  const text = (name: string): string | null => {
    const value = headers[`x-sim-${name}`]
    return typeof value === 'string' && value !== '' ? value : null
  }
  const number = (name: string): number | null => {
    const value = Number(text(name) ?? Number.NaN)
    return Number.isSafeInteger(value) && value >= 0 ? value : null
  }
  const encoding = text('encoding')
  const usageIn = text('usage-in')
  return {
    fault: text('fault'),
    encoding:
      encoding === 'gzip' || encoding === 'br' || encoding === 'deflate' || encoding === 'zstd' ? encoding : null,
    outputTokens: number('output-tokens'),
    chunkDelayMs: number('chunk-delay-ms') ?? chunkDelayMs,
    chunks: number('chunks'),
    usage: parse(text('usage')),
    usageIn: usageIn === 'every-chunk' || usageIn === 'last-choice' || usageIn === 'twice' ? usageIn : null,
    answerModel: text('answer-model'),
    serviceTier: text('service-tier'),
    reply: decode(text('reply')),
    toolCall: decode(text('tool-call')),
    lines: new Set((text('lines') ?? '').split(',')),
    tag: text('tag'),
  }
}

function parse(json: string | null): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = json === null ? null : JSON.parse(json)
    return typeof value === 'object' && value !== null ? { ...value } : null
  } catch {
    return null
  }
}

function decode(text: string | null): string | null {
  try {
    return text === null ? null : decodeURIComponent(text)
  } catch {
    return text
  }
}
