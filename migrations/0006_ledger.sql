-- The ledger of the budget protocol (docs/budget-protocol.md): counters, and the leases that are granted out of them.

-- One row an organisation. The epoch rises when the ledger may have lost what it acknowledged: restored from a copy, on
-- another server or timeline, or behind what a holder knows. Until an operator ends that, open counters grant nothing.
CREATE TABLE acc.ledgers (
  org_id uuid PRIMARY KEY REFERENCES acc.organisations,
  epoch bigint NOT NULL DEFAULT 1,
  recovering boolean NOT NULL DEFAULT false,
  system_identifier bigint NOT NULL,
  timeline integer NOT NULL
);
CALL acc.make_tenants('acc.ledgers', 'SELECT, INSERT, UPDATE');

-- Which server this is, and which line of its history.
CREATE FUNCTION acc.this_system() RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT system_identifier FROM pg_control_system());
CREATE FUNCTION acc.this_timeline() RETURNS integer LANGUAGE sql STABLE
RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer;

-- The budgets of every revision that was ever in force, as the last one that had them says.
CREATE TABLE acc.budgets (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  budget_uid text NOT NULL,
  name text NOT NULL,
  limit_nano bigint NOT NULL,
  period text NOT NULL,
  -- When the kind of period was edited last; NULL if it never was.
  period_since timestamptz,
  in_force boolean NOT NULL,
  PRIMARY KEY (org_id, budget_uid)
);
CALL acc.make_tenants('acc.budgets', 'SELECT, INSERT, UPDATE');

-- The newest period of each kind in which a budget was granted money: none before it ever is again.
CREATE TABLE acc.budget_periods (
  org_id uuid NOT NULL,
  budget_uid text NOT NULL,
  kind text NOT NULL,
  period_id text NOT NULL,
  PRIMARY KEY (org_id, budget_uid, kind)
);
CALL acc.make_tenants('acc.budget_periods', 'SELECT, INSERT, UPDATE');

-- Settled and escrow are the sums over the counter's leases, kept in the same transactions. The limit is NULL where no
-- revision that was published here has the budget.
CREATE TABLE acc.counters (
  org_id uuid NOT NULL,
  budget_uid text NOT NULL,
  subject text NOT NULL,
  period_id text NOT NULL,
  limit_nano bigint,
  settled_nano numeric(38) NOT NULL DEFAULT 0,
  escrow_nano numeric(38) NOT NULL DEFAULT 0,
  overrun_nano numeric(38) NOT NULL DEFAULT 0,
  epoch bigint NOT NULL,
  entered_at timestamptz NOT NULL DEFAULT now(),
  recall_version bigint NOT NULL DEFAULT 0,
  recalled_at timestamptz,
  PRIMARY KEY (org_id, budget_uid, subject, period_id)
) WITH (fillfactor = 70);
CALL acc.make_tenants('acc.counters', 'SELECT, INSERT, UPDATE');

-- Who may hold leases: one generation of each sidecar.
CREATE TABLE acc.holders (
  org_id uuid NOT NULL,
  instance_id uuid NOT NULL,
  generation bigint NOT NULL,
  epoch bigint NOT NULL,
  hello_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, instance_id)
);
CALL acc.make_tenants('acc.holders', 'SELECT, INSERT, UPDATE');

CREATE TABLE acc.leases (
  org_id uuid NOT NULL,
  budget_uid text NOT NULL,
  subject text NOT NULL,
  period_id text NOT NULL,
  instance_id uuid NOT NULL,
  generation bigint NOT NULL,
  granted_nano bigint NOT NULL,
  returned_nano bigint NOT NULL,
  -- What its holder said that it charged: runs ahead of what was settled by events.
  charged_nano bigint NOT NULL,
  settled_nano numeric(38) NOT NULL,
  released_nano bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'closed', 'fenced')),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, budget_uid, subject, period_id, instance_id, generation)
) WITH (fillfactor = 70);
CREATE INDEX leases_of_holder ON acc.leases (org_id, instance_id, generation);
CALL acc.make_tenants('acc.leases', 'SELECT, INSERT, UPDATE');

-- What a budget's subject was charged on a UTC day, in whatever kind of period: by the day on which it was booked.
CREATE TABLE acc.budget_days (
  org_id uuid NOT NULL,
  budget_uid text NOT NULL,
  subject text NOT NULL,
  day date NOT NULL,
  charged_nano numeric(38) NOT NULL,
  PRIMARY KEY (org_id, budget_uid, subject, day)
);
CALL acc.make_tenants('acc.budget_days', 'SELECT, INSERT, UPDATE');

CREATE SEQUENCE acc.recall_versions;
GRANT USAGE ON SEQUENCE acc.recall_versions TO agentcost;
