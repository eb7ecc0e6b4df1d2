/** Syncs that arrive together are answered in one transaction, as if each had one of its own. */
import { parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { createGroups } from '../ledger/groups.ts'
import { createIngestService } from '../usage/ingest-service.ts'
import { verify } from '../usage/verify.ts'
import { clusterFor, databaseFor } from './support/database.ts'
import { batchOf, charge, usageEvent } from './support/events.ts'
import { counter, ledgerOn, organisationWith, published, TestHolder } from './support/ledger.ts'
import { recordOn } from './support/security.ts'

const db = await databaseFor(t, await (await clusterFor(t))())
const ledger = ledgerOn(db.database)
const usd = (text: string): bigint => parseUsd(text)

async function holdersOf(orgId: string, count: number): Promise<readonly TestHolder[]> {
  const holders = Array.from({ length: count }, () => new TestHolder(ledger, orgId))
  for (const holder of holders) await holder.hello()
  return holders
}

/** Groups that tell what they were asked; what is `bad` fails whoever it is with. */
function recorded(sizeMax: number) {
  const groups: (readonly string[])[] = []
  const ask = createGroups<string, string>({
    sizeOf: (question) => question.length,
    sizeMax,
    groupsMax: 1,
    answer: async (key, questions) => {
      groups.push(questions)
      if (questions.includes('bad')) throw new Error('bad')
      return questions.map((question) => `${key}:${question}`)
    },
  })
  return { ask, groups }
}

t.test('what arrives together is answered together, each to who asked it, and never with another key', async (t) => {
  const { ask, groups } = recorded(100)
  const answers = await Promise.all([ask('k', 'a'), ask('k', 'b'), ask('l', 'c'), ask('k', 'd')])
  t.same(answers, ['k:a', 'k:b', 'l:c', 'k:d'])
  t.same(groups, [['a', 'b', 'd'], ['c']])
})

t.test('a question that fails takes no other with it', async (t) => {
  const { ask } = recorded(100)
  const answers = await Promise.allSettled([ask('k', 'a'), ask('k', 'bad'), ask('k', 'c')])
  t.same(
    answers.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
})

t.test('a group has a largest size, and what is larger goes alone', async (t) => {
  const { ask, groups } = recorded(4)
  await Promise.all(['aa', 'bb', 'c', 'eeeeee', 'f'].map((question) => ask('k', question)))
  t.same(groups, [['aa', 'bb'], ['c'], ['eeeeee'], ['f']])
})

t.test('holders that ask at once get what is there once, in the order of their messages', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holders = await holdersOf(orgId, 4)
  const answers = await Promise.all(holders.map((each) => each.sync(counter('b'), { need: usd('0.30') })))
  t.same(
    answers.map(({ verdict }) => verdict),
    ['granted', 'granted', 'granted', 'pending'],
    'what others were given in the same group may come back',
  )
  t.equal(answers[3]?.available, String(usd('0.10')))
  const wishes = await Promise.all(holders.map((each) => each.sync(counter('b'), { want: usd('0.08') })))
  const given = wishes.map(({ granted }, at) => BigInt(granted) - (at < 3 ? usd('0.30') : 0n))
  t.ok(given.reduce((sum, each) => sum + each, 0n) <= usd('0.10'))
  t.ok(
    given.every((each) => each > 0n && each < usd('0.02')),
    `each gets a share, and the others are counted: ${given}`,
  )
  t.match(await verify(db.database, orgId), { ledger: { wrong: 0 } })
})

t.test('a holder of another generation in the middle of a group disturbs nobody', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const [one, stale, other] = await holdersOf(orgId, 3)
  if (!one || !stale || !other) throw new Error('three holders were made')
  stale.generation++
  const [first, second, third] = await Promise.allSettled(
    [one, stale, other].map((each) => each.sync(counter('b'), { need: usd('0.10') })),
  )
  t.match([first, third], [{ value: { verdict: 'granted' } }, { value: { verdict: 'granted' } }])
  t.match(second, { reason: { code: 'acc_api_stale_holder' } })
})

t.test('a holder that knows of more than the ledger does is found in a group, and the others say hello', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const [one, ahead] = await holdersOf(orgId, 2)
  if (!one || !ahead) throw new Error('two holders were made')
  ahead.lease(counter('b')).granted = usd('0.50')
  const [first, second] = await Promise.allSettled(
    [one, ahead].map((each) => each.sync(counter('b'), { need: usd('0.60') })),
  )
  t.match(first, { value: { verdict: 'granted' } })
  t.match(second, { reason: { code: 'acc_api_stale_holder' } })
  t.match(await one.hello(), { ledgerEpoch: 2 })
  await ahead.hello()
  t.match(await one.sync(counter('b'), { need: usd('0.01') }), { verdict: 'pending' }, 'the ledger recovers')
})

t.test('two that enter an edited budget at once open it once', async (t) => {
  const orgId = await organisationWith(db.database, [published('b', '1.00')])
  const holders = await holdersOf(orgId, 2)
  const [one] = holders
  if (!one) throw new Error('two holders were made')
  await one.sync(counter('b'), { need: usd('0.40') })
  const { book } = ledger
  const ingest = createIngestService({ database: db.database, record: recordOn(db.database), book, onBatch: () => {} })
  const charges = [charge({ budgetUid: 'Budget/b', generation: one.generation, nanoUsd: String(usd('0.40')) })]
  await ingest.ingest(one.caller, batchOf([usageEvent({ instanceId: one.caller.instanceId, charges })]).events)
  const today = counter('b', '*', new Date().toISOString().slice(0, 10))
  await one.sync(today)
  await db.database.inOrg(orgId, (tx) => ledger.adoptBudgets(tx, orgId, [published('b', '1.00', 'daily')]))
  await Promise.all(holders.map((each) => each.sync(today, { need: usd('0.30') })))
  const [row] = await db.owner`
    SELECT settled_nano::text AS settled, escrow_nano::text AS escrow FROM acc.counters
    WHERE org_id = ${orgId} AND period_id = ${today.periodId}`
  t.match(row, { settled: String(usd('0.40')), escrow: String(usd('0.60')) })
})
