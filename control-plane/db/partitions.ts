import type { OwnerSql } from './database.ts'

/** How many months before and after the current one have partitions: a sidecar may have been away, and clocks differ. */
const MONTHS_BEFORE = 1
const MONTHS_AHEAD = 2

/**
 * Makes the partitions of the months around now, by the database's clock; safe to run in two replicas at once. A month
 * that has events among the late ones stays there.
 * @returns how many were made
 */
export async function makePartitions(owner: OwnerSql): Promise<number> {
  let made = 0
  for (let offset = -MONTHS_BEFORE; offset <= MONTHS_AHEAD; offset++) {
    made += await owner.begin(async (tx) => {
      // A backup holds the table for as long as it takes: what waits for it would hold up every event behind it.
      await tx`SET LOCAL lock_timeout = '2s'`
      // One at a time, and not while a migration runs.
      await tx`LOCK TABLE acc.schema_migrations IN SHARE ROW EXCLUSIVE MODE`
      const [month] = await tx<{ name: string; first: string; next: string; known: boolean; late: boolean }[]>`
        SELECT 'usage_events_' || to_char(first, 'YYYY_MM') AS name, first::text, next::text,
          to_regclass('acc.usage_events_' || to_char(first, 'YYYY_MM')) IS NOT NULL AS known,
          EXISTS (SELECT FROM acc.usage_events_late WHERE intent_at >= first AND intent_at < next) AS late
        FROM (SELECT first, first + interval '1 month' AS next
              FROM (SELECT date_trunc('month', now()) + ${offset} * interval '1 month' AS first)) AS months`
      if (month === undefined || month.known || month.late) return 0
      await tx.unsafe(
        `CREATE TABLE acc.${month.name} PARTITION OF acc.usage_events FOR VALUES FROM ('${month.first}') TO ('${month.next}')`,
      )
      return 1
    })
  }
  return made
}
