import { gunzipSync, gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import {
  type Flood,
  type FloodServer,
  floodServerFor,
  hashOf,
  memoryOf,
  noisyEvents,
  slowReader,
  streamEnd,
  streamFlood,
} from '../support/flood.ts'
import { AMPLE_BUDGET, providerYaml, securityYaml, sidecarFor, type TestSidecar } from '../support/sidecar.ts'
import { until } from '../support/until.ts'

const MB = 1024 * 1024
const CHAT = '{"model":"gpt-4.1-mini","messages":[{"role":"user","content":"hello"}]}'
const STREAM = CHAT.replace('{', '{"stream":true,')
const WITH_USAGE = CHAT.replace('{', '{"stream":true,"stream_options":{"include_usage":true},')
const PLAIN_BYTES_MAX = 32 * MB
/** What lies in the kernel's buffers of two connections, and in those of two processes. */
const ON_THE_WAY_MAX = 24 * MB
/** What the sidecar may grow by while it holds an answer back; a leak of the flood would be several times as much. */
const GROWTH_MAX = 72 * MB
/** And while its client takes all of it: the collector lets garbage lie, but a leak would be the whole flood. */
const PEAK_MAX = 144 * MB
/** What Node compiled before takes memory of its own; what is shipped starts without it. */
const AS_SHIPPED = { NODE_DISABLE_COMPILE_CACHE: '1' }

/** The provider can send nothing more, for as long as it is looked at. */
async function isPaused(sidecar: TestSidecar, provider: FloodServer): Promise<void> {
  let seen = -1
  let still = 0
  await until('the provider can send nothing more', async () => {
    const paused = (await sidecar.metric('acc_upstream_paused_answers')) === 1
    still = paused && provider.sentBytes === seen ? still + 1 : 0
    seen = provider.sentBytes
    return still > 20 ? true : null
  })
}

interface Held {
  readonly flood: Flood
  readonly body: string
  /** SHA-256 of what must arrive; of the provider's own bytes if left out. */
  readonly hash?: string
  /** What is held of it by design. */
  readonly heldMax?: number
}

/** A client takes nothing for as long as it likes, others are served, then it takes all. */
async function holds(t: Test, { flood, body, hash = hashOf(flood), heldMax = 0 }: Held): Promise<void> {
  const small: Flood = {
    headers: ['Content-Type: application/json'],
    piece: Buffer.from('{}'),
    times: 1,
    last: Buffer.alloc(0),
  }
  let current = flood
  const provider: FloodServer = await floodServerFor(t, () => current)
  const sidecar = await sidecarFor(t, { upstream: `${provider.url}/v1`, env: AS_SHIPPED })
  const before = memoryOf(sidecar.pid).now
  const reader = await slowReader(t, sidecar.url, body)
  await isPaused(sidecar, provider)
  const sent = provider.sentBytes
  t.ok(sent < ON_THE_WAY_MAX + heldMax, `the provider could send ${Math.round(sent / MB)} MB`)
  const growth = memoryOf(sidecar.pid).now - before
  t.ok(growth < GROWTH_MAX + heldMax, `the sidecar grew by ${Math.round(growth / MB)} MB`)
  current = small
  for (let n = 0; n < 5; n++) {
    const other = await fetch(`${sidecar.url}/v1/moderations`, { method: 'POST', body: '{}' })
    t.equal(await other.text(), '{}', 'others are served')
  }
  t.ok(provider.sentBytes - sent < MB, 'nothing more was read meanwhile')
  t.equal(await reader.readAll(), hash, 'all of it arrives')
  const peak = memoryOf(sidecar.pid).peak - before
  t.ok(peak < PEAK_MAX + heldMax, `at most ${Math.round(peak / MB)} MB more`)
  const events = await sidecar.events(6)
  t.ok(events.every(({ outcome }) => outcome === 'completed'))
}

t.test('a stream', (t) => holds(t, { flood: streamFlood(192, false), body: WITH_USAGE }))

t.test('a stream out of which usage is taken', (t) => {
  const flood = streamFlood(192, false)
  return holds(t, { flood, body: STREAM, hash: hashOf({ ...flood, last: streamEnd(false) }) })
})

t.test('a compressed stream', (t) => holds(t, { flood: streamFlood(192, true), body: WITH_USAGE }))

t.test('a plain answer beyond what is held whole', (t) => {
  const piece = Buffer.from(`${' '.repeat(MB)}`)
  const flood = { headers: ['Content-Type: application/json'], piece, times: 224, last: Buffer.from('{}') }
  return holds(t, { flood, body: CHAT, heldMax: PLAIN_BYTES_MAX })
})

t.test('an answer that is not read', (t) => {
  const flood = { headers: ['Content-Type: video/mp4'], piece: noisyEvents(64), times: 192, last: Buffer.alloc(0) }
  return holds(t, { flood, body: CHAT })
})

t.test('a compressed stream out of which usage is taken waits for its client, and for its own coding', async (t) => {
  const flood = streamFlood(64, true)
  const provider = await floodServerFor(t, () => flood)
  const sidecar = await sidecarFor(t, { upstream: `${provider.url}/v1`, env: AS_SHIPPED })
  const before = memoryOf(sidecar.pid).now
  const reader = await slowReader(t, sidecar.url, STREAM)
  await isPaused(sidecar, provider)
  t.ok(provider.sentBytes < ON_THE_WAY_MAX, `the provider could send ${Math.round(provider.sentBytes / MB)} MB`)
  const parts: Buffer[] = []
  reader.response.on('data', (part: Buffer) => parts.push(part))
  // Compressing is slower than sending: the provider has to wait for that too, though the client takes all at once.
  let ahead = 0
  const watch = setInterval(() => {
    ahead = Math.max(ahead, provider.sentBytes - reader.takenBytes)
  }, 10)
  await reader.readAll()
  clearInterval(watch)
  t.ok(ahead < ON_THE_WAY_MAX, `the provider was ${Math.round(ahead / MB)} MB ahead at most`)
  const peak = memoryOf(sidecar.pid).peak - before
  t.ok(peak < 112 * MB, `at most ${Math.round(peak / MB)} MB more`)
  const events = gunzipSync(flood.piece)
  const clear = gunzipSync(Buffer.concat(parts))
  t.equal(clear.length, events.length * flood.times + streamEnd(false).length)
  t.ok(clear.subarray(-streamEnd(false).length).equals(streamEnd(false)))
  t.ok(clear.subarray(0, events.length).equals(events))
  t.equal((await sidecar.events(1))[0]?.attempts[0]?.precision, 'exact')
})

t.test('of an endless stream nothing is left when its client leaves in a pause, and it is billed', async (t) => {
  for (const onClientAbort of ['abort', 'drain']) {
    const endless = { ...streamFlood(1, false), times: onClientAbort === 'abort' ? Number.POSITIVE_INFINITY : 200 }
    const provider = await floodServerFor(t, () => endless)
    const sidecar = await sidecarFor(t, {
      upstream: `${provider.url}/v1`,
      policies: { 'budget.yaml': AMPLE_BUDGET, 'provider.yaml': providerYaml({ onClientAbort }) },
    })
    const reader = await slowReader(t, sidecar.url, WITH_USAGE)
    await isPaused(sidecar, provider)
    reader.leave()
    const [event] = await sidecar.events(1)
    t.equal(event?.outcome, 'aborted', onClientAbort)
    t.equal(event?.attempts[0]?.precision, onClientAbort === 'abort' ? 'estimated' : 'exact')
    t.not(event?.attempts[0]?.chargedNanoUsd, '0')
    await until('the provider is let go', () => (provider.open === 0 ? true : null))
    t.equal(await sidecar.metric('acc_upstream_paused_answers'), 0)
    t.equal(await sidecar.metric('acc_requests_in_flight'), 0)
  }
})

t.test('a client that takes nothing any more is treated as one that left, in its stream and behind it', async (t) => {
  const whole = {
    headers: ['Content-Type: application/json'],
    piece: Buffer.alloc(MB, 0x20),
    times: 24,
    last: Buffer.from('{}'),
  }
  for (const [flood, body, outcome] of [
    [{ ...streamFlood(1, false), times: Number.POSITIVE_INFINITY }, WITH_USAGE, 'aborted'],
    [whole, CHAT, 'completed'],
  ] as const) {
    const provider = await floodServerFor(t, () => flood)
    const sidecar = await sidecarFor(t, { upstream: `${provider.url}/v1`, env: { ACC_CLIENT_STALL_TIMEOUT_MS: '300' } })
    const reader = await slowReader(t, sidecar.url, body)
    t.equal((await sidecar.events(1))[0]?.outcome, outcome)
    await until('it is let go', async () => ((await sidecar.metric('acc_requests_in_flight')) === 0 ? true : null))
    await t.rejects(reader.readAll(), 'it is broken off')
    t.equal(provider.open, 0)
  }
})

t.test(
  'plain answers that nobody takes are bounded together: what comes on top passes unread, or is refused',
  async (t) => {
    const words = Buffer.alloc(MB, 'word ')
    const head = Buffer.from('{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2},"choices":[],"a":"')
    const piece = Buffer.concat([head, ...Array<Buffer>(12).fill(words)])
    const whole: Flood = { headers: ['Content-Type: application/json'], piece, times: 1, last: Buffer.from('"}') }
    const zipped: Flood = {
      ...whole,
      headers: [...whole.headers, 'Content-Encoding: gzip'],
      piece: gzipSync(Buffer.concat([whole.piece, whole.last])),
      last: Buffer.alloc(0),
    }
    for (const [onOverload, then] of [
      ['open', whole],
      ['closed', whole],
      ['open', zipped],
      ['closed', zipped],
    ] as const) {
      let current = whole
      const provider = await floodServerFor(t, () => current)
      const sidecar = await sidecarFor(t, {
        upstream: `${provider.url}/v1`,
        env: { ACC_BUFFERED_BYTES_MAX: String(16 * MB) },
        policies: {
          'budget.yaml': AMPLE_BUDGET,
          'security.yaml': securityYaml({
            response: 'block',
            extra: `  onOverload: ${onOverload}\n  timeoutMs: 60000\n`,
          }),
        },
      })
      const held = (): Promise<number> => sidecar.metric('acc_buffered_answer_bytes')
      const reader = await slowReader(t, sidecar.url, CHAT)
      const [first] = await sidecar.events(1)
      t.same([first?.outcome, first?.attempts[0]?.precision], ['completed', 'exact'], 'the first is read')
      t.ok((await held()) > 12 * MB, 'and is held for its client')

      current = then
      const second = await fetch(`${sidecar.url}/v1/chat/completions`, { method: 'POST', body: CHAT })
      const bytes = Buffer.from(await second.arrayBuffer())
      const refused = onOverload === 'closed'
      t.equal(second.headers.get('x-acc-code'), refused ? 'acc_inspection_unavailable' : null)
      t.equal(second.status, refused ? 503 : 200)
      if (!refused) t.ok(bytes.equals(Buffer.concat([whole.piece, whole.last])), 'what passes unread passes whole')
      const [, event] = await sidecar.events(2)
      t.equal(event?.outcome, refused ? 'cut' : 'completed')
      t.equal(event?.attempts[0]?.precision, 'estimated')
      t.not(event?.attempts[0]?.chargedNanoUsd, '0', 'it is charged')

      t.equal(await reader.readAll(), hashOf(whole))
      await until('nothing is held', async () => ((await held()) === 0 ? true : null))
      const third = await fetch(`${sidecar.url}/v1/chat/completions`, { method: 'POST', body: CHAT })
      await third.arrayBuffer()
      t.equal((await sidecar.events(3))[2]?.attempts[0]?.precision, 'exact', 'there is room again')
    }
  },
)
