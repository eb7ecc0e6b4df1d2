import fc from 'fast-check'
import t, { type Test } from 'tap'
import { ANSWERS } from '../support/answers.ts'
import { AUTH, PLAIN_CHAT } from '../support/corpus.ts'
import { FUZZ_SEED } from '../support/fuzz.ts'
import { exchange, header, rawUpstreamFor, request } from '../support/raw-http.ts'
import { AMPLE_BUDGET, providerYaml, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { until } from '../support/until.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const OK = 'HTTP/1.1 200 OK\r\n'
const TWO = 'Content-Length: 2\r\n\r\n{}'

/** Answers that are no proper HTTP. */
const IMPROPER: Readonly<Record<string, Buffer>> = {
  nothing: latin1(''),
  'no HTTP': latin1('nonsense\r\n\r\n'),
  'a control character in the reason': latin1(`HTTP/1.1 200 a\x01b\r\n${TWO}`),
  'a reason that is not UTF-8': latin1(`HTTP/1.1 200 caf\xe9\r\n${TWO}`),
  'a status of two digits': latin1(`HTTP/1.1 99 X\r\n${TWO}`),
  'a status beyond all classes': latin1(`HTTP/1.1 999 X\r\n${TWO}`),
  'a control character in a header': latin1(`${OK}X: a\x01b\r\n${TWO}`),
  'a NUL in a header': latin1(`${OK}X: a\0b\r\n${TWO}`),
  'a space in a name': latin1(`${OK}X Y: ab\r\n${TWO}`),
  'a folded header': latin1(`${OK}X: a\r\n b\r\n${TWO}`),
  'lines that end with bare LFs': latin1('HTTP/1.1 200 OK\nContent-Length: 2\n\n{}'),
  'two lengths': latin1(`${OK}Content-Length: 3\r\n${TWO}`),
  'a length and chunks': latin1(`${OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`),
  'a chunk size that is none': latin1(`${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`),
  'another protocol': latin1('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
  'headers without an end': latin1(`${OK}${'X: aaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(20_000)}`),
  'a 204 with a body': latin1(`HTTP/1.1 204 No Content\r\n${TWO}`),
  'another answer behind the answer': latin1(`${OK}${TWO}${OK}${TWO}`),
  'interim answers without an end': latin1('HTTP/1.1 102 Processing\r\n\r\n'.repeat(1_000)),
}

const REQUESTS = [
  request('GET /v1/models', [AUTH]),
  request('POST /v1/chat/completions', [AUTH], PLAIN_CHAT),
  request('POST /v1/chat/completions', [AUTH], PLAIN_CHAT.replace('{', '{"stream":true,')),
]
const LIMITS = {
  'budget.yaml': AMPLE_BUDGET,
  'provider.yaml': providerYaml({ headersTimeoutMs: 1_000, idleTimeoutMs: 1_000 }),
}

/** All is over, accounted for once, and nobody complains. */
async function allIsWell(t: Test, sidecar: TestSidecar, sent: number): Promise<void> {
  await until('nothing is under way', async () =>
    (await sidecar.metric('acc_requests_in_flight')) === 0 ? true : null,
  )
  t.equal((await sidecar.events(sent)).length, sent, 'one event each')
  t.equal(await sidecar.metric('acc_outbox_open_intents'), 0)
  t.equal(await sidecar.metric('acc_upstream_paused_answers'), 0)
  t.equal(sidecar.complaint(), '')
  const errors = sidecar.log.filter(({ level }) => level === 'error')
  t.same(errors, [])
  t.equal(await sidecar.stop(), 0)
}

t.test(
  'an answer that is no proper HTTP ends as an answer or as a break, with its event, and nothing else',
  async (t) => {
    const upstream = await rawUpstreamFor(t, (connection, message) => {
      connection.send(IMPROPER[header(message, 'x-case') ?? ''] ?? '')
      if (header(message, 'x-close') !== null) connection.socket.end()
    })
    const sidecar = await sidecarFor(t, { upstream: `${upstream.url}/v1`, policies: LIMITS })
    const all = Object.keys(IMPROPER).flatMap((name) =>
      REQUESTS.flatMap((bytes) => ['', 'X-Close: 1\r\n'].map((close) => ({ name, bytes, close }))),
    )
    await Promise.all(
      all.map(async ({ name, bytes, close }) => {
        const text = bytes.toString('latin1').replace('\r\n', `\r\nX-Case: ${name}\r\n${close}`)
        const answer = await exchange(t, sidecar.port, latin1(text))
        if (answer.start !== '') t.match(answer.start, /^HTTP\/1\.1 \d{3} [\t\x20-\x7e]*$/, name)
      }),
    )
    await allIsWell(t, sidecar, all.length)
  },
)

t.test('a phrase that may not be sent is replaced by the usual one', async (t) => {
  const upstream = await rawUpstreamFor(t, (connection) =>
    connection.send(IMPROPER['a control character in the reason'] ?? ''),
  )
  const sidecar = await sidecarFor(t, { upstream: `${upstream.url}/v1` })
  t.equal((await exchange(t, sidecar.port, request('GET /v1/models'))).start, 'HTTP/1.1 200 OK')
})

t.test('no bytes of a provider end the process, leave anything behind or are lost', async (t) => {
  const seeds = [...Object.values(ANSWERS).map(({ bytes }) => bytes), ...Object.values(IMPROPER)].filter(
    (bytes) => bytes.length > 0 && bytes.length < 4_096,
  )
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.option(fc.nat()))
    .map(([seed, changes, cutAt]) => {
      const bytes = Buffer.from(seed)
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      return bytes.subarray(0, cutAt === null ? bytes.length : cutAt % bytes.length)
    })
  const answers = fc.sample(fc.tuple(mutated, fc.constantFrom('reset', 'end', 'end', 'stall')), {
    numRuns: 400,
    seed: FUZZ_SEED,
  })
  let next = 0
  const upstream = await rawUpstreamFor(t, ({ socket }) => {
    const [bytes, leaving] = answers[next++ % answers.length] ?? [latin1(''), 'end']
    socket.write(bytes, () => {
      if (leaving === 'end') socket.end()
      else if (leaving === 'reset') setImmediate(() => socket.resetAndDestroy())
    })
  })
  const sidecar = await sidecarFor(t, { upstream: `${upstream.url}/v1`, policies: LIMITS })
  for (let at = 0; at < answers.length; at += 100) {
    await Promise.all(
      answers.slice(at, at + 100).map((_, n) => exchange(t, sidecar.port, REQUESTS[n % 3] ?? latin1(''))),
    )
  }
  await allIsWell(t, sidecar, answers.length)
})
