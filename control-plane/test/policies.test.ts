import { createPublicKey, verify } from 'node:crypto'
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { bundleManifestSchema, type SignedBundle } from '@agentcostcontrol/contract'
import { checkPolicy, type PolicyFile, policyRevision } from '@agentcostcontrol/policy'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { AMPLE_BUDGET, budgetYaml, writePolicies } from '../../test/support/sidecar.ts'
import { until } from '../../test/support/until.ts'
import { createWakes } from '../db/wakes.ts'
import { NO_PROVENANCE } from '../policies/provenance.ts'
import { policyRepository } from '../policies/repository.ts'
import { createPolicyService, type PolicyService } from '../policies/service.ts'
import { clusterFor, databaseFor, QUIET } from './support/database.ts'
import { policiesFor, type TestPolicies } from './support/policies.ts'

const newDatabase = await clusterFor(t)
const url = await newDatabase()
const db = await databaseFor(t, url)

const BAD = AMPLE_BUDGET.replace('"1000000.00"', '25')

/** A folder with one budget of this limit. */
function folderWith(limit: string): string {
  const folder = folderFor(t)
  writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'one', limit }) })
  return folder
}

const revisionOf = (limit: string): string =>
  policyRevision([{ path: 'budget.yaml', text: budgetYaml({ name: 'one', limit }) }])

const listed = async ({ service, caller }: TestPolicies) => (await service.list(caller, null, 50)).revisions

/** Waits until this revision is in force. */
const inForce = ({ service, caller }: TestPolicies, revision: string): Promise<number> =>
  until('the revision is in force', async () => {
    const { inForce } = await service.current(caller)
    return inForce?.revision === revision ? inForce.generation : null
  })

/** Publishes files without a folder. */
function publish(service: PolicyService, orgId: string, files: readonly PolicyFile[], followed = 0) {
  const checked = checkPolicy(files)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  return service.publish(orgId, { replica: 'test', files, checked, provenance: NO_PROVENANCE, followed })
}

const oneFile = (limit: string): readonly PolicyFile[] => [
  { path: 'budget.yaml', text: budgetYaml({ name: 'one', limit }) },
]

t.test(
  'a folder is published as one bundle, signed over its very bytes, with its limits in the same transaction',
  async (t) => {
    const policies = await policiesFor(t, db)
    const { service, orgId, limits, announced } = policies
    t.equal(await service.generation(orgId), 0)
    t.equal(await service.newerThan(orgId, 0), null)
    await policies.watch(folderWith('1.00'))
    const generation = await service.generation(orgId)
    t.ok(Math.abs(generation - Date.now()) < 60_000, 'the generation is a clock in ms')
    const bundle = await service.newerThan(orgId, generation - 1)
    t.ok(holds(policies, bundle))
    const manifest = bundleManifestSchema.parse(JSON.parse(bundle?.manifest ?? ''))
    t.match(manifest, { orgId, generation, revision: revisionOf('1.00'), files: [{ path: 'budget.yaml' }] })
    t.equal(policyRevision(manifest.files), manifest.revision)
    t.equal(await service.newerThan(orgId, generation), null)
    t.match(limits, [[{ name: 'one', limit: 1_000_000_000n }]])
    t.same(announced, [`policy ${orgId}`])
    t.same([...(await service.revisions(orgId, [generation, 5]))], [[generation, revisionOf('1.00')]])
    t.match((await service.compiled(orgId, null))?.budgets, [{ name: 'one' }])
    t.match((await service.compiled(orgId, revisionOf('1.00')))?.budgets, [{ name: 'one' }])
    t.equal(await service.compiled(orgId, 'f'.repeat(64)), null)
  },
)

/** Whether a bundle is signed with a key that sidecars are given. */
function holds({ service }: TestPolicies, bundle: SignedBundle | null): boolean {
  if (bundle === null) return false
  const key = service.keys.find(({ keyId }) => keyId === bundle.keyId)
  const signature = Buffer.from(bundle.signature, 'base64')
  return key !== undefined && verify(null, Buffer.from(bundle.manifest), createPublicKey(key.publicKey), signature)
}

