import { connect } from 'node:net'
import type { Simulator } from '@agentcostcontrol/simulator'

/** Members of a chat request over the usual ones. */
export type Chat = Readonly<Record<string, unknown>>
/** Controls by name, `x-sim-` left out. */
export type Asked = Readonly<Record<string, string>>

const CHAT: Chat = { model: 'gpt-4.1-mini', messages: [{ role: 'user', content: 'What is in the report?' }] }

function request(chat: Chat, controls: Asked): { readonly headers: Record<string, string>; readonly body: string } {
  const own = Object.entries(controls).map(([name, value]) => [`x-sim-${name}`, value])
  const headers = { authorization: 'Bearer any', 'content-type': 'application/json', ...Object.fromEntries(own) }
  return { headers, body: JSON.stringify({ ...CHAT, ...chat }) }
}

/** Asks for a completion. */
export function ask(simulator: Simulator, chat: Chat = {}, controls: Asked = {}, signal?: AbortSignal) {
  const { headers, body } = request(chat, controls)
  const init = { method: 'POST', headers, body, ...(signal ? { signal } : {}) }
  return fetch(`${simulator.url}/v1/chat/completions`, init)
}

/** Asks for a completion and reads its JSON. */
export async function askJson(simulator: Simulator, chat: Chat = {}, controls: Asked = {}) {
  const response = await ask(simulator, chat, controls)
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`)
  return JSON.parse(await response.text())
}

/** The events of a stream's text: JSON, and `[DONE]` as it is. */
export const eventsOf = (text: string) =>
  text
    .split(/\r?\n\r?\n/)
    .filter((event) => event.startsWith('data:'))
    .map((event) => event.slice(5).trim())
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)))

/** Asks for a stream that reports its usage, and reads its events. */
export async function askStream(simulator: Simulator, chat: Chat = {}, controls: Asked = {}) {
  const response = await ask(simulator, { stream: true, stream_options: { include_usage: true }, ...chat }, controls)
  return eventsOf(await response.text())
}

/** What a stream's events say in all, by choice. */
export function contentOf(events: ReturnType<typeof eventsOf>, choice = 0): string {
  return events
    .flatMap((event) => event.choices ?? [])
    .filter(({ index }: { index: number }) => index === choice)
    .map(({ delta }: { delta: { content?: string } }) => delta.content ?? '')
    .join('')
}

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly head: string
  /** The frames of the chunked coding; what is incomplete is left out. */
  readonly frames: readonly Buffer[]
  readonly end: 'closed' | 'reset'
}

/** Asks on a socket of its own and reads to the end, to see what HTTP libraries hide: the cuts between chunks. */
export function askRaw(simulator: Simulator, chat: Chat = {}, controls: Asked = {}): Promise<RawAnswer> {
  const { headers, body } = request(chat, controls)
  const lines = Object.entries({ ...headers, host: 'simulated', connection: 'close' })
  const socket = connect(simulator.port, '127.0.0.1')
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.write(`POST /v1/chat/completions HTTP/1.1\r\n${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const done = (end: RawAnswer['end']): void => {
      const bytes = Buffer.concat(chunks)
      const at = bytes.indexOf('\r\n\r\n')
      resolve({ head: bytes.subarray(0, at).toString(), frames: framesOf(bytes.subarray(at + 4)), end })
    }
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.once('error', () => done('reset'))
    socket.once('end', () => {
      socket.end()
      done('closed')
    })
  })
}

/** Takes the chunked coding apart (RFC 9112 §7.1). */
function framesOf(body: Buffer): readonly Buffer[] {
  const frames: Buffer[] = []
  for (let at = 0; ; ) {
    const line = body.indexOf('\r\n', at)
    const length = line === -1 ? 0 : Number.parseInt(body.subarray(at, line).toString(), 16)
    if (!length || line + 2 + length > body.length) return frames
    frames.push(body.subarray(line + 2, line + 2 + length))
    at = line + 2 + length + 2
  }
}
