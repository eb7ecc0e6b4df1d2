import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { brotliCompress, deflate, gzip, zstdCompress } from 'node:zlib'
import type { Bill, BillEntry } from '../bill.ts'
import type { Controls } from '../controls.ts'
import { answerChat, type ChatAnswer, usageOf } from './answer.ts'
import { type OpenAiError, openAiError } from './errors.ts'
import { renderAnswer, renderChunks } from './render.ts'
import { sendStream } from './stream.ts'
import { placeUsage } from './usage-place.ts'

/** What the chat endpoint needs. */
export interface ChatOptions {
  readonly bill: Bill
  readonly seed: number
  now(): number
  fail(response: ServerResponse, error: OpenAiError): void
}

const COMPRESS = {
  gzip: promisify<Buffer, Buffer>(gzip),
  deflate: promisify<Buffer, Buffer>(deflate),
  br: promisify<Buffer, Buffer>(brotliCompress),
  zstd: promisify<Buffer, Buffer>(zstdCompress),
}

/** Answers `POST /chat/completions`. */
export async function handleChat(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
  controls: Controls,
  requestId: string,
  options: ChatOptions,
): Promise<void> {
  const read = readRequest(request, body)
  if ('status' in read) {
    options.fail(response, read)
    return
  }
  const answer = answerChat(read.json, controls, options.seed, Math.floor(options.now() / 1_000))
  const streamed = read.json.stream === true
  const entry = options.bill.open(
    {
      requestId,
      responseId: answer.id,
      model: answer.model,
      serviceTier: answer.serviceTier,
      tag: controls.tag,
      searchCalls: answer.features.searchCalls,
    },
    usageOf(answer.promptTokens, 0, 0),
  )
  if (streamed) await stream(response, answer, read.json, controls, entry, options.bill)
  else await plain(response, answer, controls, entry, options.bill)
}

function readRequest(
  request: IncomingMessage,
  body: Buffer,
): { readonly json: Readonly<Record<string, unknown>> } | OpenAiError {
  if (!request.headers.authorization && !request.headers['api-key'])
    return openAiError(401, "You didn't provide an API key.")
  let json: unknown
  try {
    json = JSON.parse(body.toString())
  } catch {
    return openAiError(400, 'We could not parse the JSON body of your request.')
  }
  if (typeof json !== 'object' || json === null) return openAiError(400, 'Expected an object.')
  const record: Readonly<Record<string, unknown>> = { ...json }
  if (typeof record.model !== 'string') return openAiError(400, 'you must provide a model parameter')
  if (record.model.startsWith('no-such-model')) return openAiError(404)
  if (!Array.isArray(record.messages) || record.messages.length === 0) {
    return openAiError(400, "Missing required parameter: 'messages'.", 'messages')
  }
  return { json: record }
}

async function plain(
  response: ServerResponse,
  answer: ChatAnswer,
  controls: Controls,
  entry: BillEntry,
  bill: Bill,
): Promise<void> {
  const json = renderAnswer(answer)
  bill.update(entry, answer.usage, 'completed')
  const text = malformed(json, controls.fault)
  const plainBody = Buffer.from(text)
  const encoded = controls.encoding === null ? plainBody : await COMPRESS[controls.encoding](plainBody)
  if (controls.fault === 'html') {
    response.setHeader('content-type', 'text/html')
    response.end('<html><body>something in between answers in its place</body></html>')
    return
  }
  response.setHeader('content-type', 'application/json')
  if (controls.encoding !== null) response.setHeader('content-encoding', controls.encoding)
  response.setHeader('content-length', encoded.length)
  response.writeHead(200)
  if (controls.fault === 'cut-mid-body') {
    response.write(encoded.subarray(0, Math.floor(encoded.length / 2)))
    setImmediate(() => response.socket?.destroySoon())
    return
  }
  if (controls.fault === 'stall-mid-body') {
    response.write(encoded.subarray(0, Math.floor(encoded.length / 2)))
    return
  }
  response.end(encoded)
}

function malformed(json: string, fault: string | null): string {
  switch (fault) {
    case 'truncated-json':
      return json.slice(0, -10)
    case 'no-usage':
      return JSON.stringify({ ...JSON.parse(json), usage: undefined })
    case 'malformed-usage':
      return JSON.stringify({ ...JSON.parse(json), usage: { prompt_tokens: 'many', completion_tokens: -3 } })
    default:
      return json
  }
}

async function stream(
  response: ServerResponse,
  answer: ChatAnswer,
  json: Readonly<Record<string, unknown>>,
  controls: Controls,
  entry: BillEntry,
  bill: Bill,
): Promise<void> {
  const options = json.stream_options
  const usage =
    typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
  response.setHeader('content-type', 'text/event-stream; charset=utf-8')
  response.setHeader('cache-control', 'no-cache')
  if (controls.encoding !== null) response.setHeader('content-encoding', controls.encoding)
  response.writeHead(200)
  response.flushHeaders()
  const chunks = placeUsage(renderChunks(answer, usage), controls.usageIn, answer)
  const { ended, tokens } = await sendStream(response, chunks, controls)
  const generated =
    ended === 'completed'
      ? answer.usage
      : usageOf(answer.promptTokens, tokens + answer.reasoningTokens, answer.reasoningTokens)
  bill.update(entry, generated, ended)
}
