import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { checkPolicy } from '@agentcostcontrol/policy'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { createAgentService } from '../agents/service.ts'
import { createAuthService } from '../auth/service.ts'
import { alertRepository } from '../budgets/alert-repository.ts'
import { budgetRepository } from '../budgets/repository.ts'
import type { Tx } from '../db/database.ts'
import { periodRepository } from '../ledger/period-repository.ts'
import { sidecarRepository } from '../sidecars/repository.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { createReadService } from '../usage/read-service.ts'
import { AGENTS, heartbeatOf } from './support/agents.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { batchOf, INSTANCE, usageEvent } from './support/events.ts'
import { intelOn } from './support/intel.ts'
import { counter, ledgerOn, published, TestHolder } from './support/ledger.ts'
import { policiesFor } from './support/policies.ts'
import { eventFinding, recordOn, SUPPRESSED, saidOn, toolPinReport } from './support/security.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const clock = { nowMs: () => Date.now() }
const keyFile = join(folderFor(t), 'key.pem')

/** Tables that are no tenant's; nothing of one may stand in them. */
const OF_NOBODY = ['installation', 'policy_key', 'rate_cards', 'schema_migrations']

interface Table {
  readonly name: string
  readonly partition: boolean
  readonly bound: boolean
  readonly tenants: boolean
  readonly granted: boolean
}

const tables = (): Promise<readonly Table[]> => db.owner<Table[]>`
  SELECT relname AS name, relispartition AS partition,
    relrowsecurity AND relforcerowsecurity
      AND EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polcmd = '*'
        AND pg_get_expr(polqual, c.oid) = '(org_id = current_org())'
        AND pg_get_expr(polwithcheck, c.oid) = '(org_id = current_org())')
      AND (SELECT count(*) = 1 FROM pg_policy WHERE polrelid = c.oid) AS bound,
    EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1 AND attname = 'org_id' AND attnotnull) AS tenants,
    has_table_privilege('agentcost', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') AS granted
  FROM pg_class AS c WHERE relnamespace = 'acc'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname`

/** Everything in the catalogue that one tenant could see of another's. */
async function openTables(): Promise<readonly string[]> {
  return (await tables())
    .filter(({ name, partition, bound, tenants, granted }) => {
      if (partition) return granted
      return OF_NOBODY.includes(name) ? false : !(bound && tenants)
    })
    .map(({ name }) => name)
}

