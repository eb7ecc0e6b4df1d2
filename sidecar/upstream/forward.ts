import type { Code } from '@agentcostcontrol/contract'
import { type Dispatcher, errors } from 'undici'
import { type Answer, type AnswerResult, type Reply, type Upstream, unread } from '../answer/answer.ts'
import { contentCoding } from '../answer/coding.ts'
import { clientResponseHeaders, headerValue, upstreamRequestHeaders } from '../answer/headers.ts'
import type { AnswerInspection } from '../answer/inspection.ts'
import { openPlainAnswer } from '../answer/plain.ts'
import { openRawAnswer } from '../answer/raw.ts'
import { changesStream, openStreamAnswer } from '../answer/stream.ts'
import { unseen } from '../answer/unseen.ts'
import type { Clock } from '../clock.ts'
import { renderDenial, statusOf } from '../errors.ts'
import { type Denial, denial, type Reserved } from '../exchange.ts'
import { explainFailure, isTimeout } from './failure.ts'
import type { UpstreamPools } from './pools.ts'

/** Stage 7's result: what came of the attempt. */
export interface Forwarded {
  readonly result: AnswerResult
  /** Status of the provider; `null` when no answer came. */
  readonly status: number | null
  /** False only if it is certain that no byte of the request reached the provider. */
  readonly sent: boolean
  /** When sending began, on the monotonic clock; `null` if it did not. */
  readonly sentAtMs: number | null
  /** Milliseconds from sending to the first byte of the answer; `null` when none came. */
  readonly firstByteMs: number | null
}

/** Stages 7 and 8: sends the attempt and passes the answer on; resolves when both sides are done. Never rejects. */
export type Forward = (reserved: Reserved, reply: Reply) => Promise<Forwarded>

/** For the metrics. */
export interface FlowStats {
  /** Answers that are not read on because their client takes nothing. */
  paused: number
}

/** What stage 7 needs. */
export interface ForwardOptions {
  readonly pools: UpstreamPools
  readonly clock: Clock
  readonly flow: FlowStats
  inspection(reserved: Reserved): AnswerInspection | null
}

/** Makes stage 7. */
export function createForward(options: ForwardOptions): Forward {
  return (reserved, reply) =>
    new Promise((resolve) => {
      new Attempt(options, reserved, reply, resolve).send()
    })
}

/** One call of a provider. Each of its ways out calls `#finish`, and only the first one counts. */
class Attempt implements Dispatcher.DispatchHandler, Upstream {
  readonly #options: ForwardOptions
  readonly #reserved: Reserved
  readonly #reply: Reply
  readonly #resolve: (forwarded: Forwarded) => void
  readonly #requestId: string
  #controller: Dispatcher.DispatchController | null = null
  #answer: Answer | null = null
  #status: number | null = null
  #sentAtMs: number | null = null
  #firstByteMs: number | null = null
  #finished = false
  #clientLeft = false
  #pauses = 0

  constructor(options: ForwardOptions, reserved: Reserved, reply: Reply, resolve: (forwarded: Forwarded) => void) {
    this.#options = options
    this.#reserved = reserved
    this.#reply = reply
    this.#resolve = resolve
    this.#requestId = reserved.planned.inspected.authorized.identified.raw.id
  }

