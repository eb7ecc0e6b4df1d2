import { type Counter, counterKey, type LedgerLease, nanoUsd } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'

/** The ledger of an organisation. */
export interface LedgerState {
  readonly epoch: number
  readonly recovering: boolean
  /** True where the database is another server, or on another timeline, than the ledger knows. */
  readonly moved: boolean
  /** The database's clock, ms since the epoch. */
  readonly nowMs: number
}

/** A counter as it is stored. */
export interface CounterRow {
  readonly counter: Counter
  /** `null` where no revision that was published here has the budget. */
  readonly limit: bigint | null
  readonly settled: bigint
  readonly escrow: bigint
  readonly overrun: bigint
  /** Of what is settled, that which is older than a rolling window: it raises the limit. */
  readonly aged: bigint
  readonly epoch: number
  /** How the budget in force cuts its periods (`PeriodRule.spec`); `null` where there is no such budget. */
  readonly spec: string | null
  /** How often that was begun anew by hand. */
  readonly resets: number
  /** The newest period of that spec in which money was granted; `null` for none. */
  readonly newest: string | null
  /** True if the spec was edited since the counter was entered, and not begun anew at or after that. */
  readonly edited: boolean
  /** When the spec was edited, ms since the epoch; 0 if it never was. */
  readonly editedAtMs: number
}

/** Whose a lease is, and where it stands. */
export interface LeaseKey {
  readonly counter: Counter
  readonly instanceId: string
  readonly generation: number
}

/** A lease as it is stored. */
export interface LeaseRow extends LeaseKey {
  readonly lease: LedgerLease
  /** What its holder said that it charged. */
  readonly charged: bigint
  readonly state: 'active' | 'closed' | 'fenced'
}

/** A lease as a transaction found it. */
export interface StoredLease extends LeaseRow {
  /** Active, and not expired. */
  readonly isLive: boolean
}

/** What the leases of a counter hold. */
export interface LiveRow {
  readonly key: string
  /** Holders of live leases that hold something that is not spent as far as is known. */
  readonly holders: number
  /** The sum of that. */
  readonly unspent: bigint
  /** Open in leases that are not live any more: spent or not (C4). */
  readonly unreported: bigint
}

/** Counters and leases as they are from now on until the end of the transaction. */
export interface LockedRows {
  readonly counters: readonly CounterRow[]
  readonly leases: readonly StoredLease[]
  /** Of the counters that somebody asks about. */
  readonly live: readonly LiveRow[]
}

/** A holder as operators see it. */
export interface HolderRow {
  readonly instanceId: string
  readonly generation: number
  readonly epoch: number
  readonly helloAt: string
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
  readonly counters: number
  readonly chargedByEventsNanoUsd: string
  readonly settledByLeasesNanoUsd: string
  readonly settledByCountersNanoUsd: string
  readonly openInLeasesNanoUsd: string
  readonly escrowOfCountersNanoUsd: string
  /** Counters of which these differ. */
  readonly wrong: number
}

/** What a counter opened with, and what operators stated, stands under this holder: no sidecar has its id. */
export const NOBODYS = '00000000-0000-0000-0000-000000000000'

/** What changes in a counter's sums. */
export interface CounterChange {
  readonly counter: Counter
  readonly settled: bigint
  readonly escrow: bigint
  readonly overrun: bigint
}

type Raw = Readonly<Record<string, unknown>>

const big = (value: unknown): bigint => BigInt(String(value))
const text = (amount: bigint): string => amount.toString()
const counterOf = (row: Raw): Counter => ({
  budgetUid: String(row.uid),
  subject: String(row.subject),
  periodId: String(row.period),
})

const leaseRow = (row: Raw): StoredLease => ({
  counter: counterOf(row),
  instanceId: String(row.instance),
  generation: Number(row.generation),
  lease: {
    granted: nanoUsd(big(row.granted)),
    returned: nanoUsd(big(row.returned)),
    settled: nanoUsd(big(row.settled)),
    released: nanoUsd(big(row.released)),
  },
  charged: big(row.charged),
  state: row.state === 'active' ? 'active' : row.state === 'closed' ? 'closed' : 'fenced',
  isLive: row.live === true,
})

