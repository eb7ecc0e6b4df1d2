import { setImmediate } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import { exchange, header, pairs, type RawMessage, rawUpstreamFor, request } from '../support/raw-http.ts'
import { providerYaml, sidecarFor } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'

const KEY = 'X-Goog-Api-Key: any'
const TYPE = 'Content-Type: application/json'
const PLAIN = '{"contents":[{"role":"user","parts":[{"text":"hello"}]}]}'
const BODIES: Readonly<Record<string, string>> = {
  plain: PLAIN,
  'spaces, escapes and repeated keys':
    ' \r\n{ "contents" : [],\t"contents":[{"parts":{"text":"a\\u0062 é漢😀 \\/"}}] , "generation_config":{"temperature":1.0e-0,"seed":12345678901234567890} }\n',
  'a large body': PLAIN.replace('hello', 'é漢😀 '.repeat(40_000)),
  'both spellings': PLAIN.replace('{', '{"generationConfig":{"maxOutputTokens":"50","max_output_tokens":60},'),
  'JSON that is none, for the provider to refuse': '{"contents":[]}',
}
const METHODS = ['generateContent', 'streamGenerateContent?alt=sse', 'streamGenerateContent', 'countTokens']
const CONTROLS: readonly (readonly string[])[] = [
  ['X-Sim-Encoding: gzip'],
  ['X-Sim-Encoding: br'],
  ['X-Sim-Fault: one-byte-chunks', 'X-Sim-Output-Tokens: 4'],
  ['X-Sim-Fault: split-utf8', `X-Sim-Reply: ${encodeURIComponent('é漢😀')}`],
  ['X-Sim-Fault: error-event'],
  ['X-Sim-Fault: end-mid-stream'],
  ['X-Sim-Fault: no-usage'],
  ['X-Sim-Fault: malformed-usage'],
  ['X-Sim-Fault: refusal'],
  ['X-Sim-Fault: status-429'],
  ['X-Sim-Fault: status-503'],
]

const target = (method: string): string => `POST /google/v1beta/models/gemini-2.5-flash:${method}`
const CORPUS: readonly (readonly [name: string, bytes: Buffer])[] = [
  ...METHODS.flatMap((method) =>
    Object.entries(BODIES).map(
      ([name, body]) => [`${method}: ${name}`, request(target(method), [KEY, TYPE], body)] as const,
    ),
  ),
  ...METHODS.slice(0, 3).flatMap((method) =>
    CONTROLS.map(
      (controls) => [`${method}: ${controls[0]}`, request(target(method), [KEY, TYPE, ...controls], PLAIN)] as const,
    ),
  ),
  ['a key in the query', request(`${target('generateContent')}?key=a%20b&x=1`, [TYPE], PLAIN)],
  ['a colon that is encoded', request(target('generateContent').replace(':gen', '%3Agen'), [KEY, TYPE], PLAIN)],
  ['the list of models', request('GET /google/v1beta/models?pageSize=5', [KEY])],
  ['a cache that may cost', request('POST /google/v1beta/cachedContents', [KEY, TYPE], '{"ttl":"60s"}')],
]

/** Fields that belong to one connection or to the sidecar. */
const OWN = /^(?:host|content-length|connection|keep-alive|transfer-encoding|x-acc-.*)$/i
const kept = (fields: readonly (readonly [string, string])[]) => fields.filter(([name]) => !OWN.test(name))
const inTurn = (raw: readonly string[]) =>
  raw.flatMap((name, at) => (at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : []))
const told = ({ start, lines, body, complete }: RawMessage) => [
  start,
  kept(pairs(lines)),
  body.toString('latin1'),
  complete,
]

