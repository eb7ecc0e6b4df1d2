-- Revisions of policy, as the folders held them: those that came into force and those that were refused. `number` counts
-- both and only grows; of the former it is the generation.
CREATE TABLE acc.policy_revisions (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  number bigint NOT NULL,
  revision text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  published boolean NOT NULL,
  -- Of git; all NULL where the folder lies in no work tree.
  author text,
  commit text,
  committed_at timestamptz,
  uncommitted boolean,
  tests integer NOT NULL,
  files integer NOT NULL,
  problems json NOT NULL,
  problem_count integer NOT NULL,
  -- What is signed, byte for byte; it holds the files.
  manifest text,
  key_id text,
  signature text,
  difference json,
  -- Sidecars may run newer generations than this one: it was restored from a backup, and is to be published again.
  restored boolean NOT NULL DEFAULT false,
  PRIMARY KEY (org_id, number),
  CHECK (published = (manifest IS NOT NULL AND key_id IS NOT NULL AND signature IS NOT NULL AND difference IS NOT NULL))
);
CREATE INDEX policy_revisions_published ON acc.policy_revisions (org_id, number DESC) WHERE published;
CREATE INDEX policy_revisions_revision ON acc.policy_revisions (org_id, revision, number DESC);
CREATE UNIQUE INDEX policy_revisions_refused ON acc.policy_revisions (org_id, revision) WHERE NOT published;
CALL acc.make_tenants('acc.policy_revisions', 'SELECT, INSERT, UPDATE, DELETE');

-- What each replica's folder holds, as it said last: replicas whose folders differ are seen here.
CREATE TABLE acc.policy_folders (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  replica text NOT NULL,
  state text NOT NULL CHECK (state IN ('inForce', 'behind', 'refused', 'unreadable')),
  revision text,
  problems json NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, replica)
);
CALL acc.make_tenants('acc.policy_folders', 'SELECT, INSERT, UPDATE, DELETE');

-- One row: the public key that bundles are signed with, SPKI PEM. A replica with another one does not start. No tenant's.
CREATE TABLE acc.policy_key (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  public_key text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON acc.policy_key TO agentcost;
