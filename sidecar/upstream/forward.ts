import type { Code } from '@agentcostcontrol/contract'
import { type Dispatcher, errors } from 'undici'
import { type Answer, type AnswerResult, type Reply, type Upstream, unread } from '../answer/answer.ts'
import { type ContentCoding, contentCoding } from '../answer/coding.ts'
import { clientResponseHeaders, headerValue, upstreamRequestHeaders } from '../answer/headers.ts'
import type { AnswerInspection } from '../answer/inspection.ts'
import { openPlainAnswer } from '../answer/plain.ts'
import { openRawAnswer } from '../answer/raw.ts'
import { openStreamAnswer } from '../answer/stream.ts'
import type { Clock } from '../clock.ts'
import { renderDenial, statusOf } from '../errors.ts'
import { type Denial, denial, type Reserved } from '../exchange.ts'
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
  #paused = false
  #clientLeft = false

  constructor(options: ForwardOptions, reserved: Reserved, reply: Reply, resolve: (forwarded: Forwarded) => void) {
    this.#options = options
    this.#reserved = reserved
    this.#reply = reply
    this.#resolve = resolve
    this.#requestId = reserved.planned.inspected.authorized.identified.raw.id
  }

  send(): void {
    const { target, body } = this.#reserved
    const { identified } = this.#reserved.planned.inspected.authorized
    const { raw } = identified
    raw.client.onGone(() => this.#clientGone())
    if (this.#finished) return
    const { pool, basePath } = this.#options.pools.get(target.baseUrl, target.provider)
    try {
      pool.dispatch(
        {
          path: basePath + identified.upstreamTarget,
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
    this.#setPaused(true)
    this.#controller?.pause()
  }

  resume(): void {
    this.#setPaused(false)
    this.#controller?.resume()
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    this.#options.flow.paused += paused ? 1 : -1
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
    if (ask.kind === 'passThrough' || status >= 300) {
      head('keep')
      return openRawAnswer(this.#reply, this, status, finish)
    }
    const framing = ask.adapter.framing(type, ask.request)
    if (coding === null || (framing === null && !type.includes('json')))
      return this.#openUnreadable(inspection, head, status, finish)
    const shared = { reply: this.#reply, upstream: this, finish, adapter: ask.adapter, inspection, coding, status }
    if (framing !== null) {
      head(changesLength(this.#reserved, inspection, coding) ? 'drop' : 'keep')
      return openStreamAnswer({ ...shared, framing, hidesUsage: this.#reserved.hidesUsage, statusOf })
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
    if (inspection?.security.holdsResponses && inspection.security.onTimeout === 'closed') {
      this.#refuse(
        'acc_inspection_unavailable',
        'The provider sent an answer that cannot be read, and so not inspected.',
      )
      this.abort()
    } else head('keep')
    return openRawAnswer(this.#reply, this, status, finish)
  }

  #head(
    status: number,
    statusMessage: string,
    headers: readonly string[],
    contentLength: number | 'keep' | 'drop',
  ): void {
    const out = clientResponseHeaders(headers, contentLength === 'keep' ? 'keep' : 'drop')
    if (typeof contentLength === 'number' && headerValue(headers, 'content-length') !== null) {
      out.push('content-length', String(contentLength))
    }
    const { warnings } = this.#reserved.planned.inspected
    out.push('x-acc-request-id', this.#requestId)
    if (warnings.length > 0) out.push('x-acc-warning', warnings.join(', '))
    if (this.#reserved.clampedOutputTokens !== null)
      out.push('x-acc-output-limit', String(this.#reserved.clampedOutputTokens))
    this.#reply.head(status, statusMessage, out)
  }

  #clientGone(): void {
    if (this.#finished) return
    if (this.#reserved.target.provider.onClientAbort === 'drain' && this.#sentAtMs !== null) return
    this.#clientLeft = true
    if (this.#controller) this.#controller.abort(new ClientGoneError())
    else this.#finish(unread('aborted', null, null))
  }

  #unanswered(error: Error): void {
    if (isTimeout(error)) {
      this.#refuse('acc_upstream_timeout', 'The provider did not answer in time.')
    } else if (error instanceof errors.ConnectTimeoutError) {
      this.#refuse(
        'acc_upstream_timeout',
        `The provider's address ${this.#origin()} did not accept a connection in time.`,
      )
    } else if (this.#sentAtMs === null) {
      this.#refuse(
        'acc_upstream_unreachable',
        `The provider's address ${this.#origin()} cannot be reached (${errorCode(error)}). Check the base URL and the network.`,
      )
    } else {
      // A broken connection is a broken connection: a client tells it from an answer, and does what it does about one.
      this.#reply.destroy()
      this.#finish(unread('failed', 'acc_upstream_cut', null))
    }
  }

  #origin(): string {
    return new URL(this.#reserved.target.baseUrl).origin
  }

  #refuse(code: Code, message: string): void {
    const refusal = denial(code, message, { retryAfterS: 1 })
    this.#finish(unread('failed', code, this.#deny(refusal)))
  }

  #deny(refusal: Denial): number {
    const { errors: format } = this.#reserved.planned.inspected.authorized.identified
    const answer = renderDenial(refusal, this.#requestId, format)
    this.#reply.head(answer.status, '', answer.headers)
    this.#reply.end(answer.body)
    return answer.status
  }

  #finish(result: AnswerResult): void {
    if (this.#finished) return
    this.#finished = true
    this.#setPaused(false)
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

const isTimeout = (error: Error): boolean =>
  error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError

const errorCode = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name

const changesLength = (
  reserved: Reserved,
  inspection: AnswerInspection | null,
  coding: ContentCoding | 'identity',
): boolean => reserved.hidesUsage || inspection?.security.holdsResponses === true || coding !== 'identity'

/** undici keeps the raw header list as buffers or strings, names and values in turn. */
function rawHeaders(controller: Dispatcher.DispatchController): readonly string[] {
  const raw = controller.rawHeaders
  if (!Array.isArray(raw)) return []
  return raw.map((part: Buffer | string) => (typeof part === 'string' ? part : part.toString('latin1')))
}
