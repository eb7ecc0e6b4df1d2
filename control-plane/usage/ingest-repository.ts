import type { Writable } from 'node:stream'
import type { Tx } from '../db/database.ts'
import { ApiError } from '../errors.ts'
import { EVENT_COLUMNS } from './event-columns.ts'

const COLUMNS = EVENT_COLUMNS.join(', ')
const KEY = 'bucket, agent, workflow, provider, model'
const SUMS = [
  'requests',
  'denied',
  'failed',
  'unpriced',
  'input_tokens',
  'output_tokens',
  'cost_nano',
  'charged_nano',
  'estimated_nano',
] as const

/** COPY is refused on a table with row-level security: rows come through a table of the connection's own. */
const TEMPORARY = `
  CREATE TEMPORARY TABLE IF NOT EXISTS incoming ON COMMIT DELETE ROWS AS SELECT ${COLUMNS} FROM acc.usage_events WITH NO DATA;
  CREATE TEMPORARY TABLE IF NOT EXISTS delta ON COMMIT DELETE ROWS AS
    SELECT ${KEY}, ${SUMS.join(', ')} FROM acc.rollup_minute WITH NO DATA`

/** Rows go in by key, and so do sums: two transactions that meet wait for each other and never in a circle. */
const INSERT = `
  WITH inserted AS (
    INSERT INTO acc.usage_events (org_id, ${COLUMNS})
    SELECT acc.current_org(), ${COLUMNS} FROM pg_temp.incoming ORDER BY intent_at, event_id
    ON CONFLICT DO NOTHING
    RETURNING event_id, intent_at, agent, workflow, provider, model, outcome, precision, unpriced, input_tokens, output_tokens,
      cost_nano, charged_nano
  )
  , summed AS (
    INSERT INTO pg_temp.delta
    SELECT date_trunc('minute', intent_at), agent, workflow, provider, model,
    count(*), count(*) FILTER (WHERE outcome = 'denied'), count(*) FILTER (WHERE outcome IN ('failed', 'unresolved')),
    count(*) FILTER (WHERE unpriced), sum(input_tokens), sum(output_tokens), sum(cost_nano), sum(charged_nano),
    coalesce(sum(cost_nano) FILTER (WHERE precision = 'estimated'), 0)
    FROM inserted GROUP BY 1, 2, 3, 4, 5
  )
  SELECT event_id AS "eventId", (extract(epoch FROM intent_at) * 1000)::float8 AS "intentMs" FROM inserted`

const upsert = (unit: 'minute' | 'hour' | 'day'): string => `
  INSERT INTO acc.rollup_${unit} AS known (org_id, ${KEY}, ${SUMS.join(', ')})
  SELECT acc.current_org(), date_trunc('${unit}', bucket) AS bucket, agent, workflow, provider, model,
    ${SUMS.map((name) => `sum(${name})`).join(', ')}
  FROM pg_temp.delta GROUP BY 2, 3, 4, 5, 6 ORDER BY 2, 3, 4, 5, 6
  ON CONFLICT (org_id, ${KEY}) DO UPDATE SET ${SUMS.map((name) => `${name} = known.${name} + excluded.${name}`).join(', ')}`

const UPSERTS = [upsert('minute'), upsert('hour'), upsert('day')]

/**
 * Writes all rows and their end. The stream of postgres.js says that it is finished when the server has taken them, and
 * nothing at all if the server refuses them then or goes away: nobody may wait for that.
 */
async function write(copy: Writable, rows: string): Promise<void> {
  // Told by the write, or by the statement behind it.
  copy.on('error', () => {})
  await new Promise<void>((resolve, reject) => {
    copy.write(rows, (error) => (error ? reject(error) : resolve()))
  })
  // On a connection that is gone nothing more may be asked: the driver would throw where nobody can catch it.
  if (copy.destroyed) throw new ApiError('acc_api_unavailable', 'Nothing was changed; try again.')
  copy.end()
}

/** The key of an event that was new. */
export interface StoredEvent {
  readonly eventId: string
  readonly intentMs: number
}

/** Stores events of the transaction's organisation, and adds those that were new to its sums. */
export const ingestRepository = {
  /** @param lines rows in COPY's text format @returns those that were new */
  store: async (tx: Tx, lines: readonly string[]): Promise<readonly StoredEvent[]> => {
    await tx.unsafe(TEMPORARY).simple()
    const copy = await tx.unsafe(`COPY pg_temp.incoming (${COLUMNS}) FROM STDIN`).writable()
    await write(copy, lines.join(''))
    // Sent behind the rows: it fails if they were not taken.
    const stored = await tx.unsafe<StoredEvent[]>(INSERT)
    // One behind the other on one connection: nobody waits for an answer between them.
    if (stored.length > 0) await Promise.all(UPSERTS.map((statement) => tx.unsafe(statement)))
    return stored
  },
}
