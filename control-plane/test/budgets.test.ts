import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { bundleManifestSchema } from '@agentcostcontrol/contract'
import { checkPolicy, compilePolicy } from '@agentcostcontrol/policy'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { budgetYaml } from '../../test/support/sidecar.ts'
import { makeKey } from '../auth/keys.ts'
import { budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { counter, TestHolder } from './support/ledger.ts'

const newDatabase = await clusterFor(t)
const url = await newDatabase()
const db = await databaseFor(t, url)
const keyFile = join(folderFor(t), 'key.pem')
const one = await budgetReplicaFor(t, db, { keyFile })
const two = await budgetReplicaFor(t, await databaseFor(t, url), { keyFile })

const GIT = [{ path: 'team/git.yaml', text: `# of git\n${budgetYaml({ name: 'of-git', limit: '5.00' })}` }]

/** The budgets of what sidecars are sent. */
async function inBundle(orgId: string): Promise<readonly string[]> {
  const bundle = await one.policies.newerThan(orgId, 0)
  const { files } = bundleManifestSchema.parse(JSON.parse(bundle?.manifest ?? '{}'))
  const compiled = compilePolicy(files)
  return compiled.ok ? compiled.policy.budgets.map(({ name, limit }) => `${name} ${limit}`) : ['not a policy']
}

t.test('a budget is made, read, changed and deleted, and each is in the bundle when it is answered', async (t) => {
  const { orgId, key, keyId } = await tenantOf(db)
  const made = await one.ask(key, 'POST', '/budgets', budgetBody('house', '2.50'))
  t.match(made, {
    status: 201,
    etag: '"1"',
    body: {
      id: 'house',
      uid: 'Budget/house',
      managedBy: 'api',
      source: null,
      document: { kind: 'Budget', metadata: { name: 'house' }, spec: { limit: '2.50' } },
      limitNanoUsd: '2500000000',
      version: 1,
      createdBy: keyId,
      deletedAt: null,
      apiResets: [],
    },
  })
  t.same(await inBundle(orgId), ['house 2500000000'])
  const holder = new TestHolder(one.ledger, orgId)
  await holder.hello()
  t.match(
    await holder.sync(counter('house'), { need: 2_500_000_000n }),
    { verdict: 'granted' },
    'the ledger has its limit',
  )

  t.same((await two.ask(key, 'GET', '/budgets/house')).body, made.body, 'every replica reads the same')
  const changed = await two.ask(key, 'PUT', '/budgets/house', budgetBody('house', '3.00'), '"1"')
  t.match(changed, { status: 200, etag: '"2"', body: { limitNanoUsd: '3000000000', version: 2 } })
  t.same(await inBundle(orgId), ['house 3000000000'])
  t.equal((await one.ask(key, 'DELETE', '/budgets/house', undefined, '"2"')).status, 204)
  t.same(await inBundle(orgId), [])
  t.match(await one.ask(key, 'GET', '/budgets/house'), {
    status: 200,
    body: { version: 3, limitNanoUsd: null, deletedAt: String },
  })
  t.same((await one.ask(key, 'GET', '/budgets')).body, { budgets: [], nextCursor: null })
  t.match(await two.ask(key, 'DELETE', '/budgets/house', undefined, '*'), { status: 404 }, 'once')

  t.match(await one.ask(key, 'POST', '/budgets', budgetBody('house', '1.00')), { status: 201, body: { version: 4 } })
  t.match(
    await holder.sync(counter('house'), { need: 1n }),
    { verdict: 'exhausted' },
    'what it spent and lent still counts',
  )
})

t.test('a budget of the API is one more file of the revision, and the folder keeps its own', async (t) => {
  const { orgId, key, keyId } = await tenantOf(db)
  await one.folder(orgId, GIT)
  await one.ask(key, 'POST', '/budgets', budgetBody('house'))
  t.same(await inBundle(orgId), ['house 1000000000', 'of-git 5000000000'])
  const caller = { kind: 'admin', orgId, keyId } as const
  const { inForce, folders } = await one.policies.current(caller)
  t.match(inForce, { madeBy: `budget house made with the key ${keyId}`, files: 2 })
  t.equal(folders[0]?.revision, inForce?.folderRevision)
  t.match((await one.policies.find(caller, String(inForce?.generation))).difference, {
    added: ['.api/budgets/house.yaml'],
    changed: [],
    removed: [],
  })
  const generation = await one.policies.generation(orgId)
  t.match(await two.folder(orgId, GIT, 'other'), { state: 'inForce', generation }, 'the folder is what it was')
  const grown = [{ path: 'team/git.yaml', text: budgetYaml({ name: 'of-git', limit: '6.00' }) }]
  t.match(await two.folder(orgId, grown, 'other'), { state: 'inForce' })
  t.same(
    await inBundle(orgId),
    ['house 1000000000', 'of-git 6000000000'],
    'a change of the folder keeps what the API made',
  )
  const checked = checkPolicy(GIT)
  if (!checked.ok) return t.fail('a good folder')
  const late = { replica: 'late', files: GIT, checked, provenance: null, followed: 0 }
  await one.ask(key, 'POST', '/budgets', budgetBody('more'))
  t.match(
    await one.policies.publish(orgId, late),
    { state: 'behind' },
    'an old folder stays behind, whatever is merged into it',
  )
  t.match((await one.ask(key, 'DELETE', '/budgets/house', undefined, '*')).status, 204)
  t.same(await inBundle(orgId), ['more 1000000000', 'of-git 6000000000'])
})

t.test('what git manages is read-only, and says where it stands', async (t) => {
  const { orgId, key } = await tenantOf(db)
  await one.folder(orgId, GIT)
  t.match(await one.ask(key, 'GET', '/budgets/of-git'), {
    status: 200,
    etag: null,
    body: { managedBy: 'git', source: 'team/git.yaml:2', version: null, document: { spec: { limit: '5.00' } } },
  })
  const answers = [
    await one.ask(key, 'PUT', '/budgets/of-git', budgetBody('of-git'), '*'),
    await two.ask(key, 'DELETE', '/budgets/of-git', undefined, '"1"'),
    await two.ask(key, 'POST', '/budgets', budgetBody('of-git')),
  ]
  for (const answer of answers)
    t.match(answer, { status: 409, body: { code: 'acc_api_conflict', detail: /team\/git\.yaml:2, and is read-only/ } })
  t.same(await inBundle(orgId), ['of-git 5000000000'])
})

t.test('a document that makes no policy changes nothing, and the answer says what is wrong', async (t) => {
  const { orgId, key } = await tenantOf(db)
  const test = `apiVersion: agentcostcontrol.io/v1
kind: PolicyTest
metadata: { name: house }
spec: { cases: [{ name: nobody else, expect: { budgets: [{ name: of-git }] } }] }
`
  await one.folder(orgId, [...GIT, { path: 'tests.yaml', text: test }])
  const generation = await one.policies.generation(orgId)
  t.match(await one.ask(key, 'POST', '/budgets', budgetBody('house')), {
    status: 422,
    body: { code: 'acc_api_policy_refused', detail: /^tests\.yaml:4: .*expected of-git, found house, of-git/ },
  })
  for (const [body, detail] of [
    [budgetBody('house', '1.00', { limit: 1 }), /quoted string/],
    [budgetBody('house', '1.00', { more: 1 }), /more/],
    [budgetBody('Not A Name'), /a-z, 0-9/],
    [{ ...budgetBody('house'), kind: 'PolicyTest' }, /kind/],
    [{ spec: budgetBody('house').spec }, /metadata/],
    ['{', /./],
  ] as const)
    t.match(await one.ask(key, 'POST', '/budgets', body), { status: 400, body: { code: 'acc_api_invalid', detail } })
  t.equal(await one.policies.generation(orgId), generation)
  t.match(await one.ask(key, 'GET', '/budgets/house'), { status: 404 })
})

t.test('a folder that does not go with the budgets of the API is refused, and what is in force stays', async (t) => {
  const { orgId, key, keyId } = await tenantOf(db)
  await one.folder(orgId, GIT)
  await one.ask(key, 'POST', '/budgets', budgetBody('house'))
  const generation = await one.policies.generation(orgId)
  const clash = [...GIT, { path: 'house.yaml', text: budgetYaml({ name: 'house', limit: '9.00' }) }]
  t.match(await two.folder(orgId, clash), {
    state: 'refused',
    generation,
    problems: [{ message: /Budget "house" is defined twice/ }],
  })
  const { revisions } = await one.policies.list({ kind: 'admin', orgId, keyId }, null, 10)
  t.match(revisions[0], { state: 'refused', problems: [{ message: /defined twice/ }] })
  t.equal((await one.ask(key, 'DELETE', '/budgets/house', undefined, '*')).status, 204)
  t.match(await two.folder(orgId, clash), { state: 'inForce' })
  t.same(await inBundle(orgId), ['house 9000000000', 'of-git 5000000000'])
})

t.test('who changes what somebody else changed meanwhile is told so, and changes nothing', async (t) => {
  const { orgId, key } = await tenantOf(db)
  await one.ask(key, 'POST', '/budgets', budgetBody('house'))
  t.match(await one.ask(key, 'POST', '/budgets', budgetBody('house', '7.00')), { status: 409 })
  const answers = await Promise.all(
    ['2.00', '3.00', '4.00', '5.00'].map((limit, at) =>
      (at % 2 ? one : two).ask(key, 'PUT', '/budgets/house', budgetBody('house', limit), '"1"'),
    ),
  )
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412])
  const won = answers.find(({ status }) => status === 200)
  t.same(await inBundle(orgId), [`house ${won?.body.limitNanoUsd}`])
  t.match(await two.ask(key, 'DELETE', '/budgets/house', undefined, '"1"'), {
    status: 412,
    body: { code: 'acc_api_changed' },
  })
  for (const [method, header] of [
    ['PUT', undefined],
    ['PUT', '3'],
    ['DELETE', undefined],
  ] as const)
    t.match(
      await one.ask(key, method, '/budgets/house', method === 'PUT' ? budgetBody('house') : undefined, header),
      { status: 400, body: { detail: /if-match/ } },
      'it has to be said which version is meant',
    )
})

