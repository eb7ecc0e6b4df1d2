import type { Caller } from '../auth/service.ts'
import type { Database } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import {
  type AgentToday,
  type Dimension,
  type LogFilter,
  type LoggedRequest,
  type Position,
  readRepository,
  type Sums,
  UNITS,
  type Unit,
} from './read-repository.ts'

/** Tells what was stored. */
export interface ReadService {
  summary(caller: Caller, span: Asked): Promise<Sums>
  by(
    caller: Caller,
    dimension: Dimension,
    span: Asked,
    limit: number,
  ): Promise<readonly (Sums & { readonly key: string })[]>
  series(caller: Caller, unit: Unit, span: Asked): Promise<readonly (Sums & { readonly at: string })[]>
  /** What each of these agents cost since midnight UTC; those without a request are left out. */
  today(caller: Caller, agents: readonly string[]): Promise<ReadonlyMap<string, AgentToday>>
  requests(caller: Caller, filter: LogFilter, cursor: string | null, limit: number): Promise<LogPage>
}

/** A span as it was asked for, RFC 3339. */
export interface Asked {
  readonly from: string | null
  readonly to: string | null
}

/** A page of the request log. */
export interface LogPage {
  readonly requests: readonly LoggedRequest[]
  /** Where the next page begins; `null` on the last. */
  readonly nextCursor: string | null
}

const SERIES_MAX = 1_500
const MINUTE_MS = 60_000
const WIDTH_MS: Readonly<Record<Unit, number>> = { minute: MINUTE_MS, hour: 60 * MINUTE_MS, day: 24 * 60 * MINUTE_MS }

/** Makes the service. */
export function createReadService({ database }: { readonly database: Database }): ReadService {
  return {
    summary: async ({ orgId }, asked) => {
      const span = { ...asked, unit: coarsest(asked) }
      const sums = await database.inOrg(orgId, (tx) => readRepository.summary(tx, span))
      if (sums === null) throw new Error('a sum without a row')
      return sums
    },
    by: ({ orgId }, dimension, asked, limit) =>
      database.inOrg(orgId, (tx) => readRepository.by(tx, dimension, { ...asked, unit: coarsest(asked) }, limit)),
    series: async ({ orgId }, unit, asked) => {
      if (!isWhole(asked, unit)) throw new ApiError('acc_api_invalid', `from and to: expected whole ${unit}s`)
      const rows = await database.inOrg(orgId, (tx) => readRepository.series(tx, { ...asked, unit }, SERIES_MAX + 1))
      if (rows.length > SERIES_MAX)
        throw new ApiError(
          'acc_api_invalid',
          `more than ${SERIES_MAX} buckets: ask for a shorter span or a wider bucket`,
        )
      return rows
    },
    today: async ({ orgId }, agents) => {
      const rows = await database.inOrg(orgId, (tx) => readRepository.today(tx, agents))
      return new Map(rows.map((row) => [row.agent, row]))
    },
    requests: async ({ orgId }, filter, cursor, limit) => {
      const after = cursor === null ? null : readCursor(cursor)
      const rows = await database.inOrg(orgId, (tx) => readRepository.requests(tx, filter, after, limit + 1))
      const requests = rows.slice(0, limit)
      const last = requests.at(-1)
      return { requests, nextCursor: rows.length > limit && last !== undefined ? writeCursor(last) : null }
    },
  }
}

/** The coarsest table of sums that knows this span. */
function coarsest(asked: Asked): Unit {
  const unit = UNITS.find((each) => isWhole(asked, each))
  if (unit === undefined) throw new ApiError('acc_api_invalid', 'from and to: expected whole minutes')
  return unit
}

const isWhole = ({ from, to }: Asked, unit: Unit): boolean =>
  [from, to].every((at) => at === null || Date.parse(at) % WIDTH_MS[unit] === 0)

const writeCursor = ({ intentAt, eventId }: Position): string =>
  Buffer.from(`${intentAt} ${eventId}`).toString('base64url')

const CURSOR = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/

function readCursor(text: string): Position {
  const [, intentAt, eventId] = CURSOR.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? []
  if (intentAt === undefined || eventId === undefined || Number.isNaN(Date.parse(intentAt)))
    throw new ApiError('acc_api_invalid', 'cursor: it is not one of ours')
  return { intentAt, eventId }
}
