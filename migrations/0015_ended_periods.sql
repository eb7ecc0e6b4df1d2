-- Counters of periods that ended long ago are removed with their leases. What they were charged is kept by budget and
-- period, so that the events can still be held against it, and so that a sidecar that comes back with a lease that is gone
-- is told from a ledger that lost one.
CREATE TABLE acc.ended_periods (
  org_id uuid NOT NULL,
  budget_uid text NOT NULL,
  period_id text NOT NULL,
  counters bigint NOT NULL,
  settled_nano numeric(38) NOT NULL,
  -- Of it, what stands in no event as a charge: stated by an operator, carried over, or uncovered.
  stated_nano numeric(38) NOT NULL,
  PRIMARY KEY (org_id, budget_uid, period_id)
);
CALL acc.make_tenants('acc.ended_periods', 'SELECT, INSERT, UPDATE');

-- What was charged by day stays for good: a budget that is edited to a total one opens at all of it.
REVOKE DELETE ON acc.budget_days FROM agentcost;
