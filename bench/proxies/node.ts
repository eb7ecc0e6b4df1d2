/**
 * The yardstick: the least that a Node program must do to read what passes. node:http in front, undici's dispatch
 * behind; the request body, and the answer's body or each event of its stream, go through JSON.parse and are forwarded
 * as the bytes that they were. Nothing is decided, kept or counted.
 *
 * `BENCH_LISTEN=127.0.0.1:PORT BENCH_UPSTREAM=http://127.0.0.1:PORT node bench/proxies/node.ts`
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { StringDecoder } from 'node:string_decoder'
import { type Dispatcher, Pool } from 'undici'

const [host = '127.0.0.1', port = '0'] = (process.env.BENCH_LISTEN ?? '').split(':')
const upstream = new Pool(process.env.BENCH_UPSTREAM ?? '', { connections: 256, pipelining: 1 })

/** Headers of one hop (RFC 9110, section 7.6.1), and those that undici writes itself. */
const ONE_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

function endToEnd(rawHeaders: readonly string[], alsoDrop: string): string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? ''
    const lower = name.toLowerCase()
    if (lower !== alsoDrop && !ONE_HOP.has(lower)) kept.push(name, rawHeaders[index + 1] ?? '')
  }
  return kept
}

/** Parses the data of every event of a stream, wherever the chunks are cut. */
class EventParser {
  readonly #decoder = new StringDecoder('utf8')
  #line = ''

  push(chunk: Buffer): void {
    const text = this.#line + this.#decoder.write(chunk)
    let from = 0
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', from)) {
      if (text.startsWith('data: {', from)) JSON.parse(text.slice(from + 6, end))
      from = end + 1
    }
    this.#line = text.slice(from)
  }
}

/** Forwards one answer as it comes, parsing on the way. */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  #controller: Dispatcher.DispatchController | null = null
  #events: EventParser | null = null
  #chunks: Buffer[] = []

  constructor(response: ServerResponse) {
    this.#response = response
    response.on('close', () => {
      if (!response.writableEnded) this.#controller?.abort(new Error('the client left'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingMessage['headers'],
  ): void {
    if (headers['content-type']?.startsWith('text/event-stream') === true) this.#events = new EventParser()
    const raw = (Array.isArray(controller.rawHeaders) ? controller.rawHeaders : []).map(String)
    this.#response.writeHead(status, endToEnd(raw, ''))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#events === null) this.#chunks.push(chunk)
    else this.#events.push(chunk)
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    this.#response.end()
    if (this.#events === null) JSON.parse(Buffer.concat(this.#chunks).toString())
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#response.headersSent) this.#response.destroy(error)
    else this.#response.writeHead(502).end()
  }
}

const server = createServer((request, response) => {
  // Asked by the benchmark until the proxy is up.
  if (request.method === 'GET') {
    response.writeHead(204).end()
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const [first] = chunks
    const body = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks)
    JSON.parse(body.toString())
    upstream.dispatch(
      { path: request.url ?? '/', method: 'POST', headers: endToEnd(request.rawHeaders, 'host'), body },
      new AnswerHandler(response),
    )
  })
})
server.keepAliveTimeout = 60_000
server.listen(Number(port), host)
