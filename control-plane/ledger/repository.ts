import { type Counter, counterKey } from '@agentcostcontrol/contract'
import type { Tx } from '../db/database.ts'
import {
  big,
  type CounterChange,
  columns,
  counterOf,
  counterRow,
  LEASE_COLUMNS,
  type LeaseKey,
  type LeaseRow,
  LIVE,
  type LockedRows,
  leaseRow,
  OPEN,
  type Raw,
  type StoredLease,
  text,
  UNSPENT,
} from './rows.ts'

/** The ledger of an organisation. */
export interface LedgerState {
  readonly epoch: number
  /** When that began, ms since the epoch. */
  readonly epochAtMs: number
  readonly recovering: boolean
  /** True where the database is another server, or on another timeline, than the ledger knows. */
  readonly moved: boolean
  /** The database's clock, ms since the epoch. */
  readonly nowMs: number
}

/** How far the number of an epoch may be above the one before. */
const EPOCH_JUMP_MAX = 2 ** 20

/** The ledger of the transaction's organisation: its epoch, holders, counters and leases. */
export const ledgerRepository = {
  /** The ledger's state; it begins with the first look. */
  state: async (tx: Tx): Promise<LedgerState> => {
    const read = () => tx<LedgerState[]>`
      SELECT epoch::float8 AS epoch, (extract(epoch FROM epoch_at) * 1000)::float8 AS "epochAtMs", recovering,
        system_identifier <> this_system() OR timeline <> this_timeline() AS moved,
        (extract(epoch FROM ledger_clock()) * 1000)::float8 AS "nowMs"
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
   * Another epoch begins, unless one did since: open counters grant nothing until an operator ends that. While that lasts
   * nobody's word alone begins one: sidecars are as many as enrol, and each would put the end off. One that is known
   * otherwise has a number that no earlier restore of the same copy gave: whoever heard of that would not say hello.
   * @param seen the epoch in which something was found to be lost; `null` for whatever it is
   * @param above what a holder knows of
   * @param by the holder whose word alone tells it; `null` where it is known otherwise
   */
  raiseEpoch: async (tx: Tx, seen: number | null, above: number, by: string | null = null): Promise<boolean> =>
    (
      await tx`
        UPDATE ledgers SET epoch = greatest(epoch, ${above}::float8::bigint) + 1 + ${by === null ? tx`floor(random() * ${EPOCH_JUMP_MAX})::bigint` : tx`0`}, epoch_at = ledger_clock(), recovering = true, begun_by = ${by},
          system_identifier = this_system(), timeline = this_timeline()
        WHERE (${seen}::float8 IS NULL OR epoch = ${seen}::float8::bigint OR epoch < ${above}::float8::bigint)
          AND (${by}::text IS NULL OR NOT recovering)`
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
  /** Those of these holders whose word begins no epoch: it began one that an operator ended. */
  unheeded: async (tx: Tx, instanceIds: readonly string[]): Promise<ReadonlySet<string>> => {
    const rows = await tx<{ instanceId: string }[]>`
      SELECT instance_id AS "instanceId" FROM holders
      WHERE instance_id = ANY (${instanceIds}::text[]::uuid[]) AND unheeded`
    return new Set(rows.map(({ instanceId }) => instanceId))
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
} as const
