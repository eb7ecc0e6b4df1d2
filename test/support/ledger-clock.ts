import type { OwnerSql } from '../../control-plane/db/database.ts'

/** The clock that periods go by in a database, in the hand of a test. */
export interface LedgerClock {
  set(atMs: number): Promise<void>
}

/** Holds the clock of every ledger in a database from now on. */
export async function holdLedgerClock(owner: OwnerSql, atMs: number): Promise<LedgerClock> {
  await owner
    .unsafe(
      `CREATE TABLE public.test_clock (at timestamptz NOT NULL);
       INSERT INTO public.test_clock VALUES ('${new Date(atMs).toISOString()}');
       GRANT SELECT ON public.test_clock TO agentcost;
       CREATE OR REPLACE FUNCTION acc.ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE
         RETURN (SELECT at FROM public.test_clock);`,
    )
    .simple()
  return {
    set: async (nowMs) => {
      await owner`UPDATE public.test_clock SET at = to_timestamp(${nowMs}::float8 / 1000)`
    },
  }
}

/** From now on the clock of every ledger in a database is so far ahead of the database's. */
export async function shiftLedgerClock(owner: OwnerSql, byMs: number): Promise<void> {
  await owner.unsafe(
    `CREATE OR REPLACE FUNCTION acc.ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE
       RETURN clock_timestamp() + interval '${Math.round(byMs)} milliseconds'`,
  )
}
