import type { Code } from '@agentcostcontrol/contract'
import type { Framing } from '../providers/framing.ts'
import type { MeteredRequest, ProviderAdapter } from '../providers/provider.ts'
import type { Answer, Finish, Reply, Upstream, UpstreamFault } from './answer.ts'
import type { ContentCoding } from './coding.ts'
import { Decoder, Encoder, Pump } from './flow.ts'
import type { AnswerInspection } from './inspection.ts'
import { StreamReading } from './stream-reading.ts'

/** What a streamed answer needs. */
export interface StreamAnswerOptions {
  readonly reply: Reply
  readonly upstream: Upstream
  readonly finish: Finish
  readonly adapter: ProviderAdapter
  readonly request: MeteredRequest
  readonly inspection: AnswerInspection | null
  readonly coding: ContentCoding | 'identity'
  readonly framing: Framing
  readonly hidesUsage: boolean
  readonly status: number
  /** HTTP status that a cut is classed as, for the error inside the stream. */
  statusOf(code: Code): number
}

/** True if the client's stream may differ from the provider's, in its length too. */
export const changesStream = (hidesUsage: boolean, inspection: AnswerInspection | null): boolean =>
  hidesUsage || (inspection !== null && (inspection.security.holdsResponses || inspection.redacted !== null))

/** Passes a stream on, event by event. */
export function openStreamAnswer(options: StreamAnswerOptions): Answer {
  const { coding, hidesUsage, inspection } = options
  if (coding === 'identity') return openClearStream(options)
  return changesStream(hidesUsage, inspection) ? openRecodedStream(options, coding) : openCopiedStream(options, coding)
}

/** A stream that is not compressed. */
function openClearStream(options: StreamAnswerOptions): Answer {
  const { reply, upstream } = options
  const out = new Pump(reply, upstream)
  const reading = new StreamReading(options, {
    release: (bytes) => out.push(bytes),
    close: () => reply.end(),
    break: () => reply.destroy(),
    cut: (terminal) => reply.end(terminal),
    behind: () => out.waits,
    sawAll: () => true,
    over: () => {},
  })
  return {
    data: (chunk) => reading.read(chunk),
    end: () => reading.ended(),
    fail: (code) => reading.broken(code),
    abandon: () => reading.abandoned(),
  }
}

/** A compressed stream that nothing is taken out of: it goes on as the bytes it came in, and a copy is read. */
function openCopiedStream(options: StreamAnswerOptions, coding: ContentCoding): Answer {
  const { reply, upstream } = options
  let provider: 'sends' | 'ended' | UpstreamFault = 'sends'
  let copy: 'read' | 'done' | 'unreadable' = 'read'
  const decoder = new Decoder(coding, {
    data: (chunk) => reading.read(chunk),
    end: (whole) => {
      // A copy that cannot be read, or not to the end, is no fault of the client's bytes: only the estimate is wider.
      copy = whole && provider !== 'sends' ? 'done' : 'unreadable'
      if (copy === 'unreadable' && (provider === 'sends' || provider === 'ended')) reading.isUnreadable()
      conclude()
    },
  })
  const out = new Pump(reply, upstream)
  const read = new Pump(decoder, upstream)
  const reading = new StreamReading(options, {
    release: () => {},
    close: () => {},
    break: () => {},
    cut: () => reply.destroy(),
    behind: () => out.waits || read.waits || decoder.behind,
    sawAll: () => copy !== 'unreadable',
    over: () => decoder.destroy(),
  })
  const conclude = (): void => {
    if (provider === 'ended') reading.ended()
    else if (provider !== 'sends') reading.broken(provider)
  }
  const readToEnd = (): void => (copy === 'read' ? decoder.end() : conclude())
  return {
    data: (chunk) => {
      if (reading.over) return
      out.push(chunk)
      if (copy === 'read') read.push(chunk)
    },
    end: () => {
      provider = 'ended'
      if (!reading.over) reply.end()
      readToEnd()
    },
    fail: (code) => {
      provider = code
      if (!reading.over) reply.destroy()
      readToEnd()
    },
    abandon: () => reading.abandoned(),
  }
}

/** A compressed stream out of which something is taken: decoded, and compressed again with the same coding. */
function openRecodedStream(options: StreamAnswerOptions, coding: ContentCoding): Answer {
  const { reply, upstream } = options
  let broke: UpstreamFault | null = null
  const encoder = new Encoder(coding, reply, () => reply.destroy())
  const decoder = new Decoder(coding, {
    data: (chunk) => reading.read(chunk),
    end: (whole) => {
      if (whole && broke === null) reading.ended()
      else {
        if (broke === null) {
          upstream.abort()
          reading.isUnreadable()
        }
        reading.broken(broke ?? 'acc_upstream_cut')
      }
    },
  })
  const read = new Pump(decoder, upstream)
  const out = new Pump(encoder, decoder)
  const reading = new StreamReading(options, {
    release: (bytes) => out.push(bytes),
    close: () => encoder.end(() => reply.end()),
    break: () => encoder.end(() => reply.destroy()),
    cut: (terminal) => {
      out.push(terminal)
      encoder.end(() => reply.end())
    },
    behind: () => read.waits || decoder.behind,
    sawAll: () => true,
    over: (outcome) => {
      decoder.destroy()
      if (outcome === 'aborted') encoder.destroy()
    },
  })
  return {
    data: (chunk) => {
      if (!reading.over) read.push(chunk)
    },
    end: () => decoder.end(),
    fail: (code) => {
      broke = code
      decoder.end()
    },
    abandon: () => reading.abandoned(),
  }
}
