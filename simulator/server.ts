import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { RateCard } from '@agentcostcontrol/contract'
import { anthropicApi } from './anthropic/api.ts'
import { type Api, sendJson } from './api.ts'
import { azureApi } from './azure/api.ts'
import { type Bill, createBill } from './bill.ts'
import { ControlError, type Controls, readControls } from './controls.ts'
import { createFastMode } from './fast.ts'
import { geminiApi } from './gemini/api.ts'
import { ollamaApi } from './ollama/api.ts'
import { openaiApi } from './openai/api.ts'
import { DIALECT_NAMES } from './openai/dialects.ts'
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
  /** The time that answers carry, ms since the epoch; the system's if left out. */
  readonly now?: () => number
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

/** The APIs by the first part of a path; without one it is OpenAI's. */
const APIS: Readonly<Record<string, { readonly api: Api; readonly provider: string }>> = {
  openai: { api: openaiApi, provider: 'openai' },
  anthropic: { api: anthropicApi, provider: 'anthropic' },
  azure: { api: azureApi, provider: 'azure' },
  google: { api: geminiApi, provider: 'google' },
  ollama: { api: ollamaApi, provider: 'ollama' },
  ...Object.fromEntries(DIALECT_NAMES.map((provider) => [provider, { api: openaiApi, provider }])),
}
const VERSION = /^\/v1(?:alpha|beta)?(?=\/)/
/** What the base URLs of some providers have in front of the version. */
const BEFORE_VERSION = /^\/(?:api|inference|openai)(?=\/v1\/)/

function apiOf(path: string): { readonly api: Api; readonly provider: string; readonly path: string } {
  const [, first = '', rest = ''] = /^\/([^/]+)(\/.*)$/.exec(path) ?? []
  const named = Object.hasOwn(APIS, first) ? APIS[first] : undefined
  return named
    ? { ...named, path: (named.api === openaiApi ? rest.replace(BEFORE_VERSION, '') : rest).replace(VERSION, '') }
    : { api: openaiApi, provider: 'openai', path: path.replace(VERSION, '') }
}

/** Starts the simulated APIs. @throws if the address is taken or the rate card cannot be read */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const card: RateCard =
    typeof options.rateCard === 'string' ? JSON.parse(readFileSync(options.rateCard, 'utf8')) : options.rateCard
  const bill = createBill(createOracle(card))
  const fast = options.fast ? createFastMode() : null
  const recorded: RecordedRequest[] = []
  const now = options.now ?? Date.now
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
    response.setHeader('Date', new Date(now()).toUTCString())
    response.setHeader('x-simulated', 'agentcostcontrol')
    const target = request.url ?? '/'
    const query = target.indexOf('?')
    const sent = query === -1 ? target : target.slice(0, query)
    if (sent.startsWith('/_sim/')) {
      answerOwn(response, sent)
      return
    }
    if (options.recordRequests) {
      recorded.push({ method: request.method ?? '', target, rawHeaders: request.rawHeaders, body })
      if (recorded.length > RECORDED_MAX) recorded.shift()
    }
    const { api, provider, path } = apiOf(sent)
    api.setHeaders(response, requestId)
    const controls = controlsOf(request, options.chunkDelayMs ?? 0)
    if (controls instanceof ControlError) {
      api.fail(response, 400, `The simulator does not understand: ${controls.message}.`)
      return
    }
    if (await fault(controls.fault, request, response, api)) return
    const method = request.method ?? ''
    const answered = await api.handle({
      request,
      response,
      body,
      method,
      path,
      query: new URLSearchParams(query === -1 ? '' : target.slice(query)),
      controls,
      requestId,
      provider,
      bill,
      fail: api.fail,
      seed: options.seed ?? 1,
      now,
    })
    if (!answered) api.fail(response, 404, `Invalid URL (${method} ${target})`)
  }

  /** What the simulator tells of itself. */
  function answerOwn(response: ServerResponse, path: string): void {
    if (path === '/_sim/bill') sendJson(response, 200, JSON.stringify({ entries: bill.entries() }))
    else if (path === '/_sim/requests') {
      const requests = recorded.map((each) => ({ ...each, body: each.body.toString('base64') }))
      sendJson(response, 200, JSON.stringify({ requests }))
    } else sendJson(response, 404, '{"error":"here are /_sim/bill and /_sim/requests"}')
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
async function fault(
  name: string | null,
  request: IncomingMessage,
  response: ServerResponse,
  api: Api,
): Promise<boolean> {
  if (name?.startsWith('status-')) {
    api.fail(response, Number(name.slice('status-'.length)))
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
