-- The audit trail proves that it is whole: each row of a chain holds a hash over itself and the hash of the row before
-- it, and the chain's own row holds the last one (store/audit.h).
ALTER TABLE audit_log ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_log ADD COLUMN hash TEXT NOT NULL DEFAULT '';
-- Whose it is, when it is about what belongs to a tenant and to none of its environments (scope 0).
ALTER TABLE audit_log ADD COLUMN tenant_id TEXT NOT NULL DEFAULT '';

-- Rows before `first_position` were removed when they had been kept long enough; `first_hash` is the hash of the last
-- of them.
CREATE TABLE audit_chains (
    chain INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    hash TEXT NOT NULL,
    first_position INTEGER NOT NULL DEFAULT 1 CHECK (first_position BETWEEN 1 AND position + 1),
    first_hash TEXT NOT NULL DEFAULT '',
    last_sequence INTEGER NOT NULL DEFAULT 0
);

-- What was written before there were hashes is chain 0: it has none, but nothing can be added to it.
UPDATE audit_log SET position = counted.position
FROM (SELECT sequence, row_number() OVER (ORDER BY sequence) AS position FROM audit_log) AS counted
WHERE counted.sequence = audit_log.sequence;
UPDATE audit_log SET tenant_id = coalesce(CASE entity_type
    WHEN 'tenant' THEN entity_id
    WHEN 'environment' THEN (SELECT e.tenant_id FROM environments e WHERE e.id = entity_id)
    WHEN 'user' THEN (SELECT u.tenant_id FROM users u WHERE u.id = entity_id) END, '') WHERE scope = 0;
INSERT INTO audit_chains (chain, position, hash, last_sequence)
SELECT 0, count(*), '', coalesce(max(sequence), 0) FROM audit_log;
-- The one writer's.
INSERT INTO audit_chains (chain, position, hash) VALUES (1, 0, '');

-- One for each filter of GET /v1/activity; SQLite has `sequence` at the end of each. Most rows are `created`: those are
-- found by their time.
DROP INDEX audit_log_by_entity;
CREATE INDEX audit_log_by_time ON audit_log (scope, occurred_at);
CREATE INDEX audit_log_by_entity ON audit_log (scope, entity_id, occurred_at);
CREATE INDEX audit_log_by_entity_type ON audit_log (scope, entity_type, occurred_at);
CREATE INDEX audit_log_by_actor ON audit_log (scope, actor_id, occurred_at);
CREATE INDEX audit_log_by_action ON audit_log (scope, action, occurred_at) WHERE action <> 'created';
CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, occurred_at) WHERE scope = 0;

-- Whoever can write here can drop these as well: they are against mistakes, and the hashes are against the rest.
CREATE TRIGGER audit_log_is_never_changed BEFORE UPDATE ON audit_log
BEGIN
    SELECT raise(ABORT, 'rows of audit_log are never changed');
END;
CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log
WHEN NOT EXISTS (SELECT 1 FROM audit_chains c WHERE c.chain = old.chain AND c.first_position > old.position)
BEGIN
    SELECT raise(ABORT, 'rows of audit_log are kept; audit-retention-days removes old ones');
END;
CREATE TRIGGER audit_chains_only_grow BEFORE UPDATE ON audit_chains
WHEN new.chain <> old.chain OR new.position < old.position OR new.first_position < old.first_position
    OR new.last_sequence <> old.last_sequence
BEGIN
    SELECT raise(ABORT, 'chains of audit_log only grow');
END;
CREATE TRIGGER audit_chains_are_kept BEFORE DELETE ON audit_chains
BEGIN
    SELECT raise(ABORT, 'chains of audit_log are kept');
END;
