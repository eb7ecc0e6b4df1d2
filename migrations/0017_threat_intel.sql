-- Lists of threat intelligence, what they hold, and the index that is made of them for sidecars.
CREATE TABLE acc.threat_intel_lists (
  org_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  format text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('block', 'suppress')),
  -- Both NULL where people upload it.
  url text,
  refresh_seconds integer,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  -- SHA-256 of the text, NULL before there was any, and its size unpacked.
  content_hash text,
  content_bytes bigint NOT NULL DEFAULT 0,
  -- When it became what it is, and when it was last seen to be so.
  changed_at timestamptz,
  checked_at timestamptz,
  entries bigint NOT NULL DEFAULT 0,
  kinds json NOT NULL DEFAULT '{}',
  suppressed bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  problems json NOT NULL DEFAULT '[]',
  etag text,
  last_modified text,
  failures integer NOT NULL DEFAULT 0,
  last_error text,
  failed_at timestamptz,
  next_fetch_at timestamptz,
  -- The one who fetches it now, and until when nobody else does.
  claim uuid,
  claimed_until timestamptz,
  PRIMARY KEY (org_id, name)
);
CALL acc.make_tenants('acc.threat_intel_lists', 'SELECT, INSERT, UPDATE, DELETE');

-- The text of a list, gzip, in pieces.
CREATE TABLE acc.threat_intel_parts (
  org_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  part integer NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (org_id, name, part)
);
CALL acc.make_tenants('acc.threat_intel_parts', 'SELECT, INSERT, DELETE');

-- What is in force, one row an organisation. revision counts changes of lists; the index was made of built_revision.
CREATE TABLE acc.threat_intel_states (
  org_id uuid PRIMARY KEY,
  revision bigint NOT NULL DEFAULT 0,
  revised_at timestamptz NOT NULL DEFAULT now(),
  built_revision bigint NOT NULL DEFAULT 0,
  built_at timestamptz,
  version text
);
CALL acc.make_tenants('acc.threat_intel_states', 'SELECT, INSERT, UPDATE');

-- The newest indexes, named by their SHA-256: an older one may still be fetched.
CREATE TABLE acc.threat_intel_indexes (
  org_id uuid NOT NULL,
  version text NOT NULL,
  entries bigint NOT NULL,
  bytes bigint NOT NULL,
  built_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, version)
);
CALL acc.make_tenants('acc.threat_intel_indexes', 'SELECT, INSERT, UPDATE, DELETE');
CREATE TABLE acc.threat_intel_index_parts (
  org_id uuid NOT NULL,
  version text NOT NULL,
  part integer NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (org_id, version, part)
);
CALL acc.make_tenants('acc.threat_intel_index_parts', 'SELECT, INSERT, DELETE');
