/** Checks that an answer is whole, plain or streamed, and takes its times. */
import type { AnswerReader } from './connection.ts'
import type { FormatFacts } from './formats.ts'

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
  readonly #usage: string
  #text = ''

  constructor(listener: OutcomeListener, { usage }: FormatFacts) {
    this.#listener = listener
    this.#usage = usage
  }

  onBody(bytes: Buffer): void {
    this.#text += bytes.toString('latin1')
  }

  onEnd(): void {
    const text = this.#text.trimEnd()
    this.#text = ''
    const whole = text.charCodeAt(text.length - 1) === CLOSING_BRACE && text.includes(this.#usage)
    if (whole) this.#listener.onOutcome({ endedAtMs: performance.now(), firstTokenAtMs: null })
    else this.#listener.onError(new Error(`an incomplete answer: ${text.slice(0, 300)}`))
  }

  onError(error: Error): void {
    this.#text = ''
    this.#listener.onError(error)
  }
}

const LINE_FEED = 0x0a
/** As long as the last event of a stream may be. */
const TAIL_CHARS = 512

/** Reads one stream after the other: each must have `eventsMin` events and end as its format ends. */
export class StreamReader implements AnswerReader {
  readonly #listener: OutcomeListener
  readonly #eventsMin: number
  readonly #format: FormatFacts
  #events = 0
  /** Bytes so far of the line that is not complete. */
  #lineBytes = 0
  #firstTokenAtMs: number | null = null
  #tail = ''

  constructor(listener: OutcomeListener, eventsMin: number, format: FormatFacts) {
    this.#listener = listener
    this.#eventsMin = eventsMin
    this.#format = format
  }

  onBody(bytes: Buffer): void {
    let from = 0
    for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, from)) {
      // Nothing, or a carriage return: a blank line ends an event.
      if (this.#lineBytes + at - from <= 1) this.#events += 1
      this.#lineBytes = 0
      from = at + 1
    }
    this.#lineBytes += bytes.length - from
    if (this.#firstTokenAtMs === null) {
      this.#tail += bytes.toString('latin1')
      if (this.#format.content.test(this.#tail)) this.#firstTokenAtMs = performance.now()
    } else if (this.#events >= this.#eventsMin) {
      this.#tail = (this.#tail + bytes.toString('latin1')).slice(-TAIL_CHARS)
    }
  }

  onEnd(): void {
    const outcome = { endedAtMs: performance.now(), firstTokenAtMs: this.#firstTokenAtMs }
    const problem = `${this.#events} events, ending in ${JSON.stringify(this.#tail.slice(-64))}`
    const whole =
      this.#format.end.test(this.#tail.trimEnd()) && this.#events >= this.#eventsMin && this.#firstTokenAtMs !== null
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
    this.#lineBytes = 0
    this.#firstTokenAtMs = null
    this.#tail = ''
  }
}
