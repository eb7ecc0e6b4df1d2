/** The rows of the ledger's tables, as SQL reads them and as the ledger knows them. */
import { type Counter, type LedgerLease, nanoUsd } from '@agentcostcontrol/contract'

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

/** What a counter opened with, and what operators stated, stands under this holder: no sidecar has its id. */
export const NOBODYS = '00000000-0000-0000-0000-000000000000'

/** What changes in a counter's sums. */
export interface CounterChange {
  readonly counter: Counter
  readonly settled: bigint
  readonly escrow: bigint
  readonly overrun: bigint
}

/** A row as the driver gives it. */
export type Raw = Readonly<Record<string, unknown>>

/** An amount that came as text. */
export const big = (value: unknown): bigint => BigInt(String(value))
/** An amount as a parameter. */
export const text = (amount: bigint): string => amount.toString()
/** The counter of a row with `uid`, `subject` and `period`. */
export const counterOf = (row: Raw): Counter => ({
  budgetUid: String(row.uid),
  subject: String(row.subject),
  periodId: String(row.period),
})

/** A row of {@link LEASE_COLUMNS}. */
export const leaseRow = (row: Raw): StoredLease => ({
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

/** A counter as {@link LockedRows} has it. */
export const counterRow = (row: Raw): CounterRow => ({
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
export const columns = (counters: readonly Counter[]) => ({
  uids: counters.map(({ budgetUid }) => budgetUid),
  subjects: counters.map(({ subject }) => subject),
  periods: counters.map(({ periodId }) => periodId),
})

/** Whether a lease is live. */
export const LIVE = "l.state = 'active' AND l.expires_at > now()"
/** What {@link leaseRow} reads, of `leases AS l`. */
export const LEASE_COLUMNS = `l.budget_uid AS uid, l.subject, l.period_id AS period, l.instance_id AS instance, l.generation::float8 AS generation,
  l.granted_nano::text AS granted, l.returned_nano::text AS returned, l.charged_nano::text AS charged,
  l.settled_nano::text AS settled, l.released_nano::text AS released, l.state,
  ${LIVE} AS live`
/** Money of a lease that is set aside and, as far as is known, not spent. */
export const UNSPENT =
  'greatest(0, l.granted_nano - l.returned_nano - greatest(l.settled_nano, l.charged_nano) - l.released_nano)'

/** Money of a lease that is set aside. */
export const OPEN = 'greatest(0, l.granted_nano - l.returned_nano - l.settled_nano - l.released_nano)'
