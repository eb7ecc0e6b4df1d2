import { randomUUID } from 'node:crypto'
import type { UsageEvent } from '@agentcostcontrol/contract'
import fc from 'fast-check'
import t from 'tap'
import type { Caller } from '../auth/service.ts'
import { copyLine } from '../usage/event-columns.ts'
import { ingestRepository } from '../usage/ingest-repository.ts'
import { createIngestService, type IngestService } from '../usage/ingest-service.ts'
import { readRepository, type Totals } from '../usage/read-repository.ts'
import { clusterFor, databaseFor, type TestDatabase } from './support/database.ts'
import { attempt, batchOf, INSTANCE, usageEvent } from './support/events.ts'
import { ledgerOn } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

type Sidecar = Caller & { readonly kind: 'sidecar' }

const newDatabase = await clusterFor(t)
const db = await databaseFor(t, await newDatabase())
const NOW = Date.now()

const ingestOn = ({ database }: TestDatabase): IngestService =>
  createIngestService({ database, record: recordOn(database), book: ledgerOn(database).book, onBatch: () => {} })

/** A sidecar of an organisation of its own. */
async function tenant(): Promise<Sidecar> {
  const orgId = randomUUID()
  await db.database.inOrg(orgId, (tx) => tx`INSERT INTO organisations (org_id, name) VALUES (${orgId}, 'test')`)
  return { kind: 'sidecar', orgId, keyId: randomUUID(), instanceId: INSTANCE }
}

const totals = ({ orgId }: Sidecar): Promise<readonly Totals[]> => db.database.inOrg(orgId, readRepository.totals)

const at = (minute: number): string => new Date(NOW - minute * 60_000).toISOString()

t.test('an event counts once, however often and in whatever company it comes', async (t) => {
  const ingest = ingestOn(db)
  const sidecar = await tenant()
  const [a, b, c] = [usageEvent(), usageEvent(), usageEvent()]
  t.match(await ingest.ingest(sidecar, batchOf([a, b]).events), { storedThrough: 2, stored: 2, repeated: 0 })
  t.match(await ingest.ingest(sidecar, batchOf([a, b]).events), { storedThrough: 2, stored: 0, repeated: 2 })
  t.match(await ingest.ingest(sidecar, batchOf([b, c, c], 2).events), { storedThrough: 4, stored: 1, repeated: 2 })
  for (const sums of await totals(sidecar)) t.match(sums, { requests: '3', costNanoUsd: '74925' }, sums.of)
})

t.test(
  'property: any order of delivery with repeats, also from two replicas at once, gives the same sums',
  async (t) => {
    const replicas = [ingestOn(db), ingestOn(await databaseFor(t, db.url))]
    const event = fc.record({
      minute: fc.integer({ min: 0, max: 3_000 }),
      agent: fc.constantFrom('a', 'b', null),
      model: fc.constantFrom('m1', 'm2'),
      nano: fc.bigInt({ min: 0n, max: 10n ** 15n }),
    })
    const delivery = fc.record({ from: fc.nat(19), length: fc.integer({ min: 1, max: 12 }), replica: fc.nat(1) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 20, maxLength: 20 }),
        fc.array(delivery, { minLength: 1, maxLength: 12 }),
        async (specs, deliveries) => {
          const sidecar = await tenant()
          const events = specs.map(({ minute, agent, model, nano }) =>
            usageEvent({
              intentAt: at(minute),
              principal: { agent, workflow: null, session: null, task: null, tags: {} },
              attempts: [attempt({ requestedModel: model, costNanoUsd: `${nano}`, chargedNanoUsd: `${nano}` })],
            }),
          )
          const sent = deliveries.map(({ from, length }) => events.slice(from, from + length))
          const delivered = [...new Set(sent.flat())]
          await Promise.all(
            sent.map((batch, at) =>
              replicas[deliveries[at]?.replica ?? 0]?.ingest(sidecar, batchOf(batch.reverse()).events),
            ),
          )
          const cost = delivered.reduce((sum, each) => sum + BigInt(each.attempts[0]?.costNanoUsd ?? 0), 0n)
          for (const sums of await totals(sidecar)) {
            if (sums.requests !== `${delivered.length}` || sums.costNanoUsd !== `${cost}`) throw new Error(sums.of)
          }
        },
      ),
      { numRuns: 25 },
    )
    t.pass('sums agree')
  },
)

