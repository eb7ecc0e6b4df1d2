import fc from 'fast-check'
import t from 'tap'
import { AUTH, CORPUS, PLAIN_CHAT } from '../support/corpus.ts'
import { FUZZ_SEED } from '../support/fuzz.ts'
import { HOSTILE } from '../support/hostile.ts'
import { exchange, header, RawConnection, request } from '../support/raw-http.ts'
import { sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'

const STREAM = PLAIN_CHAT.replace('{', '{"stream":true,')
const idle = (sidecar: TestSidecar): Promise<true> =>
  until('nothing is under way', async () => ((await sidecar.metric('acc_requests_in_flight')) === 0 ? true : null))

t.test('each hostile request gets a clear error, reaches no provider, and is counted or told', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  for (const [name, { bytes, status, code, names }] of Object.entries(HOSTILE)) {
    const answer = await exchange(t, sidecar.port, bytes)
    t.equal(answer.start.split(' ')[1], String(status), `${name}: status`)
    t.equal(header(answer, 'x-acc-code'), code, `${name}: code`)
    const { error } = JSON.parse(answer.body.toString())
    t.equal(error.code, code, `${name}: the code in the client's format`)
    t.match(error.message, names ?? /\w{3}/, `${name}: a message`)
    t.ok(answer.complete && answer.interim.length === 0, `${name}: a whole answer`)
  }
  t.same(simulator.requests(), [], 'nothing was sent, nor smuggled')
  await idle(sidecar)
  const told = (await sidecar.events(0)).length
  t.equal(told + (await sidecar.metric('acc_client_errors_total')), Object.keys(HOSTILE).length, 'none is lost')
  t.equal((await exchange(t, sidecar.port, request('GET /v1/models', [AUTH]))).start, 'HTTP/1.1 200 OK')
  t.equal(sidecar.complaint(), '')
})

t.test('what Connection names stays behind, and the sidecar reads its own headers all the same', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const hiding = ['Connection: x-acc-agent, content-length', 'Connection: x-hop', 'x-acc-agent: me', 'x-hop: 1', AUTH]
  t.equal((await exchange(t, sidecar.port, request('POST /v1/chat/completions', hiding, PLAIN_CHAT))).complete, true)
  const [event] = await sidecar.events(1)
  t.equal(event?.principal.agent, 'me')
  t.notMatch(String(simulator.requests()[0]?.rawHeaders), /x-acc-|x-hop/i)
})

t.test('a body that is refused by its length is not asked for', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env: { ACC_BODY_BYTES_MAX: '1024' } })
  const asking = request('POST /v1/chat/completions', [AUTH, 'Expect: 100-continue', 'Content-Length: 1025'])
  const answer = await exchange(t, sidecar.port, asking)
  t.equal(header(answer, 'x-acc-code'), 'acc_body_too_large')
  t.same(answer.interim, [], 'no 100 Continue')
  t.equal(header(answer, 'connection'), 'close')
  const chunkedTooLong = request('POST /v1/moderations', ['Transfer-Encoding: chunked'])
  const connection = await RawConnection.open(t, sidecar.port)
  connection.send(Buffer.concat([chunkedTooLong, Buffer.from(`800\r\n${'a'.repeat(2_048)}\r\n0\r\n\r\n`)]))
  t.equal(header(await connection.answer(), 'x-acc-code'), 'acc_body_too_large', 'also when it shows only on the way')
  await idle(sidecar)
  t.equal(await sidecar.metric('acc_buffered_request_bytes'), 0)
})