t.test('a bundle that anything was changed in is signed by nobody', async (t) => {
  const policies = await policiesFor(t, db)
  await policies.watch(folderWith('1.00'))
  const bundle = await policies.service.newerThan(policies.orgId, 0)
  if (bundle === null) return t.fail('nothing is published')
  t.ok(holds(policies, bundle))
  t.notOk(holds(policies, { ...bundle, manifest: bundle.manifest.replace('1.00', '9.00') }))
  t.notOk(holds(policies, { ...bundle, manifest: `${bundle.manifest} ` }))
  t.notOk(holds(policies, { ...bundle, keyId: '0'.repeat(16) }))
})

t.test('two replicas that see the same revision at the same moment publish it once, each time', async (t) => {
  const one = await policiesFor(t, db)
  const two = await policiesFor(t, { ...db, database: (await databaseFor(t, url)).database }, { orgId: one.orgId })
  for (const limit of ['1.00', '2.00', '3.00', '4.00', '5.00']) {
    const outcomes = await Promise.all(
      [one, two, one, two].map(({ service, orgId }) => publish(service, orgId, oneFile(limit))),
    )
    t.same(
      outcomes.map(({ state }) => state),
      Array(4).fill('inForce'),
    )
    t.equal(outcomes.filter(({ isNew }) => isNew).length, 1)
    t.equal(new Set(outcomes.map(({ generation }) => generation)).size, 1)
  }
  t.equal((await listed(one)).length, 5)
  t.equal(one.limits.length + two.limits.length, 5)
})

t.test('two publishers of the same folder, and of copies of it, publish each change once', async (t) => {
  const policies = await policiesFor(t, db)
  const [shared, copy] = [folderWith('1.00'), folderWith('1.00')]
  const publishers = await Promise.all([shared, shared, copy].map((folder) => policies.watch(folder)))
  for (const limit of ['2.00', '3.00']) {
    for (const folder of [shared, copy]) writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'one', limit }) })
    const generation = await inForce(policies, revisionOf(limit))
    await until('all replicas know', () => (publishers.every((each) => each.generation() === generation) ? true : null))
  }
  t.same(
    (await listed(policies)).map(({ revision }) => revision),
    ['3.00', '2.00', '1.00'].map(revisionOf),
  )
  t.equal(publishers.flatMap(({ outcomes }) => outcomes).length, 3)
})

t.test(
  'what follows in the transaction fails: nothing is published, nobody is told, and it is tried again',
  async (t) => {
    let fails = true
    const policies = await policiesFor(t, db, {
      onPublish: async () => {
        if (fails) throw new Error('the ledger does not answer')
      },
    })
    const { log } = await policies.watch(folderWith('1.00'))
    await until('it was tried again', () => (policies.limits.length > 2 ? true : null))
    t.equal(await policies.service.generation(policies.orgId), 0)
    t.same(policies.announced, [])
    t.equal(log.filter(({ level }) => level === 'error').length, 1, 'it is said once')
    fails = false
    await inForce(policies, revisionOf('1.00'))
    t.equal((await listed(policies)).length, 1)
  },
)

t.test('replicas hear of a revision when it is committed', async (t) => {
  const policies = await policiesFor(t, db)
  const wakes = createWakes({ url, log: QUIET })
  t.teardown(wakes.close)
  const { signer, orgId } = policies
  const service = createPolicyService({ database: db.database, signer, wakes })
  const heard = new Promise<string | null>((resolve) => {
    wakes.subscribe((topic, org) => {
      if (topic === 'policy' && org !== null) resolve(org)
    })
  })
  await until('the connection listens', async () => {
    await publish(service, orgId, oneFile(String(Math.random().toFixed(6))))
    return Promise.race([heard, new Promise<null>((resolve) => setTimeout(() => resolve(null), 50))])
  })
  t.equal(await heard, orgId)
})

