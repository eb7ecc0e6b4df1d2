/** A provider that sends as much as it is let, and a client that takes as much as it wants; both count. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { gzipSync } from 'node:zlib'
import { rawUpstreamFor } from './raw-http.ts'
import type { Scope } from './scope.ts'

/** A long answer: a head, one piece over and over, an end. */
export interface Flood {
  readonly headers: readonly string[]
  readonly piece: Buffer
  /** How often; without an end if infinite. */
  readonly times: number
  readonly last: Buffer
}

/** A provider that answers with floods. */
export interface FloodServer {
  readonly url: string
  /** Bytes of bodies that the connection took off it so far. */
  readonly sentBytes: number
  /** Connections that are open. */
  readonly open: number
}

/** Starts a {@link FloodServer}. @param flood may change between requests */
export async function floodServerFor(scope: Scope, flood: () => Flood): Promise<FloodServer> {
  let sentBytes = 0
  let open = 0
  const { url } = await rawUpstreamFor(scope, ({ socket }) => {
    const { headers, piece, times, last } = flood()
    open++
    socket.once('close', () => {
      open--
    })
    socket.write(`HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`)
    let sent = 0
    // One write at a time: what was not taken off us is not counted.
    const more = (error?: Error | null): void => {
      if (error || socket.destroyed) return
      if (sent > 0) sentBytes += piece.length
      sent++
      if (sent <= times) socket.write(piece, more)
      else socket.end(last)
    }
    more()
  })
  return {
    url,
    get sentBytes() {
      return sentBytes
    },
    get open() {
      return open
    },
  }
}

const DELTA_BYTES = 16 * 1024

/** Events whose text is noise, so that compressing them makes them little smaller. */
export function noisyEvents(count: number): Buffer {
  const event = (): string =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      model: 'gpt-4.1-mini',
      choices: [{ index: 0, delta: { content: randomBytes(DELTA_BYTES / 2).toString('hex') }, finish_reason: null }],
    })}\n\n`
  return Buffer.from(Array.from({ length: count }, event).join(''))
}

/** The end of a stream. @param usage the report is in it */
export const streamEnd = (usage: boolean): Buffer =>
  Buffer.from(
    `${usage ? 'data: {"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"total_tokens":13}}\n\n' : ''}data: [DONE]\n\n`,
  )

/** A stream of about `megabytes`, compressed or not. */
export function streamFlood(megabytes: number, gzip: boolean): Flood {
  const events = noisyEvents(64)
  // A gzip file may consist of several, one behind the other (RFC 1952 §2.2).
  const code = (bytes: Buffer): Buffer => (gzip ? gzipSync(bytes) : bytes)
  const piece = code(events)
  return {
    headers: ['Content-Type: text/event-stream', ...(gzip ? ['Content-Encoding: gzip'] : [])],
    piece,
    times: Math.ceil((megabytes * 1024 * 1024) / piece.length),
    last: code(streamEnd(true)),
  }
}

/** SHA-256 of a flood's body; `without` takes usage out of its end. */
export function hashOf({ piece, times, last }: Flood): string {
  const hash = createHash('sha256')
  for (let at = 0; at < times; at++) hash.update(piece)
  return hash.update(last).digest('hex')
}

/** A client that has its answer's head and has taken nothing of its body. */
export interface SlowReader {
  readonly response: IncomingMessage
  /** Bytes taken so far. */
  readonly takenBytes: number
  /** Takes all; the body's SHA-256. @throws if it breaks off */
  readAll(): Promise<string>
  leave(): void
}

/** Sends a request and takes nothing of the answer. */
export function slowReader(scope: Scope, url: string, body: string): Promise<SlowReader> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: 'Bearer k', 'content-length': Buffer.byteLength(body) }
    const sent = request(`${url}/v1/chat/completions`, { method: 'POST', headers, agent: false })
    scope.teardown(() => void sent.destroy())
    sent.once('error', reject)
    sent.once('response', (response) => {
      let takenBytes = 0
      resolve({
        response,
        get takenBytes() {
          return takenBytes
        },
        readAll: () => {
          const hash = createHash('sha256')
          return new Promise((done, broken) => {
            response.once('error', broken)
            response.once('end', () => done(hash.digest('hex')))
            response.on('data', (chunk: Buffer) => {
              takenBytes += chunk.length
              hash.update(chunk)
            })
          })
        },
        leave: () => void sent.destroy(),
      })
    })
    sent.end(body)
  })
}

/** Memory of a process in bytes: what it has in use, and the most that it ever had. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const kilobytes = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1])
  return { now: kilobytes('VmRSS') * 1024, peak: kilobytes('VmHWM') * 1024 }
}