t.test('two replicas that make budgets at the same moment have them all, and agree', async (t) => {
  const { orgId, key } = await tenantOf(db)
  const names = Array.from({ length: 8 }, (_, at) => `b-${at}`)
  const answers = await Promise.all(
    names.flatMap((name) => [one, two].map((replica) => replica.ask(key, 'POST', '/budgets', budgetBody(name)))),
  )
  t.equal(answers.filter(({ status }) => status === 201).length, names.length)
  t.equal(answers.filter(({ status }) => status === 409).length, names.length)
  t.same(
    await inBundle(orgId),
    names.map((name) => `${name} 1000000000`),
  )
  const pages = [
    await one.ask(key, 'GET', '/budgets?limit=5'),
    await two.ask(key, 'GET', '/budgets?limit=5&cursor=b-4'),
  ]
  t.same(
    pages.flatMap(({ body }) => body.budgets.map(({ id }: { id: string }) => id)),
    names,
  )
  t.same(
    pages.map(({ body }) => body.nextCursor),
    ['b-4', null],
  )
})

t.test('no path answers with a key of another kind, and none tells of another organisation', async (t) => {
  const [mine, other] = [await tenantOf(db), await tenantOf(db)]
  await one.ask(mine.key, 'POST', '/budgets', budgetBody('house'))
  const keyId = randomUUID()
  const { text, hash } = makeKey('enrolment', mine.orgId, keyId)
  await db.owner`
    INSERT INTO keys (org_id, key_id, kind, secret_hash) VALUES (${mine.orgId}, ${keyId}, 'enrolment', ${hash})`
  const asked: readonly (readonly [string, string, unknown?])[] = [
    ['POST', '/budgets', budgetBody('house')],
    ['GET', '/budgets'],
    ['GET', '/budgets/house'],
    ['PUT', '/budgets/house', budgetBody('house', '9.00')],
    ['DELETE', '/budgets/house'],
    ['POST', '/budgets/house/reset', { reason: 'x' }],
    ['GET', '/budgets/status/summary'],
    ['GET', '/budgets/house/status'],
    ['GET', '/budgets/house/history'],
  ]
  for (const [method, path, body] of asked)
    t.match(await one.ask(text, method, path, body, '*'), { status: 403 }, `${method} ${path}`)
  for (const [method, path, body] of asked.slice(2).filter(([, path]) => path.includes('house')))
    t.match(await one.ask(other.key, method, path, body, '*'), { status: 404 }, `${method} ${path}`)
  t.same((await one.ask(other.key, 'GET', '/budgets')).body.budgets, [])
  t.same((await one.ask(other.key, 'GET', '/budgets/status/summary')).body, {
    budgets: [],
    nextCursor: null,
    alerts: [],
  })
  t.match(
    await one.ask(other.key, 'POST', '/budgets', budgetBody('house', '9.00')),
    { status: 201 },
    'names are its own',
  )
  t.match((await one.ask(mine.key, 'GET', '/budgets/house')).body, { version: 1, limitNanoUsd: '1000000000' })
})

