-- An event tells what it is charged to each lease, in place of the names of its budgets.
ALTER TABLE acc.usage_events RENAME COLUMN budgets TO charges;
