import { setImmediate } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { RECORDED_STREAM, RECORDED_STREAM_WITHOUT_USAGE } from '../../sidecar/test/support/recorded-stream.ts'
import { exchange, header, type RawConnection, rawUpstreamFor, request } from '../support/raw-http.ts'
import { sidecarFor } from '../support/sidecar.ts'

const CLEAR = Buffer.from(RECORDED_STREAM)
const GZIP = gzipSync(CLEAR)
const ASKS = '{"stream":true,"stream_options":{"include_usage":true},"model":"gpt-4.1-mini","messages":[]}'
const ASKS_NOT = '{"stream":true,"model":"gpt-4.1-mini","messages":[]}'

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

t.test('on a real connection a stream and its bill do not depend on how it is cut into packets', async (t) => {
  const upstream = await rawUpstreamFor(t, (connection, message) => {
    const gzip = header(message, 'x-coding') === 'gzip'
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n${gzip ? 'Content-Encoding: gzip\r\n' : ''}`
    const offsets = (header(message, 'x-cuts') ?? '').split(' ').map(Number)
    void sendCut(connection, head, gzip ? GZIP : CLEAR, offsets)
  })
  const sidecar = await sidecarFor(t, { upstream: `${upstream.url}/v1` })
  const cuts: number[][] = fc.sample(fc.uniqueArray(fc.nat(CLEAR.length - 1), { minLength: 1, maxLength: 40 }), {
    numRuns: 40,
    seed: 1,
  })
  cuts.push([...CLEAR.keys()], ...Array.from({ length: 40 }, (_, at) => [at * 37]))
  let sent = 0
  for (const coding of ['identity', 'gzip']) {
    for (const asks of [true, false]) {
      const expected = asks ? RECORDED_STREAM : RECORDED_STREAM_WITHOUT_USAGE
      const differing: string[] = []
      for (const offsets of cuts) {
        const ordered = offsets.toSorted((a, b) => a - b).filter((at) => coding === 'identity' || at < GZIP.length)
        const headers = ['Authorization: Bearer k', `X-Coding: ${coding}`, `X-Cuts: ${ordered.join(' ')}`]
        const bytes = request('POST /v1/chat/completions', headers, asks ? ASKS : ASKS_NOT)
        const answer = await exchange(t, sidecar.port, bytes)
        sent++
        const body = (coding === 'gzip' ? gunzipSync(answer.body) : answer.body).toString()
        const untouched = coding === 'identity' || !asks || answer.body.equals(GZIP)
        if (body !== expected || !untouched || !answer.complete) differing.push(ordered.join(' '))
      }
      t.same(differing, [], `${coding}, ${asks ? 'with' : 'without'} usage`)
    }
  }
  const events = await sidecar.events(sent)
  const bills = events.map(({ outcome, attempts: [attempt] }) =>
    JSON.stringify([outcome, attempt?.precision, attempt?.usage, attempt?.costNanoUsd]),
  )
  t.equal(events.length, sent)
  t.equal(new Set(bills).size, 1, 'one bill for all')
  t.match(bills[0], /"completed","exact"/)
})
