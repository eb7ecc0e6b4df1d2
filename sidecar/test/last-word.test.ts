import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { openLastWord } from '../control/last-word.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const STALE_AFTER_MS = 100_000

async function opened(t: Test, time = new FakeTime(), file = join(folderFor(t), 'last-word')) {
  const told: boolean[] = []
  const word = await openLastWord({
    file,
    staleAfterMs: STALE_AFTER_MS,
    onStale: (stale) => told.push(stale),
    clock: time,
    timers: time,
    log: silentLog,
  })
  t.teardown(word.close)
  return { word, told, time, file }
}

t.test('silence is told once it is too long, and its end at once', async (t) => {
  const { word, told, time } = await opened(t)
  t.equal(word.ever, false)
  time.pass(STALE_AFTER_MS)
  t.same(told, [])
  time.pass(1_000)
  t.same(told, [true])
  time.pass(50_000)
  t.same(told, [true], 'once')
  word.heard()
  t.same(told, [true, false])
  t.equal(word.ageMs(), 0)
  for (let answer = 0; answer < 10; answer++) {
    time.pass(STALE_AFTER_MS - 1_000)
    word.heard()
  }
  t.same(told, [true, false], 'one that answers is never stale')
})

t.test(
  'the larger of both clocks counts: neither sleep nor a clock that is set back makes it look younger',
  async (t) => {
    const { word, told, time } = await opened(t)
    word.heard()
    time.setWall(time.nowMs() - 10_000_000)
    time.pass(STALE_AFTER_MS + 1_000)
    t.same(told, [true], 'the wall clock was set back')
    word.heard()
    time.setWall(time.nowMs() + STALE_AFTER_MS + 1)
    time.pass(1_000)
    t.same(told, [true, false, true], 'the machine slept, and the monotonic clock with it')
  },
)

t.test('a restart does not make the silence shorter', async (t) => {
  const { word, file, time } = await opened(t)
  word.heard()
  const kept = `${time.nowMs()}`
  await until('it is written down', () => {
    try {
      return readFileSync(file, 'utf8') === kept ? true : null
    } catch {
      return null
    }
  })
  const later = new FakeTime(time.nowMs() + STALE_AFTER_MS + 1)
  const again = await opened(t, later, file)
  t.same(again.told, [true])
  t.equal(again.word.ever, true)
  const soon = await opened(t, new FakeTime(time.nowMs() + 5_000), file)
  t.same(soon.told, [])
  t.equal(soon.word.ageMs(), 5_000)
})
