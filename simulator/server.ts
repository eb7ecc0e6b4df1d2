import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { RateCard } from '@agentcostcontrol/contract'
import { type Bill, createBill } from './bill.ts'
import { ControlError, type Controls, readControls } from './controls.ts'
import { createFastChat } from './fast.ts'
import { handleChat } from './openai/chat.ts'
import { type OpenAiError, openAiError } from './openai/errors.ts'
import { createOracle } from './pricing.ts'

/** A request as it arrived, for comparing what a proxy sent with what a client sent. */
export interface RecordedRequest {
  readonly method: string
  readonly target: string
  /** Names and values in turn, order and case as they came. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

/** How a simulator is started. */
export interface SimulatorOptions {
  readonly host?: string
  readonly port?: number
  readonly seed?: number
  /** The price list that the bill is made with, or the path of its JSON. */
  readonly rateCard: RateCard | string
  /** Fixed answers at the least cost, for benchmarks. */
  readonly fast?: boolean
  readonly recordRequests?: boolean
  readonly chunkDelayMs?: number
}

/** A running simulator. */
export interface Simulator {
  readonly url: string
  readonly port: number
  readonly bill: Bill
  /** The recorded requests, oldest first; at most the last thousand. */
  requests(): readonly RecordedRequest[]
  close(): Promise<void>
}

const BODY_BYTES_MAX = 128 * 1024 * 1024
const RECORDED_MAX = 1_000
const MODELS = [
  'gpt-4.1',
  'gpt-4.1-mini',
  'gpt-4.1-nano',
  'gpt-4o',
  'gpt-4o-mini',
  'o3',
  'o4-mini',
  'gpt-5',
  'gpt-5-mini',
]

/** Starts a simulated OpenAI API. @throws if the address is taken or the rate card cannot be read */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const card: RateCard =
    typeof options.rateCard === 'string' ? JSON.parse(readFileSync(options.rateCard, 'utf8')) : options.rateCard
  const bill = createBill(createOracle(card))
  const fast = options.fast ? createFastChat() : null
  const recorded: RecordedRequest[] = []
  let count = 0
  const server = createServer({ keepAliveTimeout: 60_000, noDelay: true }, (request, response) => {
    count++
    if (fast && request.method === 'POST') {
      fast.handle(request, response, request.headers['x-sim-chunks'] !== undefined)
      return
    }
    void handle(request, response, `req_${count.toString(16).padStart(12, '0')}`).catch(() => response.destroy())
  })

  async function handle(request: IncomingMessage, response: ServerResponse, requestId: string): Promise<void> {
    const body = await readBody(request)
    const target = request.url ?? '/'
    const path = (target.split('?')[0] ?? '').replace(/^\/v1(?=\/)/, '')
    if (options.recordRequests && !path.startsWith('/_sim/')) {
      recorded.push({ method: request.method ?? '', target, rawHeaders: request.rawHeaders, body })
      if (recorded.length > RECORDED_MAX) recorded.shift()
    }
    setHeaders(response, requestId)
    const controls = controlsOf(request, options.chunkDelayMs ?? 0)
    if (controls instanceof ControlError) {
      fail(response, openAiError(400, `The simulator does not understand: ${controls.message}.`))
      return
    }
    if (await fault(controls.fault, request, response)) return
    const at = `${request.method} ${path}`
    if (at === 'POST /chat/completions') {
      await handleChat(request, response, body, controls, requestId, {
        bill,
        seed: options.seed ?? 1,
        now: () => Date.now(),
        fail,
      })
    } else if (at === 'POST /moderations')
      json(response, 200, {
        id: 'modr-1',
        model: 'omni-moderation-latest',
        results: [{ flagged: false, categories: {}, category_scores: {} }],
      })
    else if (at === 'GET /models') json(response, 200, { object: 'list', data: MODELS.map(model) })
    else if (at.startsWith('GET /models/')) {
      const name = decodeURIComponent(path.slice('/models/'.length))
      if (MODELS.includes(name)) json(response, 200, model(name))
      else fail(response, openAiError(404))
    } else if (at === 'GET /_sim/bill') json(response, 200, { entries: bill.entries() })
    else if (at === 'GET /_sim/requests')
      json(response, 200, { requests: recorded.map((each) => ({ ...each, body: each.body.toString('base64') })) })
    else fail(response, openAiError(404, `Invalid URL (${request.method} ${target})`))
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, options.host ?? '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no TCP address')
  return {
    url: `http://${options.host ?? '127.0.0.1'}:${address.port}`,
    port: address.port,
    bill,
    requests: () => recorded,
    close: () =>
      new Promise((resolve) => {
        fast?.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function controlsOf(request: IncomingMessage, chunkDelayMs: number): Controls | ControlError {
  try {
    return readControls(request.headers, chunkDelayMs)
  } catch (error) {
    if (error instanceof ControlError) return error
    throw error
  }
}

/** Faults that come before any answer; true if one did. */
async function fault(name: string | null, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  if (name?.startsWith('status-')) {
    fail(response, openAiError(Number(name.slice('status-'.length))))
    return true
  }
  if (name === 'hang') {
    await new Promise((resolve) => request.socket.once('close', resolve))
    return true
  }
  if (name === 'reset-before-headers') {
    request.socket.resetAndDestroy()
    return true
  }
  return false
}

function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > BODY_BYTES_MAX) request.destroy()
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('close', () => reject(new Error('the client left')))
  })
}

/** The headers that OpenAI puts on every answer, and the one that says what this is. */
function setHeaders(response: ServerResponse, requestId: string): void {
  response.setHeader('x-simulated', 'agentcostcontrol')
  response.setHeader('x-request-id', requestId)
  response.setHeader('openai-version', '2020-10-01')
  response.setHeader('openai-organization', 'simulated')
  response.setHeader('openai-processing-ms', '7')
  response.setHeader('x-ratelimit-limit-requests', '10000')
  response.setHeader('x-ratelimit-remaining-requests', '9999')
  response.setHeader('Set-Cookie', ['__cf_bm=simulated; path=/; HttpOnly', '_cfuvid=simulated; path=/'])
}

const model = (id: string) => ({ id, object: 'model', created: 1_750_000_000, owned_by: 'simulated' })

function json(response: ServerResponse, status: number, body: unknown): void {
  const text = Buffer.from(JSON.stringify(body))
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', text.length)
  response.writeHead(status)
  response.end(text)
}

function fail(response: ServerResponse, error: OpenAiError): void {
  for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value)
  response.setHeader('content-type', 'application/json; charset=utf-8')
  response.setHeader('content-length', Buffer.byteLength(error.body))
  response.writeHead(error.status)
  response.end(error.body)
}
