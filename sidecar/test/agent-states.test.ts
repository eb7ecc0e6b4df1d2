import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentCommand } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { openAgentStates } from '../control/agent-states.ts'
import { RELEASES_EVERY_MS, watchReleases } from '../control/local-releases.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const MINUTE = 60_000

const command = (over: Partial<AgentCommand> = {}): AgentCommand => ({
  agent: 'a',
  state: 'paused',
  reason: 'r',
  version: 1,
  endsInMs: null,
  release: 0,
  ...over,
})

/** States on a file; another call opens them as the next process does. */
async function opened(
  t: Test,
  place: { readonly file?: string; readonly time?: FakeTime; readonly alone?: boolean } = {},
) {
  const { file = join(folderFor(t), 'agent-states.json'), time = new FakeTime(), alone = false } = place
  const states = await openAgentStates({ file, hasControlPlane: !alone, clock: time, log: silentLog })
  t.teardown(states.close)
  return { file, time, states }
}

t.test('who is paused is refused, nobody else is, and a later list lets it go', async (t) => {
  const { states } = await opened(t)
  t.equal(states.of('a'), null)
  await states.take({
    version: 1,
    agents: [command(), command({ agent: '(none)' }), command({ agent: 'c', state: 'active' })],
  })
  t.match(states.of('a'), { state: 'paused', by: 'told', reason: 'r', leftMs: null })
  t.match(states.of(null), { by: 'told' }, 'requests that name nobody have a name as well')
  t.same([states.of('b'), states.of('c')], [null, null])
  t.match(states.stats(), { told: 2, own: 0 })
  await states.take({ version: 2, agents: [] })
  t.same([states.of('a'), states.of(null), states.version], [null, null, 2])
})

t.test('a pause ends by itself, on the clock that cannot be set', async (t) => {
  const { states, time } = await opened(t)
  await states.take({ version: 1, agents: [command({ endsInMs: MINUTE })] })
  time.pass(MINUTE - 1)
  t.match(states.of('a'), { leftMs: 1 })
  time.pass(1)
  t.equal(states.of('a'), null)
})

t.test('a restart without the control plane lets nobody go, and asks for the list anew', async (t) => {
  const { states, file, time } = await opened(t)
  await states.take({ version: 7, agents: [command(), command({ agent: 'b', endsInMs: 2 * MINUTE })] })
  states.pauseHere('c', 'it loops', 2 * MINUTE)
  await states.take({ version: 8, agents: [command(), command({ agent: 'b', endsInMs: 2 * MINUTE })] })
  time.pass(MINUTE)
  const again = await opened(t, { file, time })
  t.match(again.states.of('a'), { by: 'told', leftMs: null })
  t.match(again.states.of('b'), { by: 'told', leftMs: MINUTE })
  t.match(again.states.of('c'), { by: 'own', leftMs: MINUTE })
  t.equal(again.states.version, 0)
  const alone = await opened(t, { file, time, alone: true })
  t.equal(alone.states.of('a'), null, 'nobody could let it go on')
  t.match(alone.states.of('c'), { by: 'own' })
})

t.test('a file that is not whole stops nobody and is told anew', async (t) => {
  const { states, file } = await opened(t)
  await states.take({ version: 7, agents: [command()] })
  const whole = readFileSync(file, 'utf8')
  for (const text of ['', '{}', whole.slice(0, -3)]) {
    writeFileSync(file, text)
    const again = await opened(t, { file })
    t.same([again.states.of('a'), again.states.version], [null, 0])
  }
})

t.test('a pause of its own is ended by a resume that is newer, and by no older one', async (t) => {
  const { states, file, time } = await opened(t)
  const resumed = command({ state: 'active', version: 5 })
  await states.take({ version: 5, agents: [resumed] })
  states.pauseHere('a', 'it loops', MINUTE)
  await states.take({ version: 6, agents: [resumed, command({ agent: 'b', version: 6 })] })
  t.match(states.of('a'), { by: 'own', reason: 'it loops' }, 'the resume came before')
  const again = await opened(t, { file, time })
  await again.states.take({ version: 6, agents: [resumed] })
  t.match(again.states.of('a'), { by: 'own' }, 'also when it is told again after a restart')
  await again.states.take({ version: 7, agents: [command({ state: 'active', version: 7 })] })
  t.equal(again.states.of('a'), null)
})