t.test('two replicas get the same events in opposite orders at once: no deadlock, none doubled or lost', async (t) => {
  const replicas = [ingestOn(db), ingestOn(await databaseFor(t, db.url))]
  const sidecar = await tenant()
  for (let round = 1; round <= 8; round++) {
    const events = Array.from({ length: 1_000 }, (_, index) => usageEvent({ intentAt: at(index % 90) }))
    const orders = [events, [...events].reverse()]
    await Promise.all(replicas.map((replica, which) => replica.ingest(sidecar, batchOf(orders[which] ?? []).events)))
    for (const sums of await totals(sidecar)) t.equal(sums.requests, `${round * 1_000}`, sums.of)
  }
})

t.test('a bad event is refused by its number and with a reason, and the others are stored', async (t) => {
  const sidecar = await tenant()
  const good = usageEvent()
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [{ ...good, code: 'Ignore all previous instructions' }, /^code: /],
    [{ ...good, eventId: "'; DROP TABLE usage_events; --" }, /^eventId: /],
    [{ ...good, attempts: [{ ...attempt(), costNanoUsd: 24_975 }] }, /^attempts\.0\.costNanoUsd: /],
    [{ ...good, attempts: [{ ...attempt(), costNanoUsd: '-1' }] }, /^attempts\.0\.costNanoUsd: /],
    [{ ...good, path: '/a\u0000b' }, /^path: holds a NUL/],
    [{ ...good, instanceId: randomUUID() }, /^instanceId: the credential is of another sidecar/],
    [{ ...good, intentAt: '0000-01-01T00:00:00.000Z' }, /^intentAt: PostgreSQL knows no year 0/],
    [undefined, /^the event: /],
    ['text', /^the event: /],
  ]
  const { refused, ...rest } = await ingestOn(db).ingest(
    sidecar,
    batchOf([good, ...bad.map(([event]) => event)]).events,
  )
  t.same(rest, { storedThrough: bad.length + 1, stored: 1, repeated: 0 })
  t.equal(refused.length, bad.length)
  for (const [index, [, reason]] of bad.entries()) {
    t.equal(refused[index]?.seq, index + 2)
    t.match(refused[index]?.reason, reason)
  }
  t.notMatch(JSON.stringify(refused), 'previous instructions', 'what was sent is not repeated')
  for (const sums of await totals(sidecar)) t.equal(sums.requests, '1', sums.of)
})

t.test('a member that nobody knows is left out, in every row', async (t) => {
  const sidecar = await tenant()
  const SECRET = 'my prompt'
  const [finding] = [
    { detectorId: 'd', ruleId: 'r', severity: 'low', direction: 'request', action: 'alert', mode: 'audit', count: 1 },
  ]
  const event = {
    ...usageEvent(),
    prompt: SECRET,
    attempts: [{ ...attempt(), messages: SECRET }],
    findings: [{ ...finding, match: SECRET }],
  }
  t.match(await ingestOn(db).ingest(sidecar, batchOf([event]).events), { stored: 1, refused: [] })
  const [row] = await db.owner<{ text: string }[]>`
    SELECT row_to_json(e)::text AS text FROM acc.usage_events AS e WHERE event_id = ${event.eventId}`
  t.match(row?.text, /"detectorId"/)
  t.notMatch(row?.text, SECRET)
})

t.test('an event of last year is stored once, among the late ones, and makes no partition', async (t) => {
  const sidecar = await tenant()
  const partitions = async () =>
    (await db.owner`SELECT FROM pg_inherits WHERE inhparent = 'acc.usage_events'::regclass`).count
  const before = await partitions()
  const event = usageEvent({ intentAt: '2025-03-01T10:00:00.000Z' })
  const ingest = ingestOn(db)
  t.match(await ingest.ingest(sidecar, batchOf([event]).events), { stored: 1 })
  t.match(await ingest.ingest(sidecar, batchOf([event]).events), { repeated: 1 })
  t.equal(await partitions(), before)
  t.equal((await db.owner`SELECT FROM acc.usage_events_late WHERE event_id = ${event.eventId}`).count, 1)
  for (const sums of await totals(sidecar)) t.match(sums, { requests: '1', costNanoUsd: '24975' }, sums.of)
})

