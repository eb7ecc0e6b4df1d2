import type { Segment } from '@agentcostcontrol/contract'
import { DETECTORS, EMPTY_ENVIRONMENT, redactText, ruleName } from '@agentcostcontrol/detectors'
import t from 'tap'
import { createRandom } from '../../detectors/test/support/random.ts'
import { textWithSecrets } from '../../detectors/test/support/texts.ts'
import type { Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { Coverage } from '../inspect/coverage.ts'
import { createInspections, type Inspection } from '../inspect/inspection.ts'
import { type ClosableScanPool, createScanPool } from '../inspect/pool.ts'
import type { ScanFailure } from '../inspect/scan-failure.ts'
import { createDetectorSets, SegmentScanner } from '../inspect/scanner.ts'
import { inspectionThat, NO_SUPPRESSIONS } from './support/detectors.ts'

const TIMEOUT_MS = 60_000
const sets = createDetectorSets(() => EMPTY_ENVIRONMENT)

/** What texts are judged with: the shipped detectors, and counts of its own. */
const inspecting = (coverage: Coverage, timeoutMs = TIMEOUT_MS): Inspection =>
  createInspections(
    sets,
    coverage,
    NO_SUPPRESSIONS,
    () => ruleName,
  )({ ...inspectionThat('alert').security, timeoutMs }, null, 'test')

const inspection = inspecting(new Coverage())

function poolFor(scope: Scope, options: Partial<Parameters<typeof createScanPool>[0]> = {}): ClosableScanPool {
  const pool = createScanPool({ threadsMax: 1, queueMax: 16, onWorkerError: () => {}, ...options })
  scope.teardown(() => pool.close())
  return pool
}

const failing = (reason: ScanFailure) => ({ name: 'ScanFailedError', reason })
const ENDS = {
  hang: 'timed-out',
  die: 'worker-crashed',
  throw: 'worker-crashed',
  'take all': 'worker-crashed',
} as const
const dying = (): URL => new URL('./support/dying-worker.ts', import.meta.url)
const segment = (text: string, source: Segment['source'] = 'user'): Segment => ({ source, path: ['x'], text })
const clean = (chars: number): string => 'The quick brown fox jumps over the lazy dog. '.repeat(chars / 45 + 1)

t.test('a large text is scanned in a worker with the findings that it has on the main thread', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 1_000)
  const random = createRandom(7)
  const texts = Array.from({ length: 30 }, () => textWithSecrets(random))
  const large = texts.map((text) => segment(clean(2_000) + text))
  const asked = DETECTORS.filter(({ id }) => id === 'secrets')
  const expected = large.map(({ text }) => asked.flatMap((detector) => detector.detect(text, { source: 'user' })))
  t.ok(expected.flat().length > 20, 'there is something to find')
  const scanned = scanner.scan(large, inspection, 'request')
  t.type(scanned, Promise)
  const { verdicts, complete } = await scanned
  t.same({ verdicts, complete }, { verdicts: expected, complete: true })
  t.match(scanner.stats(), { inlineTexts: 0, pooledTexts: 30, pooledTasks: 1 })

  const again = scanner.scan(large, inspection, 'request')
  t.notOk(again instanceof Promise, 'the second turn needs no worker')
  t.same(again instanceof Promise ? null : again.verdicts, expected, 'and has the same findings')
  t.match(scanner.stats(), { pooledTexts: 30, inlineTexts: 0, cache: { hits: 30, misses: 30 } })

  const grown = [...large, segment(`${clean(600)} a new turn`)]
  t.notOk(scanner.scan(grown, inspection, 'request') instanceof Promise, 'only what is new is scanned')
  t.match(scanner.stats(), { inlineTexts: 1, pooledTexts: 30 })
})

