-- Rolling windows: what a counter was charged, by when it was booked, until it is older than the window; and the sum of
-- what is, which raises the limit.
CREATE TABLE acc.counter_buckets (
  org_id uuid NOT NULL,
  budget_uid text NOT NULL,
  subject text NOT NULL,
  period_id text NOT NULL,
  ends_at timestamptz NOT NULL,
  charged_nano numeric(38) NOT NULL,
  PRIMARY KEY (org_id, budget_uid, subject, period_id, ends_at)
);
CALL acc.make_tenants('acc.counter_buckets', 'SELECT, INSERT, UPDATE, DELETE');
ALTER TABLE acc.counters ADD COLUMN aged_nano numeric(38) NOT NULL DEFAULT 0;

-- When the budget was last begun anew by hand: nothing from before is carried over.
ALTER TABLE acc.budgets ADD COLUMN reset_at timestamptz;

-- What ended long ago is removed.
GRANT DELETE ON acc.counters, acc.leases, acc.budget_days TO agentcost;
