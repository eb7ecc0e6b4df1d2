import { AGENT_COMMANDS_MAX } from '@agentcostcontrol/contract'
import t from 'tap'
import { until } from '../../test/support/until.ts'
import type { AgentHistoryPage } from '../agents/state-service.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { usageEvent } from './support/events.ts'
import { publishedPolicies, replicaFor } from './support/replica.ts'
import { Said } from './support/said.ts'
import { eventFinding } from './support/security.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const replicas = [await replicaFor(t, db, publishedPolicies()), await replicaFor(t, db, publishedPolicies())]
const REASON = { reason: 'a test' }

const stopping = eventFinding({ detectorId: 'flow', ruleId: 'secret-leaves', action: 'quarantine' })
const event = (over: Parameters<typeof usageEvent>[0] = {}) => usageEvent({ findings: [stopping], ...over })
const at = (ms: number): string => new Date(Date.now() + ms).toISOString()
const history = async (said: Said, agent: string) =>
  (await said.ask<AgentHistoryPage>(`/agents/${agent}/history`, undefined, 1)).body.changes

t.test(
  'people quarantine and release with reasons, which every sidecar is told, and nothing else ends it',
  async (t) => {
    const said = await Said.by(replicas)
    const sidecar = await said.sidecar(1)
    t.match(await said.ask('/agents/a/quarantine', {}), { status: 400 }, 'a reason is needed')
    t.match(await said.ask('/agents/a/quarantine', REASON), {
      status: 200,
      body: { state: 'quarantined', endsAt: null },
    })
    const first = await sidecar.told()
    t.match(first?.agents, [{ agent: 'a', state: 'quarantined', reason: 'a test', endsInMs: null, release: 0 }])
    t.match(await said.ask('/agents/a/resume', REASON), {
      status: 409,
      body: { detail: /in quarantine: a test\. Release/ },
    })
    t.match(await said.ask('/agents/a/pause', { reason: 'r', durationMs: 5_000 }), { status: 409 })
    t.equal(await sidecar.told(first?.version), null, 'what was refused changed nothing')
    t.match(await said.ask('/agents/a/release', {}), { status: 400 })
    t.match(await said.ask('/agents/a/release', { reason: 'mended' }), { status: 200, body: { state: 'active' } })
    const [released] = (await sidecar.told(first?.version))?.agents ?? []
    t.match(released, { agent: 'a', state: 'active' })
    t.equal(released?.release, released?.version)
    await said.ask('/agents/a/pause', REASON)
    t.match((await sidecar.told())?.agents, [{ state: 'paused', release: released?.release }], 'it is told on')
    t.match(await history(said, 'a'), [
      { change: 'pause', reason: 'a test', eventId: null },
      { change: 'release', reason: 'mended' },
      { change: 'quarantine', reason: 'a test', changedBy: /^[0-9a-f-]{36}$/ },
    ])
  },
)

t.test(
  'a finding whose policy says so stops its agent once, whichever replica its event comes to, and how often',
  async (t) => {
    const said = await Said.by(replicas)
    const [one, two] = [await said.sidecar(0), await said.sidecar(1)]
    const asked = two.told(0, 20_000)
    await until('it is held', () => (replicas[1]?.channel.polls === 1 ? true : null))
    const found = event({ findings: [eventFinding(), stopping], principal: { ...event().principal, agent: 'bad' } })
    t.match(await one.send([found]), { body: { stored: 1 } })
    const told = await asked
    t.match(told?.agents, [{ agent: 'bad', state: 'quarantined', reason: 'flow/secret-leaves', endsInMs: null }])
    await Promise.all([one.send([found]), one.send([found, event({ principal: found.principal })])])
    t.equal(await two.told(told?.version), null, 'it is stopped already')
    const changes = await history(said, 'bad')
    t.match(changes, [{ change: 'quarantine', changedBy: `sidecar ${one.instanceId}`, eventId: found.eventId }])
    t.equal(changes.length, 1)
  },
)

t.test('what ended before a person released the agent stops it no more, what ended after it does', async (t) => {
  const said = await Said.by(replicas)
  const sidecar = await said.sidecar(0)
  const of = (over: Parameters<typeof usageEvent>[0]) => event({ ...over })
  await said.ask('/agents/researcher/release', { reason: 'looked at it' })
  await sidecar.send([of({ intentAt: at(-60_000) })])
  t.match((await sidecar.told())?.agents, [{ state: 'active' }])
  await sidecar.send([of({ intentAt: at(-60_000), durationMs: 120_000 })])
  t.match((await sidecar.told())?.agents, [{ state: 'quarantined' }], 'its answer ended after the release')
  await said.ask('/agents/researcher/release', REASON)
  await sidecar.send([of({ intentAt: at(1_000) })])
  t.match((await sidecar.told())?.agents, [{ state: 'quarantined' }])
})

t.test('an event that names no agent, or whose finding only says what it would do, is told apart', async (t) => {
  const said = await Said.by(replicas)
  const sidecar = await said.sidecar(0)
  await sidecar.send([
    event({ findings: [eventFinding({ action: 'quarantine', mode: 'audit' }), eventFinding({ action: 'block' })] }),
  ])
  t.equal(await sidecar.told(), null)
  const { detail: _, ...bare } = stopping
  await sidecar.send([event({ findings: [bare], principal: { ...event().principal, agent: null } })])
  t.match((await sidecar.told())?.agents, [{ agent: '(none)', state: 'quarantined' }])
})

t.test('the same agent found by many at once is stopped once, and a pause gives way', async (t) => {
  const said = await Said.by(replicas)
  const sidecars = await Promise.all([0, 1, 0, 1].map((replica) => said.sidecar(replica)))
  await said.ask('/agents/researcher/pause', REASON)
  const answers = await Promise.all(sidecars.map((each) => each.send([event()])))
  t.same(
    answers.map(({ body }) => body.stored),
    [1, 1, 1, 1],
  )
  t.match((await sidecars[0]?.told())?.agents, [{ state: 'quarantined' }])
  t.same(
    (await history(said, 'researcher')).map(({ change }) => change),
    ['quarantine', 'pause'],
  )
})

t.test('where too many are stopped already events are stored all the same', async (t) => {
  const said = await Said.by(replicas)
  const sidecar = await said.sidecar(0)
  await db.owner`
    INSERT INTO acc.agent_states (org_id, agent, state, reason, changed_by, version)
    SELECT ${said.orgId}, 'more-' || n, 'paused', 'r', '', n FROM generate_series(1, ${AGENT_COMMANDS_MAX}) AS n`
  t.match(await sidecar.send([event()]), { body: { stored: 1 } })
  t.same(await history(said, 'researcher'), [])
})