t.test('a bad revision changes nothing, is kept once with its problems, and shown', async (t) => {
  const policies = await policiesFor(t, db)
  const folder = folderWith('1.00')
  const { log, outcomes } = await policies.watch(folder)
  await policies.watch(folder)
  const generation = await policies.service.generation(policies.orgId)
  for (let round = 0; round < 2; round++) {
    writePolicies(folder, { 'budget.yaml': BAD })
    const problem = { file: 'budget.yaml', line: 6, path: 'spec.limit', message: /write money as a quoted string/ }
    await until('it is refused', async () => {
      const { folders } = await policies.service.current(policies.caller)
      return folders.every(({ state }) => state === 'refused') ? true : null
    })
    const current = await policies.service.current(policies.caller)
    t.match(current, { inForce: { generation }, folders: [{ problems: [problem] }, { problems: [problem] }] })
    t.match(
      (await listed(policies)).filter(({ state }) => state === 'refused'),
      [{ generation: null, problems: [problem], problemCount: 1, tests: 0 }],
    )
    t.match(await policies.service.find(policies.caller, policyRevision([{ path: 'budget.yaml', text: BAD }])), {
      state: 'refused',
      content: [],
      difference: null,
    })
    writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'one', limit: '1.00' }) })
    await until('the good one is back', async () => {
      const { folders } = await policies.service.current(policies.caller)
      return folders.every(({ state }) => state === 'inForce') ? true : null
    })
  }
  t.equal(await policies.service.generation(policies.orgId), generation, 'and is not published again')
  t.match(log.filter(({ message }) => message === 'policy refused')[0], {
    file: 'budget.yaml',
    line: 6,
    inForce: generation,
  })
  t.same(outcomes, ['published', 'refused', 'refused'])
})

t.test('a revision whose test fails is refused', async (t) => {
  const policies = await policiesFor(t, db)
  const folder = folderWith('1.00')
  await policies.watch(folder)
  writePolicies(folder, {
    'tests.yaml': `apiVersion: agentcostcontrol.io/v1
kind: PolicyTest
metadata: { name: house }
spec: { cases: [{ name: nobody, expect: { budgets: [] } }] }
`,
  })
  const refused = await until(
    'it is refused',
    async () => (await listed(policies)).find(({ state }) => state === 'refused') ?? null,
  )
  t.match(refused.problems, [{ file: 'tests.yaml', line: 4, message: /expected no budget, found one$/ }])
})

t.test('the problems of a bad revision are bounded, and so is the number of bad ones', async (t) => {
  const { service, caller, orgId } = await policiesFor(t, db)
  const problems = Array.from({ length: 500 }, (_, line) => ({
    file: 'f'.repeat(5_000),
    line,
    path: '',
    message: 'm'.repeat(9_000),
  }))
  const bad = { replica: 'test', files: 1, provenance: null, problems }
  await service.refuse(orgId, { ...bad, revision: '0'.repeat(64) })
  const [stored] = (await service.list(caller, null, 1)).revisions
  t.match([stored?.problemCount, stored?.problems.length], [500, 10])
  const { problems: kept } = await service.find(caller, '0'.repeat(64))
  t.equal(kept.length, 100)
  t.same([kept[0]?.file.length, kept[0]?.message.length], [1_024, 2_000])
  for (let at = 1; at <= 205; at++)
    await service.refuse(orgId, { ...bad, problems: [], revision: String(at).padStart(64, '0') })
  const first = await service.list(caller, null, 150)
  const rest = await service.list(caller, first.nextCursor, 150)
  t.equal(first.revisions.length + rest.revisions.length, 200)
  t.equal(rest.nextCursor, null)
  t.equal(rest.revisions.at(-1)?.revision, '6'.padStart(64, '0'), 'the oldest were forgotten')
})

