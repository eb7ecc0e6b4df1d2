import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentCommand } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { openAgentStates } from '../control/agent-states.ts'
import { FakeTime } from './support/fake-time.ts'
import { silentLog } from './support/silent-log.ts'

const MINUTE = 60_000

const command = (over: Partial<AgentCommand> = {}): AgentCommand => ({
  agent: 'a',
  state: 'paused',
  reason: 'r',
  version: 1,
  endsInMs: null,
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
  t.same(states.stats(), { told: 2, own: 0 })
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
  t.same(states.stats(), { told: 0, own: 5_000 })
  t.equal(states.of('agent-0'), null)
  t.match(states.of('agent-5009'), { by: 'own' })
})
