-- The ground floor: organisations and their keys, events and the sums of them. A tenant's table has org_id as its first
-- column and belongs to its organisation by row-level security, for the role "agentcost" and for its owner as well.

-- The organisation of the transaction; NULL, which equals nothing, while none is set.
CREATE FUNCTION acc.current_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('acc.org_id', true), '')::uuid;

CREATE PROCEDURE acc.make_tenants(of regclass, privileges text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', of);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', of);
  EXECUTE format(
    'CREATE POLICY of_its_organisation ON %s USING (org_id = acc.current_org()) WITH CHECK (org_id = acc.current_org())', of);
  EXECUTE format('GRANT %s ON %s TO agentcost', privileges, of);
END $$;

GRANT USAGE ON SCHEMA acc TO agentcost;

-- One row: what the first start made. No tenant's.
CREATE TABLE acc.installation (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  org_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON acc.installation TO agentcost;

CREATE TABLE acc.organisations (
  org_id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CALL acc.make_tenants('acc.organisations', 'SELECT, INSERT');

-- Keys of people, tokens that enrol sidecars, credentials of sidecars: of each the hash alone.
CREATE TABLE acc.keys (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  key_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('admin', 'enrolment', 'sidecar')),
  secret_hash bytea NOT NULL,
  instance_id uuid CHECK ((kind = 'sidecar') = (instance_id IS NOT NULL)),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  PRIMARY KEY (org_id, key_id)
);
CREATE INDEX keys_expires_at ON acc.keys (org_id, expires_at) WHERE expires_at IS NOT NULL;
CALL acc.make_tenants('acc.keys', 'SELECT, INSERT, DELETE');

-- One row an exchange, by month of its intent. Its key stands in the intent of the sidecar, so that it counts once.
CREATE TABLE acc.usage_events (
  org_id uuid NOT NULL,
  intent_at timestamptz NOT NULL,
  event_id uuid NOT NULL,
  instance_id uuid NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  agent text NOT NULL,
  workflow text NOT NULL,
  session text,
  task text,
  provider text NOT NULL,
  model text NOT NULL,
  outcome text NOT NULL,
  code text,
  client_status smallint,
  precision text NOT NULL,
  streamed boolean NOT NULL,
  unpriced boolean NOT NULL,
  input_tokens bigint NOT NULL,
  output_tokens bigint NOT NULL,
  cost_nano bigint NOT NULL,
  charged_nano bigint NOT NULL,
  duration_ms bigint NOT NULL,
  first_byte_ms bigint,
  clamped_tokens bigint,
  operation text NOT NULL,
  method text NOT NULL,
  path text NOT NULL,
  policy_revision text NOT NULL,
  tags json NOT NULL,
  attempts json NOT NULL,
  findings json NOT NULL,
  budgets json NOT NULL,
  PRIMARY KEY (org_id, intent_at, event_id)
) PARTITION BY RANGE (intent_at);
CALL acc.make_tenants('acc.usage_events', 'SELECT, INSERT');

-- Events of months that have no partition: late ones are never refused, and never make partitions either.
CREATE TABLE acc.usage_events_late PARTITION OF acc.usage_events DEFAULT;

-- Sums of the events, in the same transaction. Amounts are wider here, so that no sum can be too large to be stored.
CREATE TABLE acc.rollup_minute (
  org_id uuid NOT NULL,
  bucket timestamptz NOT NULL,
  agent text NOT NULL,
  workflow text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  requests bigint NOT NULL,
  denied bigint NOT NULL,
  failed bigint NOT NULL,
  unpriced bigint NOT NULL,
  input_tokens numeric(38) NOT NULL,
  output_tokens numeric(38) NOT NULL,
  cost_nano numeric(38) NOT NULL,
  charged_nano numeric(38) NOT NULL,
  estimated_nano numeric(38) NOT NULL,
  PRIMARY KEY (org_id, bucket, agent, workflow, provider, model)
) WITH (fillfactor = 70);
CREATE TABLE acc.rollup_hour (LIKE acc.rollup_minute INCLUDING ALL) WITH (fillfactor = 70);
CREATE TABLE acc.rollup_day (LIKE acc.rollup_minute INCLUDING ALL) WITH (fillfactor = 70);
CALL acc.make_tenants('acc.rollup_minute', 'SELECT, INSERT, UPDATE');
CALL acc.make_tenants('acc.rollup_hour', 'SELECT, INSERT, UPDATE');
CALL acc.make_tenants('acc.rollup_day', 'SELECT, INSERT, UPDATE');
