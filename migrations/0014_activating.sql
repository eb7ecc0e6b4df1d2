-- The generation of policy with which a budget came into force, and when: until every sidecar runs it, or a later one, the
-- budget is activating, and what they spend by earlier ones is booked as uncovered. NULL for those from before.
ALTER TABLE acc.budgets ADD COLUMN since_generation bigint, ADD COLUMN since_at timestamptz;
