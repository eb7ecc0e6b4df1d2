-- A budget's period is told by how it is cut (daily, monthly@Europe/Berlin, rolling-24h) and by how often it was begun anew.
ALTER TABLE acc.budgets ADD COLUMN resets integer NOT NULL DEFAULT 0;
