/** Sidecars that are broken or lie, and messages that meet: the ledger of their organisation goes on, and stays right. */
import { randomUUID } from 'node:crypto'
import { type Counter, counterKey, HELLO_LEASES_MAX, parseUsd, SYNC_ITEMS_MAX } from '@agentcostcontrol/contract'
import t from 'tap'
import type { Scope } from '../../test/support/scope.ts'
import { until } from '../../test/support/until.ts'
import { type AppOptions, createApp } from '../app.ts'
import { createAuthService } from '../auth/service.ts'
import { systemClock } from '../clock.ts'
import { Books } from '../ledger/books.ts'
import { createLedgerOperator } from '../ledger/operator.ts'
import { createMetrics } from '../metrics.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { clusterFor, databaseFor, QUIET } from './support/database.ts'
import { batchOf, charge, usageEvent } from './support/events.ts'
import { counter, ledgerOn, organisationWith, published, TestHolder } from './support/ledger.ts'
import { recordOn, saidOn } from './support/security.ts'

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const ledger = ledgerOn(db.database)
const ingest = createIngestService({
  database: db.database,
  record: recordOn(db.database),
  book: ledger.book,
  onBatch: () => {},
})
const operator = createLedgerOperator({ database: db.database })
const usd = (text: string): bigint => parseUsd(text)
const DAY_MS = 86_400_000
const today = new Date().toISOString().slice(0, 10)

async function newHolder(orgId: string, on = ledger): Promise<TestHolder> {
  const holder = new TestHolder(on, orgId)
  await holder.hello()
  return holder
}

/** What a sidecar that lies says of a counter. */
const item = (of: Counter, over: Readonly<Record<string, string | boolean>> = {}) => ({
  counter: of,
  granted: '0',
  returned: '0',
  charged: '0',
  uncharged: '0',
  least: '0',
  need: '0',
  want: '0',
  close: false,
  ...over,
})

