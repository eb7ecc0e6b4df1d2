import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createThreatIntelDetector, ThreatIndex } from '@agentcostcontrol/detectors'
import { compileFeeds } from '@agentcostcontrol/detectors/threat-intel'
import t, { type Test } from 'tap'
import { until } from '../../test/support/until.ts'
import { systemClock, systemTimers, type Timers } from '../clock.ts'
import type { ReceivedIntel } from '../threat-intel/received.ts'
import { openReceivedIntel } from '../threat-intel/received.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const BUILT_AT = '2026-11-23T12:00:00.000Z'

/** An index that lists a domain, as a control plane names it. */
function indexOf(domain: string) {
  const { index } = compileFeeds([{ name: 'test', format: 'plain', text: domain }], 0)
  const bytes = Buffer.from(new Uint8Array(index))
  const version = createHash('sha256').update(bytes).digest('hex')
  return { bytes, news: { version, bytes: bytes.length, builtAt: BUILT_AT } }
}

const ONE = indexOf('one.example')
const TWO = indexOf('two.example')
const NONE = { version: null, bytes: 0, builtAt: null }

/** The same index in a format that this version does not know, by its right name. */
function ofTheFuture() {
  const bytes = Buffer.from(ONE.bytes)
  bytes.writeUInt32LE(99, 4)
  const version = createHash('sha256').update(bytes).digest('hex')
  return { bytes, news: { version, bytes: bytes.length, builtAt: BUILT_AT } }
}

/** A control plane that serves these bytes under any name, and a sidecar's data folder. */
function begun(t: Test, timers: Timers = systemTimers) {
  const folder = mkdtempSync(join(tmpdir(), 'acc-received-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'threat-intel.index')
  const plane = { served: null as Uint8Array | null, asked: [] as string[] }
  async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000)
  }
  const open = async (): Promise<ReceivedIntel> => {
    const received = await openReceivedIntel({
      file,
      client: {
        threatIndex: async (version) => {
          plane.asked.push(version)
          if (plane.served === null) throw new Error('away')
          return pieces(plane.served)
        },
      },
      clock: systemClock,
      timers,
      random: () => 0,
      log: silentLog,
    })
    t.teardown(received.close)
    return received
  }
  return { file, plane, open }
}

const domains = (received: ReceivedIntel): readonly string[] => {
  const current = received.current()
  if (current === null) return []
  const detector = createThreatIntelDetector([current.index])
  return ['one.example', 'two.example'].filter((text) => detector.detect(text, { source: 'user' }).length > 0)
}

const inForce = (received: ReceivedIntel, wanted: readonly string[]) =>
  until(`${wanted} in force`, () => (JSON.stringify(domains(received)) === JSON.stringify(wanted) ? true : null))
const result = (received: ReceivedIntel, name: 'refused' | 'failed', count: number) =>
  until(`${count} ${name}`, () => (received.stats().results[name] >= count ? true : null))
const kept = (file: string, version: string) =>
  until('it is kept', () => {
    try {
      return readFileSync(file).toString('hex', 0, 32) === version ? true : null
    } catch {
      return null
    }
  })

t.test(
  'what is told is fetched, in force while it runs, kept over restarts, and gone when it is taken back',
  async (t) => {
    const { file, plane, open } = begun(t)
    const received = await open()
    t.equal(received.version, null)
    plane.served = ONE.bytes
    received.take(ONE.news)
    t.equal(received.version, ONE.news.version, 'it is told at once, so that nobody tells it again')
    await inForce(received, ['one.example'])
    t.match(received.stats(), { version: ONE.news.version, entries: 2, builtAtMs: Date.parse(BUILT_AT) })
    plane.served = TWO.bytes
    received.take(TWO.news)
    await inForce(received, ['two.example'])
    await kept(file, TWO.news.version)
    await received.close()
    plane.served = null
    const again = await open()
    t.same(domains(again), ['two.example'], 'also while the control plane is away')
    t.match(again.stats(), { version: TWO.news.version, builtAtMs: Date.parse(BUILT_AT), results: { refused: 0 } })
    t.equal(again.version, TWO.news.version)
    again.take(NONE)
    await inForce(again, [])
    await again.close()
    t.same(domains(await open()), [], 'nor does the next start know it')
  },
)