t.test('short texts of a conversation that grows are judged once, and its tools with them', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 1_000)
  const canary = DETECTORS[0]?.canary() ?? ''
  const tools = Array.from({ length: 10 }, (_, at) => segment(`tool ${at} ${clean(100)}`, 'tool_definition'))
  const talk: Segment[] = []
  const scan = () => scanner.scan([...talk, ...tools], inspection, 'request')
  let judged = 0
  for (let turn = 0; turn < 100; turn++) {
    talk.push(segment(turn === 30 ? `${turn} ${canary}` : `${turn} ${clean(100)}`))
    const result = scan()
    if (result instanceof Promise) t.fail('no worker is needed')
    else
      t.same(
        result.verdicts.map(({ length }) => length),
        [...talk, ...tools].map((_, at) => (at === 30 && turn >= 30 ? 1 : 0)),
      )
    judged = scanner.stats().inlineTexts
  }
  t.ok(judged < 100 * 18, `${judged} texts were judged, of ${(100 * 101) / 2 + 1_000} that were sent`)
})

t.test('texts that are split in another way are other texts', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 100)
  const half = clean(300)
  scanner.scan([segment(half), segment(half)], inspection, 'request')
  for (const other of [
    [segment(`${half}${half}`.slice(0, 400)), segment(`${half}${half}`.slice(400))],
    [segment(half), segment(half, 'assistant')],
    [segment(`${half}user ${half.length} ${half}`.slice(0, 500)), segment(half)],
  ])
    scanner.scan(other, inspection, 'request')
  t.match(scanner.stats().cache, { hits: 0, misses: 4 })
  scanner.scan([segment(half), segment(half)], inspection, 'request')
  t.match(scanner.stats().cache, { hits: 1 })
})

t.test('a verdict holds for its text from the same source alone', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 100)
  const text = clean(1_000)
  for (const source of ['user', 'tool_result', 'system'] as const)
    scanner.scan([segment(text, source)], inspection, 'request')
  t.match(scanner.stats(), { inlineTexts: 3, cache: { hits: 0, misses: 3 } })
  scanner.scan([segment(text), segment(`${text}.`)], inspection, 'request')
  t.match(scanner.stats().cache, { hits: 1, misses: 4 })
})

t.test('the cache keeps within its bound, and what is used stays', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 100)
  const used = segment(`used ${clean(600)}`)
  for (let at = 0; at < 500; at++) {
    scanner.scan([used, segment(`${at} ${clean(600)}`)], inspection, 'request')
    t.ok(scanner.stats().cache.entries <= 101)
  }
  t.match(scanner.stats().cache, { hits: 499 })
})

t.test('verdicts with findings are kept within their own bound, and never taken for clean ones', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 100)
  const canary = DETECTORS[0]?.canary() ?? ''
  for (let round = 0; round < 2; round++) {
    for (let at = 0; at < 50; at++) {
      const found = scanner.scan([segment(`${at} ${clean(600)} ${canary}`)], inspection, 'request')
      const none = scanner.scan([segment(`${at} ${clean(600)}`)], inspection, 'request')
      if (found instanceof Promise || none instanceof Promise) return t.fail('no worker is needed')
      t.equal(found.verdicts.flat().length, 1)
      t.equal(none.verdicts.flat().length, 0)
    }
  }
  const { entries, hits } = scanner.stats().cache
  t.ok(entries <= 100 && entries > 50, `${entries} are kept`)
  t.ok(hits >= 30, `${hits} were known`)
})

t.test('a queue that is full refuses at once', async (t) => {
  const scanner = new SegmentScanner(poolFor(t, { queueMax: 1 }), 100)
  const scans = Array.from({ length: 5 }, (_, at) =>
    scanner.scan([segment(clean(300_000) + at)], inspection, 'request'),
  )
  const outcomes = await Promise.allSettled(scans)
  const refused = outcomes.filter(({ status }) => status === 'rejected')
  t.ok(refused.length >= 3, `${refused.length} of 5 are refused`)
  for (const outcome of refused) t.match(outcome.status === 'rejected' ? outcome.reason : null, failing('overloaded'))
  t.equal(outcomes[0]?.status, 'fulfilled')
})