t.test('a generation never falls, also when the clock of the database does', async (t) => {
  const { service, orgId } = await policiesFor(t, db)
  const first = await publish(service, orgId, oneFile('1.00'))
  const ahead = first.generation + 3_600_000
  await db.owner`UPDATE policy_revisions SET number = ${ahead}::float8 WHERE org_id = ${orgId}`
  const second = await publish(service, orgId, oneFile('2.00'))
  t.equal(second.generation, ahead + 1)
  const third = await publish(service, orgId, oneFile('1.00'), second.generation)
  t.equal(third.generation, ahead + 2, 'an old revision that comes back is a new generation')
})

t.test(
  'two replicas whose folders differ do not take turns: the older folder is behind, and that is said once',
  async (t) => {
    const policies = await policiesFor(t, db)
    let nowMs = Date.now()
    const clock = { nowMs: () => nowMs }
    const [a, b] = [folderWith('1.00'), folderWith('2.00')]
    const one = await policies.watch(a, { replica: 'one', clock })
    const two = await policies.watch(b, { replica: 'two', clock })
    const folders = async () =>
      (await policies.service.current(policies.caller)).folders.map(({ replica, state }) => `${replica} ${state}`)
    await until('the first is behind', async () => ((await folders()).includes('one behind') ? true : null))
    t.same(await folders(), ['one behind', 'two inForce'])
    t.notOk(
      one.log.some(({ level }) => level === 'warn'),
      'replicas see a change at different moments',
    )
    nowMs += 11_000
    await until('it is said', () => one.log.find(({ level }) => level === 'warn') ?? null)
    // Restarted, in whatever order, they stay as they are.
    for (const [folder, replica] of [
      [a, 'one more'],
      [b, 'two more'],
      [a, 'one again'],
    ] as const)
      await policies.watch(folder, { replica, clock })
    nowMs += 60_000
    const settled = ['one again behind', 'one behind', 'one more behind', 'two inForce', 'two more inForce']
    await until('another beat', async () => ((await folders()).sort().join() === settled.join() ? true : null))
    t.equal((await listed(policies)).length, 2, 'each was published once')
    t.equal(one.log.filter(({ level }) => level === 'warn').length, 1)
    t.same(one.outcomes, ['published', 'behind'])
    t.same(two.outcomes, ['published'])

    writePolicies(a, { 'budget.yaml': budgetYaml({ name: 'one', limit: '3.00' }) })
    await inForce(policies, revisionOf('3.00'))
    await until('both folders were looked at', async () =>
      (await folders()).filter((each) => each.startsWith('one') && each.endsWith('inForce')).length === 3 ? true : null,
    )
    t.equal((await listed(policies)).length, 3, 'something new is published from either')
  },
)

t.test('what a backup brought back is published again, above what sidecars may run by now', async (t) => {
  const { service, orgId, limits } = await policiesFor(t, db)
  const first = await publish(service, orgId, oneFile('1.00'))
  await publish(service, orgId, oneFile('2.00'), first.generation)
  await db.owner`DELETE FROM policy_revisions WHERE org_id = ${orgId} AND number > ${first.generation}::float8`
  await db.owner.begin((tx) => policyRepository.markRestored(tx))
  const again = await publish(service, orgId, oneFile('1.00'))
  t.ok(again.isNew && again.generation > first.generation)
  t.equal(limits.length, 3)
  t.notOk((await publish(service, orgId, oneFile('1.00'))).isNew, 'once')
})