  send(): void {
    const { target, body, upstreamTarget } = this.#reserved
    const { identified } = this.#reserved.planned.inspected.authorized
    const { raw } = identified
    raw.client.onGone(() => this.#clientGone())
    if (this.#finished) return
    const { pool, basePath } = this.#options.pools.get(target.baseUrl, target.provider)
    try {
      pool.dispatch(
        {
          path: basePath + upstreamTarget,
          method: raw.method,
          headers: upstreamRequestHeaders(raw.headers),
          body: body.length > 0 || headerValue(raw.headers, 'content-length') !== null ? body : null,
          headersTimeout: target.provider.headersTimeoutMs,
          bodyTimeout: target.provider.idleTimeoutMs,
        },
        this,
      )
    } catch {
      this.#refuse('acc_internal', 'The request could not be sent.')
    }
  }

  // Dispatcher.DispatchHandler

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#sentAtMs = this.#options.clock.monotonicMs()
    if (this.#clientLeft) controller.abort(new ClientGoneError())
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: object,
    statusMessage = '',
  ): void {
    if (status < 200 || this.#finished) return
    this.#status = status
    this.#firstByteMs = this.#options.clock.monotonicMs() - (this.#sentAtMs ?? 0)
    this.#answer = this.#open(status, statusMessage, rawHeaders(controller))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#finished) this.#answer?.data(chunk)
  }

  onResponseEnd(): void {
    if (!this.#finished) this.#answer?.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#finished) return
    // The pool is only destroyed when the sidecar stops and will not wait any longer.
    if (this.#clientLeft || error instanceof errors.ClientDestroyedError) {
      if (this.#answer) this.#answer.abandon()
      else this.#finish(unread('aborted', null, null))
    } else if (this.#answer) this.#answer.fail(isTimeout(error) ? 'acc_upstream_timeout' : 'acc_upstream_cut')
    else this.#unanswered(error)
  }

  // Upstream, for the answer paths

  pause(): void {
    this.#pauses++
    if (this.#pauses !== 1) return
    if (!this.#finished) this.#options.flow.paused++
    this.#controller?.pause()
  }

  resume(): void {
    this.#pauses--
    if (this.#pauses !== 0) return
    if (!this.#finished) this.#options.flow.paused--
    this.#controller?.resume()
  }

  abort(): void {
    // undici reports an abort at once; what the path knows comes right behind and is what counts.
    queueMicrotask(() => this.#controller?.abort(new ClientGoneError()))
  }

  /** Chooses the path of an answer by status, content type and coding. */
  #open(status: number, statusMessage: string, headers: readonly string[]): Answer {
    const { ask } = this.#reserved.planned.inspected.authorized.identified
    const finish = (result: AnswerResult): void => this.#finish(result)
    const coding = contentCoding(headerValue(headers, 'content-encoding'))
    const type = headerValue(headers, 'content-type')?.toLowerCase() ?? ''
    const inspection = this.#options.inspection(this.#reserved)
    const head = (contentLength: number | 'keep' | 'drop'): void =>
      this.#head(status, statusMessage, headers, contentLength)
    const read = ask.kind === 'metered' ? ask : ask.again
    if (read === null || status >= 300) {
      head('keep')
      return openRawAnswer(this.#reply, this, status, finish)
    }
    const framing = read.adapter.framing(type, read.request)
    if (coding === null || (framing === null && !type.includes('json')))
      return this.#openUnreadable(inspection, head, status, finish)
    const { adapter, request } = read
    const shared = { reply: this.#reply, upstream: this, finish, adapter, request, inspection, coding, status }
    if (framing !== null) {
      const { hidesUsage } = this.#reserved
      head(changesStream(hidesUsage, inspection) ? 'drop' : 'keep')
      return openStreamAnswer({ ...shared, framing, hidesUsage, statusOf })
    }
    return openPlainAnswer({
      ...shared,
      head: (body) => head(body === 'as-is' ? 'keep' : body.length),
      deny: (refusal) => this.#deny(refusal),
    })
  }

  /** An answer that cannot be read cannot be inspected either. */
  #openUnreadable(
    inspection: AnswerInspection | null,
    head: (length: 'keep') => void,
    status: number,
    finish: (result: AnswerResult) => void,
  ): Answer {
    const { refusal, findings } = unseen(inspection, 'unreadable')
    if (refusal) {
      finish(unread('cut', refusal.code, this.#deny(refusal), findings))
      this.abort()
    } else head('keep')
    return openRawAnswer(this.#reply, this, status, finish, findings)
  }

  #head(
    status: number,
    statusMessage: string,
    headers: readonly string[],
    contentLength: number | 'keep' | 'drop',
  ): void {
    const out = clientResponseHeaders(headers, contentLength)
    const { planned, notices, target } = this.#reserved
    const { warnings } = planned.inspected
    out.push('x-acc-request-id', this.#requestId)
    if (warnings.length > 0 || notices.warnings.length > 0)
      out.push('x-acc-warning', [...warnings, ...notices.warnings].join(', '))
    if (notices.remainingUsd !== null) out.push('x-acc-budget-remaining', notices.remainingUsd)
    if (target.insteadOf !== null) out.push('x-acc-model', encodeURI(target.model))
    if (this.#reserved.clampedOutputTokens !== null)
      out.push('x-acc-output-limit', String(this.#reserved.clampedOutputTokens))
    this.#reply.head(status, asLatin1(statusMessage), out)
  }

  #clientGone(): void {
    if (this.#finished) return
    if (this.#reserved.target.provider.onClientAbort === 'drain' && this.#sentAtMs !== null) return
    this.#clientLeft = true
    if (this.#controller) this.#controller.abort(new ClientGoneError())
    else this.#finish(unread('aborted', null, null))
  }

  #unanswered(error: Error): void {
    const failure = explainFailure(error, this.#reserved.target.baseUrl, this.#sentAtMs !== null)
    if (failure) this.#refuse(failure.code, failure.message)
    else {
      // A broken connection is a broken connection: a client tells it from an answer, and does what it does about one.
      this.#reply.destroy()
      this.#finish(unread('failed', 'acc_upstream_cut', null))
    }
  }

  #refuse(code: Code, message: string): void {
    const refusal = denial(code, message, { retryAfterS: 1 })
    let status: number | null = null
    try {
      status = this.#deny(refusal)
    } catch {
      this.#reply.destroy()
    }
    this.#finish(unread('failed', code, status))
  }

  #deny(refusal: Denial): number {
    const { errors: format } = this.#reserved.planned.inspected.authorized.identified
    const answer = renderDenial(refusal, this.#requestId, format)
    this.#reply.head(answer.status, null, answer.headers)
    this.#reply.end(answer.body)
    return answer.status
  }

  #finish(result: AnswerResult): void {
    if (this.#finished) return
    this.#finished = true
    if (this.#pauses > 0) this.#options.flow.paused--
    const { client } = this.#reserved.planned.inspected.authorized.identified.raw
    this.#resolve({
      result: client.gone ? withoutClient(result) : result,
      status: this.#status,
      sent: this.#sentAtMs !== null,
      sentAtMs: this.#sentAtMs,
      firstByteMs: this.#firstByteMs,
    })
  }
}

/** The reason given to undici when it is us who end a call. */
class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError'
}

/** An answer that was read to its end for its exact usage, while the client it was for had left. */
const withoutClient = (result: AnswerResult): AnswerResult => ({
  ...result,
  outcome: result.outcome === 'completed' ? 'aborted' : result.outcome,
  clientStatus: null,
})

/**
 * A reason phrase in the bytes it came in: undici reads them as UTF-8, headers are written as latin1. For what is not
 * valid UTF-8, or may not be sent, the usual phrase stands in.
 */
function asLatin1(phrase: string): string | null {
  if (ASCII.test(phrase)) return phrase
  const bytes = Buffer.from(phrase).toString('latin1')
  return phrase.includes('\ufffd') || !REASON_PHRASE.test(bytes) ? null : bytes
}

const ASCII = /^[\x20-\x7e]*$/
const REASON_PHRASE = /^[\t\x20-\x7e\x80-\xff]*$/

/** undici keeps the raw header list as buffers or strings, names and values in turn. */
function rawHeaders(controller: Dispatcher.DispatchController): readonly string[] {
  const raw = controller.rawHeaders
  if (!Array.isArray(raw)) return []
  return raw.map((part: Buffer | string) => (typeof part === 'string' ? part : part.toString('latin1')))
}
