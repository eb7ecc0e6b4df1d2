/**
 * Days, weeks and months of time zones, whole and with 23 and 25 hours, as a budget of the API lives through them: to the
 * millisecond, by the database's clock. Begins and ends stand here as the zones' rules have them.
 */
import { join } from 'node:path'
import { LEASE_AHEAD_MS, parseUsd } from '@agentcostcontrol/contract'
import t from 'tap'
import { folderFor } from '../../test/support/scope.ts'
import { verify } from '../usage/verify.ts'
import { budgetBody, budgetReplicaFor, tenantOf } from './support/budgets.ts'
import { clockedDatabaseFor } from './support/clock.ts'
import { clusterFor } from './support/database.ts'
import { attempt, batchOf, charge, usageEvent } from './support/events.ts'
import { counter, TestHolder } from './support/ledger.ts'

const db = await clockedDatabaseFor(t, await (await clusterFor(t))())
const replica = await budgetReplicaFor(t, db, { keyFile: join(folderFor(t), 'key.pem') })
const usd = (text: string): bigint => parseUsd(text)
const HOUR_MS = 3_600_000

const PERIODS = `
# kind   zone                 id          begins             ends               hours  the next one  clocks are changed
daily    UTC                  2026-11-23  2026-11-23T00:00Z  2026-11-24T00:00Z  24     2026-11-24
# Clocks go from 02:00 to 03:00, and from 03:00 to 02:00.
daily    Europe/Berlin        2027-03-28  2027-03-27T23:00Z  2027-03-28T22:00Z  23     2027-03-29  2027-03-28T01:00Z
daily    Europe/Berlin        2027-10-31  2027-10-30T22:00Z  2027-10-31T23:00Z  25     2027-11-01  2027-10-31T01:00Z
daily    America/New_York     2027-03-14  2027-03-14T05:00Z  2027-03-15T04:00Z  23     2027-03-15  2027-03-14T07:00Z
daily    America/New_York     2027-11-07  2027-11-07T04:00Z  2027-11-08T05:00Z  25     2027-11-08  2027-11-07T06:00Z
# There is no midnight: the day begins at 01:00. And midnight comes twice: the day before goes on for an hour.
daily    America/Sao_Paulo    2018-11-04  2018-11-04T03:00Z  2018-11-05T02:00Z  23     2018-11-05  2018-11-04T03:00Z
daily    America/Sao_Paulo    2019-02-16  2019-02-16T02:00Z  2019-02-17T03:00Z  25     2019-02-17  2019-02-17T02:00Z
daily    Africa/Cairo         2027-04-30  2027-04-29T22:00Z  2027-04-30T21:00Z  23     2027-05-01  2027-04-29T22:00Z
daily    Africa/Cairo         2027-10-28  2027-10-27T21:00Z  2027-10-28T22:00Z  25     2027-10-29  2027-10-28T21:00Z
# Clocks are set back from 01:00 to the midnight that the day began with.
daily    America/Havana       2027-11-07  2027-11-07T04:00Z  2027-11-08T05:00Z  25     2027-11-08  2027-11-07T05:00Z
# By half an hour.
daily    Australia/Lord_Howe  2027-10-03  2027-10-02T13:30Z  2027-10-03T13:00Z  23.5   2027-10-04  2027-10-02T15:30Z
daily    Australia/Lord_Howe  2027-04-04  2027-04-03T13:00Z  2027-04-04T13:30Z  24.5   2027-04-05  2027-04-03T15:00Z
# Far from UTC, and by three quarters of an hour.
daily    Asia/Kathmandu       2027-06-15  2027-06-14T18:15Z  2027-06-15T18:15Z  24     2027-06-16
daily    Pacific/Kiritimati   2027-01-01  2026-12-31T10:00Z  2027-01-01T10:00Z  24     2027-01-02
daily    Pacific/Pago_Pago    2026-12-31  2026-12-31T11:00Z  2027-01-01T11:00Z  24     2027-01-01
daily    Pacific/Chatham      2027-09-26  2027-09-25T11:15Z  2027-09-26T10:15Z  23     2027-09-27  2027-09-25T14:00Z
# A day that never was: 30 December.
daily    Pacific/Apia         2011-12-29  2011-12-29T10:00Z  2011-12-30T10:00Z  24     2011-12-31  2011-12-30T10:00Z
weekly   UTC                  2026-W53    2026-12-28T00:00Z  2027-01-04T00:00Z  168    2027-W01
weekly   Europe/Berlin        2027-W12    2027-03-21T23:00Z  2027-03-28T22:00Z  167    2027-W13    2027-03-28T01:00Z
weekly   Europe/Berlin        2027-W43    2027-10-24T22:00Z  2027-10-31T23:00Z  169    2027-W44    2027-10-31T01:00Z
weekly   Pacific/Kiritimati   2026-W53    2026-12-27T10:00Z  2027-01-03T10:00Z  168    2027-W01
weekly   Asia/Kathmandu       2027-W24    2027-06-13T18:15Z  2027-06-20T18:15Z  168    2027-W25
weekly   Australia/Lord_Howe  2027-W39    2027-09-26T13:30Z  2027-10-03T13:00Z  167.5  2027-W40    2027-10-02T15:30Z
monthly  UTC                  2028-02     2028-02-01T00:00Z  2028-03-01T00:00Z  696    2028-03
monthly  Europe/Berlin        2027-03     2027-02-28T23:00Z  2027-03-31T22:00Z  743    2027-04     2027-03-28T01:00Z
monthly  Europe/Berlin        2027-10     2027-09-30T22:00Z  2027-10-31T23:00Z  745    2027-11     2027-10-31T01:00Z
monthly  America/Sao_Paulo    2018-11     2018-11-01T03:00Z  2018-12-01T02:00Z  719    2018-12     2018-11-04T03:00Z
monthly  Pacific/Kiritimati   2026-12     2026-11-30T10:00Z  2026-12-31T10:00Z  744    2027-01
monthly  Asia/Kathmandu       2027-06     2027-05-31T18:15Z  2027-06-30T18:15Z  720    2027-07
`