t.test('bytes that are another index, cut, too long or of a format of the future change nothing', async (t) => {
  const { plane, open } = begun(t)
  const received = await open()
  plane.served = ONE.bytes
  received.take(ONE.news)
  await inForce(received, ['one.example'])
  const { bytes: future, news: named } = ofTheFuture()
  t.throws(() => new ThreatIndex(new Uint8Array(future).buffer as never), 'the test knows where the format stands')
  const flipped = Buffer.from(TWO.bytes)
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
  const cases: readonly (readonly [string, Uint8Array, typeof named])[] = [
    ['another', ONE.bytes, { ...TWO.news, bytes: ONE.bytes.length }],
    ['changed', flipped, TWO.news],
    ['cut', TWO.bytes.subarray(0, 999), TWO.news],
    ['too long', Buffer.concat([TWO.bytes, TWO.bytes]), TWO.news],
    ['of the future', future, named],
  ]
  for (const [name, bytes, news] of cases) {
    plane.served = bytes
    const { refused } = received.stats().results
    received.take({ ...news })
    await result(received, 'refused', refused + 1)
    t.same(domains(received), ['one.example'], name)
  }
  plane.served = TWO.bytes
  received.take(TWO.news)
  await inForce(received, ['two.example'])
})

t.test('an index that this version cannot read is fetched once, until another one is told', async (t) => {
  const time = new FakeTime()
  const { plane, open } = begun(t, time)
  const received = await open()
  const future = ofTheFuture()
  plane.served = future.bytes
  received.take(future.news)
  await result(received, 'refused', 1)
  t.equal(time.pass(86_400_000), 0, 'nothing is planned')
  t.equal(plane.asked.length, 1)
  plane.served = TWO.bytes
  received.take(TWO.news)
  await inForce(received, ['two.example'])
})

t.test('an index that is cut on its way is fetched again, an hour apart at most', async (t) => {
  const time = new FakeTime()
  const { plane, open } = begun(t, time)
  const received = await open()
  plane.served = ONE.bytes.subarray(0, 99)
  received.take(ONE.news)
  for (let refused = 1; refused <= 12; refused++) {
    await result(received, 'refused', refused)
    // Half of it, by this test's dice.
    const pauseMs = Math.min(3_600_000, 5_000 * 2 ** (refused - 1)) / 2
    t.equal(time.pass(pauseMs - 1), 0)
    t.equal(time.pass(1), 1)
  }
  plane.served = ONE.bytes
  await inForce(received, ['one.example'])
})

t.test('a control plane that goes while it is fetched is asked again until it answers', async (t) => {
  const { plane, open } = begun(t)
  const received = await open()
  received.take(ONE.news)
  await result(received, 'failed', 2)
  t.same([...new Set(plane.asked)], [ONE.news.version])
  plane.served = ONE.bytes
  await inForce(received, ['one.example'])
})

t.test('a file that is not whole is no index, and is fetched again', async (t) => {
  const { file, plane, open } = begun(t)
  const first = await open()
  plane.served = ONE.bytes
  first.take(ONE.news)
  await kept(file, ONE.news.version)
  await first.close()
  const good = readFileSync(file)
  for (const bad of [
    good.subarray(0, 10),
    good.subarray(0, -4),
    Buffer.concat([good.subarray(0, -1), Buffer.from('!')]),
  ]) {
    writeFileSync(file, bad)
    const again = await open()
    t.same(domains(again), [])
    t.match(again.stats().results, { refused: 1 })
    t.equal(again.version, null, 'so that the control plane tells it again')
    again.take(ONE.news)
    await inForce(again, ['one.example'])
    await kept(file, ONE.news.version)
    await again.close()
  }
})
