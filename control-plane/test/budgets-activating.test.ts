/** A budget that is new: until every sidecar runs a revision that has it, and what they spend until then. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { UsageEvent } from '@agentcostcontrol/contract'
import t, { type Test } from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { sidecarRepository } from '../sidecars/repository.ts'
import { verify } from '../usage/verify.ts'
import { type BudgetReplica, budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { attempt, batchOf, charge, usageEvent } from './support/events.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const keyFile = join(folderFor(t), 'key.pem')

interface Place {
  readonly replica: BudgetReplica
  readonly orgId: string
  /** Makes a budget. @returns the revision that is in force then, and its generation */
  make(name: string, spec?: Readonly<Record<string, unknown>>): Promise<{ revision: string; generation: number }>
  remove(name: string): Promise<void>
  hear(instanceId: string, generation: number): Promise<void>
  bring(instanceId: string, ...events: readonly Partial<UsageEvent>[]): Promise<unknown>
  /** What was settled of a budget by subject, and its excess. */
  spentOf(name: string): Promise<Readonly<Record<string, string>>>
  statuses(name: string): Promise<readonly string[]>
}

async function placeFor(scope: Test): Promise<Place> {
  const replica = await budgetReplicaFor(scope, db, { keyFile })
  const { orgId, key } = await tenantOf(db)
  const read = async (path: string) => (await replica.ask(key, 'GET', path)).body
  return {
    replica,
    orgId,
    make: async (name, spec = {}) => {
      const { status, body } = await replica.ask(key, 'POST', '/budgets', budgetBody(name, '1.00', spec))
      if (status !== 201) throw new Error(JSON.stringify(body))
      const current = await replica.policies.inForce(orgId)
      return { revision: current?.revision ?? '', generation: current?.generation ?? 0 }
    },
    remove: async (name) => {
      const { status } = await replica.ask(key, 'DELETE', `/budgets/${name}`, undefined, '*')
      if (status !== 204) throw new Error(`status ${status}`)
    },
    hear: (instanceId, generation) =>
      db.database.inOrg(orgId, (tx) => sidecarRepository.hear(tx, [{ instanceId, generation, refused: null }])),
    bring: (instanceId, ...events) =>
      replica.ingest.ingest(
        { kind: 'sidecar', orgId, keyId: '', instanceId },
        batchOf(events.map((event) => usageEvent({ charges: [], ...event, instanceId }))).events,
      ),
    spentOf: async (name) => {
      const { subjects } = await read(`/budgets/${name}/status`)
      return Object.fromEntries(
        subjects.map((row: { subject: string; settledNanoUsd: string; excess: { overrunNanoUsd: string } }) => [
          row.subject,
          `${row.settledNanoUsd}/${row.excess.overrunNanoUsd}`,
        ]),
      )
    },
    statuses: async (name) => {
      const named = ({ id }: { readonly id: string }): boolean => id === name
      return [
        (await read('/budgets')).budgets.find(named).status,
        (await read(`/budgets/${name}`)).status,
        (await read(`/budgets/${name}/status`)).status,
        (await read('/budgets/status/summary')).budgets.find(named).status,
      ]
    },
  }
}

const all = (status: string): readonly string[] => [status, status, status, status]

t.test('a new budget is activating until every sidecar that is there runs a revision that has it', async (t) => {
  const place = await placeFor(t)
  const before = await place.make('first')
  t.same(await place.statuses('first'), all('active'), 'nobody has to know of it')
  const [one, two] = [randomUUID(), randomUUID()]
  await place.hear(one, before.generation)
  await place.hear(two, before.generation)
  await place.hear(randomUUID(), 0)
  const after = await place.make('second')
  t.same(await place.statuses('second'), all('activating'))
  t.same(await place.statuses('first'), all('active'))
  await place.hear(one, after.generation)
  t.same(await place.statuses('second'), all('activating'))
  await place.hear(two, after.generation)
  t.same(await place.statuses('second'), all('active'))

  await place.hear(two, before.generation)
  await db.owner`UPDATE sidecars SET last_heard_at = now() - interval '2 minutes' WHERE instance_id = ${two}`
  t.same(await place.statuses('second'), all('active'), 'who is silent is not waited for')
})

t.test(
  'what is spent by an earlier revision is booked on the new budget, once, as excess on nobody’s lease',
  async (t) => {
    const place = await placeFor(t)
    const { revision } = await place.make('first')
    const early = new Date().toISOString()
    await place.make('second', { scope: 'per_agent', selector: { agent: '*', model: 'gpt-4.1-mini' }, period: 'daily' })
    const { revision: current } = await place.make('third')
    const [one, two] = [randomUUID(), randomUUID()]
    const spent = { eventId: randomUUID(), intentAt: new Date().toISOString(), policyRevision: revision }
    const other = { ...spent, attempts: [attempt({ requestedModel: 'gpt-4.1' })] }
    await place.bring(one, spent, { ...spent, eventId: randomUUID() }, { ...other, eventId: randomUUID() })
    t.same(await place.spentOf('second'), { 'researcher|gpt-4.1-mini': '49950/49950' }, 'of its model alone')
    t.same(await place.spentOf('third'), { '*': '74925/74925' })
    t.same(await place.spentOf('first'), {}, 'of which its sidecar knew')

    await place.bring(one, spent)
    await place.bring(two, { ...spent, eventId: randomUUID(), intentAt: early })
    await place.bring(two, { ...spent, eventId: randomUUID(), policyRevision: current })
    await place.bring(two, { ...spent, eventId: randomUUID(), policyRevision: 'nobody published it' })
    const charges = [charge({ budgetUid: 'Budget/third', subject: '*', periodId: 'total' })]
    await place.bring(two, { ...spent, eventId: randomUUID(), policyRevision: revision, charges })
    t.same(
      await place.spentOf('second'),
      { 'researcher|gpt-4.1-mini': '74925/74925' },
      'the last one, which has a charge of the other',
    )
    t.same(await place.spentOf('third'), { '*': '99900/99900' }, 'that one charge')
    t.match(await verify(db.database, place.orgId), { ok: true, ledger: { wrong: 0 } })
  },
)

t.test('what was spent uncovered is not granted again, and is found by alerts', async (t) => {
  const place = await placeFor(t)
  const { revision } = await place.make('first')
  await place.make('second')
  const chargedNanoUsd = '950000000'
  const late = { policyRevision: revision, attempts: [attempt({ chargedNanoUsd })] }
  await place.bring(randomUUID(), late)
  await place.replica.alerts.idle()
  t.same(place.replica.told.map(({ name, threshold }) => `${name} ${threshold}`).sort(), [
    'second 50',
    'second 75',
    'second 80',
    'second 90',
  ])
})

t.test('a budget that is deleted and made again is new again', async (t) => {
  const place = await placeFor(t)
  await place.make('first')
  const { generation } = await place.make('second')
  const one = randomUUID()
  await place.hear(one, generation)
  t.same(await place.statuses('second'), all('active'))
  await place.remove('second')
  await place.make('second')
  t.same(await place.statuses('second'), all('activating'))
  t.same(await place.statuses('first'), all('active'))
})
