import { SUPPRESSIONS_MAX } from '@agentcostcontrol/contract'
import t from 'tap'
import { until } from '../../test/support/until.ts'
import type { SuppressionRow } from '../security/suppression-repository.ts'
import type { SuppressionPage } from '../security/suppression-service.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { publishedPolicies, replicaFor } from './support/replica.ts'
import { Said } from './support/said.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const replicas = [await replicaFor(t, db, publishedPolicies()), await replicaFor(t, db, publishedPolicies())]
const PATH = '/security/suppressions'
const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString()
const wanted = (over: object = {}) => ({ detector: 'pii', reason: 'a test', expiresAt: inMs(60_000), ...over })
const list = async (said: Said, query = '') =>
  (await said.ask<SuppressionPage>(`${PATH}${query}`, undefined, 1)).body.suppressions

t.test(
  'a suppression reaches a poll of another replica, says how long it lasts, and ends when somebody ends it',
  async (t) => {
    const said = await Said.by(replicas)
    const sidecar = await said.sidecar(1)
    const asked = sidecar.told(0, 20_000)
    await until('it is held', () => (replicas[1]?.channel.polls === 1 ? true : null))
    const what = { rule: 'email', agent: 'a', textHash: 'f'.repeat(32), tool: 'read_mail' }
    const made = await said.ask<SuppressionRow>(PATH, wanted(what))
    t.match(made, { status: 200, body: { ...what, detector: 'pii', reason: 'a test', inForce: true, endedAt: null } })
    t.match(made.body.createdBy, /^[0-9a-f-]{36}$/)
    const told = await asked
    t.match(told?.suppressions, [{ ...what, id: made.body.id, detector: 'pii' }])
    const [first] = told?.suppressions ?? []
    t.ok((first?.endsInMs ?? 0) > 30_000 && (first?.endsInMs ?? 0) <= 60_000)
    t.match(await list(said), [{ id: made.body.id }])
    t.match(await said.remove(`${PATH}/${made.body.id}`), { status: 200, body: { inForce: false } })
    t.same((await sidecar.told(told?.version))?.suppressions, [])
    t.same(await list(said), [])
    t.match(await list(said, '?all=true'), [{ id: made.body.id, endedBy: made.body.createdBy }])
    t.match(await said.remove(`${PATH}/${made.body.id}`), { status: 404 }, 'it is over')
  },
)

t.test('one that has expired is over for everybody', async (t) => {
  const said = await Said.by(replicas)
  const sidecar = await said.sidecar(0)
  await said.ask(PATH, wanted())
  await db.owner`UPDATE acc.suppressions SET expires_at = now() - interval '1 second' WHERE org_id = ${said.orgId}`
  t.same((await sidecar.told())?.suppressions, [])
  t.same(await list(said), [])
  t.match(await list(said, '?all=true'), [{ inForce: false, endedAt: null }])
})

t.test('one needs a detector, a reason and an end within a year, and there is a bound', async (t) => {
  const said = await Said.by(replicas)
  const bad: readonly object[] = [
    { detector: 'nobody' },
    { reason: ' ' },
    { reason: undefined },
    { expiresAt: undefined },
    { expiresAt: inMs(-1) },
    { expiresAt: inMs(367 * 86_400_000) },
    { textHash: 'f'.repeat(64) },
    { agent: 'a\nb' },
    { more: 1 },
  ]
  for (const over of bad) t.match(await said.ask(PATH, wanted(over)), { status: 400 }, JSON.stringify(over))
  t.match(await said.ask(PATH, wanted({ expiresAt: inMs(365 * 86_400_000) })), { status: 200 })
  await db.owner`
    INSERT INTO acc.suppressions (org_id, detector, reason, created_by, expires_at)
    SELECT ${said.orgId}, 'pii', 'r', '', now() + interval '1 day' FROM generate_series(2, ${SUPPRESSIONS_MAX}) AS n`
  t.match(await said.ask(PATH, wanted()), { status: 409, body: { detail: /1000 suppressions are in force/ } })
  t.equal((await list(said, '?limit=200')).length, 200)
})
