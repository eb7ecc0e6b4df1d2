import { once } from 'node:events'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { askBody, readUntil, send } from '../support/ask.ts'
import { faultsOf, readBooks } from '../support/books.ts'
import { AMPLE_BUDGET, providerYaml, readEvents, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { simulatorFor } from '../support/simulator.ts'
import { until } from '../support/until.ts'
import { chargeOf, nanoOf } from '../support/ways-out.ts'

const stopping = (sidecar: TestSidecar): Promise<true> =>
  until('it stops', () => (sidecar.log.some(({ message }) => message === 'sidecar stops') ? true : null))

/** The head of a chat request and half of its body; what is missing is sent later. */
function halfRequest(sidecar: TestSidecar): { finish(): Promise<string>; begun: Promise<unknown> } {
  const body = askBody({})
  const socket = connect(sidecar.port, '127.0.0.1')
  socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: sidecar\r\nauthorization: Bearer any\r\n')
  return {
    begun: once(socket, 'connect'),
    finish: async () => {
      let text = ''
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      socket.write(`content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
      await once(socket, 'close')
      return text
    },
  }
}

t.test('SIGTERM lets a running stream end, and refuses what comes later', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const late = halfRequest(sidecar)
  await late.begun
  const response = await send(sidecar.url, { stream: true, sim: { 'output-tokens': 20, 'chunk-delay-ms': 150 } })
  const { text, leave: _ } = await readUntil(response.clone(), '"content":" ')
  t.not(text.includes('[DONE]'), true, 'it is in the middle')
  const exit = sidecar.stop()
  await stopping(sidecar)

  const refusal = await late.finish()
  t.match(refusal, /^HTTP\/1\.1 503 /, 'a request on a connection that was open before')
  t.match(refusal, 'acc_shutting_down')
  t.match(refusal.toLowerCase(), 'retry-after: 1')
  await t.rejects(send(sidecar.url), 'no new connection is taken')

  t.match(await response.text(), '[DONE]', 'the stream is whole')
  t.equal(await exit, 0)
  const books = readBooks(sidecar.dataDir)
  t.same(
    books.events.map(({ outcome, code, clientStatus }) => ({ outcome, code, clientStatus })),
    [
      { outcome: 'denied', code: 'acc_shutting_down', clientStatus: 503 },
      { outcome: 'completed', code: null, clientStatus: 200 },
    ],
  )
  t.equal(books.events[1] && chargeOf(books.events[1]), nanoOf(simulator.bill.entries()[0]?.costPicoUsd ?? null))
  t.same(faultsOf(books), [])
})

t.test('SIGTERM does not cut off an answer whose client is slow', async (t) => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, { upstream: `${simulator.url}/v1` })
  const response = await send(sidecar.url, { sim: { 'output-tokens': 1_600_000 } })
  const [event] = await sidecar.events(1)
  t.equal(event?.outcome, 'completed', 'the sidecar is done, its client is not')
  const exit = sidecar.stop()
  await stopping(sidecar)
  const answer = (await response.json()) as { usage: { completion_tokens: number } }
  t.ok(answer.usage.completion_tokens > 1_500_000)
  t.equal(await exit, 0)
})

const breaksOff = async (t: Test, onClientAbort: 'abort' | 'drain'): Promise<void> => {
  const simulator = await simulatorFor(t)
  const sidecar = await sidecarFor(t, {
    upstream: `${simulator.url}/v1`,
    policies: { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml({ onClientAbort }) },
    env: { ACC_DRAIN_TIMEOUT_MS: '200' },
  })
  const kinds = [
    { sim: { fault: 'hang' } },
    { sim: { fault: 'stall-mid-body' } },
    { stream: true, sim: { fault: 'stall-mid-stream' } },
    { stream: true, model: 'gpt-5-mini', sim: { fault: 'stall-mid-stream' } },
  ]
  const running = kinds.map((ask, at) =>
    send(sidecar.url, { ...ask, prompt: `long ${at}` }).then((response) => response.text()),
  )
  for (const answer of running) answer.catch(() => {})
  await until('the provider has them', () => (simulator.requests().length === kinds.length ? true : null))
  t.equal(await sidecar.stop(), 0)
  const books = readBooks(sidecar.dataDir)
  t.same(faultsOf(books), [])
  t.equal(books.events.length, kinds.length)
  for (const event of books.events) {
    t.match(event, { outcome: 'aborted', code: null, clientStatus: null })
    t.equal(event.attempts[0]?.precision, 'estimated')
    t.ok(chargeOf(event) > 0n)
  }
  const total = books.events.reduce((sum, event) => sum + chargeOf(event), 0n)
  const billed = simulator.bill.entries().reduce((sum, { costPicoUsd }) => sum + nanoOf(costPicoUsd), 0n)
  t.ok(total >= billed, `charged ${total}, billed ${billed}`)

  const again = await sidecarFor(t, { upstream: `${simulator.url}/v1`, dataDir: sidecar.dataDir })
  t.equal(await again.metric('acc_unresolved_intents_at_start'), 0, 'nothing was left open')
  t.equal(readEvents(sidecar.dataDir).length, kinds.length)
}

t.test('a drain that takes too long breaks everything off, and it is charged and told', (t) => breaksOff(t, 'abort'))
t.test('also where answers are read to their end without their client', (t) => breaksOff(t, 'drain'))