t.test('what is no name, no page and no number of days is refused', async (t) => {
  const { key } = await tenantOf(db)
  await one.ask(key, 'POST', '/budgets', budgetBody('house'))
  for (const path of [
    '/budgets?limit=0',
    '/budgets?limit=201',
    '/budgets?more=1',
    '/budgets/status/summary?alerts=501',
    '/budgets/house/status?limit=0',
    '/budgets/house/history?days=0',
    '/budgets/house/history?days=366',
    '/budgets/house/history?subject=%00',
  ])
    t.match(await one.ask(key, 'GET', path), { status: 400, body: { code: 'acc_api_invalid' } }, path)
  t.match(await one.ask(key, 'PUT', '/budgets/house', budgetBody('other'), '*'), {
    status: 400,
    body: { detail: /metadata\.name: expected "house"/ },
  })
  for (const name of ['nothing', 'status', '..', 'a%2Fb'])
    t.match(await one.ask(key, 'GET', `/budgets/${name}/status`), { status: 404 }, name)
})

t.test(
  'a reset begins the period anew, of budgets of the API and of git, and is kept with who did it and why',
  async (t) => {
    const { orgId, key, keyId } = await tenantOf(db)
    await one.folder(orgId, GIT)
    await one.ask(key, 'POST', '/budgets', budgetBody('house', '1.00', { resets: 3 }))
    const holder = new TestHolder(one.ledger, orgId)
    await holder.hello()
    for (const [name, before, after] of [
      ['of-git', 'total', 'total#000001'],
      ['house', 'total#000003', 'total#000004'],
    ] as const) {
      const limit = name === 'house' ? 1_000_000_000n : 5_000_000_000n
      t.match(await holder.sync(counter(name, '*', before), { need: limit }), { verdict: 'granted' })
      const reset = await two.ask(key, 'POST', `/budgets/${name}/reset`, { reason: 'a new quarter' })
      t.match(reset, {
        status: 200,
        body: { resets: name === 'house' ? 4 : 1, apiResets: [{ number: 1, resetBy: keyId, reason: 'a new quarter' }] },
      })
      t.match((await one.ask(key, 'GET', `/budgets/${name}/status`)).body, { period: { id: after }, subjects: [] })
      t.match(await holder.sync(counter(name, '*', after), { need: limit }), { verdict: 'granted' }, 'all of it again')
    }
    const bundle = bundleManifestSchema.parse(JSON.parse((await one.policies.newerThan(orgId, 0))?.manifest ?? '{}'))
    const compiled = compilePolicy(bundle.files)
    if (!compiled.ok) return t.fail('a bundle that is no policy')
    t.same(
      compiled.policy.budgets.map(({ name, period }) => `${name} ${period.resets}`),
      ['house 4', 'of-git 1'],
      'sidecars are sent the sum',
    )
    const generation = await one.policies.generation(orgId)
    t.match(await two.folder(orgId, GIT, 'other'), { state: 'inForce', generation }, 'the folder is what it was')
    t.match(await one.ask(key, 'GET', '/budgets/of-git'), { body: { source: 'team/git.yaml:2', resets: 1 } })
    await one.ask(key, 'PUT', '/budgets/house', budgetBody('house', '2.00', { resets: 3 }), '*')
    t.match(await one.ask(key, 'GET', '/budgets/house'), { body: { resets: 4 } }, 'a change takes no reset back')
  },
)

