-- Price lists that an installation has used, each once and for good: a stored cost can be computed again with the list that
-- it was made with. No tenant's.
CREATE TABLE acc.rate_cards (
  version text PRIMARY KEY,
  content_hash text NOT NULL,
  models integer NOT NULL,
  card json NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON acc.rate_cards TO agentcost;
