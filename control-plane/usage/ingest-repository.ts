import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Tx } from '../db/database.ts'
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
    RETURNING intent_at, agent, workflow, provider, model, outcome, precision, unpriced, input_tokens, output_tokens,
      cost_nano, charged_nano
  )
  INSERT INTO pg_temp.delta
  SELECT date_trunc('minute', intent_at), agent, workflow, provider, model,
    count(*), count(*) FILTER (WHERE outcome = 'denied'), count(*) FILTER (WHERE outcome IN ('failed', 'unresolved')),
    count(*) FILTER (WHERE unpriced), sum(input_tokens), sum(output_tokens), sum(cost_nano), sum(charged_nano),
    coalesce(sum(cost_nano) FILTER (WHERE precision = 'estimated'), 0)
  FROM inserted GROUP BY 1, 2, 3, 4, 5`

const upsert = (unit: 'minute' | 'hour' | 'day'): string => `
  INSERT INTO acc.rollup_${unit} AS known (org_id, ${KEY}, ${SUMS.join(', ')})
  SELECT acc.current_org(), date_trunc('${unit}', bucket) AS bucket, agent, workflow, provider, model,
    ${SUMS.map((name) => `sum(${name})`).join(', ')}
  FROM pg_temp.delta GROUP BY 2, 3, 4, 5, 6 ORDER BY 2, 3, 4, 5, 6
  ON CONFLICT (org_id, ${KEY}) DO UPDATE SET ${SUMS.map((name) => `${name} = known.${name} + excluded.${name}`).join(', ')}`

const UPSERTS = [upsert('minute'), upsert('hour'), upsert('day')]

/** Stores events of the transaction's organisation, and adds those that were new to its sums. */
export const ingestRepository = {
  /** @param lines rows in COPY's text format @returns how many were new */
  store: async (tx: Tx, lines: readonly string[]): Promise<number> => {
    await tx.unsafe(TEMPORARY).simple()
    const copy = await tx.unsafe(`COPY pg_temp.incoming (${COLUMNS}) FROM STDIN`).writable()
    await pipeline(Readable.from([lines.join('')]), copy)
    await tx.unsafe(INSERT)
    const [sum] = await tx<{ stored: bigint | null }[]>`SELECT sum(requests)::bigint AS stored FROM pg_temp.delta`
    const stored = Number(sum?.stored ?? 0)
    if (stored > 0) for (const statement of UPSERTS) await tx.unsafe(statement)
    return stored
  },
}