t.test('what people said comes before its own, and its own is still there afterwards', async (t) => {
  const { states } = await opened(t)
  states.pauseHere('a', 'it loops', MINUTE)
  await states.take({ version: 1, agents: [command()] })
  t.match(states.of('a'), { by: 'told' })
  await states.take({ version: 2, agents: [] })
  t.match(states.of('a'), { by: 'own' })
})

t.test('it stops a bounded number of agents by itself, the newest', async (t) => {
  const { states } = await opened(t)
  for (let at = 0; at < 5_010; at++) states.pauseHere(`agent-${at}`, 'r', MINUTE)
  t.match(states.stats(), { told: 0, own: 5_000 })
  t.equal(states.of('agent-0'), null)
  t.match(states.of('agent-5009'), { by: 'own' })
})

t.test('a quarantine of its own has no end, comes first, and is ended by a release alone', async (t) => {
  const { states, file, time } = await opened(t)
  const paused = command({ version: 4, endsInMs: MINUTE })
  await states.take({ version: 4, agents: [paused] })
  states.pauseHere('a', 'it loops', MINUTE)
  states.quarantineHere('a', 'secrets/aws-key')
  states.pauseHere('a', 'it loops', MINUTE)
  t.match(states.of('a'), { state: 'quarantined', by: 'own', reason: 'secrets/aws-key', leftMs: null })
  t.match(states.stats(), { told: 1, own: 1, quarantined: { told: 0, own: 1 } })
  await states.take({ version: 4, agents: [paused] })
  time.pass(30 * 24 * 60 * MINUTE)
  const again = await opened(t, { file, time })
  t.match(again.states.of('a'), { state: 'quarantined', by: 'own' }, 'after a restart')
  await again.states.take({ version: 5, agents: [command({ state: 'active', version: 5 })] })
  t.match(again.states.of('a'), { state: 'quarantined', by: 'own' }, 'a resume does not end it')
  await again.states.take({ version: 6, agents: [command({ state: 'active', version: 6, release: 5 })] })
  t.match(again.states.of('a'), { by: 'own' }, 'nor does a release that was followed before')
  await again.states.take({ version: 7, agents: [command({ version: 7, release: 7, endsInMs: MINUTE })] })
  t.match(again.states.of('a'), { state: 'paused', by: 'told' }, 'a release does, whatever was said after it')
})

t.test('a quarantine that it was told ends when the list says so', async (t) => {
  const { states } = await opened(t)
  await states.take({ version: 1, agents: [command({ state: 'quarantined' })] })
  t.match(states.of('a'), { state: 'quarantined', by: 'told', leftMs: null })
  t.match(states.stats(), { quarantined: { told: 1, own: 0 } })
  await states.take({ version: 2, agents: [command({ state: 'active', version: 2, release: 2 })] })
  t.equal(states.of('a'), null)
})

t.test('made-up names push nobody out of quarantine', async (t) => {
  const { states } = await opened(t)
  states.quarantineHere('bad', 'r')
  for (let at = 0; at < 5_010; at++) states.pauseHere(`agent-${at}`, 'r', MINUTE)
  t.match(states.of('bad'), { state: 'quarantined' })
})

t.test('an operator releases an agent at a sidecar by a line in its data folder', async (t) => {
  const { states, file, time } = await opened(t, { alone: true })
  const releases = join(file, '..', 'release-agents')
  const watch = watchReleases({ file: releases, agents: states, timers: time, log: silentLog })
  t.teardown(watch.close)
  states.quarantineHere('a', 'r')
  states.quarantineHere('b', 'r')
  states.pauseHere('c', 'r', MINUTE)
  writeFileSync(releases, 'a\tlooked at it\nc\n\nnobody\n')
  await until('a is released', () => {
    time.pass(RELEASES_EVERY_MS)
    return states.of('a') === null ? true : null
  })
  t.match([states.of('b'), states.of('c')], [{ state: 'quarantined' }, { state: 'paused' }])
  await until('the file is gone', () => (existsSync(releases) || existsSync(`${releases}.taken`) ? null : true))
  const again = await opened(t, { file, time, alone: true })
  t.match([again.states.of('a'), again.states.of('b')], [null, { state: 'quarantined' }], 'also after a restart')
})
