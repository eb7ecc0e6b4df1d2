import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Bill } from './bill.ts'
import type { Controls } from './controls.ts'

/** One request to a simulated API. */
export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly body: Buffer
  readonly method: string
  /** Below the API's own prefix, without query and version. */
  readonly path: string
  readonly query: URLSearchParams
  readonly controls: Controls
  readonly requestId: string
  /** The model that a deployment in the path is of; left out, the body names the model. */
  readonly model?: string
  /** The provider's name on the rate card. */
  readonly provider: string
  readonly bill: Bill
  readonly seed: number
  readonly fail: Fail
  /** Milliseconds since the epoch. */
  now(): number
}

/** Answers with an error in the provider's words. @param param the member that is wrong */
export type Fail = (response: ServerResponse, status: number, message?: string, param?: string) => void

/** A simulated API. */
export interface Api {
  /** The headers that the provider puts on every answer. */
  setHeaders(response: ServerResponse, requestId: string): void
  /** Answers; false for a path that it does not have. */
  handle(call: Call): Promise<boolean>
  fail: Fail
}

/** Sends a JSON answer whole. */
export function sendJson(
  response: ServerResponse,
  status: number,
  json: string,
  contentType = 'application/json',
): void {
  response.setHeader('content-type', contentType)
  response.setHeader('content-length', Buffer.byteLength(json))
  response.writeHead(status)
  response.end(json)
}