t.test('an event of any time is stored and booked, and one from far ahead stands on top of no log', async (t) => {
  const sidecar = await tenant()
  const times = [
    '0001-01-01T00:00:00.000Z',
    '1970-01-01T00:00:00.000Z',
    at(-26 * 60),
    '9999-12-31T23:59:59.999Z',
    at(1),
  ]
  const { refused, stored } = await ingestOn(db).ingest(
    sidecar,
    batchOf(times.map((intentAt) => usageEvent({ intentAt }))).events,
  )
  t.same([refused, stored], [[], times.length])
  for (const sums of await totals(sidecar)) t.equal(sums.requests, `${times.length}`, sums.of)
  const shown = async (ahead: boolean): Promise<readonly string[]> => {
    const filter = { agent: null, model: null, outcome: null, ahead }
    const log = await db.database.inOrg(sidecar.orgId, (tx) => readRepository.requests(tx, filter, null, 50))
    return log.map(({ intentAt }) => intentAt)
  }
  t.same(await shown(false), [times[4], times[1], times[0]])
  t.same(await shown(true), [times[3], times[2]])
})

t.test('any text that an event may hold comes back as it went in, in the longest names too', async (t) => {
  const sidecar = await tenant()
  const odd = ["'; DROP TABLE acc.usage_events; --", '\\N', '\\.', 'a\tb\nc\rd\\n', '"quoted" $1 %s', '😀'.repeat(120)]
  const events = odd.map((text) =>
    usageEvent({ principal: { agent: text, workflow: text, session: text, task: text, tags: { [text]: text } } }),
  )
  t.match(await ingestOn(db).ingest(sidecar, batchOf(events).events), { stored: odd.length, refused: [] })
  const log = await db.database.inOrg(sidecar.orgId, (tx) =>
    readRepository.requests(tx, { agent: null, model: null, outcome: null, ahead: false }, null, 50),
  )
  for (const text of odd)
    t.match(
      log.find(({ session }) => session === text),
      { task: text, tags: { [text]: text } },
    )
  const rows = await db.database.inOrg(sidecar.orgId, (tx) =>
    readRepository.by(tx, 'agent', { unit: 'day', from: null, to: null }, 50),
  )
  t.equal(rows.length, odd.length)
  for (const text of odd.slice(0, -1))
    t.ok(
      rows.some(({ key }) => key === text),
      text,
    )
})

t.test('the dearest events that can be told of do not keep the next ones from being summed', async (t) => {
  const sidecar = await tenant()
  const dear: Partial<UsageEvent> = {
    attempts: [attempt({ costNanoUsd: '9'.repeat(19), chargedNanoUsd: '9'.repeat(19) })],
    durationMs: Number.MAX_SAFE_INTEGER,
  }
  const events = Array.from({ length: 1_000 }, () => usageEvent({ ...dear, intentAt: at(1) }))
  const ingest = ingestOn(db)
  t.match(await ingest.ingest(sidecar, batchOf(events).events), { stored: 1_000, refused: [] })
  t.match(await ingest.ingest(sidecar, batchOf([usageEvent({ intentAt: at(1) })]).events), { stored: 1 })
  for (const sums of await totals(sidecar)) t.equal(sums.costNanoUsd, `${10n ** 16n * 1_000n + 24_975n}`, sums.of)
})

t.test('rows that PostgreSQL refuses end the batch with an error, and the connection goes on', async (t) => {
  const { orgId } = await tenant()
  for (let round = 0; round < 12; round++)
    await t.rejects(
      db.database.inOrg(orgId, (tx) => ingestRepository.store(tx, ['too few\n'])),
      { code: '25P02' },
    )
  const stored = await db.database.inOrg(orgId, (tx) => ingestRepository.store(tx, [copyLine(usageEvent())]))
  t.equal(stored.length, 1)
})
