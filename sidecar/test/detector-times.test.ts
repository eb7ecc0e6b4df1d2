import type { Segment } from '@agentcostcontrol/contract'
import { DETECTORS, EMPTY_ENVIRONMENT, ruleName } from '@agentcostcontrol/detectors'
import t from 'tap'
import { Coverage } from '../inspect/coverage.ts'
import { detectAll } from '../inspect/detect.ts'
import { DetectorTimes } from '../inspect/detector-times.ts'
import { createInspections } from '../inspect/inspection.ts'
import { createScanPool } from '../inspect/pool.ts'
import { createDetectorSets, SegmentScanner } from '../inspect/scanner.ts'
import { inspectionThat, NO_SUPPRESSIONS } from './support/detectors.ts'

const TEXT = DETECTORS.map((detector) => detector.canary()).join(' ')
const judges = DETECTORS.filter(({ sources }) => sources.includes('user'))

t.test('one text in 17 is timed, by detector, and what is found in it is the same', async (t) => {
  const times = new DetectorTimes()
  const expected = detectAll(judges, { source: 'user', text: TEXT })
  t.ok(expected.length > 0)
  for (let at = 0; at < 34; at++) t.same(times.detectAll(judges, { source: 'user', text: TEXT }), expected)
  const sums = times.sums()
  t.same(
    sums.map(({ detector, texts, characters }) => [detector, texts, characters]),
    judges.map(({ id }) => [id, 2, 2 * TEXT.length]),
  )
  for (const { seconds } of sums) t.ok(seconds > 0 && seconds < 60)
  t.same(times.take(), sums)
  t.same(times.sums(), [], 'what was taken is told once')
})

t.test('what workers timed is told with what the main thread did', async (t) => {
  const pool = createScanPool({ threadsMax: 1, queueMax: 100, onWorkerError: () => {} })
  t.teardown(() => pool.close())
  const scanner = new SegmentScanner(pool, 10)
  const { security } = inspectionThat('alert')
  const sets = createDetectorSets(() => EMPTY_ENVIRONMENT)
  const inspection = createInspections(
    sets,
    new Coverage(),
    NO_SUPPRESSIONS,
    () => ruleName,
  )({ ...security, timeoutMs: 60_000 }, null, 'test')
  const segment = (text: string): Segment => ({ source: 'user', path: ['x'], text })
  const long = 'The quick brown fox jumps over the lazy dog. '.repeat(20)
  await scanner.scan(
    Array.from({ length: 34 }, (_, at) => segment(`${at} ${long}`)),
    inspection,
    'request',
  )
  t.match(scanner.stats(), { pooledTexts: 34, times: [{ detector: 'secrets', texts: 2 }] })
  for (let at = 0; at < 17; at++) scanner.scan([segment(`alone ${at} ${long}`)], inspection, 'request')
  t.match(scanner.stats(), { inlineTexts: 17, times: [{ detector: 'secrets', texts: 3 }] })
})