/** The API on a real socket, and two sidecars of one organisation that has a budget `b` of a dollar. */
async function twoSidecars(scope: Scope) {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const auth = createAuthService({ database: db.database, clock: systemClock, newId: randomUUID, policyKeys: [] })
  // Nobody asks the other capabilities anything here.
  const app = await createApp({
    auth,
    ledger,
    operator,
    ingest,
    security: saidOn(db.database).security,
    clock: systemClock,
    log: QUIET,
    metrics: createMetrics(),
  } as Partial<AppOptions> as AppOptions)
  scope.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const sidecar = async () => {
    const instanceId = randomUUID()
    const caller = await auth.identify(await auth.makeEnrolmentToken(orgId))
    if (caller === null) throw new Error('a token that was just made is not known')
    const { credential } = await auth.enrol(caller, instanceId)
    const post = async (path: string, body: unknown) => {
      const answer = await fetch(`${url}/sidecar/v1/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      return { status: answer.status, body: await answer.json() }
    }
    const hello = (over: object = {}) =>
      post('leases/hello', { generation: 0, continuity: 'broken', ledgerEpoch: 0, leases: [], ...over })
    const sync = (generation: number, ledgerEpoch: number, ...items: readonly unknown[]) =>
      post('leases/sync', { generation, ledgerEpoch, items })
    return { instanceId, post, hello, sync }
  }
  return { orgId, hostile: await sidecar(), other: await sidecar() }
}

t.test('nothing that one sidecar says keeps another from its leases', async (t) => {
  const { hostile, other } = await twoSidecars(t)
  t.match(await hostile.hello(), { status: 200, body: { generation: 1, ledgerEpoch: 1 } })
  t.match(await hostile.hello({ ledgerEpoch: Number.MAX_SAFE_INTEGER }), { status: 400 }, 'an epoch that never was')
  t.match(await hostile.hello({ generation: Number.MAX_SAFE_INTEGER }), { status: 400 })
  t.match(await hostile.hello({ generation: 2 ** 40 }), { status: 200 })
  t.match(await other.hello(), { status: 200, body: { generation: 1, ledgerEpoch: 1 } })
  const huge = '9'.repeat(19)
  const events = Array.from({ length: 3 }, () =>
    usageEvent({ instanceId: hostile.instanceId, charges: [charge({ budgetUid: 'Budget/b', nanoUsd: huge })] }),
  )
  t.match(await hostile.post('events', batchOf(events)), { status: 200, body: { stored: 3, refused: [] } })
  t.match(
    await other.sync(1, 1, item(counter('b'), { need: '1' })),
    { status: 200, body: { items: [{ verdict: 'exhausted' }] } },
    'more was booked than a number on the wire says',
  )
  t.match(await hostile.hello({ generation: 2 ** 40 }), { status: 200 })
})

t.test(
  'an epoch that never was is not believed: the ledger goes on by some millions, and others with it',
  async (t) => {
    const { orgId, hostile, other } = await twoSidecars(t)
    await other.hello()
    t.match(await hostile.hello({ ledgerEpoch: 2 ** 50 + 1 }), { status: 400 })
    const { status, body } = await hostile.hello({ ledgerEpoch: 2 ** 50 })
    t.match({ status, body }, { status: 200, body: { ledgerEpoch: 2 ** 24 + 2 } })
    t.match(await operator.overview({ kind: 'admin', orgId, keyId: '' }), { begunBy: hostile.instanceId })
    const hello = { generation: 1, continuity: 'same', ledgerEpoch: 1 }
    t.match(await other.hello(hello), { status: 200, body: { continuity: 'same', ledgerEpoch: 2 ** 24 + 2 } })
  },
)

t.test('a sidecar that says what is not so stops its organisation once, by name, and not again', async (t) => {
  const { orgId, hostile, other } = await twoSidecars(t)
  const admin = { kind: 'admin', orgId, keyId: '' } as const
  const lie = item(counter('b'), { granted: '1' })
  const epoch = async () => (await operator.overview(admin)).epoch
  await other.hello()
  await hostile.hello()
  t.match(await hostile.sync(1, 1, lie), { status: 409 })
  t.match(await operator.overview(admin), { epoch: 2, recovering: true, begunBy: hostile.instanceId })
  t.match(await hostile.sync(1, 2, item(counter('b', 'another'), { granted: '1' })), { status: 409 })
  await hostile.hello({ generation: 1, continuity: 'same', ledgerEpoch: 900 })
  t.equal(await epoch(), 2, 'nor while that is recovered from')
  await operator.endRecovery(admin, [])
  t.match(await operator.overview(admin), { recovering: false, begunBy: null })
  const { holders } = await operator.overview(admin)
  t.equal(holders.find((holder) => holder.instanceId === hostile.instanceId)?.heeded, false)
  t.match(await hostile.sync(1, 2, lie), { status: 409 })
  const leases = [{ counter: counter('b'), generation: 1, granted: '7', returned: '0', charged: '0' }]
  t.match(await hostile.hello({ generation: 1, continuity: 'same', ledgerEpoch: 2, leases }), {
    body: { ledgerEpoch: 2, leases: [{ granted: '7' }] },
  })
  t.match(await hostile.sync(1, 2, item(counter('b'), { granted: '7' })), { status: 200 }, 'what it holds is set aside')
  await hostile.hello({ generation: 1, continuity: 'same', ledgerEpoch: 900, leases })
  t.equal(await epoch(), 2)
  t.match(await other.hello({ generation: 1, continuity: 'same', ledgerEpoch: 1 }), { body: { ledgerEpoch: 2 } })
  t.match(await other.sync(1, 2, item(counter('b'), { need: '1' })), { body: { items: [{ verdict: 'granted' }] } })
  t.match(await other.sync(1, 2, item(counter('b'), { granted: '900' })), { status: 409 })
  t.match(await operator.overview(admin), { epoch: 3, begunBy: other.instanceId }, 'another one is heard')
})

t.test('what cannot be a counter or an amount is refused by name, and never an error of ours', async (t) => {
  const { hostile } = await twoSidecars(t)
  await hostile.hello()
  const odd: readonly (readonly [string, unknown])[] = [
    ['a NUL', item(counter('b', 'a\u0000'))],
    ['what separates a key', item(counter('b', 'a\u001fb'))],
    ['half a pair', item(counter('b', '\ud800'))],
    ['an empty subject', item(counter('b', ''))],
    ['a negative amount', item(counter('b'), { need: '-1' })],
    ['a negative zero', item(counter('b'), { need: '-0' })],
    ['twenty digits', item(counter('b'), { need: '1'.repeat(20) })],
  ]
  for (const [name, each] of odd) t.match(await hostile.sync(1, 1, each), { status: 400 }, name)
  t.match(await hostile.sync(1, 1, item(counter('b')), item(counter('b'))), { status: 400 }, 'one counter twice')
  const taken = [
    item(counter('b'), { need: '9'.repeat(19), want: '9'.repeat(19), returned: '9'.repeat(19) }),
    item(counter('b', '*', 'W'), { need: '1' }),
    item(counter('b', '*', '9999-W99'), { need: '1' }),
    item(counter('b', '*', '0000-00-00'), { need: '1' }),
    item(counter('nobody', '’”…'), { need: '1', close: true }),
  ]
  t.match(await hostile.sync(1, 1, ...taken), { status: 200 })
  t.match(await hostile.sync(-0, 1, item(counter('b'))), { status: 409 })
  const many = Array.from({ length: SYNC_ITEMS_MAX }, (_, at) => item(counter(`n${at}`), { need: '1' }))
  t.match(await hostile.sync(1, 1, ...many), { status: 200 }, 'nobody has heard of these budgets')
})

t.test('an event with an odd charge is refused alone; the others of its batch are booked', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  const { instanceId } = holder.caller
  const withSubject = (...subjects: readonly string[]) =>
    usageEvent({ instanceId, charges: subjects.map((subject) => charge({ budgetUid: 'Budget/b', subject })) })
  const batch = batchOf([
    withSubject('*'),
    withSubject('\ud800', '\ud801'),
    withSubject('a\u001fb'),
    withSubject(''),
    withSubject('*', '*'),
  ])
  t.match(await ingest.ingest(holder.caller, batch.events), {
    stored: 2,
    refused: [{ seq: 2 }, { seq: 3 }, { seq: 4 }],
  })
  t.match(await verify(db.database, orgId), { ok: true, ledger: { wrong: 0, counters: 1 } })
})

t.test(
  'a message that is refused has changed nothing: a budget of another period still opens with its spend',
  async (t) => {
    const orgId = await organisationWith(db.database, [published('a', '1.00'), published('b', '1.00')])
    const holder = await newHolder(orgId)
    await holder.sync(counter('a'), { need: usd('0.90') })
    const day = counter('a', '*', today)
    await holder.sync(day)
    await db.database.inOrg(orgId, (tx) =>
      ledger.adoptBudgets(tx, orgId, [published('a', '1.00', 'daily'), published('b', '1.00')]),
    )
    const { caller, generation, ledgerEpoch } = holder
    const items = [item(day, { need: '1' }), item(counter('b'), { granted: '1' })]
    await t.rejects(ledger.sync(caller, { generation, ledgerEpoch, items }), { code: 'acc_api_stale_holder' })
    await operator.endRecovery({ kind: 'admin', orgId, keyId: '' }, [])
    await holder.hello()
    t.match(await holder.sync(day, { need: usd('0.11') }), { verdict: 'exhausted' })
    t.match(await holder.sync(day, { need: usd('0.10') }), { verdict: 'granted' })
  },
)

t.test('many that find the ledger on another server at once begin one epoch', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const epochs: number[] = []
  const told = ledgerOn(db.database, (epoch) => epochs.push(epoch))
  const holders = await Promise.all(Array.from({ length: 6 }, () => newHolder(orgId, told)))
  await db.owner`UPDATE acc.ledgers SET system_identifier = 1 WHERE org_id = ${orgId}`
  await Promise.all(
    holders.map((each, at) => (at % 2 === 0 ? each.sync(counter('b'), { need: 1n }).catch(() => {}) : each.hello())),
  )
  t.equal(epochs.length, 1)
  t.match(await operator.overview({ kind: 'admin', orgId, keyId: '' }), { epoch: epochs[0], recovering: true })
})

t.test(
  'at midnight sidecars enter the next period of many budgets in any order, and none waits in a circle',
  async (t) => {
    const names = Array.from({ length: 12 }, (_, at) => `b${at}`)
    const orgId = await organisationWith(
      db.database,
      names.map((name) => published(name, '1.00', 'daily')),
    )
    const replicas = [ledger, ledgerOn(db.database)]
    const yesterday = new Date(Date.now() - DAY_MS).toISOString().slice(0, 10)
    const holders = await Promise.all(Array.from({ length: 6 }, () => newHolder(orgId)))
    for (let round = 0; round < 10; round++) {
      await db.owner`UPDATE acc.budget_periods SET period_id = ${yesterday} WHERE org_id = ${orgId}`
      await Promise.all(
        holders.map(({ caller, generation, ledgerEpoch }, at) => {
          const items = names.map((name) => item(counter(name, `agent-${at}-${round}`, today), { need: '1' }))
          return replicas[at % 2]?.sync(caller, {
            generation,
            ledgerEpoch,
            items: at % 2 === 0 ? items : items.toReversed(),
          })
        }),
      )
    }
    const [row] = await db.owner`SELECT count(*)::int AS entered FROM acc.budget_periods
    WHERE org_id = ${orgId} AND period_id = ${today}`
    t.equal(row?.entered, names.length)
  },
)

t.test('a counter that is made while a limit is lowered has the lower one', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  const adopt = () => db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('b', '0.30')]))
  let isAdopted = false
  let adopted: Promise<void> = Promise.resolve()
  await db.database.inOrg(orgId, async (tx) => {
    await ledger.book(tx, holder.caller.instanceId, [charge({ budgetUid: 'Budget/b', nanoUsd: '1' })])
    adopted = adopt().finally(() => {
      isAdopted = true
    })
    await until('the publication waits, or is through', async () => {
      const waiting = await db.owner`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`
      return isAdopted || waiting.length > 0 ? true : null
    })
  })
  await adopted
  t.match(await operator.counters({ kind: 'admin', orgId, keyId: '' }, null, 1), [
    { limitNanoUsd: String(usd('0.30')) },
  ])
})

t.test('a lease that is fenced while its events are booked stays fenced', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.40') })
  const { instanceId } = holder.caller
  const { generation } = holder
  // Its row was read before the hello, and is written behind it.
  await db.database.inOrg(orgId, async (tx) => {
    const opened = await Books.open(tx, [{ counter: counter('b'), instanceId, generation }], { unknownToo: false })
    await db.owner`UPDATE acc.leases SET state = 'fenced' WHERE instance_id = ${instanceId}`
    const row = opened.lease({ counter: counter('b'), instanceId, generation })
    if (row) opened.put(row)
    await opened.write(tx, 0)
  })
  t.match([...(await db.owner`SELECT state FROM acc.leases WHERE instance_id = ${instanceId}`)], [{ state: 'fenced' }])
})

t.test('a hello does not put off when a former lease can be written off', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  await holder.sync(counter('b'), { need: usd('0.40') })
  const { instanceId } = holder.caller
  const { generation } = holder
  await holder.hello('broken')
  await db.owner`UPDATE acc.leases SET expires_at = now() - interval '3 hours' WHERE instance_id = ${instanceId}`
  const former = { counter: counter('b'), generation, granted: String(usd('0.40')), returned: '0', charged: '0' }
  const hello = { generation: holder.generation, continuity: 'same' as const, ledgerEpoch: 1, leases: [former] }
  t.match(await ledger.hello(holder.caller, hello), { generation: holder.generation })
  await operator.release({ kind: 'admin', orgId, keyId: '' }, { counter: counter('b'), instanceId, generation }, 1n)
})

t.test('a hello with as many leases as can be said is answered in time', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holder = await newHolder(orgId)
  const leases = Array.from({ length: HELLO_LEASES_MAX }, (_, at) => ({
    counter: counter('b', `agent-${at}`),
    generation: 1,
    granted: '10',
    returned: '5',
    charged: '1',
  }))
  const begun = performance.now()
  const hello = { generation: holder.generation, continuity: 'same' as const, ledgerEpoch: 0, leases }
  await ledger.hello(holder.caller, hello)
  const tookMs = performance.now() - begun
  t.comment(`${Math.round(tookMs)} ms`)
  t.ok(tookMs < 60_000)
  const [sums] = await db.owner`SELECT sum(escrow_nano)::text AS escrow FROM acc.counters WHERE org_id = ${orgId}`
  t.equal(sums?.escrow, String(5 * HELLO_LEASES_MAX))
})

t.test('a holder of more leases than a hello tells says it in pages, and one that is not sound is seen', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const { caller } = await newHolder(orgId)
  const names = Array.from({ length: 45 }, (_, at) => `agent-${String(at).padStart(2, '0')}`)
  const keyOf = (subject = ''): string => counterKey(counter('b', subject))
  const all = { generation: 1, continuity: 'same', ledgerEpoch: 1 } as const
  const held = (from: number, to: number, returned = '5') =>
    names.slice(from, to).map((subject) => ({
      counter: counter('b', subject),
      generation: 1,
      granted: '10',
      returned,
      charged: '1',
    }))
  const page = (from: number, to: number) => ({
    after: from === 0 ? null : keyOf(names[from - 1]),
    through: to === names.length ? null : keyOf(names[to - 1]),
  })
  const say = (from: number, to: number, returned?: string) =>
    ledger.hello(caller, { ...all, leases: held(from, to, returned), page: page(from, to) })
  const escrow = async () =>
    (await db.owner`SELECT sum(escrow_nano)::text AS sum FROM acc.counters WHERE org_id = ${orgId}`)[0]?.sum
  // The ledger learns of all of them, and is in another epoch for it.
  const { ledgerEpoch } = await ledger.hello(caller, { ...all, leases: held(0, 45) })
  t.equal(ledgerEpoch, 2)
  for (const [from, to] of [
    [0, 20],
    [20, 40],
  ] as const)
    t.match(await say(from, to), { generation: 1, continuity: 'same', leases: { length: to - from }, periods: [] })
  t.match(await say(40, 45), { generation: 1, continuity: 'same', ledgerEpoch, leases: { length: 5 } })
  t.match(await say(0, 20, '4'), { generation: 1, continuity: 'broken' }, 'it had told more of them')
  const lacking = { ...all, leases: held(1, 20), page: page(0, 20) }
  t.match(await ledger.hello(caller, lacking), { generation: 1, continuity: 'broken' }, 'it lacks one of them')
  t.equal(await escrow(), String(5 * names.length), 'and no page frees or fences anything')
  const last = { ...all, continuity: 'broken', leases: held(40, 45), page: page(40, 45) } as const
  t.match(await ledger.hello(caller, last), { generation: 2, continuity: 'broken', leases: [] })
  t.equal(await escrow(), String(5 * names.length), 'what it held stands')
})

t.test('a message of a thousand counters is answered without holding the others up', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const { caller, generation, ledgerEpoch } = await newHolder(orgId)
  const items = Array.from({ length: SYNC_ITEMS_MAX }, (_, at) => item(counter('b', `agent-${at}`), { need: '1' }))
  const begun = performance.now()
  const { items: answers } = await ledger.sync(caller, { generation, ledgerEpoch, items })
  t.comment(`${Math.round(performance.now() - begun)} ms`)
  t.ok(answers.every(({ verdict }) => verdict === 'granted'))
})

t.test('time frees no money: what an expired lease holds stays set aside, and a sync revives it', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const [gone, other] = [await newHolder(orgId), await newHolder(orgId)]
  await gone.sync(counter('b'), { need: usd('0.60') })
  await db.owner`
    UPDATE acc.leases SET expires_at = now() - interval '3 days' WHERE instance_id = ${gone.caller.instanceId}`
  t.match(await other.sync(counter('b'), { need: usd('0.41') }), {
    verdict: 'exhausted',
    available: String(usd('0.40')),
  })
  t.match(await gone.sync(counter('b'), { need: usd('0.10') }), { verdict: 'granted' })
})

t.test('what a holder whose state is broken says that it returned is not believed', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const [broken, other] = [await newHolder(orgId), await newHolder(orgId)]
  await broken.sync(counter('b'), { need: usd('0.60') })
  broken.lease(counter('b')).returned = usd('0.60')
  t.match(await broken.hello('broken'), { continuity: 'broken' })
  t.match(await other.sync(counter('b'), { need: usd('0.41') }), { verdict: 'exhausted' })
})
