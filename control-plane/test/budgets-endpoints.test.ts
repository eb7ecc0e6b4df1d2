/** Each of the nine endpoints of budgets: what it answers where all is well, and to whom asks wrongly. */
import { join } from 'node:path'
import { RESETS_MAX } from '@agentcostcontrol/contract'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { budgetYaml } from '../../test/support/sidecar.ts'
import { budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clusterFor, databaseFor } from './support/database.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
const replica = await budgetReplicaFor(t, db, { keyFile: join(folderFor(t), 'key.pem') })

const LONG = 'x'.repeat(254)
const RESET = { reason: 'a new quarter' }
const BAD = budgetBody('house', '1.00', { period: 'hourly' })
const NOBODYS = { scope: 'per_agent', selector: { agent: 'nobody' } }
/** Status, method, path, and where there is one a body; whatever version of a budget there is, is meant where none is named. */
type Row = readonly [status: number, method: string, path: string, body?: unknown, ifMatch?: string]

const ROWS: readonly Row[] = [
  [201, 'POST', '/budgets', budgetBody('made', '1.00', NOBODYS)],
  [400, 'POST', '/budgets', BAD],
  [409, 'POST', '/budgets', budgetBody('house', '1.00', NOBODYS)],
  [409, 'POST', '/budgets', budgetBody('of-git')],
  [422, 'POST', '/budgets', budgetBody('stray')],
  [200, 'GET', '/budgets'],
  [400, 'GET', '/budgets?limit=many'],
  [200, 'GET', '/budgets/house'],
  [400, 'GET', `/budgets/${LONG}`],
  [404, 'GET', '/budgets/nothing'],
  [200, 'PUT', '/budgets/house', budgetBody('house', '2.00', NOBODYS)],
  [400, 'PUT', '/budgets/house', BAD],
  [404, 'PUT', '/budgets/nothing', budgetBody('nothing')],
  [409, 'PUT', '/budgets/of-git', budgetBody('of-git')],
  [422, 'PUT', '/budgets/house', budgetBody('house', '2.00')],
  [200, 'GET', '/budgets/status/summary'],
  [400, 'GET', '/budgets/status/summary?alerts=-1'],
  [200, 'GET', '/budgets/house/status'],
  [400, 'GET', '/budgets/house/status?limit=0'],
  [404, 'GET', '/budgets/nothing/status'],
  [200, 'GET', '/budgets/house/history?days=365'],
  [400, 'GET', '/budgets/house/history?days=366'],
  [404, 'GET', '/budgets/nothing/history'],
  [200, 'POST', '/budgets/house/reset', RESET],
  [400, 'POST', '/budgets/house/reset', { ...RESET, resets: 'many' }],
  [404, 'POST', '/budgets/nothing/reset', RESET],
  [412, 'POST', '/budgets/house/reset', { ...RESET, resets: 7 }],
  [422, 'POST', '/budgets/of-git-often/reset', RESET],
  [400, 'DELETE', `/budgets/${LONG}`],
  [409, 'DELETE', '/budgets/of-git'],
  [412, 'DELETE', '/budgets/house', undefined, '"7"'],
  [204, 'DELETE', '/budgets/made'],
  [404, 'DELETE', '/budgets/made'],
]

/** Says that no other budget holds for the agent `a`: one for everybody makes no policy. */
const TESTS = `apiVersion: agentcostcontrol.io/v1
kind: PolicyTest
metadata: { name: who }
spec: { cases: [{ name: a, request: { agent: a }, expect: { budgets: [{ name: of-git }] } }] }
`

/** Begun anew as often as can be. */
const OFTEN = `apiVersion: agentcostcontrol.io/v1
kind: Budget
metadata: { name: of-git-often }
spec: { scope: per_agent, selector: { agent: nobody }, limit: "5.00", period: total, resets: ${RESETS_MAX} }
`

t.test('each endpoint answers what its document says, and an error says what is wrong', async (t) => {
  const { orgId, key } = await tenantOf(db)
  const git = { path: 'git.yaml', text: budgetYaml({ name: 'of-git', limit: '5.00' }) }
  const often = { path: 'often.yaml', text: OFTEN }
  await replica.folder(orgId, [git, often])
  await replica.ask(key, 'POST', '/budgets', budgetBody('house', '1.00', NOBODYS))
  await replica.folder(orgId, [git, often, { path: 'tests.yaml', text: TESTS }])
  for (const [status, method, path, body, ifMatch = '*'] of ROWS) {
    const of = `${method} ${path.slice(0, 40)} ${status}`
    const answer = await replica.ask(key, method, path, body, ifMatch)
    t.equal(answer.status, status, of)
    if (status >= 400) t.match(answer.body, { code: /^acc_api_/, detail: /./, status }, of)
  }
})

t.test('with a folder that a newer version finds bad no budget is deleted, and the answer says where', async (t) => {
  const { orgId, key } = await tenantOf(db)
  await replica.folder(orgId, [{ path: 'git.yaml', text: budgetYaml({ name: 'of-git', limit: '5.00' }) }])
  await replica.ask(key, 'POST', '/budgets', budgetBody('house'))
  const bad = [{ path: 'git.yaml', text: 'kind: Budget' }]
  await db.owner`UPDATE acc.policy_revisions SET originals = ${db.owner.json(bad)} WHERE org_id = ${orgId}`
  const answer = await replica.ask(key, 'DELETE', '/budgets/house', undefined, '*')
  t.match(answer, { status: 422, body: { code: 'acc_api_policy_refused', detail: /^git\.yaml:1/ } })
  t.match(await replica.ask(key, 'GET', '/budgets/house'), { status: 200, body: { deletedAt: null } })
})

t.test('the summary comes in pages by name, each budget once', async (t) => {
  const { key } = await tenantOf(db)
  const names = ['a', 'b', 'c']
  for (const name of names) await replica.ask(key, 'POST', '/budgets', budgetBody(name))
  const page = async (query: string) => (await replica.ask(key, 'GET', `/budgets/status/summary?${query}`)).body
  const first = await page('limit=2')
  const second = await page(`limit=2&cursor=${first.nextCursor}`)
  t.same(
    [...first.budgets, ...second.budgets].map(({ id }: { id: string }) => id),
    names,
  )
  t.same([first.nextCursor, second.nextCursor], ['b', null])
})
