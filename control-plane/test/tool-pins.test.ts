import type { ToolPinReport } from '@agentcostcontrol/contract'
import t from 'tap'
import { until } from '../../test/support/until.ts'
import type { ToolPinRow } from '../security/pin-repository.ts'
import type { ToolPinPage } from '../security/pin-service.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { publishedPolicies, replicaFor } from './support/replica.ts'
import { Said } from './support/said.ts'
import { toolPinReport } from './support/security.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const replicas = [await replicaFor(t, db, publishedPolicies()), await replicaFor(t, db, publishedPolicies())]
const PATH = '/security/tool-pins'
const hash = (digit: string): string => digit.repeat(64)
const list = async (said: Said, query = ''): Promise<readonly ToolPinRow[]> =>
  (await said.ask<ToolPinPage>(`${PATH}${query}`, undefined, 1)).body.toolPins

const changed = (over: Partial<ToolPinReport> = {}) =>
  toolPinReport({ hash: hash('2'), previousHash: hash('1'), changedPaths: ['description'], ...over })

t.test('first sights are pinned, changes wait for people, and each counts once', async (t) => {
  const said = await Said.by(replicas)
  const [one, two] = [await said.sidecar(0), await said.sidecar(1)]
  const report = (sidecar: typeof one, reports: readonly ToolPinReport[]) => sidecar.post('/tool-pins', { reports })
  t.match(await report(one, [toolPinReport(), changed(), toolPinReport()]), { status: 200, body: { stored: 2 } })
  const again = await Promise.all([report(two, [toolPinReport()]), report(one, [changed()])])
  t.match(again, [{ body: { stored: 0 } }, { body: { stored: 0 } }])
  t.match(await report(two, [toolPinReport({ hash: hash('3') })]), { body: { stored: 1 } })
  t.match(await report(two, [toolPinReport({ tool: 'read_mai1', similarTo: 'read_mail' })]), { body: { stored: 1 } })
  t.match(await report(two, [toolPinReport({ agent: 'b', hash: hash('3') })]), { body: { stored: 1 } })
  t.match(
    await list(said),
    [
      { agent: 'b', state: 'pinned' },
      { tool: 'read_mai1', state: 'pending', similarTo: 'read_mail' },
      { hash: hash('3'), state: 'pending', previousHash: null },
      { hash: hash('2'), state: 'pending', previousHash: hash('1'), changedPaths: ['description'] },
      { hash: hash('1'), state: 'pinned', changedPaths: [], firstSeenAt: '2026-11-23T12:00:00.000Z' },
    ].map((row) => row),
  )
  t.equal((await list(said, '?state=pending')).length, 3)
  t.equal((await list(said, '?agent=b&tool=read_mail')).length, 1)
  t.equal((await list(said, '?limit=2')).length, 2)
  for (const bad of [
    { reports: [] },
    { reports: [{ ...toolPinReport(), text: 'of a definition' }] },
    { reports: [toolPinReport({ hash: 'short' })] },
    { reports: [toolPinReport({ tool: 'a\u0000' })] },
  ])
    t.match(await one.post('/tool-pins', bad), { status: 400 })
})

t.test('what is decided reaches a poll of another replica, and may be decided again', async (t) => {
  const said = await Said.by(replicas)
  const [one, two] = [await said.sidecar(0), await said.sidecar(1)]
  await one.post('/tool-pins', { reports: [toolPinReport(), changed()] })
  t.equal(await two.told(), null, 'nobody decided')
  const [{ id }, { id: firstId }] = await list(said).then(([a, b]) => {
    if (a === undefined || b === undefined) throw new Error('two were told')
    return [a, b] as const
  })
  const asked = two.told(0, 20_000)
  await until('it is held', () => (replicas[1]?.channel.polls === 1 ? true : null))
  t.match(await said.ask(`${PATH}/${id}/approve`, {}), { status: 400 }, 'a reason is needed')
  t.match(await said.ask(`${PATH}/${id}/approve`, { reason: 'a new version' }), {
    status: 200,
    body: { state: 'approved', reason: 'a new version', decidedBy: /^[0-9a-f-]{36}$/ },
  })
  const told = await asked
  t.same(told?.toolPins, [{ agent: 'researcher', tool: 'read_mail', hash: hash('2'), decision: 'approved' }])
  await said.ask(`${PATH}/${firstId}/reject`, { reason: 'it never was good' })
  await said.ask(`${PATH}/${id}/reject`, { reason: 'seen again' })
  const decisions = (await two.told(told?.version))?.toolPins ?? []
  t.same(decisions.map(({ hash, decision }) => `${hash[0]} ${decision}`).sort(), ['1 rejected', '2 rejected'])
  t.match(await said.remove(`${PATH}/${id}`), { status: 200 })
  t.equal((await two.told())?.toolPins.length, 1)
  t.match(await said.ask(`${PATH}/${id}/approve`, { reason: 'r' }), { status: 404 })
  const other = await Said.by(replicas)
  t.match(await other.ask(`${PATH}/${firstId}/approve`, { reason: 'r' }), { status: 404 }, 'another organisation')
})

t.test('first sights of one tool by many sidecars at once pin one definition', async (t) => {
  const said = await Said.by(replicas)
  const sidecars = await Promise.all([0, 1, 0, 1].map((at) => said.sidecar(at)))
  await Promise.all(
    sidecars.map((each, at) => each.post('/tool-pins', { reports: [toolPinReport({ hash: hash(String(at)) })] })),
  )
  t.same((await list(said)).map(({ state }) => state).sort(), ['pending', 'pending', 'pending', 'pinned'])
})
