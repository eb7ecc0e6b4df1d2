/** One connection of the load generator, with a request buffer of its own. */
import { type Outcome, type OutcomeListener, PlainReader, StreamReader } from './answers.ts'
import { type BodyTemplate, writeMarks } from './bodies.ts'
import type { AnswerReader, Connection } from './connection.ts'
import { FORMAT_FACTS } from './formats.ts'
import type { LoadOrder } from './load-protocol.ts'

/** Who is told what became of a lane's requests. */
export interface LaneListener {
  onDone(lane: Lane, startedAtMs: number, outcome: Outcome): void
  onError(error: Error): void
}

/** Each process of the generator begins where no other began, so that no text is ever sent twice. Serial 0 is what was seen. */
let serial = 1 + (Date.now() % 1e9) * 100

/** Sends requests one after the other. */
export class Lane implements OutcomeListener {
  readonly #connection: Connection
  readonly #request: Buffer
  readonly #bodyAt: number
  readonly #marks: readonly number[]
  readonly #seen: boolean
  readonly #reader: AnswerReader
  #listener: LaneListener | null = null
  #startedAtMs = 0

  constructor(connection: Connection, order: LoadOrder, template: BodyTemplate) {
    const head = requestHead(order)
    this.#connection = connection
    this.#request = Buffer.concat([head, template.bytes])
    this.#bodyAt = head.length
    this.#marks = template.marks
    this.#seen = order.seen
    const format = FORMAT_FACTS[order.format]
    this.#reader = order.stream ? new StreamReader(this, order.streamEventsMin, format) : new PlainReader(this, format)
    writeMarks(this.#request, this.#bodyAt, this.#marks, 0)
  }

  listen(listener: LaneListener): void {
    this.#listener = listener
  }

  /** Sends a request that was due at `startedAtMs`, from where its time counts. */
  start(startedAtMs: number): void {
    this.#startedAtMs = startedAtMs
    if (!this.#seen) {
      serial += 1
      writeMarks(this.#request, this.#bodyAt, this.#marks, serial)
    }
    this.#connection.send(this.#request, this.#reader)
  }

  onOutcome(outcome: Outcome): void {
    this.#listener?.onDone(this, this.#startedAtMs, outcome)
  }

  onError(error: Error): void {
    this.#listener?.onError(error)
  }

  close(): void {
    this.#connection.close()
  }
}

function requestHead(order: LoadOrder): Buffer {
  const lines = [
    `POST ${order.path} HTTP/1.1`,
    `host: 127.0.0.1:${order.port}`,
    'authorization: Bearer bench',
    'accept: application/json',
    'content-type: application/json',
    'user-agent: acc-bench',
    ...Object.entries(order.headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${order.bodyBytes}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
