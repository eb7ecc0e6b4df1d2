-- When somebody was shown the first admin key: a process may end between making it and showing it.
ALTER TABLE acc.installation ADD COLUMN key_shown_at timestamptz;
UPDATE acc.installation SET key_shown_at = created_at;
GRANT UPDATE (key_shown_at) ON acc.installation TO agentcost;
