-- Budgets that are made through the API, resets of any budget, and alerts of what budgets were spent to.

-- A document a name, as it was sent and as the text that is merged into the revisions of policy. One that is deleted keeps
-- its row: its spend stays its own, and its version goes on when it is made again.
CREATE TABLE acc.api_budgets (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  name text COLLATE "C" NOT NULL,
  document json NOT NULL,
  text text NOT NULL,
  version bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by text NOT NULL,
  deleted_at timestamptz,
  PRIMARY KEY (org_id, name)
);
CALL acc.make_tenants('acc.api_budgets', 'SELECT, INSERT, UPDATE');

-- Each begins the budget's period anew, as one more of `spec.resets` does.
CREATE TABLE acc.budget_resets (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  budget_uid text NOT NULL,
  number integer NOT NULL,
  reset_at timestamptz NOT NULL DEFAULT now(),
  reset_by text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (org_id, budget_uid, number)
);
CALL acc.make_tenants('acc.budget_resets', 'SELECT, INSERT');

-- At which shares of their limits, in per cent, the budgets in force alert. A rolling window has no end at which its alerts
-- could begin anew: of each stretch of its length (window_ms) there is one.
CREATE TABLE acc.budget_marks (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  budget_uid text NOT NULL,
  marks smallint[] NOT NULL,
  warning smallint NOT NULL,
  critical smallint NOT NULL,
  window_ms bigint,
  PRIMARY KEY (org_id, budget_uid)
);
CALL acc.make_tenants('acc.budget_marks', 'SELECT, INSERT, UPDATE');

-- One row a crossing, made in the transaction that finds it, whichever replica that is. handed_at: when somebody was told;
-- until then it is told again, by whichever replica finds it after hand_after.
CREATE TABLE acc.budget_alerts (
  org_id uuid NOT NULL REFERENCES acc.organisations,
  budget_uid text NOT NULL,
  subject text NOT NULL,
  period_id text NOT NULL,
  stretch bigint NOT NULL,
  threshold smallint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('threshold', 'warning', 'critical')),
  name text NOT NULL,
  spent_nano numeric(38) NOT NULL,
  limit_nano bigint NOT NULL,
  crossed_at timestamptz NOT NULL DEFAULT now(),
  hand_after timestamptz NOT NULL,
  handed_at timestamptz,
  PRIMARY KEY (org_id, budget_uid, subject, period_id, stretch, threshold)
);
CREATE INDEX budget_alerts_crossed_at ON acc.budget_alerts (org_id, crossed_at DESC);
CREATE INDEX budget_alerts_unhanded ON acc.budget_alerts (org_id, hand_after) WHERE handed_at IS NULL;
CALL acc.make_tenants('acc.budget_alerts', 'SELECT, INSERT, UPDATE');

-- A revision is the files of the folder and what the API adds to them: that part is known by itself, and so are those files
-- whose text is another one in the revision.
ALTER TABLE acc.policy_revisions ADD COLUMN folder_revision text, ADD COLUMN made_by text,
  ADD COLUMN originals json NOT NULL DEFAULT '[]';
UPDATE acc.policy_revisions SET folder_revision = revision;
ALTER TABLE acc.policy_revisions ALTER COLUMN folder_revision SET NOT NULL;
CREATE INDEX policy_revisions_folder_revision ON acc.policy_revisions (org_id, folder_revision);
