-- Agents that people stopped or let go on, as sidecars are told. Names sort by their bytes.
CREATE TABLE acc.agent_states (
  org_id uuid NOT NULL,
  agent text COLLATE "C" NOT NULL,
  state text NOT NULL,
  reason text NOT NULL,
  -- When it is over by itself; NULL: by another change alone.
  ends_at timestamptz,
  changed_at timestamptz NOT NULL DEFAULT now(),
  -- The key of who changed it.
  changed_by text NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (org_id, agent)
);
CREATE INDEX agent_states_version ON acc.agent_states (org_id, version);
CALL acc.make_tenants('acc.agent_states', 'SELECT, INSERT, UPDATE, DELETE');

-- The version of all of them together: it grows with each change, and is locked by it, so that changes come one by one.
CREATE TABLE acc.agent_state_versions (
  org_id uuid PRIMARY KEY,
  version bigint NOT NULL
);
CALL acc.make_tenants('acc.agent_state_versions', 'SELECT, INSERT, UPDATE');