t.test('a reset that is said to be the second happens once, however often it is asked for', async (t) => {
  const { key } = await tenantOf(db)
  await one.ask(key, 'POST', '/budgets', budgetBody('house'))
  const answers = await Promise.all(
    [one, two, one, two].map((replica) =>
      replica.ask(key, 'POST', '/budgets/house/reset', { reason: 'once', resets: 0 }),
    ),
  )
  t.same(answers.map(({ status }) => status).sort(), [200, 412, 412, 412])
  t.match((await one.ask(key, 'GET', '/budgets/house')).body, { resets: 1, apiResets: [{ number: 1 }] })
  const free = await Promise.all(
    [one, two].map((replica) => replica.ask(key, 'POST', '/budgets/house/reset', { reason: 'each' })),
  )
  t.same(
    free.map(({ status }) => status),
    [200, 200],
  )
  t.match((await one.ask(key, 'GET', '/budgets/house')).body, { resets: 3 })
  t.match(await one.ask(key, 'POST', '/budgets/nothing/reset', { reason: 'x' }), { status: 404 })
  for (const body of [{}, { reason: '' }, { reason: 'x'.repeat(501) }, { reason: 'x', resets: -1 }, { reason: 'a\0' }])
    t.match(
      await one.ask(key, 'POST', '/budgets/house/reset', body),
      { status: 400 },
      JSON.stringify(body).slice(0, 40),
    )
})