t.test('a copy that sees old revisions late does not bring them back', async (t) => {
  const policies = await policiesFor(t, db)
  const [fast, slow] = [folderWith('1.00'), folderWith('1.00')]
  await policies.watch(fast)
  const late = await policies.watch(slow)
  for (const limit of ['2.00', '3.00']) {
    writePolicies(fast, { 'budget.yaml': budgetYaml({ name: 'one', limit }) })
    await inForce(policies, revisionOf(limit))
  }
  writePolicies(slow, { 'budget.yaml': budgetYaml({ name: 'one', limit: '2.00' }) })
  await until('the copy is seen', async () => {
    const { folders } = await policies.service.current(policies.caller)
    return folders.some(({ revision, state }) => revision === revisionOf('2.00') && state === 'behind') ? true : null
  })
  writePolicies(slow, { 'budget.yaml': budgetYaml({ name: 'one', limit: '3.00' }) })
  const generation = await inForce(policies, revisionOf('3.00'))
  await until('the copy has caught up', () => (late.generation() === generation ? true : null))
  t.equal((await listed(policies)).length, 3)
})

t.test(
  'a copy that was committed before what is in force does not replace it, unless somebody goes back',
  async (t) => {
    const { service, orgId } = await policiesFor(t, db)
    const at = (hour: number) => ({
      ...NO_PROVENANCE,
      committedAt: `2026-11-24T${hour}:00:00+01:00`,
      uncommitted: false,
    })
    const from = async (replica: string, limit: string, hour: number, followed = 0) => {
      const files = oneFile(limit)
      const checked = checkPolicy(files)
      if (!checked.ok) throw new Error('these files are a policy')
      return service.publish(orgId, { replica, files, checked, provenance: at(hour), followed })
    }
    const { generation } = await from('fast', '3.00', 12)
    t.equal((await from('slow', '2.00', 11)).state, 'behind', 'it was never in force, and is older')
    t.equal((await from('slow', '4.00', 13)).state, 'inForce', 'what is newer is published')
    const back = await from('fast', '2.00', 11, generation)
    t.equal(back.state, 'behind', 'it has not seen that')
    t.equal((await from('slow', '2.00', 11, await service.generation(orgId))).state, 'inForce', 'somebody goes back')
  },
)

t.test('a folder that goes back to what it held before is followed, also while no control plane runs', async (t) => {
  const policies = await policiesFor(t, db)
  const folder = folderWith('1.00')
  const publisher = await policies.watch(folder, { replica: 'same' })
  for (const limit of ['2.00', '1.00']) {
    writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'one', limit }) })
    await inForce(policies, revisionOf(limit))
  }
  await publisher.close()
  writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'one', limit: '2.00' }) })
  await policies.watch(folder, { replica: 'same' })
  await inForce(policies, revisionOf('2.00'))
  t.equal((await listed(policies)).length, 4)
})

t.test('a folder that is emptied or vanishes takes no limit away, and one that comes back is followed', async (t) => {
  const policies = await policiesFor(t, db)
  const folder = folderWith('1.00')
  await policies.watch(folder)
  const generation = await policies.service.generation(policies.orgId)
  const state = (wanted: string) =>
    until(`the folder is ${wanted}`, async () => {
      const [found] = (await policies.service.current(policies.caller)).folders
      return found?.state === wanted ? found : null
    })
  rmSync(join(folder, 'budget.yaml'))
  t.match((await state('refused')).problems, [{ message: /holds no policy any more/ }])
  rmSync(folder, { recursive: true })
  t.match((await state('unreadable')).problems, [{ message: /cannot be read: ENOENT/ }])
  t.equal(await policies.service.generation(policies.orgId), generation)
  mkdirSync(folder)
  writePolicies(folder, { 'budget.yaml': budgetYaml({ name: 'one', limit: '1.00' }) })
  await state('inForce')
  t.equal(await policies.service.generation(policies.orgId), generation, 'the same files are the same revision')
  writePolicies(folder, { 'budget.yaml': '# no policy, and on purpose\n' })
  await inForce(policies, policyRevision([{ path: 'budget.yaml', text: '# no policy, and on purpose\n' }]))
})

