-- The tables that a create writes to, as in migrations/sqlite: the same columns and every index.
-- To PostgreSQL's advantage, the checks and the foreign key are left out, and JSON is plain text, which it need not parse.

CREATE TABLE customers (
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    email text COLLATE "C" NOT NULL DEFAULT '',
    contact text COLLATE "C",
    address_line1 text COLLATE "C" NOT NULL DEFAULT '',
    address_line2 text COLLATE "C" NOT NULL DEFAULT '',
    address_city text COLLATE "C" NOT NULL DEFAULT '',
    address_state text COLLATE "C" NOT NULL DEFAULT '',
    address_postal_code text COLLATE "C" NOT NULL DEFAULT '',
    address_country text COLLATE "C" NOT NULL DEFAULT '',
    timezone text COLLATE "C" NOT NULL DEFAULT 'UTC',
    metadata text COLLATE "C",
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE UNIQUE INDEX customers_external_id ON customers (scope, external_id) WHERE status = 'published';
CREATE INDEX customers_email ON customers (scope, email) WHERE status = 'published' AND email <> '';
CREATE INDEX customers_by_creation ON customers (scope, created_at, id);

CREATE TABLE audit_log (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    changes text COLLATE "C" NOT NULL,
    chain bigint NOT NULL,
    position bigint NOT NULL,
    hash text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL
);
CREATE INDEX audit_log_by_time ON audit_log (scope, occurred_at, sequence);
CREATE INDEX audit_log_by_entity ON audit_log (scope, entity_id, occurred_at, sequence);
CREATE INDEX audit_log_by_entity_type ON audit_log (scope, entity_type, occurred_at, sequence);
CREATE INDEX audit_log_by_actor ON audit_log (scope, actor_id, occurred_at, sequence);
CREATE INDEX audit_log_by_action ON audit_log (scope, action, occurred_at, sequence) WHERE action <> 'created';
CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, occurred_at, sequence) WHERE scope = 0;

CREATE TABLE system_events (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    event_name text COLLATE "C" NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    payload text COLLATE "C" NOT NULL,
    webhook_message_id text COLLATE "C",
    published_at timestamptz,
    failure_count bigint NOT NULL DEFAULT 0,
    failure_reason text COLLATE "C",
    created_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX system_events_id ON system_events (scope, id);
CREATE INDEX system_events_pending ON system_events (sequence) WHERE published_at IS NULL;