t.test('requests and answers of Gemini are the same, byte for byte, with and without the sidecar', async (t) => {
  const options = { now: () => Date.UTC(2026, 10, 24, 12) }
  const [direct, behind] = [await simulatorFor(t, options), await simulatorFor(t, options)]
  const sidecar = await sidecarFor(t, {
    upstream: `${behind.url}/v1`,
    env: { ACC_UPSTREAM_GOOGLE: `${behind.url}/google` },
    policies: { 'google.yaml': providerYaml({ onUnbounded: 'allowCounted' }, 'google') },
  })
  for (const [name, bytes] of CORPUS) {
    const [alone, through] = await Promise.all([exchange(t, direct.port, bytes), exchange(t, sidecar.port, bytes)])
    const [asked, sent] = [direct.requests().at(-1), behind.requests().at(-1)]
    t.strictSame(
      [sent?.method, sent?.target, kept(inTurn(sent?.rawHeaders ?? [])), sent?.body.toString('latin1')],
      [asked?.method, asked?.target, kept(inTurn(asked?.rawHeaders ?? [])), asked?.body.toString('latin1')],
      `${name}: request`,
    )
    t.strictSame(told(through), told(alone), `${name}: answer`)
  }
})

const chunk = (text: string, tokens: number, more = ''): string =>
  `{ "candidates":[{"content":{"parts":[{"text":${JSON.stringify(text)}}],"role":"model"},"index":0${more}}],\r\n "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":${tokens},"totalTokenCount":${8 + tokens}},"modelVersion":"gemini-2.5-flash" }`
const CHUNKS = [chunk('é漢😀 \\ "}]" ', 3), chunk('[{', 4), chunk('last', 5), chunk('', 5, ',"finishReason":"STOP"')]
const RECORDED = [
  {
    name: 'events',
    method: 'streamGenerateContent?alt=sse',
    type: 'text/event-stream',
    stream: CHUNKS.map((each) => `data: ${each.replace('\r\n', '')}\r\n\r\n`).join(''),
  },
  {
    name: 'an array',
    method: 'streamGenerateContent',
    type: 'application/json; charset=UTF-8',
    stream: `[${CHUNKS.join(' ,\r\n')}\n]\n`,
  },
]

for (const { name, method, type, stream } of RECORDED) {
  t.test(`${name} of Gemini, and the bill, do not depend on how they are cut into packets`, async (t) => {
    const clear = Buffer.from(stream)
    const gzip = gzipSync(clear)
    const upstream = await rawUpstreamFor(t, async (connection, message) => {
      const encoded = header(message, 'x-coding') === 'gzip'
      const body = encoded ? gzip : clear
      const coding = encoded ? 'Content-Encoding: gzip\r\n' : ''
      connection.socket.setNoDelay(true)
      connection.send(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${coding}Transfer-Encoding: chunked\r\n\r\n`)
      let from = 0
      for (const to of [...(header(message, 'x-cuts') ?? '').split(' ').map(Number), body.length]) {
        const piece = body.subarray(from, to)
        if (piece.length === 0) continue
        connection.send(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]))
        from = to
        await setImmediate()
      }
      connection.send('0\r\n\r\n')
    })
    const sidecar = await sidecarFor(t, { upstream: `${upstream.url}/v1`, env: { ACC_UPSTREAM_GOOGLE: upstream.url } })
    const cuts: number[][] = fc.sample(fc.uniqueArray(fc.nat(clear.length - 1), { minLength: 1, maxLength: 40 }), {
      numRuns: 40,
      seed: 1,
    })
    cuts.push([...clear.keys()])
    for (const coding of ['identity', 'gzip']) {
      const bytes = coding === 'gzip' ? gzip : clear
      const differing: string[] = []
      for (const offsets of cuts) {
        const ordered = offsets.toSorted((a, b) => a - b).filter((at) => at < bytes.length)
        const asked = request(target(method), [KEY, `X-Coding: ${coding}`, `X-Cuts: ${ordered.join(' ')}`], PLAIN)
        const { body, complete } = await exchange(t, sidecar.port, asked)
        const text = (coding === 'gzip' ? gunzipSync(body) : body).toString()
        if (text !== stream || !body.equals(bytes) || !complete) differing.push(ordered.join(' '))
      }
      t.same(differing, [], coding)
    }
    const events = await sidecar.events(cuts.length * 2)
    const bills = events.map(({ outcome, attempts: [attempt] }) =>
      JSON.stringify([outcome, attempt?.precision, attempt?.usage, attempt?.costNanoUsd]),
    )
    t.equal(new Set(bills).size, 1, 'one bill for all')
    // 8 × 0.3 + 5 × 2.5 = 14.9 µ$
    t.match(bills[0], /"completed","exact",.*"14900"/)
  })
}