t.test('a worker that hangs, ends, throws or runs out of memory costs its own scan alone', async (t) => {
  const pool = poolFor(t, { worker: dying() })
  const scanner = new SegmentScanner(pool, 100)
  const scan = async (text: string, timeoutMs: number) =>
    scanner.scan([segment(text + clean(9_000))], inspecting(new Coverage(), timeoutMs), 'request')
  for (const [how, reason] of Object.entries(ENDS)) {
    // The next one waits in the queue while it happens.
    const scans = [scan(how, how === 'hang' ? 300 : TIMEOUT_MS), scan(`go on after ${how}`, TIMEOUT_MS)]
    t.match(
      await Promise.allSettled(scans),
      [
        { status: 'rejected', reason: failing(reason) },
        { status: 'fulfilled', value: { complete: true } },
      ],
      how,
    )
  }
  t.match(pool.stats(), { failures: { overloaded: 0, 'timed-out': 1, 'worker-crashed': 3 }, queued: 0 })
})

t.test('a worker that cannot start fails the scan alone, and is told', async (t) => {
  const told: unknown[] = []
  const worker = new URL('./support/unstartable-worker.ts', import.meta.url)
  const pool = poolFor(t, { worker, onWorkerError: (error) => told.push(error) })
  const scanner = new SegmentScanner(pool, 100)
  for (const count of [1, 2]) {
    const scanned = scanner.scan([segment(count + clean(9_000))], inspecting(new Coverage(), 200), 'request')
    await t.rejects(Promise.resolve(scanned), failing('timed-out'))
    await until(`scan ${count} tried a new worker`, () => (told.length === count ? true : null))
  }
  t.match(told, [{ message: 'no start' }, { message: 'no start' }])
  t.match(pool.stats(), { failures: { 'timed-out': 2 }, queued: 0 })
})

t.test('what failed is neither cached nor counted as judged', async (t) => {
  const pool = poolFor(t, { worker: dying() })
  const own = new Coverage()
  const scanner = new SegmentScanner(pool, 100)
  const text = segment(`die${clean(9_000)}`)
  await t.rejects(Promise.resolve(scanner.scan([text], inspecting(own), 'request')), failing('worker-crashed'))
  t.same(own.counts(), [])
  t.equal(scanner.stats().cache.entries, 0)
})

t.test('each text is counted by detector, way and source', async (t) => {
  const own = new Coverage()
  const scanner = new SegmentScanner(poolFor(t), 100)
  const [one, other] = [inspecting(own), inspecting(own)]
  scanner.scan([segment('a', 'system'), segment('b'), segment('c')], one, 'request')
  scanner.scan([segment('d', 'assistant')], other, 'response')
  await scanner.scan([segment(clean(9_000), 'tool_result')], other, 'request')
  t.same(own.counts(), [
    { detector: 'secrets', format: 'test', way: 'request', source: 'system', count: 1 },
    { detector: 'secrets', format: 'test', way: 'request', source: 'user', count: 2 },
    { detector: 'secrets', format: 'test', way: 'request', source: 'tool_result', count: 1 },
    { detector: 'secrets', format: 'test', way: 'response', source: 'assistant', count: 1 },
  ])
})

t.test('a flood of findings is cut off and said to be', async (t) => {
  const scanner = new SegmentScanner(poolFor(t), 100)
  const canary = DETECTORS[0]?.canary() ?? ''
  const flood = segment(`${canary}\n`.repeat(12_000))
  const { verdicts, complete } = await scanner.scan([flood, segment(canary)], inspection, 'request')
  t.equal(complete, false)
  t.equal(verdicts.flat().length, 10_000)
  t.equal(scanner.stats().cache.entries, 0, 'a verdict that is not whole is not kept')
  t.ok(redactText(flood.text, verdicts[0] ?? []).includes(canary), 'so redacting by it would let secrets through')
})
