import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NO_USAGE } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { budgetYaml } from '../../test/support/sidecar.ts'
import { until } from '../../test/support/until.ts'
import { DEMOTED_MS, openDemotions } from '../budget/demotions.ts'
import type { Reserved } from '../exchange.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'
import { boundOf, NO_FACTS, Stages } from './support/stages.ts'

/** Demotions on a file; another call opens them as the next process does. */
async function opened(
  t: Test,
  place: { readonly file?: string; readonly time?: FakeTime; readonly version?: string } = {},
) {
  const { file = join(folderFor(t), 'demoted-classes.json'), time = new FakeTime(), version = '1' } = place
  const demotions = await openDemotions({ file, version, clock: time, log: silentLog })
  t.teardown(demotions.close)
  return { file, time, demotions }
}

const sent = async (t: Test, model = 'gpt-4.1'): Promise<{ readonly stages: Stages; readonly reserved: Reserved }> => {
  const stages = await Stages.open(t, budgetYaml({ name: 'ample', limit: '100.00' }))
  const messages = [{ role: 'user', content: 'hello' }]
  return { stages, reserved: await stages.sent({ model, messages, max_tokens: 100 }) }
}
const used = (outputVisible: number) => ({
  result: { facts: { ...NO_FACTS, usage: { ...NO_USAGE, inputUncached: 10, outputVisible } } },
})
const OPERATION = 'chat.completions'
const onDisk = (file: string) => until('it is on disk', () => (tryRead(file) ? true : null))
const tryRead = (file: string): string | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return null
  }
}

t.test('what costs its bound at most demotes nothing; more, or more output than it was told, does', async (t) => {
  const { stages, reserved } = await sent(t)
  const { demotions } = await opened(t)
  demotions.judge(reserved, stages.meter(reserved, used(100)))
  t.equal(demotions.until(reserved.target, OPERATION), null)
  const cheap = stages.meter(reserved, used(101))
  t.ok(cheap.charged < boundOf(reserved), 'the input that was less hides it')
  demotions.judge(reserved, cheap)
  t.ok(demotions.until(reserved.target, OPERATION))
  t.equal(demotions.until(reserved.target, 'embeddings'), null, 'another operation is another class')
  t.equal(demotions.until((await sent(t, 'o3')).reserved.target, OPERATION), null)
  demotions.judge(reserved, stages.meter(reserved, used(1_000)))
  t.equal(demotions.count, 1, 'it is the same one')
})

t.test('a request that its body does not bound demotes nothing', async (t) => {
  const { stages, reserved } = await sent(t)
  const { demotions } = await opened(t)
  if (reserved.cover.kind !== 'covered') throw new Error('not covered')
  const unbounded = { ...reserved, cover: { ...reserved.cover, isBoundedByBody: false } }
  demotions.judge(unbounded, stages.meter(reserved, used(100_000)))
  t.same(demotions.list(), [])
})

t.test('a class stays demoted through a restart, for seven days on whichever clock', async (t) => {
  const { stages, reserved } = await sent(t)
  const { demotions, file, time } = await opened(t)
  demotions.judge(reserved, stages.meter(reserved, used(1_000)))
  await onDisk(file)
  time.pass(DEMOTED_MS - 1)
  const next = await opened(t, { file, time })
  t.match(next.demotions.list(), [{ provider: 'openai', model: 'gpt-4.1', operation: OPERATION }])
  time.pass(1)
  t.equal(demotions.until(reserved.target, OPERATION), null)
  t.equal(next.demotions.until(reserved.target, OPERATION), null)
  t.same((await opened(t, { file, time })).demotions.list(), [])
  const early = await opened(t, { file, time: new FakeTime(0) })
  t.equal(early.demotions.list()[0]?.untilMs, DEMOTED_MS, 'a clock that was turned back makes it no longer')
})

t.test(
  'another version of the sidecar or its prices ends it, and so does a file that is gone or is none',
  async (t) => {
    const { stages, reserved } = await sent(t)
    const { demotions, file, time } = await opened(t)
    demotions.judge(reserved, stages.meter(reserved, used(1_000)))
    await onDisk(file)
    t.same((await opened(t, { file, time, version: '2' })).demotions.list(), [])
    writeFileSync(file, '{"version":')
    t.same((await opened(t, { file, time })).demotions.list(), [])
  },
)

t.test('no more classes are kept than a thousand: the one that ends first gives way', async (t) => {
  const { stages, reserved } = await sent(t)
  const { demotions, time } = await opened(t)
  const metered = stages.meter(reserved, used(1_000))
  const unknown = (at: number) => ({ ...reserved, target: { ...reserved.target, priced: null, model: `m-${at}` } })
  for (let at = 0; at <= 1_000; at++) {
    demotions.judge(unknown(at), metered)
    time.pass(1)
  }
  t.equal(demotions.list().length, 1_000)
  t.equal(demotions.until(unknown(0).target, OPERATION), null)
  t.ok(demotions.until(unknown(1_000).target, OPERATION))
})
