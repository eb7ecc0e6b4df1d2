import { setImmediate } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { givenOf, RECORDED } from '../../sidecar/test/support/recorded.ts'
import { OLLAMA_POLICY } from '../support/ollama.ts'
import { exchange, header, type RawConnection, rawUpstreamFor, request } from '../support/raw-http.ts'
import { AMPLE_BUDGET, providerYaml, sidecarFor } from '../support/sidecar.ts'

/** What Azure's names of models mean. */
const POLICIES = {
  'budget.yaml': AMPLE_BUDGET,
  'azure.yaml': providerYaml({ models: '{ gpt-4.1-mini: { model: gpt-4.1-mini } }' }, 'azure'),
  'ollama.yaml': OLLAMA_POLICY,
}

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

for (const recorded of RECORDED) {
  const { name, path, body, contentType, upstream } = recorded
  const [stream, given] = [recorded.stream(), givenOf(recorded)]

  t.test(`${name}: on a real connection it and its bill do not depend on how it is cut into packets`, async (t) => {
    const clear = Buffer.from(stream)
    const gzip = gzipSync(clear)
    const provider = await rawUpstreamFor(t, (connection, message) => {
      const encoded = header(message, 'x-coding') === 'gzip'
      const head = `HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\n${encoded ? 'Content-Encoding: gzip\r\n' : ''}`
      const offsets = (header(message, 'x-cuts') ?? '').split(' ').map(Number)
      void sendCut(connection, head, encoded ? gzip : clear, offsets)
    })
    const [variable, end] = upstream
    const sidecar = await sidecarFor(t, {
      upstream: `${provider.url}/v1`,
      env: { [variable]: provider.url + end },
      policies: POLICIES,
    })
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