interface Row {
  readonly kind: string
  readonly zone: string
  readonly bare: string
  readonly from: string
  readonly to: string
  readonly hours: number
  readonly bareNext: string
  /** `null` where none are. */
  readonly change: string | null
}

const ROWS: readonly Row[] = PERIODS.split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [kind = '', zone = '', bare = '', from = '', to = '', hours = '', bareNext = '', change = null] =
      line.split(/\s+/)
    return { kind, zone, bare, from, to, hours: Number(hours), bareNext, change }
  })

for (const { kind, zone, bare, from, to, hours, bareNext, change } of ROWS)
  t.test(`${kind} ${bare} of ${zone} is ${hours} hours long, and no money passes its ends`, async (t) => {
    const [startsAtMs, endsAtMs] = [Date.parse(from), Date.parse(to)]
    t.equal(endsAtMs - startsAtMs, hours * HOUR_MS, 'the row says the same twice')
    const ofZone = (name: string): string => (zone === 'UTC' ? name : `${name}@${zone}`)
    const [id, next] = [ofZone(bare), ofZone(bareNext)]
    const { orgId, key } = await tenantOf(db)
    const spec = { period: kind, ...(zone === 'UTC' ? {} : { timeZone: zone }) }
    await db.setClock(startsAtMs - 2 * 24 * HOUR_MS)
    t.match(await replica.ask(key, 'POST', '/budgets', budgetBody('b', '1.00', spec)), { status: 201 })
    const holder = new TestHolder(replica.ledger, orgId)
    await holder.hello()
    const ask = (period: string, need: string) => holder.sync(counter('b', '*', period), { need: usd(need) })
    const spend = async (periodId: string, amount: string): Promise<void> => {
      const [{ instanceId }, nano] = [holder.caller, String(usd(amount))]
      holder.lease(counter('b', '*', periodId)).charged += usd(amount)
      const event = usageEvent({
        instanceId,
        attempts: [attempt({ costNanoUsd: nano, chargedNanoUsd: nano })],
        charges: [charge({ budgetUid: 'Budget/b', periodId, generation: holder.generation, nanoUsd: nano })],
      })
      t.match(await replica.ingest.ingest(holder.caller, batchOf([event]).events), { stored: 1, refused: [] })
    }
    const status = async () => (await replica.ask(key, 'GET', '/budgets/b/status')).body

    await db.setClock(startsAtMs - 2 * LEASE_AHEAD_MS - 1)
    t.match(await ask(id, '0.10'), { verdict: 'pending' }, 'not before its leases are fetched')
    await db.setClock(startsAtMs - 1)
    t.not((await status()).period.id, id)
    await db.setClock(startsAtMs)
    let held = usd('0.50')
    const left = () => String(usd('1.00') - held)
    t.match(await ask(id, '0.50'), { verdict: 'granted', spent: '0', available: left(), ttlMs: HOUR_MS })
    t.match(await status(), {
      period: { id, startsAt: new Date(startsAtMs).toISOString(), endsAt: new Date(endsAtMs).toISOString() },
    })
    await spend(id, '0.50')
    for (const aroundMs of change === null ? [] : [-1, 0, HOUR_MS / 2, HOUR_MS].map((ms) => Date.parse(change) + ms)) {
      if (aroundMs < startsAtMs || aroundMs >= endsAtMs) continue
      await db.setClock(aroundMs)
      held += usd('0.01')
      t.match(
        await ask(id, '0.01'),
        { verdict: 'granted', available: left(), ttlMs: Math.min(HOUR_MS, endsAtMs - aroundMs) },
        'where clocks are changed it goes on',
      )
    }
    await db.setClock(endsAtMs - 2 * LEASE_AHEAD_MS - 1)
    t.match(await ask(next, '0.10'), { verdict: 'pending' }, 'the next one is far')
    await db.setClock(endsAtMs - 1)
    held += usd('0.30')
    t.match(await ask(id, '0.30'), { verdict: 'granted', available: left(), ttlMs: 1 }, 'its last instant')

    await db.setClock(endsAtMs)
    t.match(await ask(id, '0.01'), { verdict: 'exhausted', ttlMs: 0 }, 'it is over')
    t.match(await status(), { period: { id: next, startsAt: new Date(endsAtMs).toISOString() }, subjects: [] })
    t.match(await ask(next, '1.00'), { verdict: 'granted', spent: '0' }, 'with all of the limit')
    await spend(id, '0.20')
    t.match((await status()).subjects, [{ settledNanoUsd: '0', escrowNanoUsd: String(usd('1.00')) }])
    const settled = await db.owner`
      SELECT settled_nano::text AS nano FROM acc.counters WHERE org_id = ${orgId} AND period_id = ${id}`
    t.match(settled, [{ nano: String(usd('0.70')) }], 'what ran over the end is of the period that it began in')

    await db.setClock(endsAtMs - HOUR_MS)
    t.match(await ask(id, '0.01'), { verdict: 'exhausted', ttlMs: 0 }, 'a clock that goes back opens nothing again')
    t.match(await ask(next, '0.01'), { verdict: 'pending' })
    t.match(await verify(db.database, orgId), { ok: true, ledger: { wrong: 0 } })
  })
