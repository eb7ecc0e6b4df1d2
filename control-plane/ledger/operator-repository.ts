import type { Counter } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import { type LeaseKey, NOBODYS } from './rows.ts'

/** A holder as operators see it. */
export interface HolderRow {
  readonly instanceId: string
  readonly generation: number
  readonly epoch: number
  readonly helloAt: string
  /** False for one whose word began a recovery that an operator ended: it begins no other one. */
  readonly heeded: boolean
}

/** A counter as operators see it; amounts in nano-USD, decimal. */
export interface ListedCounter extends Counter {
  readonly limitNanoUsd: string | null
  readonly settledNanoUsd: string
  readonly escrowNanoUsd: string
  readonly overrunNanoUsd: string
  readonly availableNanoUsd: string | null
  /** Active leases. */
  readonly leases: number
}

/** The ledger against the events; amounts in nano-USD, decimal, what operators stated left out. */
export interface LedgerAudit {
  /** With those that were removed since their period ended, which count as one for each budget and period. */
  readonly counters: number
  readonly chargedByEventsNanoUsd: string
  readonly settledByLeasesNanoUsd: string
  readonly settledByCountersNanoUsd: string
  readonly openInLeasesNanoUsd: string
  readonly escrowOfCountersNanoUsd: string
  /** Counters of which these differ. */
  readonly wrong: number
}

/** What operators see of the ledger. */
export const operatorRepository = {
  /** Holders, those first that have not said hello in this epoch. */
  holders: (tx: Tx, limit: number): Promise<readonly HolderRow[]> =>
    tx<HolderRow[]>`
      SELECT instance_id AS "instanceId", generation::float8 AS generation, epoch::float8 AS epoch,
        to_char(hello_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "helloAt",
        NOT unheeded AS heeded
      FROM holders ORDER BY holders.epoch, hello_at DESC LIMIT ${limit}`,
  /** In the order of their keys, behind one. */
  counters: (tx: Tx, after: Counter | null, limit: number): Promise<readonly ListedCounter[]> => {
    const { budgetUid, subject, periodId } = after ?? { budgetUid: '', subject: '', periodId: '' }
    return tx<ListedCounter[]>`
      SELECT c.budget_uid AS "budgetUid", c.subject, c.period_id AS "periodId", c.limit_nano::text AS "limitNanoUsd",
        c.settled_nano::text AS "settledNanoUsd", c.escrow_nano::text AS "escrowNanoUsd",
        c.overrun_nano::text AS "overrunNanoUsd", (c.limit_nano + c.aged_nano - c.settled_nano - c.escrow_nano)::text AS "availableNanoUsd",
        (SELECT count(*) FROM leases AS l WHERE l.budget_uid = c.budget_uid AND l.subject = c.subject
          AND l.period_id = c.period_id AND l.state = 'active')::float8 AS leases
      FROM counters AS c WHERE (c.budget_uid, c.subject, c.period_id) > (${budgetUid}, ${subject}, ${periodId})
      ORDER BY c.budget_uid, c.subject, c.period_id LIMIT ${limit}`
  },
  /** Milliseconds until a lease ends; negative once it has, `null` where there is none. */
  msToExpiry: async (tx: Tx, { counter: { budgetUid, subject, periodId }, instanceId, generation }: LeaseKey) => {
    const [row] = await tx<{ ms: number }[]>`
      SELECT (extract(epoch FROM expires_at - now()) * 1000)::float8 AS ms FROM leases
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} AND period_id = ${periodId}
        AND instance_id = ${instanceId} AND generation = ${generation}`
    return row?.ms ?? null
  },
  /** Whose word alone began the recovery that runs; `null` where it is known otherwise, or none runs. */
  begunBy: async (tx: Tx): Promise<string | null> => {
    const [row] = await tx<{ by: string | null }[]>`SELECT begun_by AS by FROM ledgers WHERE recovering`
    return row?.by ?? null
  },
  /** Whoever began it by its word alone begins no other one. */
  endRecovery: async (tx: Tx): Promise<boolean> => {
    await tx`UPDATE holders SET unheeded = true WHERE instance_id = (SELECT begun_by FROM ledgers WHERE recovering)`
    return (await tx`UPDATE ledgers SET recovering = false, begun_by = NULL WHERE recovering`).count === 1
  },
  /** What the events say that each counter was charged, against its leases and its own sums: in one snapshot. */
  audit: async (tx: Tx): Promise<LedgerAudit> => {
    await tx`SET LOCAL statement_timeout = 0`
    const [row] = await tx<LedgerAudit[]>`
      WITH told AS (
        SELECT c->>'budgetUid' AS budget_uid, c->>'subject' AS subject, c->>'periodId' AS period_id,
          sum((c->>'nanoUsd')::numeric) AS charged
        FROM usage_events, json_array_elements(charges) AS c GROUP BY 1, 2, 3
      ), booked AS (
        SELECT budget_uid, subject, period_id, sum(settled_nano) AS settled,
          coalesce(sum(settled_nano) FILTER (WHERE instance_id = ${NOBODYS}), 0) AS stated,
          sum(greatest(0, granted_nano - returned_nano - settled_nano - released_nano)) AS open
        FROM leases GROUP BY 1, 2, 3
      ), compared AS (
        SELECT budget_uid, subject, period_id, coalesce(t.charged, 0) AS charged, coalesce(b.settled, 0) AS settled,
          coalesce(b.stated, 0) AS stated, coalesce(b.open, 0) AS open, coalesce(c.settled_nano, 0) AS of_counter,
          coalesce(c.escrow_nano, 0) AS escrow
        FROM told AS t FULL JOIN booked AS b USING (budget_uid, subject, period_id)
          FULL JOIN counters AS c USING (budget_uid, subject, period_id)
      ), ended AS (
        SELECT budget_uid, period_id, settled_nano AS settled, stated_nano AS stated FROM ended_periods
      ), summed AS (
        SELECT charged, settled, stated, open, of_counter, escrow FROM compared
        WHERE (budget_uid, period_id) NOT IN (SELECT budget_uid, period_id FROM ended)
        UNION ALL
        SELECT coalesce(sum(c.charged), 0), coalesce(sum(c.settled), 0) + e.settled, coalesce(sum(c.stated), 0) + e.stated,
          coalesce(sum(c.open), 0), coalesce(sum(c.of_counter), 0) + e.settled, coalesce(sum(c.escrow), 0)
        FROM ended AS e LEFT JOIN compared AS c USING (budget_uid, period_id) GROUP BY budget_uid, period_id, e.settled, e.stated
      )
      SELECT count(*)::float8 AS counters, coalesce(sum(charged), 0)::text AS "chargedByEventsNanoUsd",
        coalesce(sum(settled - stated), 0)::text AS "settledByLeasesNanoUsd",
        coalesce(sum(of_counter - stated), 0)::text AS "settledByCountersNanoUsd",
        coalesce(sum(open), 0)::text AS "openInLeasesNanoUsd", coalesce(sum(escrow), 0)::text AS "escrowOfCountersNanoUsd",
        (count(*) FILTER (WHERE charged <> settled - stated OR of_counter <> settled OR escrow <> open))::float8 AS wrong
      FROM summed`
    if (!row) throw new Error('an audit without a row')
    return row
  },
} as const