/** An organisation with a row in every table. */
async function tenant() {
  const orgId = randomUUID()
  await db.database.inOrg(orgId, (tx) => tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`)
  const auth = createAuthService({ database: db.database, clock, newId: randomUUID, policyKeys: [] })
  const token = await auth.makeEnrolmentToken(orgId)
  const caller = await auth.identify(token)
  if (caller === null) throw new Error('a token that was just made is not known')
  await auth.enrol(caller, INSTANCE)
  const ledger = ledgerOn(db.database)
  await db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('ample', '1.00')]))
  const holder = new TestHolder(ledger, orgId, INSTANCE)
  await holder.hello()
  await holder.sync(counter('ample'), { need: 1n })
  const { book } = ledger
  const ingest = createIngestService({ database: db.database, record: recordOn(db.database), book, onBatch: () => {} })
  await ingest.ingest(
    { kind: 'sidecar', orgId, keyId: '', instanceId: INSTANCE },
    batchOf([usageEvent({ findings: [eventFinding()] })]).events,
  )
  await db.database.inOrg(orgId, async (tx) => {
    const uid = 'Budget/ample'
    await budgetRepository.make(tx, { name: 'own', document: {}, text: '', by: '' })
    await budgetRepository.reset(tx, uid, 1, '', 'a test')
    await alertRepository.saveMarks(tx, [{ uid, marks: [0], warning: 80, critical: 100, windowMs: null }])
    await alertRepository.cross(tx, [counter('ample')], 0)
    await periodRepository.addBuckets(tx, [{ counter: counter('ample'), nano: 1n, bucketMs: 60_000 }])
    await tx`
      INSERT INTO ended_periods (org_id, budget_uid, period_id, counters, settled_nano, stated_nano)
      VALUES (${orgId}, ${uid}, '2020-01-01', 1, 0, 0)`
  })
  const heard = { instanceId: INSTANCE, generation: 1, refused: null }
  await db.database.inOrg(orgId, (tx) => sidecarRepository.hear(tx, [heard]))
  const { service } = await policiesFor(t, db, { orgId, keyFile })
  const good = checkPolicy([])
  if (!good.ok) throw new Error('no files are a policy')
  const held = { replica: 'test', files: [], checked: good, provenance: null, followed: 0 }
  const { generation } = await service.publish(orgId, held)
  const read = createReadService({ database: db.database })
  const agents = createAgentService({ ...AGENTS, database: db.database, read, clock })
  await agents.heartbeat({ kind: 'sidecar', orgId, keyId: '', instanceId: INSTANCE }, heartbeatOf())
  const { agentStates: states, security, commands } = saidOn(db.database)
  const admin = { kind: 'admin', orgId, keyId: '' } as const
  await states.pause(admin, 'looping', 'it loops', null)
  await security.suppressions.make(admin, SUPPRESSED, 'a test', new Date(Date.now() + 3_600_000).toISOString())
  await security.toolPins.report({ kind: 'sidecar', orgId, keyId: '', instanceId: INSTANCE }, [toolPinReport()])
  const text = new Uint8Array(Buffer.from('evil.example'))
  await intelOn(db.database).upload(admin, 'list', text, { format: 'plain', kind: 'block' })
  return { orgId, states, security, commands, caller, token, auth, agents, policies: { service, generation } }
}

t.test('every table is bound to its organisation, and one that is not would be found', async (t) => {
  t.same(await openTables(), [])
  t.ok((await tables()).length >= 12, 'the check sees tables')
  const planted = [
    'CREATE TABLE acc.planted_bare (org_id uuid NOT NULL, a int)',
    'CREATE TABLE acc.planted_unforced (org_id uuid NOT NULL); ALTER TABLE acc.planted_unforced ENABLE ROW LEVEL SECURITY',
    'CREATE TABLE acc.planted_nobodys (a int)',
    'CREATE VIEW acc.planted_view AS SELECT * FROM acc.usage_events',
    `CREATE TABLE acc.planted_open (org_id uuid NOT NULL); CALL acc.make_tenants('acc.planted_open', 'SELECT');
      CREATE POLICY everyone ON acc.planted_open USING (true)`,
    "CREATE TABLE acc.planted_partition PARTITION OF acc.usage_events FOR VALUES FROM ('2001-01-01') TO ('2001-02-01'); GRANT SELECT ON acc.planted_partition TO agentcost",
  ]
  for (const statement of planted) await db.owner.unsafe(statement).simple()
  const found = await openTables()
  t.equal(found.length, planted.length, `found ${found.join(', ')}`)
  for (const name of found) await db.owner.unsafe(`DROP ${name === 'planted_view' ? 'VIEW' : 'TABLE'} acc.${name}`)
})

t.test('no row of another organisation can be seen, changed, deleted or made in any table', async (t) => {
  const [a, b] = [await tenant(), await tenant()]
  const walked = (await tables()).filter(({ name, partition }) => !partition && !OF_NOBODY.includes(name))
  for (const { name } of walked) {
    const [mine] = await db.owner<{ count: number }[]>`
      SELECT count(*)::int AS count FROM ${db.owner(`acc.${name}`)} WHERE org_id = ${a.orgId}`
    t.ok((mine?.count ?? 0) > 0, `${name}: there is something to see`)
    const as = <T>(orgId: string | null, work: (tx: Tx) => Promise<T>) =>
      orgId === null ? db.database.inNone(work) : db.database.inOrg(orgId, work)
    for (const orgId of [b.orgId, null]) {
      const seen = await as(orgId, async (tx) => [...(await tx`SELECT org_id FROM ${tx(name)}`)])
      t.notOk(
        seen.some((row) => row.org_id === a.orgId),
        `${name}: seen by ${orgId === null ? 'nobody' : 'b'}`,
      )
      if (orgId === null) t.equal(seen.length, 0)
      for (const change of ['UPDATE', 'DELETE'] as const) {
        const changed = await as(orgId, (tx) =>
          change === 'UPDATE'
            ? tx`UPDATE ${tx(name)} SET org_id = org_id WHERE org_id = ${a.orgId}`
            : tx`DELETE FROM ${tx(name)} WHERE org_id = ${a.orgId}`,
        ).then(
          ({ count }) => count,
          (error) => (error.code === '42501' ? 0 : error),
        )
        t.equal(changed, 0, `${name}: ${change}`)
      }
    }
    const [row] = await db.owner<{ row: never }[]>`
      SELECT row_to_json(t) AS row FROM ${db.owner(`acc.${name}`)} AS t WHERE org_id = ${a.orgId} LIMIT 1`
    const copied = as(
      b.orgId,
      (tx) => tx`
        INSERT INTO ${tx(name)} SELECT (json_populate_record(NULL::${tx(name)}, ${tx.json(row?.row ?? null)}::json)).*`,
    )
    await t.rejects(copied, { code: '42501' }, `${name}: INSERT`)
  }
})

t.test('a partition cannot be read directly, and the sums and the log show one’s own alone', async (t) => {
  const [a, b] = [await tenant(), await tenant()]
  const month = new Date().toISOString().slice(0, 7).replace('-', '_')
  const direct = db.database.inOrg(b.orgId, (tx) => tx`SELECT FROM ${tx(`usage_events_${month}`)}`)
  await t.rejects(direct, { code: '42501' })
  const read = createReadService({ database: db.database })
  const open = { from: null, to: null }
  const filter = { agent: null, model: null, outcome: null, ahead: false }
  for (const { caller } of [a, b]) {
    t.equal((await read.summary(caller, open)).requests, 1)
    t.equal((await read.requests(caller, filter, null, 50)).requests.length, 1)
  }
  const stranger = { kind: 'admin', orgId: randomUUID(), keyId: '' } as const
  t.equal((await read.summary(stranger, open)).requests, 0)
})

t.test('agents, tasks and figures of sidecars are shown to their own organisation alone', async (t) => {
  const { agents, caller } = await tenant()
  const stranger = { kind: 'admin', orgId: randomUUID(), keyId: '' } as const
  const every = { agent: null, status: null, workflow: null }
  for (const [who, count] of [
    [caller, 1],
    [stranger, 0],
  ] as const) {
    t.equal(
      (await agents.agents(who, null, 50)).agents.length,
      2 * count,
      'one that told of itself, one that is paused',
    )
    t.equal((await agents.tasks(who, every, null, 50)).tasks.length, count)
    t.equal((await agents.sidecars(who, [INSTANCE])).size, count)
  }
})

t.test('whoever is of another organisation can neither pause an agent nor let it go on', async (t) => {
  const [a, b] = [await tenant(), await tenant()]
  const asB = { kind: 'admin', orgId: b.orgId, keyId: '' } as const
  const before = await a.commands.current(a.orgId)
  await b.states.resume(asB, 'looping', 'it is fine')
  await b.states.pause(asB, 'researcher', 'it is not', null)
  t.same((await a.commands.current(a.orgId)).agents, before.agents)
  t.match(before.agents, [{ agent: 'looping', state: 'paused', reason: 'it loops', endsInMs: null }])
  t.equal(before.agents.length, 1)
  t.same(await a.commands.current(randomUUID()), { version: 0, agents: [], suppressions: [], toolPins: [] })
})

t.test('policies, their revisions and their files are one’s own alone', async (t) => {
  const [a, b] = [await tenant(), await tenant()]
  const { service, generation } = a.policies
  const as = ({ orgId }: { readonly orgId: string }) => ({ kind: 'admin', orgId, keyId: '' }) as const
  t.match(await service.find(as(a), String(generation)), { generation })
  await t.rejects(service.find(as(b), String(generation)), { code: 'acc_api_not_found' })
  t.equal((await service.list(as(b), null, 50)).revisions.length, 1)
  t.equal(JSON.parse((await service.newerThan(b.orgId, 0))?.manifest ?? '{}').orgId, b.orgId)
  t.same(await service.revisions(b.orgId, [generation]), new Map())
  const stranger = randomUUID()
  t.same(await service.current(as({ orgId: stranger })), { inForce: null, folders: [] })
  t.equal(await service.newerThan(stranger, 0), null)
  t.equal(await service.compiled(stranger, null), null)
})

t.test('a key whose organisation was changed to another is no key', async (t) => {
  const [a, b] = [await tenant(), await tenant()]
  const bare = (id: string): string => id.replaceAll('-', '')
  t.match(await a.auth.identify(a.token), { orgId: a.orgId })
  t.equal(await a.auth.identify(a.token.replace(bare(a.orgId), bare(b.orgId))), null)
  t.equal(await a.auth.identify(a.token.replace('enrolment', 'admin')), null)
})