t.test('bad bytes behind a request spoil neither its answer nor its bill', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  for (const garbage of [
    '\0\0\0',
    'GET / HTTP/9.9\r\n\r\n',
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n`,
  ]) {
    const slow = [AUTH, 'X-Sim-Output-Tokens: 10', 'X-Sim-Chunk-Delay-Ms: 5']
    const connection = await RawConnection.open(t, sidecar.port)
    connection.send(Buffer.concat([request('POST /v1/chat/completions', slow, STREAM), Buffer.from(garbage)]))
    const answer = await connection.answer()
    t.ok(answer.complete)
    t.match(answer.body.toString(), /^data: .*data: \[DONE\]\n\n$/s)
  }
  const events = await sidecar.events(3)
  t.same(
    events.map(({ outcome }) => outcome),
    ['completed', 'completed', 'completed'],
  )
})

t.test('whoever sends too slowly, or nothing, is let go in time, and others are served meanwhile', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env: { ACC_REQUEST_TIMEOUT_MS: '2000' } })
  const begin = async (bytes: Buffer | string): Promise<RawConnection> => {
    const connection = await RawConnection.open(t, sidecar.port)
    connection.send(bytes)
    return connection
  }
  const whole = request('POST /v1/chat/completions', [AUTH], PLAIN_CHAT)
  const slow = await Promise.all([
    begin(''),
    begin('POST /v1/chat'),
    begin(whole.subarray(0, 60)),
    begin(whole.subarray(0, -40)),
    begin(request('POST /v1/chat/completions', [AUTH, 'Transfer-Encoding: chunked'])),
  ])
  // Drop by drop: each one arrives in time, the whole never does. Who was refused may go on sending: nobody listens.
  const drops = setInterval(() => {
    for (const { socket } of slow.slice(1)) if (!socket.destroyed) socket.write('1')
  }, 200)
  t.teardown(() => clearInterval(drops))
  const began = performance.now()
  const refused = await Promise.all(
    slow.map(async (connection) => {
      const answer = await connection.answer()
      await connection.rest()
      return header(answer, 'x-acc-code')
    }),
  )
  t.same(refused, Array(5).fill('acc_request_timeout'))
  t.ok(performance.now() - began < 60_000, `gone after ${Math.round(performance.now() - began)} ms`)
  t.equal((await exchange(t, sidecar.port, whole)).start, 'HTTP/1.1 200 OK')
  await idle(sidecar)
  t.equal(simulator.requests().length, 1)
})

t.test('a client that closes its half behind its request is a client that left', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const connection = await RawConnection.open(t, sidecar.port)
  connection.socket.end(request('POST /v1/chat/completions', [AUTH, 'X-Sim-Fault: hang'], PLAIN_CHAT))
  const [event] = await sidecar.events(1)
  t.equal(event?.outcome, 'aborted')
  await idle(sidecar)
})

t.test('no bytes of any kind end the process, leave anything behind or are lost', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1`, env: { ACC_REQUEST_TIMEOUT_MS: '500' } })
  const seeds = [...CORPUS.map(({ bytes }) => bytes), ...Object.values(HOSTILE).map(({ bytes }) => bytes)].filter(
    (bytes) => bytes.length < 4_096,
  )
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.option(fc.nat()),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([seed, changes, cutAt, behind]) => {
      const bytes = Buffer.from(seed)
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      return Buffer.concat([bytes.subarray(0, cutAt === null ? bytes.length : cutAt % bytes.length), behind])
    })
  const anything = fc.oneof(
    { weight: 4, arbitrary: mutated },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  )
  const inputs = fc.sample(fc.tuple(anything, fc.constantFrom('reset', 'end', 'wait')), {
    numRuns: 600,
    seed: FUZZ_SEED,
  })
  for (let at = 0; at < inputs.length; at += 50) {
    await Promise.all(
      inputs.slice(at, at + 50).map(async ([bytes, leaving]) => {
        const connection = await RawConnection.open(t, sidecar.port)
        connection.send(bytes)
        if (leaving === 'end') connection.socket.end()
        // Until it is answered, or refused because it is not whole.
        if (leaving !== 'reset') await connection.answer()
        // A reset of a connection that the other side has closed fails, and Node then leaves its handle open for good.
        if (leaving === 'reset') connection.socket.resetAndDestroy()
        else connection.socket.destroy()
      }),
    )
  }
  await idle(sidecar)
  t.equal((await exchange(t, sidecar.port, request('GET /v1/models', [AUTH]))).start, 'HTTP/1.1 200 OK')
  t.equal(sidecar.complaint(), '')
  t.same(
    sidecar.log.filter(({ level }) => level === 'error'),
    [],
  )
  t.equal(await sidecar.metric('acc_outbox_open_intents'), 0)
  t.equal(await sidecar.metric('acc_buffered_request_bytes'), 0)
  t.equal(await sidecar.stop(), 0)
})
