import { setImmediate } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { recordedAnthropicStream } from '../../sidecar/test/support/recorded-anthropic-stream.ts'
import { RECORDED_STREAM, RECORDED_STREAM_WITHOUT_USAGE } from '../../sidecar/test/support/recorded-stream.ts'
import { exchange, header, type RawConnection, rawUpstreamFor, request } from '../support/raw-http.ts'
import { sidecarFor } from '../support/sidecar.ts'

/** A recorded stream, the request that gets it, and what its client must be given. */
interface Recorded {
  readonly name: string
  readonly path: string
  readonly body: string
  readonly stream: string
  readonly given: string
}

const CHAT = '{"stream":true,"model":"gpt-4.1-mini","messages":[]}'
const RECORDED: readonly Recorded[] = [
  {
    name: 'a chat with usage',
    path: '/v1/chat/completions',
    body: CHAT.replace('{', '{"stream_options":{"include_usage":true},'),
    stream: RECORDED_STREAM,
    given: RECORDED_STREAM,
  },
  {
    name: 'a chat without usage',
    path: '/v1/chat/completions',
    body: CHAT,
    stream: RECORDED_STREAM,
    given: RECORDED_STREAM_WITHOUT_USAGE,
  },
  {
    name: 'a message of Anthropic',
    path: '/v1/messages',
    body: '{"stream":true,"model":"claude-haiku-4-5","max_tokens":100,"messages":[]}',
    stream: recordedAnthropicStream(),
    given: recordedAnthropicStream(),
  },
]

/** Sends a body in chunks that end at the given offsets, each in a packet of its own. */
async function sendCut(
  connection: RawConnection,
  head: string,
  body: Buffer,
  offsets: readonly number[],
): Promise<void> {
  connection.socket.setNoDelay(true)
  connection.send(`${head}Transfer-Encoding: chunked\r\n\r\n`)
  let from = 0
  for (const to of [...offsets, body.length]) {
    const piece = body.subarray(from, to)
    if (piece.length === 0) continue
    connection.send(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]))
    from = to
    await setImmediate()
  }
  connection.send('0\r\n\r\n')
}

for (const { name, path, body, stream, given } of RECORDED) {
  t.test(`${name}: on a real connection it and its bill do not depend on how it is cut into packets`, async (t) => {
    const clear = Buffer.from(stream)
    const gzip = gzipSync(clear)
    const upstream = await rawUpstreamFor(t, (connection, message) => {
      const encoded = header(message, 'x-coding') === 'gzip'
      const head = `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${encoded ? 'Content-Encoding: gzip\r\n' : ''}`
      const offsets = (header(message, 'x-cuts') ?? '').split(' ').map(Number)
      void sendCut(connection, head, encoded ? gzip : clear, offsets)
    })
    const base = `${upstream.url}/v1`
    const sidecar = await sidecarFor(t, { upstream: base, env: { ACC_UPSTREAM_ANTHROPIC: base } })
    const cuts: number[][] = fc.sample(fc.uniqueArray(fc.nat(clear.length - 1), { minLength: 1, maxLength: 40 }), {
      numRuns: 40,
      seed: 1,
    })
    cuts.push([...clear.keys()], ...Array.from({ length: 40 }, (_, at) => [at * 37]))
    let sent = 0
    for (const coding of ['identity', 'gzip']) {
      const differing: string[] = []
      for (const offsets of cuts) {
        const ordered = offsets.toSorted((a, b) => a - b).filter((at) => coding === 'identity' || at < gzip.length)
        const headers = ['Authorization: Bearer k', `X-Coding: ${coding}`, `X-Cuts: ${ordered.join(' ')}`]
        const answer = await exchange(t, sidecar.port, request(`POST ${path}`, headers, body))
        sent++
        const text = (coding === 'gzip' ? gunzipSync(answer.body) : answer.body).toString()
        const untouched = coding === 'identity' || given !== stream || answer.body.equals(gzip)
        if (text !== given || !untouched || !answer.complete) differing.push(ordered.join(' '))
      }
      t.same(differing, [], coding)
    }
    const events = await sidecar.events(sent)
    const bills = events.map(({ outcome, attempts: [attempt] }) =>
      JSON.stringify([outcome, attempt?.precision, attempt?.usage, attempt?.costNanoUsd]),
    )
    t.equal(events.length, sent)
    t.equal(new Set(bills).size, 1, 'one bill for all')
    t.match(bills[0], /"completed","exact"/)
  })
}
