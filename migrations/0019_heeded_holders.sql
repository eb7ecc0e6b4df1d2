-- Whose word alone began the epoch; NULL where the database itself told, or a restore.
ALTER TABLE acc.ledgers ADD COLUMN begun_by uuid;
-- An operator ended a recovery that this holder's word had begun: it begins no other one.
ALTER TABLE acc.holders ADD COLUMN unheeded boolean NOT NULL DEFAULT false;
