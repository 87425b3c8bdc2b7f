-- The audit trail proves that it is whole: each row of a chain holds a hash over itself and the hash of the row before
-- it, and the chain's own row holds the last one.
ALTER TABLE audit_log ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN hash TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_log_by_time ON audit_log (scope, occurred_at);
CREATE TABLE audit_chains (
    chain INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    hash TEXT NOT NULL,
    first_position INTEGER NOT NULL,
    first_hash TEXT NOT NULL
);
