import type { Scope } from '../../../test/support/scope.ts'
import { openDatabase } from '../../db/database.ts'
import { databaseFor, type TestDatabase } from './database.ts'

/** A database whose clock a test holds: it stands still until it is set. */
export interface ClockedDatabase extends TestDatabase {
  /** For one more control plane on the same clock. */
  readonly clockedUrl: string
  /** What the control plane is told the time is from now on. @param time ms since the epoch, or RFC 3339 */
  setClock(time: number | string): Promise<void>
}

/** Functions that say what the time is: PostgreSQL's, and the one by which periods go. */
const TIMES = ['now', 'statement_timestamp', 'clock_timestamp', 'ledger_clock'] as const

/**
 * A database, migrated, that tells the control plane the time that it was set to. What it is asked is found along a search
 * path, on which functions of the same names stand in front of the real ones: not a word of SQL differs. The owner of
 * the tables, and what columns are filled with by default, go by the real time.
 */
export async function clockedDatabaseFor(scope: Scope, url: string): Promise<ClockedDatabase> {
  const { owner } = await databaseFor(scope, url)
  await owner`CREATE SCHEMA held`
  await owner`CREATE TABLE held.clock (at timestamptz NOT NULL)`
  await owner`INSERT INTO held.clock VALUES (now())`
  for (const name of TIMES)
    await owner`CREATE FUNCTION held.${owner(name)}() RETURNS timestamptz LANGUAGE sql STABLE RETURN (SELECT at FROM held.clock)`
  await owner`GRANT USAGE ON SCHEMA held TO agentcost`
  await owner`GRANT SELECT ON held.clock TO agentcost`
  const clockedUrl = `${url}?search_path=held,pg_catalog,acc`
  const database = openDatabase(clockedUrl, 6)
  scope.teardown(() => database.close())
  return {
    url,
    clockedUrl,
    owner,
    database,
    setClock: async (time) => {
      const at = new Date(time).toISOString()
      await owner`UPDATE held.clock SET at = ${at}`
    },
  }
}