const counterRow = (row: Raw): CounterRow => ({
  counter: counterOf(row),
  limit: row.limit === null ? null : big(row.limit),
  settled: big(row.settled),
  escrow: big(row.escrow),
  overrun: big(row.overrun),
  aged: big(row.aged),
  epoch: Number(row.epoch),
  spec: row.spec === null ? null : String(row.spec),
  resets: Number(row.resets),
  newest: row.newest === null ? null : String(row.newest),
  edited: row.edited === true,
  editedAtMs: Number(row.editedAtMs),
})

/** Three columns of counters as parameters. */
const columns = (counters: readonly Counter[]) => ({
  uids: counters.map(({ budgetUid }) => budgetUid),
  subjects: counters.map(({ subject }) => subject),
  periods: counters.map(({ periodId }) => periodId),
})

const LEASE_COLUMNS = `l.budget_uid AS uid, l.subject, l.period_id AS period, l.instance_id AS instance, l.generation::float8 AS generation,
  l.granted_nano::text AS granted, l.returned_nano::text AS returned, l.charged_nano::text AS charged,
  l.settled_nano::text AS settled, l.released_nano::text AS released, l.state,
  l.state = 'active' AND l.expires_at > now() AS live`
/** Money of a lease that is set aside and, as far as is known, not spent. */
const UNSPENT =
  'greatest(0, l.granted_nano - l.returned_nano - greatest(l.settled_nano, l.charged_nano) - l.released_nano)'

/** Money of a lease that is set aside. */
const OPEN = 'greatest(0, l.granted_nano - l.returned_nano - l.settled_nano - l.released_nano)'
const LIVE = "l.state = 'active' AND l.expires_at > now()"