t.test('a Kubernetes ConfigMap is followed through its swap of links', async (t) => {
  const policies = await policiesFor(t, db)
  const folder = folderFor(t)
  const version = (name: string, limit: string): void =>
    writePolicies(folder, { [`..${name}/budget.yaml`]: budgetYaml({ name: 'one', limit }) })
  version('2026_11_24_00', '1.00')
  symlinkSync('..2026_11_24_00', join(folder, '..data'))
  symlinkSync('..data/budget.yaml', join(folder, 'budget.yaml'))
  const { outcomes } = await policies.watch(folder)
  version('2026_11_24_01', '2.00')
  symlinkSync('..2026_11_24_01', join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  rmSync(join(folder, '..2026_11_24_00'), { recursive: true })
  await inForce(policies, revisionOf('2.00'))
  t.same(outcomes, ['published', 'published'])
})

t.test('a revision tells what it changed against the one before it', async (t) => {
  const policies = await policiesFor(t, db)
  const { service, caller, orgId } = policies
  const before = [...oneFile('1.00'), { path: 'gone.yaml', text: '# gone\n' }]
  const first = await publish(service, orgId, before)
  const second = await publish(service, orgId, [...oneFile('2.00'), { path: 'new.yaml', text: '# new\n' }])
  t.match(await service.find(caller, String(first.generation)), {
    state: 'superseded',
    difference: { added: ['budget.yaml', 'gone.yaml'], removed: [], changed: [] },
  })
  const found = await service.find(caller, revisionOf('1.00')).catch((error: unknown) => error)
  t.match(found, { code: 'acc_api_not_found' })
  const detail = await service.find(caller, String(second.generation))
  t.match(detail, {
    state: 'inForce',
    content: [{ path: 'budget.yaml' }, { path: 'new.yaml', text: '# new\n' }],
    difference: { added: ['new.yaml'], removed: ['gone.yaml'], changed: ['budget.yaml'], truncated: false },
  })
  t.match(detail.difference?.unified, '--- a/budget.yaml\n+++ b/budget.yaml\n')
  t.match(detail.difference?.unified, '-  limit: "1.00"\n+  limit: "2.00"\n')
  t.match(detail.difference?.unified, '--- a/gone.yaml\n+++ /dev/null\n')
})

t.test('pages of revisions hold each once, newest first, while others are published', async (t) => {
  const { service, caller, orgId } = await policiesFor(t, db)
  for (let at = 1; at <= 7; at++) await publish(service, orgId, oneFile(`${at}.00`))
  const first = await service.list(caller, null, 3)
  await publish(service, orgId, oneFile('8.00'))
  const second = await service.list(caller, first.nextCursor, 3)
  const third = await service.list(caller, second.nextCursor, 3)
  t.equal(third.nextCursor, null)
  t.same(
    [first, second, third].flatMap(({ revisions }) => revisions.map(({ revision }) => revision)),
    [7, 6, 5, 4, 3, 2, 1].map((at) => revisionOf(`${at}.00`)),
  )
  for (const cursor of ['x', '-1', '0', `${'9'.repeat(20)}`])
    await t.rejects(service.list(caller, cursor, 3), { code: 'acc_api_invalid' }, cursor)
})

t.test('files that no bundle can carry are refused', async (t) => {
  const { service, orgId } = await policiesFor(t, db)
  const files = Array.from({ length: 4 }, (_, at) => ({ path: `${at}.yaml`, text: `# ${'\u0001'.repeat(200_000)}\n` }))
  t.match(await publish(service, orgId, files), { state: 'refused', problems: [{ message: /as a signed bundle/ }] })
  t.equal(await service.generation(orgId), 0)
})

t.test('text that a database may not like comes through', async (t) => {
  const policies = await policiesFor(t, db)
  const files = [{ path: 'ünï/\u{1f600}.yaml', text: '# \u0000 \ufeff \u{1f600} "quoted" \\ \u2028\n' }]
  const { generation } = await publish(policies.service, policies.orgId, files)
  t.same((await policies.service.find(policies.caller, String(generation))).content, files)
  t.ok(holds(policies, await policies.service.newerThan(policies.orgId, 0)))
})
