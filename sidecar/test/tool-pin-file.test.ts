import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ToolPinReport } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { noSmallDisk, smallDiskFor } from '../../test/support/small-disk.ts'
import { until } from '../../test/support/until.ts'
import { openToolPins } from '../inspect/tool-pins/open-tool-pins.ts'
import { createPinNews, PIN_NEWS_AGAIN_MS } from '../inspect/tool-pins/pin-news.ts'
import type { LogFields, Logger } from '../log.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'
import { IN_FORMATS, type PlainTool, rulesOf, unitsIn } from './support/tools.ts'

const UNDECIDED = { version: 0, of: () => null, isDecided: () => false }
const READ: PlainTool = {
  name: 'read',
  description: 'Reads a file of the workspace, all of it, and nothing else of the machine.',
}
const OTHER: PlainTool = { ...READ, description: 'Reads any file.' }

/** Pins on disk, as a sidecar opens them. */
async function opened(t: Test, dataDir = folderFor(t), log: Logger = silentLog) {
  const time = new FakeTime()
  const { pins, stats, close } = await openToolPins({
    dataDir,
    decisions: UNDECIDED,
    reports: null,
    clock: time,
    timers: time,
    log,
  })
  t.teardown(close)
  const rules = async (tools: readonly PlainTool[], agent = 'a') => {
    const segments = IN_FORMATS.chat?.(tools) ?? []
    return rulesOf(await pins.check({ agent, segments, units: unitsIn(segments), byteStrings: false }))
  }
  return { dataDir, file: join(dataDir, 'tool-pins.json'), time, rules, stats, close }
}

const written = (file: string, text: string): Promise<true> =>
  until(`${file} holds ${text}`, () => {
    try {
      return readFileSync(file, 'utf8').includes(text) ? true : null
    } catch {
      return null
    }
  })

t.test('pins are on disk a second later, all together, and hold at the next start', async (t) => {
  const first = await opened(t)
  await first.rules([READ])
  t.throws(() => readFileSync(first.file), 'not at once')
  first.time.pass(999)
  t.throws(() => readFileSync(first.file))
  first.time.pass(1)
  await written(first.file, '"read"')
  t.notMatch(readFileSync(first.file, 'utf8'), /workspace/, 'none of its text')
  await first.rules([READ, { name: 'more' }], 'b')
  first.time.pass(1_000)
  await written(first.file, '"more"')

  const second = await opened(t, first.dataDir)
  t.match(second.stats(), { agents: 2, tools: 3 })
  t.same(await second.rules([READ]), [])
  t.same(await second.rules([OTHER]), ['definition-changed'])
  t.same(await second.rules([{ ...READ, name: 'reader' }]), ['definition-replaced'])
})

t.test('what waits is written at the end', async (t) => {
  const first = await opened(t)
  await first.rules([READ])
  await first.close()
  t.same(await (await opened(t, first.dataDir)).rules([OTHER]), ['definition-changed'])
})

t.test('of a file that is not whole nothing is taken, and it is said', async (t) => {
  for (const text of ['', '[{', '{}', '[{"agent":"a","tools":[{"tool":"read"}]}]']) {
    const dataDir = folderFor(t)
    writeFileSync(join(dataDir, 'tool-pins.json'), text)
    const errors: string[] = []
    const pins = await opened(t, dataDir, { ...silentLog, error: (message) => errors.push(message) })
    t.match(errors, [/not whole/])
    t.same(await pins.rules([READ]), [])
    t.same(await pins.rules([OTHER]), ['definition-changed'])
  }
})

t.test(
  'a full disk costs nothing but the next start, and not that once there is room',
  { skip: noSmallDisk ?? false },
  async (t) => {
    const disk = smallDiskFor(t, 256 * 1_024)
    disk.fill()
    const warnings: string[] = []
    const pins = await opened(t, disk.folder, { ...silentLog, warn: (message) => warnings.push(message) })
    await pins.rules([READ])
    pins.time.pass(1_000)
    await until('it is said', () => (warnings.some((one) => /could not be kept/.test(one)) ? true : null))
    t.same(await pins.rules([OTHER]), ['definition-changed'], 'they hold all the same')
    disk.free()
    await written(pins.file, '"read"')
  },
)

const report = (over: Partial<ToolPinReport>): ToolPinReport => ({
  agent: 'a',
  tool: 'read',
  hash: '1'.repeat(64),
  previousHash: '0'.repeat(64),
  changedPaths: ['$.description'],
  similarTo: null,
  at: '2026-11-23T12:00:00.000Z',
  ...over,
})

t.test('a change is told and logged once an hour, and of one agent no more than two hundred', async (t) => {
  const clock = new FakeTime()
  const told: ToolPinReport[] = []
  const logged: LogFields[] = []
  const news = createPinNews({
    reports: { report: (one) => told.push(one) },
    clock,
    log: { ...silentLog, warn: (_, fields) => logged.push(fields ?? {}) },
  })
  news.tell(report({ previousHash: null }))
  t.match([told.length, logged.length], [1, 0], 'a first sight is nothing to log')
  news.tell(report({}))
  news.tell(report({}))
  t.match([told.length, logged.length], [2, 1])
  t.match(logged, [{ agent: 'a', tool: 'read', changedPaths: ['$.description'] }])
  for (let at = 0; at < 1_000; at++) news.tell(report({ hash: at.toString(16).padStart(64, '0') }))
  t.equal(told.length, 1 + 200)
  news.tell(report({ agent: 'b' }))
  t.equal(told.length, 1 + 201)
  clock.pass(PIN_NEWS_AGAIN_MS)
  news.tell(report({}))
  t.equal(told.length, 1 + 202)
})
