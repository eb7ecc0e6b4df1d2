-- What each sidecar last said of itself on the channel: the policy it runs, and the newest one it refused and why.
CREATE TABLE acc.sidecars (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  instance_id uuid NOT NULL,
  first_heard_at timestamptz NOT NULL DEFAULT now(),
  last_heard_at timestamptz NOT NULL DEFAULT now(),
  generation bigint NOT NULL,
  refused_generation bigint,
  refused_problems json,
  PRIMARY KEY (org_id, instance_id),
  CHECK ((refused_generation IS NULL) = (refused_problems IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX sidecars_last_heard_at ON acc.sidecars (org_id, last_heard_at);
CALL acc.make_tenants('acc.sidecars', 'SELECT, INSERT, UPDATE, DELETE');