/** The ledger of the transaction's organisation. */
export const ledgerRepository = {
  /** The ledger's state; it begins with the first look. */
  state: async (tx: Tx): Promise<LedgerState> => {
    const read = () => tx<LedgerState[]>`
      SELECT epoch::float8 AS epoch, recovering,
        system_identifier <> this_system() OR timeline <> this_timeline() AS moved,
        (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "nowMs"
      FROM ledgers`
    const [known] = await read()
    if (known) return known
    await tx`
      INSERT INTO ledgers (org_id, system_identifier, timeline) VALUES (current_org(), this_system(), this_timeline())
      ON CONFLICT DO NOTHING`
    const [begun] = await read()
    if (!begun) throw new Error('there is no such organisation')
    return begun
  },
  /**
   * Another epoch begins, unless one did since: open counters grant nothing until an operator ends that.
   * @param seen the epoch in which something was found to be lost; `null` for whatever it is
   * @param above what a holder knows of
   */
  raiseEpoch: async (tx: Tx, seen: number | null, above: number): Promise<boolean> =>
    (
      await tx`
        UPDATE ledgers SET epoch = greatest(epoch, ${above}::float8::bigint) + 1, recovering = true,
          system_identifier = this_system(), timeline = this_timeline()
        WHERE ${seen}::float8 IS NULL OR epoch = ${seen}::float8::bigint OR epoch < ${above}::float8::bigint`
    ).count === 1,
  /**
   * Until the end of the transaction no budget changes (`share`), or no counter is made (`update`): one that was made at
   * the limit of before would keep it. Taken before any counter is locked.
   */
  holdBudgets: async (tx: Tx, lock: 'share' | 'update'): Promise<void> => {
    const hold = () => tx`SELECT 1 FROM ledgers ${lock === 'share' ? tx`FOR SHARE` : tx`FOR UPDATE`}`
    if ((await hold()).length > 0) return
    await ledgerRepository.state(tx)
    await hold()
  },
  /** Holders, those first that have not said hello in this epoch. */
  holders: (tx: Tx, limit: number): Promise<readonly HolderRow[]> =>
    tx<HolderRow[]>`
      SELECT instance_id AS "instanceId", generation::float8 AS generation, epoch::float8 AS epoch,
        to_char(hello_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "helloAt"
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
  endRecovery: async (tx: Tx): Promise<boolean> =>
    (await tx`UPDATE ledgers SET recovering = false WHERE recovering`).count === 1,

  /** A plan that was made for a few rows of small tables takes minutes for a message of twenty thousand. */
  planForMany: async (tx: Tx): Promise<void> => {
    await tx`SET LOCAL plan_cache_mode = force_custom_plan`
  },
  /** The generation of a holder, which says hello: nobody else does that under its name until the end of the transaction. */
  holder: async (tx: Tx, instanceId: string): Promise<number | null> => {
    const [row] = await tx<{ generation: number }[]>`
      SELECT generation::float8 AS generation FROM holders WHERE instance_id = ${instanceId} FOR UPDATE`
    return row?.generation ?? null
  },
  /** The generations of holders, which stay so until the end of the transaction. */
  generations: async (tx: Tx, instanceIds: readonly string[]): Promise<ReadonlyMap<string, number>> => {
    const rows = await tx<{ instanceId: string; generation: number }[]>`
      SELECT instance_id AS "instanceId", generation::float8 AS generation FROM holders
      WHERE instance_id = ANY (${instanceIds}::text[]::uuid[]) FOR SHARE`
    return new Map(rows.map(({ instanceId, generation }) => [instanceId, generation]))
  },
  /** Notes a new holder, so that two of its hellos at once meet. */
  meetHolder: async (tx: Tx, instanceId: string): Promise<void> => {
    await tx`
      INSERT INTO holders (org_id, instance_id, generation, epoch) VALUES (current_org(), ${instanceId}, 0, 0)
      ON CONFLICT DO NOTHING`
  },
  saveHolder: async (tx: Tx, instanceId: string, generation: number, epoch: number): Promise<void> => {
    await tx`
      UPDATE holders SET generation = ${generation}, epoch = ${epoch}, hello_at = now() WHERE instance_id = ${instanceId}`
  },
  /** Nothing more is granted to leases of other generations; their open money stands. */
  fenceFormer: async (tx: Tx, instanceId: string, generation: number): Promise<void> => {
    await tx`
      UPDATE leases SET state = 'fenced'
      WHERE instance_id = ${instanceId} AND generation < ${generation} AND state = 'active'`
  },

  /** Makes the counters that are missing, at the limits of their budgets. */
  makeCounters: async (tx: Tx, counters: readonly Counter[], unknownToo: boolean): Promise<void> => {
    const { uids, subjects, periods } = columns(counters)
    await tx`
      INSERT INTO counters (org_id, budget_uid, subject, period_id, limit_nano, epoch, entered_at)
      SELECT current_org(), c.uid, c.subject, c.period, b.limit_nano, coalesce((SELECT epoch FROM ledgers), 1),
        CASE WHEN b.period_since IS NULL THEN now() ELSE '-infinity' END
      FROM unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[]) AS c (uid, subject, period)
        LEFT JOIN budgets AS b ON b.budget_uid = c.uid
      WHERE b.budget_uid IS NOT NULL OR ${unknownToo}
      ORDER BY c.uid COLLATE "C", c.subject COLLATE "C", c.period COLLATE "C"
      ON CONFLICT DO NOTHING`
  },
  /**
   * Locks counters in the order of their keys, in which everybody locks them, and reads them and leases on them (C1): the
   * statements go one behind the other on one connection, so that what reads leases sees what was committed before the lock.
   * @param which `all`: none is locked if one of them is missing, and nothing that is read counts then
   */
  lock: async (
    tx: Tx,
    counters: readonly Counter[],
    keys: readonly LeaseKey[],
    asked: readonly Counter[],
    which: 'all' | 'those there are',
  ): Promise<LockedRows> => {
    const [of, lease, ask] = [columns(counters), columns(keys.map(({ counter }) => counter)), columns(asked)]
    const locked = tx<Raw[]>`
      WITH keys AS MATERIALIZED (
        SELECT * FROM unnest(${of.uids}::text[], ${of.subjects}::text[], ${of.periods}::text[]) AS k (uid, subject, period)
      ), locked AS MATERIALIZED (
        SELECT c.* FROM counters AS c
        JOIN keys AS k ON c.budget_uid = k.uid AND c.subject = k.subject AND c.period_id = k.period
        WHERE ${which !== 'all'} OR ${counters.length} = (SELECT count(*) FROM counters AS o JOIN keys AS n
          ON o.budget_uid = n.uid AND o.subject = n.subject AND o.period_id = n.period)
        ORDER BY c.budget_uid COLLATE "C", c.subject COLLATE "C", c.period_id COLLATE "C" FOR UPDATE OF c
      )
      SELECT l.budget_uid AS uid, l.subject, l.period_id AS period, l.limit_nano::text AS limit,
        l.settled_nano::text AS settled, l.escrow_nano::text AS escrow, l.overrun_nano::text AS overrun,
        l.aged_nano::text AS aged, l.epoch::float8 AS epoch, b.period AS spec, coalesce(b.resets, 0) AS resets, p.period_id AS newest,
        coalesce(b.period_since > greatest(l.entered_at, b.reset_at), false) AS edited,
        coalesce(extract(epoch FROM b.period_since) * 1000, 0)::float8 AS "editedAtMs"
      FROM locked AS l LEFT JOIN budgets AS b USING (budget_uid)
        LEFT JOIN budget_periods AS p ON p.budget_uid = b.budget_uid AND p.kind = b.period`.execute()
    const leases = tx<Raw[]>`
      SELECT ${tx.unsafe(LEASE_COLUMNS)} FROM leases AS l
      JOIN unnest(${lease.uids}::text[], ${lease.subjects}::text[], ${lease.periods}::text[],
        ${keys.map(({ instanceId }) => instanceId)}::text[]::uuid[],
        ${keys.map(({ generation }) => String(generation))}::text[]::bigint[]) AS k (uid, subject, period, instance, generation)
        ON l.budget_uid = k.uid AND l.subject = k.subject AND l.period_id = k.period AND l.instance_id = k.instance
          AND l.generation = k.generation`.execute()
    const live =
      asked.length === 0
        ? []
        : tx<Raw[]>`
      SELECT l.budget_uid AS uid, l.subject, l.period_id AS period,
        (count(*) FILTER (WHERE ${tx.unsafe(LIVE)} AND ${tx.unsafe(UNSPENT)} > 0))::float8 AS holders,
        coalesce(sum(${tx.unsafe(UNSPENT)}) FILTER (WHERE ${tx.unsafe(LIVE)}), 0)::text AS unspent,
        coalesce(sum(${tx.unsafe(OPEN)}) FILTER (WHERE NOT (${tx.unsafe(LIVE)})), 0)::text AS unreported
      FROM leases AS l JOIN unnest(${ask.uids}::text[], ${ask.subjects}::text[], ${ask.periods}::text[]) AS k (uid, subject, period)
        ON l.budget_uid = k.uid AND l.subject = k.subject AND l.period_id = k.period
      GROUP BY 1, 2, 3`.execute()
    const [counterRows, leaseRows, liveRows] = await Promise.all([locked, leases, live])
    return {
      counters: counterRows.map(counterRow),
      leases: leaseRows.map(leaseRow),
      live: liveRows.map((row) => ({
        key: counterKey(counterOf(row)),
        holders: Number(row.holders),
        unspent: big(row.unspent),
        unreported: big(row.unreported),
      })),
    }
  },
  /**
   * Takes what is older than their windows out of the buckets of counters that are locked.
   * @returns the sum of all that is, of each counter of which some was
   */
  age: async (
    tx: Tx,
    counters: readonly { readonly counter: Counter; readonly windowMs: number }[],
  ): Promise<ReadonlyMap<string, bigint>> => {
    const { uids, subjects, periods } = columns(counters.map(({ counter }) => counter))
    const rows = await tx<Raw[]>`
      WITH old AS (
        DELETE FROM counter_buckets AS b USING unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[],
          ${counters.map(({ windowMs }) => windowMs)}::float8[]) AS k (uid, subject, period, ms)
        WHERE b.budget_uid = k.uid AND b.subject = k.subject AND b.period_id = k.period
          AND b.ends_at <= now() - k.ms * interval '1 millisecond'
        RETURNING b.budget_uid, b.subject, b.period_id, b.charged_nano
      ), sums AS (
        SELECT budget_uid, subject, period_id, sum(charged_nano) AS aged FROM old GROUP BY 1, 2, 3
      )
      UPDATE counters AS c SET aged_nano = c.aged_nano + s.aged FROM sums AS s
      WHERE c.budget_uid = s.budget_uid AND c.subject = s.subject AND c.period_id = s.period_id
      RETURNING c.budget_uid AS uid, c.subject, c.period_id AS period, c.aged_nano::text AS aged`
    return new Map(rows.map((row) => [counterKey(counterOf(row)), big(row.aged)]))
  },
  /** Stamps what is booked on counters with a rolling window: in buckets that end after it. */
  addBuckets: async (
    tx: Tx,
    charged: readonly { readonly counter: Counter; readonly nano: bigint; readonly bucketMs: number }[],
  ): Promise<void> => {
    const { uids, subjects, periods } = columns(charged.map(({ counter }) => counter))
    await tx`
      INSERT INTO counter_buckets AS b (org_id, budget_uid, subject, period_id, ends_at, charged_nano)
      SELECT current_org(), k.uid, k.subject, k.period,
        to_timestamp(ceil(extract(epoch FROM statement_timestamp()) * 1000 / k.ms) * k.ms / 1000), sum(k.nano)
      FROM unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[],
        ${charged.map(({ nano }) => text(nano))}::text[]::numeric[], ${charged.map(({ bucketMs }) => bucketMs)}::float8[]::numeric[])
        AS k (uid, subject, period, nano, ms)
      GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
      ON CONFLICT (org_id, budget_uid, subject, period_id, ends_at)
        DO UPDATE SET charged_nano = b.charged_nano + excluded.charged_nano`
  },
  saveCounters: async (tx: Tx, changes: readonly CounterChange[]): Promise<void> => {
    const { uids, subjects, periods } = columns(changes.map(({ counter }) => counter))
    await tx`
      UPDATE counters AS c SET settled_nano = c.settled_nano + k.settled, escrow_nano = c.escrow_nano + k.escrow,
        overrun_nano = c.overrun_nano + k.overrun
      FROM unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[],
        ${changes.map(({ settled }) => text(settled))}::text[]::numeric[],
        ${changes.map(({ escrow }) => text(escrow))}::text[]::numeric[],
        ${changes.map(({ overrun }) => text(overrun))}::text[]::numeric[]) AS k (uid, subject, period, settled, escrow, overrun)
      WHERE c.budget_uid = k.uid AND c.subject = k.subject AND c.period_id = k.period`
  },
  enterCounter: async (tx: Tx, { budgetUid, subject, periodId }: Counter): Promise<void> => {
    await tx`
      UPDATE counters SET entered_at = now()
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} AND period_id = ${periodId}`
  },
  /** In the order of their keys: at midnight everybody enters them. */
  enterPeriods: async (
    tx: Tx,
    entered: readonly { readonly budgetUid: string; readonly spec: string; readonly periodId: string }[],
  ): Promise<void> => {
    await tx`
      INSERT INTO budget_periods (org_id, budget_uid, kind, period_id)
      SELECT current_org(), k.uid, k.kind, max(k.period) FROM unnest(${entered.map(({ budgetUid }) => budgetUid)}::text[],
        ${entered.map(({ spec }) => spec)}::text[], ${entered.map(({ periodId }) => periodId)}::text[]) AS k (uid, kind, period)
      GROUP BY k.uid, k.kind ORDER BY k.uid, k.kind
      ON CONFLICT (org_id, budget_uid, kind) DO UPDATE SET period_id = greatest(budget_periods.period_id, excluded.period_id)`
  },
  periods: async (tx: Tx): Promise<readonly { readonly budgetUid: string; readonly periodId: string }[]> =>
    tx<{ budgetUid: string; periodId: string }[]>`
      SELECT budget_uid AS "budgetUid", period_id AS "periodId" FROM budget_periods`,

  /** A lease on a counter that is locked; `null` where there is none. */
  lease: async (tx: Tx, { counter, instanceId, generation }: LeaseKey): Promise<StoredLease | null> => {
    const [row] = await tx<Raw[]>`
      SELECT ${tx.unsafe(LEASE_COLUMNS)} FROM leases AS l
      WHERE l.budget_uid = ${counter.budgetUid} AND l.subject = ${counter.subject} AND l.period_id = ${counter.periodId}
        AND l.instance_id = ${instanceId} AND l.generation = ${generation}`
    return row ? leaseRow(row) : null
  },
  activeLeases: async (tx: Tx, instanceId: string, generation: number): Promise<readonly LeaseRow[]> => {
    const rows = await tx<Raw[]>`
      SELECT ${tx.unsafe(LEASE_COLUMNS)} FROM leases AS l
      WHERE l.instance_id = ${instanceId} AND l.generation = ${generation} AND l.state = 'active'`
    return rows.map(leaseRow)
  },
  /** Open money of the leases of one subject of a budget in other periods, but those that a reset left behind. */
  openElsewhere: async (tx: Tx, { budgetUid, subject, periodId }: Counter): Promise<bigint> => {
    const [row] = await tx<{ open: string }[]>`
      SELECT coalesce(sum(escrow_nano), 0)::text AS open FROM counters
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} AND period_id <> ${periodId}
        AND coalesce(substring(period_id FROM '#([0-9]+)$'), '') >= coalesce(substring(${periodId} FROM '#([0-9]+)$'), '')`
    return big(row?.open ?? 0)
  },
  /** What a budget's subject was charged from a day on, or from that of its last reset. @param day `YYYY-MM-DD`, or `-infinity` */
  chargedSince: async (tx: Tx, { budgetUid, subject }: Counter, day: string): Promise<bigint> => {
    const [row] = await tx<{ charged: string }[]>`
      SELECT coalesce(sum(charged_nano), 0)::text AS charged FROM budget_days
      WHERE budget_uid = ${budgetUid} AND subject = ${subject} 
        AND day >= greatest(${day}::text::date, (SELECT (b.reset_at AT TIME ZONE 'UTC')::date FROM budgets AS b
          WHERE b.budget_uid = ${budgetUid}))`
    return big(row?.charged ?? 0)
  },
  /** One that was fenced meanwhile, which is done without its counter's lock, stays so; and only live ones hold longer. */
  saveLeases: async (tx: Tx, rows: readonly LeaseRow[], ttlMs: number): Promise<void> => {
    const { uids, subjects, periods } = columns(rows.map(({ counter }) => counter))
    const amounts = (of: (row: LeaseRow) => bigint): readonly string[] => rows.map((row) => text(of(row)))
    await tx`
      INSERT INTO leases AS l (org_id, budget_uid, subject, period_id, instance_id, generation, granted_nano, returned_nano,
        charged_nano, settled_nano, released_nano, state, expires_at)
      SELECT current_org(), k.*, now() + ${ttlMs}::float8 * interval '1 millisecond' FROM unnest(
        ${uids}::text[], ${subjects}::text[], ${periods}::text[], ${rows.map(({ instanceId }) => instanceId)}::text[]::uuid[],
        ${rows.map(({ generation }) => String(generation))}::text[]::bigint[],
        ${amounts(({ lease }) => lease.granted)}::text[]::bigint[], ${amounts(({ lease }) => lease.returned)}::text[]::bigint[],
        ${amounts(({ charged }) => charged)}::text[]::bigint[], ${amounts(({ lease }) => lease.settled)}::text[]::numeric[],
        ${amounts(({ lease }) => lease.released)}::text[]::bigint[], ${rows.map(({ state }) => state)}::text[]) AS k
      ON CONFLICT (org_id, budget_uid, subject, period_id, instance_id, generation) DO UPDATE SET
        granted_nano = excluded.granted_nano, returned_nano = excluded.returned_nano, charged_nano = excluded.charged_nano,
        settled_nano = excluded.settled_nano, released_nano = excluded.released_nano,
        state = CASE WHEN excluded.state = 'active' THEN l.state ELSE excluded.state END,
        expires_at = CASE WHEN l.state = 'active' THEN greatest(l.expires_at, excluded.expires_at) ELSE l.expires_at END`
  },
  addDays: async (tx: Tx, charged: readonly { readonly counter: Counter; readonly nano: bigint }[]): Promise<void> => {
    const { uids, subjects } = columns(charged.map(({ counter }) => counter))
    await tx`
      INSERT INTO budget_days AS d (org_id, budget_uid, subject, day, charged_nano)
      SELECT current_org(), uid, subject, (now() AT TIME ZONE 'UTC')::date, sum(nano)
      FROM unnest(${uids}::text[], ${subjects}::text[], ${charged.map(({ nano }) => text(nano))}::text[]::numeric[])
        AS k (uid, subject, nano)
      GROUP BY 2, 3 ORDER BY 2, 3
      ON CONFLICT (org_id, budget_uid, subject, day) DO UPDATE SET charged_nano = d.charged_nano + excluded.charged_nano`
  },

  /** Asks for what is idle in leases of these counters, unless that was just done. @returns whether anything is asked */
  recall: async (tx: Tx, counters: readonly Counter[], atMostEveryMs: number): Promise<boolean> => {
    const { uids, subjects, periods } = columns(counters)
    const { count } = await tx`
      WITH locked AS MATERIALIZED (
        SELECT c.budget_uid, c.subject, c.period_id FROM counters AS c
        JOIN unnest(${uids}::text[], ${subjects}::text[], ${periods}::text[]) AS k (uid, subject, period)
          ON c.budget_uid = k.uid AND c.subject = k.subject AND c.period_id = k.period
        WHERE c.recalled_at IS NULL OR c.recalled_at < now() - ${atMostEveryMs}::float8 * interval '1 millisecond'
        ORDER BY c.budget_uid COLLATE "C", c.subject COLLATE "C", c.period_id COLLATE "C" FOR UPDATE OF c
      )
      UPDATE counters AS c SET recall_version = nextval('recall_versions'), recalled_at = now()
      FROM locked AS l WHERE (c.budget_uid, c.subject, c.period_id) = (l.budget_uid, l.subject, l.period_id)`
    return count > 0
  },
  /** Recalls are numbered by the clock from now on: above every number that was given out before. */
  raiseRecalls: async (tx: Tx): Promise<void> => {
    await tx`SELECT setval('acc.recall_versions', greatest(nextval('acc.recall_versions'),
      (extract(epoch FROM clock_timestamp()) * 1000)::bigint))`
  },
  /** Recalls behind a version of counters that a holder has an active lease on. */
  recallsSince: async (
    tx: Tx,
    instanceId: string,
    version: number,
  ): Promise<readonly (Counter & { readonly version: number })[]> =>
    tx<(Counter & { version: number })[]>`
      SELECT c.budget_uid AS "budgetUid", c.subject, c.period_id AS "periodId", c.recall_version::float8 AS version
      FROM leases AS l JOIN counters AS c USING (budget_uid, subject, period_id)
        JOIN holders AS h ON h.instance_id = l.instance_id AND h.generation = l.generation
      WHERE l.instance_id = ${instanceId} AND l.state = 'active' AND c.recall_version > ${version}`,

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
        SELECT coalesce(t.charged, 0) AS charged, coalesce(b.settled, 0) AS settled, coalesce(b.stated, 0) AS stated,
          coalesce(b.open, 0) AS open, coalesce(c.settled_nano, 0) AS of_counter, coalesce(c.escrow_nano, 0) AS escrow
        FROM told AS t FULL JOIN booked AS b USING (budget_uid, subject, period_id)
          FULL JOIN counters AS c USING (budget_uid, subject, period_id)
      )
      SELECT count(*)::float8 AS counters, coalesce(sum(charged), 0)::text AS "chargedByEventsNanoUsd",
        coalesce(sum(settled - stated), 0)::text AS "settledByLeasesNanoUsd",
        coalesce(sum(of_counter - stated), 0)::text AS "settledByCountersNanoUsd",
        coalesce(sum(open), 0)::text AS "openInLeasesNanoUsd", coalesce(sum(escrow), 0)::text AS "escrowOfCountersNanoUsd",
        (count(*) FILTER (WHERE charged <> settled - stated OR of_counter <> settled OR escrow <> open))::float8 AS wrong
      FROM compared`
    if (!row) throw new Error('an audit without a row')
    return row
  },

  /** Takes over the budgets of a revision. @returns the budgets whose limit was lowered */
  saveBudgets: async (
    tx: Tx,
    budgets: readonly {
      readonly uid: string
      readonly name: string
      readonly limit: bigint
      readonly period: { readonly spec: string; readonly resets: number }
    }[],
  ): Promise<readonly string[]> => {
    const uids = budgets.map(({ uid }) => uid)
    await tx`UPDATE budgets SET in_force = false WHERE in_force AND NOT (budget_uid = ANY (${uids}::text[]))`
    await tx`
      INSERT INTO budgets AS b (org_id, budget_uid, name, limit_nano, period, resets, in_force)
      SELECT current_org(), k.*, true FROM unnest(${uids}::text[], ${budgets.map(({ name }) => name)}::text[],
        ${budgets.map(({ limit }) => text(limit))}::text[]::bigint[], ${budgets.map(({ period }) => period.spec)}::text[],
        ${budgets.map(({ period }) => period.resets)}::float8[]::integer[]) AS k
      ON CONFLICT (org_id, budget_uid) DO UPDATE SET name = excluded.name, limit_nano = excluded.limit_nano,
        period_since = CASE WHEN b.period = excluded.period THEN b.period_since ELSE now() END,
        period = excluded.period, resets = greatest(b.resets, excluded.resets),
        reset_at = CASE WHEN excluded.resets > b.resets THEN now() ELSE b.reset_at END, in_force = true`
    const lowered = await tx<{ uid: string }[]>`
      WITH locked AS MATERIALIZED (
        SELECT c.budget_uid, c.subject, c.period_id, c.limit_nano AS former, b.limit_nano
        FROM counters AS c JOIN budgets AS b USING (budget_uid)
        WHERE b.budget_uid = ANY (${uids}::text[]) AND c.limit_nano IS DISTINCT FROM b.limit_nano
        ORDER BY c.budget_uid COLLATE "C", c.subject COLLATE "C", c.period_id COLLATE "C" FOR UPDATE OF c
      )
      UPDATE counters AS c SET limit_nano = l.limit_nano,
        recall_version = CASE WHEN l.limit_nano < l.former THEN nextval('recall_versions') ELSE c.recall_version END
      FROM locked AS l WHERE (c.budget_uid, c.subject, c.period_id) = (l.budget_uid, l.subject, l.period_id)
      RETURNING CASE WHEN l.limit_nano < l.former THEN c.budget_uid END AS uid`
    return lowered.map(({ uid }) => uid).filter((uid) => uid !== null)
  },
} as const
