-- The clock that periods go by: the database's. It has a name of its own, so that a test can hold it.
CREATE FUNCTION acc.ledger_clock() RETURNS timestamptz LANGUAGE sql VOLATILE RETURN clock_timestamp();

-- When the epoch began: a period that could have been granted from before, and of which there is no counter, may have had
-- one in what the ledger lost.
ALTER TABLE acc.ledgers ADD COLUMN epoch_at timestamptz NOT NULL DEFAULT now();
