-- The first schema: tenancy, keys, customers, integration mappings, the audit trail and the outbox.
--
-- Instants are microseconds since 1970. `scope` is the interned (tenant, environment) pair and leads every index of what
-- belongs to an environment. `key` is where a row is stored and follows from its id (src/store/row_key.h), which makes an
-- index of the ids needless. The other columns are those of the entities' descriptions (src/model); a test compares the two.

CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL CHECK (name <> ''),
    internal_status TEXT NOT NULL DEFAULT 'trialing',
    billing_details TEXT,
    metadata TEXT,
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);

CREATE TABLE environments (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL CHECK (name <> ''),
    type TEXT NOT NULL CHECK (type <> ''),
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE INDEX environments_by_tenant ON environments (tenant_id, created_at);

-- Interns a pair. Rows are never changed or removed. The number is needed before the rows that it stands for are flushed.
CREATE TABLE scopes (
    scope INTEGER PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id) DEFERRABLE INITIALLY DEFERRED,
    environment_id TEXT NOT NULL UNIQUE REFERENCES environments (id) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    email TEXT,
    name TEXT,
    type TEXT NOT NULL DEFAULT 'user',
    roles TEXT,
    metadata TEXT,
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE status = 'published' AND email <> '';
CREATE INDEX users_by_tenant ON users (tenant_id, created_at);

CREATE TABLE secrets (
    key INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (scope),
    id TEXT NOT NULL,
    name TEXT NOT NULL CHECK (name <> ''),
    type TEXT NOT NULL,
    provider TEXT NOT NULL,
    value TEXT NOT NULL,
    display_id TEXT NOT NULL,
    roles TEXT,
    user_type TEXT NOT NULL DEFAULT 'user',
    user_id TEXT NOT NULL,
    expires_at INTEGER,
    last_used_at INTEGER,
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE UNIQUE INDEX secrets_value ON secrets (value) WHERE value <> '';
CREATE INDEX secrets_by_user ON secrets (user_id, status);

CREATE TABLE customers (
    key INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (scope),
    id TEXT NOT NULL,
    external_id TEXT NOT NULL CHECK (external_id <> ''),
    name TEXT NOT NULL CHECK (name <> ''),
    email TEXT NOT NULL DEFAULT '',
    contact TEXT,
    address_line1 TEXT NOT NULL DEFAULT '',
    address_line2 TEXT NOT NULL DEFAULT '',
    address_city TEXT NOT NULL DEFAULT '',
    address_state TEXT NOT NULL DEFAULT '',
    address_postal_code TEXT NOT NULL DEFAULT '',
    address_country TEXT NOT NULL DEFAULT '',
    timezone TEXT NOT NULL DEFAULT 'UTC',
    metadata TEXT,
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE UNIQUE INDEX customers_external_id ON customers (scope, external_id) WHERE status = 'published';
CREATE INDEX customers_email ON customers (scope, email) WHERE status = 'published' AND email <> '';
CREATE INDEX customers_by_creation ON customers (scope, created_at, id);

CREATE TABLE entity_integration_mappings (
    key INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (scope),
    id TEXT NOT NULL,
    entity_id TEXT NOT NULL CHECK (entity_id <> ''),
    entity_type TEXT NOT NULL CHECK (entity_type <> ''),
    provider_type TEXT NOT NULL CHECK (provider_type <> ''),
    provider_entity_id TEXT NOT NULL CHECK (provider_entity_id <> ''),
    metadata TEXT,
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE UNIQUE INDEX entity_integration_mappings_provider
    ON entity_integration_mappings (scope, entity_type, entity_id, provider_type) WHERE status = 'published';
CREATE INDEX entity_integration_mappings_by_provider
    ON entity_integration_mappings (scope, provider_type, provider_entity_id);

-- What was changed, by whom and when. Only ever appended to; `sequence` is the order of the commits.
CREATE TABLE audit_log (
    sequence INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    action TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    changes TEXT NOT NULL
);
CREATE INDEX audit_log_by_entity ON audit_log (scope, entity_type, entity_id);

-- The outbox: events to be delivered, written with the change they tell of; `sequence` is the order of the commits.
CREATE TABLE system_events (
    sequence INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    webhook_message_id TEXT,
    published_at INTEGER,
    failure_count INTEGER NOT NULL DEFAULT 0,
    failure_reason TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
);
CREATE UNIQUE INDEX system_events_id ON system_events (scope, id);
CREATE INDEX system_events_pending ON system_events (sequence) WHERE published_at IS NULL;