t.test('a document that says fewer resets than there were takes none back, and the next one counts', async (t) => {
  const { orgId, key } = await tenantOf(db)
  const git = (resets: number) => [
    { path: 'git.yaml', text: `${budgetYaml({ name: 'of-git', limit: '5.00' })}  resets: ${resets}\n` },
  ]
  await one.folder(orgId, git(3))
  await one.ask(key, 'POST', '/budgets', budgetBody('house', '1.00', { resets: 3 }))
  const resets = async (name: string): Promise<number> => (await two.ask(key, 'GET', `/budgets/${name}`)).body.resets
  t.same([await resets('of-git'), await resets('house')], [3, 3])
  await one.folder(orgId, git(1))
  await one.ask(key, 'PUT', '/budgets/house', budgetBody('house'), '*')
  t.same([await resets('of-git'), await resets('house')], [3, 3])
  for (const name of ['of-git', 'house']) {
    await two.ask(key, 'POST', `/budgets/${name}/reset`, { reason: 'counts' })
    t.equal(await resets(name), 4, name)
  }
  const holder = new TestHolder(one.ledger, orgId)
  await holder.hello()
  t.match(await holder.sync(counter('house', '*', 'total#000004'), { need: 1n }), { verdict: 'granted' })
})

t.test('what no bundle can carry together with the folder is refused, and the next one is not', async (t) => {
  const { orgId, key } = await tenantOf(db)
  const files = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ path: `${at}.yaml`, text: '# nothing\n' }))
  await one.folder(orgId, files(1_000))
  t.match(await one.ask(key, 'POST', '/budgets', budgetBody('house')), {
    status: 422,
    body: { detail: /more than 1000 files together/ },
  })
  await one.folder(orgId, files(999))
  t.match(await one.ask(key, 'POST', '/budgets', budgetBody('house')), { status: 201 })
  t.match(await one.folder(orgId, files(1_000)), { state: 'refused', problems: [{ message: /1000 files together/ }] })
  t.same(await inBundle(orgId), ['house 1000000000'])
})
