import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ToolPinDecision, ToolPinReport } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { ControlPlaneError } from '../control/client.ts'
import { openToolPinDecisions } from '../control/tool-pin-decisions.ts'
import { openToolPinReports } from '../control/tool-pin-reports.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const hash = (digit: string): string => digit.repeat(64)

const report = (over: Partial<ToolPinReport> = {}): ToolPinReport => ({
  agent: 'a',
  tool: 'read_file',
  hash: hash('1'),
  previousHash: null,
  changedPaths: [],
  similarTo: null,
  at: '2026-11-23T12:00:00.000Z',
  ...over,
})

/** Reports to something that answers as a test says. */
async function reporting(t: Test, file = join(folderFor(t), 'reports.json')) {
  const batches: ToolPinReport[][] = []
  let fails: Error | null = null
  const time = new FakeTime()
  const reports = await openToolPinReports({
    file,
    client: {
      sendToolPins: async (json) => {
        if (fails !== null) throw fails
        batches.push(JSON.parse(json).reports)
        return { stored: 1 }
      },
    },
    timers: time,
    random: () => 0,
    log: silentLog,
  })
  t.teardown(() => reports.drain(0))
  const waiting = (count: number) =>
    until(`${count} wait`, () => {
      time.pass(100)
      return reports.stats().waiting === count ? true : null
    })
  return { file, time, reports, batches, waiting, fail: (error: Error | null) => (fails = error) }
}

t.test('what is seen of a request’s tools goes up together, each once', async (t) => {
  const { reports, batches, waiting } = await reporting(t)
  for (const tool of ['one', 'two', 'one']) reports.report(report({ tool }))
  await waiting(0)
  t.same(
    batches.map((batch) => batch.map(({ tool }) => tool)),
    [['one', 'two']],
  )
  t.match(reports.stats(), { reports: { stored: 1, repeated: 1, refused: 0, dropped: 0 } })
})

t.test('what does not reach the control plane is brought up by the next process', async (t) => {
  const first = await reporting(t)
  first.fail(new Error('away'))
  first.reports.report(report())
  await until('it was tried', () => {
    first.time.pass(100)
    return first.reports.stats().failures > 0 ? true : null
  })
  await until('it is on disk', () =>
    existsSync(first.file) && readFileSync(first.file, 'utf8').includes('read_file') ? true : null,
  )
  const second = await reporting(t, first.file)
  await second.waiting(0)
  t.match(second.batches, [[{ tool: 'read_file' }]])
})

t.test('what would never be taken holds nothing up', async (t) => {
  const { reports, batches, waiting, fail } = await reporting(t)
  reports.report(report({ hash: 'none' }))
  t.match(reports.stats(), { reports: { dropped: 1 }, waiting: 0 })
  fail(new ControlPlaneError('/sidecar/v1/tool-pins', 400))
  reports.report(report())
  await waiting(0)
  fail(null)
  reports.report(report({ tool: 'next' }))
  await waiting(0)
  t.match(batches, [[{ tool: 'next' }]])
  t.match(reports.stats(), { reports: { refused: 1 } })
})

t.test('a tool whose name no list can hold is told of, and decided of, all the same', async (t) => {
  const { reports, batches, waiting } = await reporting(t)
  const tool = `a\n\ud800${'x'.repeat(300)}`
  reports.report(report({ tool, previousHash: hash('0'), changedPaths: Array.from({ length: 60 }, () => tool) }))
  await waiting(0)
  const [told] = batches[0] ?? []
  t.match(told?.tool, /^a\ufffd\ufffdx{253}$/)
  t.equal(told?.changedPaths.length, 50)
  const decisions = await openToolPinDecisions({
    file: join(folderFor(t), 'decisions.json'),
    hasControlPlane: true,
    log: silentLog,
  })
  t.teardown(decisions.close)
  await decisions.take([{ agent: 'a', tool: told?.tool ?? '', hash: hash('1'), decision: 'rejected' }])
  t.equal(decisions.of('a', tool, hash('1')), 'rejected')
})

t.test('decisions are of one definition of one agent’s tool, and survive a restart', async (t) => {
  const file = join(folderFor(t), 'decisions.json')
  const open = async (alone = false) => {
    const decisions = await openToolPinDecisions({ file, hasControlPlane: !alone, log: silentLog })
    t.teardown(decisions.close)
    return decisions
  }
  const decisions = await open()
  const told: ToolPinDecision[] = [
    { agent: 'a', tool: 'read_file', hash: hash('1'), decision: 'approved' },
    { agent: '(none)', tool: 'read_file', hash: hash('1'), decision: 'rejected' },
  ]
  const { version } = decisions
  await decisions.take(told)
  t.not(decisions.version, version)
  for (const each of [decisions, await open()]) {
    t.same([each.isDecided('a', 'read_file'), each.isDecided('a', 'write_file')], [true, false])
    t.equal(each.of('a', 'read_file', hash('1')), 'approved')
    t.equal(each.of(null, 'read_file', hash('1')), 'rejected')
    t.equal(each.of('a', 'read_file', hash('2')), null)
    t.equal(each.of('a', 'write_file', hash('1')), null)
    t.equal(each.of('b', 'read_file', hash('1')), null)
  }
  t.equal((await open(true)).of('a', 'read_file', hash('1')), null, 'without a control plane it does not count')
})
