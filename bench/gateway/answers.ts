/** Checks that an answer is whole, plain or streamed, and takes its times. */
import type { AnswerReader } from './connection.ts'

/** What became of a request. Times are milliseconds of `performance.now()`. */
export interface Outcome {
  readonly endedAtMs: number
  /** First event with content; `null` for a plain answer. */
  readonly firstTokenAtMs: number | null
}

/** Told once for each request. */
export interface OutcomeListener {
  onOutcome(outcome: Outcome): void
  onError(error: Error): void
}

const CLOSING_BRACE = 0x7d

/** Reads one plain completion after the other: each must be JSON to its last byte by its look, with its usage. */
export class PlainReader implements AnswerReader {
  readonly #listener: OutcomeListener
  #text = ''

  constructor(listener: OutcomeListener) {
    this.#listener = listener
  }

  onBody(bytes: Buffer): void {
    this.#text += bytes.toString('latin1')
  }

  onEnd(): void {
    const text = this.#text.trimEnd()
    this.#text = ''
    const whole = text.charCodeAt(text.length - 1) === CLOSING_BRACE && text.includes('"total_tokens"')
    if (whole) this.#listener.onOutcome({ endedAtMs: performance.now(), firstTokenAtMs: null })
    else this.#listener.onError(new Error(`an incomplete answer: ${text.slice(0, 300)}`))
  }

  onError(error: Error): void {
    this.#text = ''
    this.#listener.onError(error)
  }
}

const LINE_FEED = 0x0a
const CONTENT = /"content": ?"[^"]/
const DONE = 'data: [DONE]'

/** Reads one stream after the other: each must have `eventsMin` events and end with `data: [DONE]`. */
export class StreamReader implements AnswerReader {
  readonly #listener: OutcomeListener
  readonly #eventsMin: number
  #events = 0
  #afterLineFeed = false
  #firstTokenAtMs: number | null = null
  #tail = ''

  constructor(listener: OutcomeListener, eventsMin: number) {
    this.#listener = listener
    this.#eventsMin = eventsMin
  }

  onBody(bytes: Buffer): void {
    for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) {
      const blankLine = at === 0 ? this.#afterLineFeed : bytes[at - 1] === LINE_FEED
      if (blankLine) this.#events += 1
    }
    this.#afterLineFeed = bytes[bytes.length - 1] === LINE_FEED
    if (this.#firstTokenAtMs === null) {
      this.#tail += bytes.toString('latin1')
      if (CONTENT.test(this.#tail)) this.#firstTokenAtMs = performance.now()
    } else if (this.#events >= this.#eventsMin) {
      this.#tail = (this.#tail + bytes.toString('latin1')).slice(-64)
    }
  }

  onEnd(): void {
    const outcome = { endedAtMs: performance.now(), firstTokenAtMs: this.#firstTokenAtMs }
    const problem = `${this.#events} events, ending in ${JSON.stringify(this.#tail.slice(-64))}`
    const whole =
      this.#tail.trimEnd().endsWith(DONE) && this.#events >= this.#eventsMin && this.#firstTokenAtMs !== null
    this.#reset()
    if (whole) this.#listener.onOutcome(outcome)
    else this.#listener.onError(new Error(`an incomplete stream: ${problem}`))
  }

  onError(error: Error): void {
    this.#reset()
    this.#listener.onError(error)
  }

  #reset(): void {
    this.#events = 0
    this.#afterLineFeed = false
    this.#firstTokenAtMs = null
    this.#tail = ''
  }
}
