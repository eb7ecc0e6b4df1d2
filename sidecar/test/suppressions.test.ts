import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { Suppression } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { openSuppressions } from '../control/suppressions.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const MINUTE = 60_000
const HASH = 'a'.repeat(32)

const suppression = (over: Partial<Suppression> = {}): Suppression => ({
  id: randomUUID(),
  detector: 'pii',
  rule: null,
  agent: null,
  textHash: null,
  tool: null,
  endsInMs: MINUTE,
  ...over,
})

async function opened(t: Test, place: { file?: string; time?: FakeTime; alone?: boolean } = {}) {
  const { file = join(folderFor(t), 'suppressions.json'), time = new FakeTime(), alone = false } = place
  const suppressions = await openSuppressions({ file, hasControlPlane: !alone, clock: time, log: silentLog })
  t.teardown(suppressions.close)
  return { file, time, suppressions }
}

t.test('a finding is let pass where all that a suppression names fits, and nowhere else', async (t) => {
  const { suppressions } = await opened(t)
  t.equal(suppressions.covers('pii', 'email', 'a', HASH, null), false)
  await suppressions.take([
    suppression({ rule: 'email', agent: 'a' }),
    suppression({ detector: 'secrets', textHash: HASH }),
    suppression({ detector: 'tool-poisoning', tool: 'read_file', agent: '(none)' }),
  ])
  t.equal(suppressions.covers('pii', 'email', 'a', HASH, 'any'), true)
  t.equal(suppressions.covers('pii', 'phone', 'a', HASH, null), false, 'another rule')
  t.equal(suppressions.covers('pii', 'email', 'b', HASH, null), false, 'another agent')
  t.equal(suppressions.covers('pii', 'email', null, HASH, null), false, 'nobody')
  t.equal(suppressions.covers('secrets', 'aws', 'b', HASH, null), true)
  t.equal(suppressions.covers('secrets', 'aws', 'b', 'b'.repeat(32), null), false, 'another text')
  t.equal(suppressions.covers('secrets', 'aws', 'b', null, null), false, 'a text that is not known')
  t.equal(suppressions.covers('tool-poisoning', 'r', null, HASH, 'read_file'), true)
  t.equal(suppressions.covers('tool-poisoning', 'r', null, HASH, 'write_file'), false, 'another tool')
  t.same(suppressions.stats(), { inForce: 3, covered: 3 })
  await suppressions.take([])
  t.equal(suppressions.covers('pii', 'email', 'a', HASH, null), false)
})

t.test(
  'one ends by itself, also over a restart without the control plane and with a clock that is turned back',
  async (t) => {
    const { suppressions, file, time } = await opened(t)
    await suppressions.take([suppression(), suppression({ detector: 'secrets', endsInMs: 3 * MINUTE })])
    time.pass(MINUTE - 1)
    t.equal(suppressions.covers('pii', 'email', 'a', null, null), true)
    time.pass(1)
    t.equal(suppressions.covers('pii', 'email', 'a', null, null), false)
    t.equal(suppressions.stats().inForce, 1)
    time.setWall(time.nowMs() - 60 * MINUTE)
    const again = await opened(t, { file, time })
    t.equal(again.suppressions.covers('pii', 'email', 'a', null, null), true, 'no longer than it was to last')
    t.equal(again.suppressions.covers('secrets', 'aws', 'a', null, null), true)
    time.pass(MINUTE)
    t.equal(again.suppressions.covers('pii', 'email', 'a', null, null), false)
    time.pass(2 * MINUTE)
    t.equal(again.suppressions.covers('secrets', 'aws', 'a', null, null), false)
  },
)

t.test('what a control plane said does not count where there is none', async (t) => {
  const { suppressions, file, time } = await opened(t)
  await suppressions.take([suppression()])
  const alone = await opened(t, { file, time, alone: true })
  t.equal(alone.suppressions.covers('pii', 'email', 'a', null, null), false)
})
