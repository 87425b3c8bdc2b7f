-- oldest_reader: 1
--
-- The first schema: tenancy, keys, customers, integration mappings, the audit trail and the outbox.
--
-- Texts compare by their bytes, as on the embedded database. `scope` is the interned (tenant, environment) pair: it leads
-- the key and every index of what belongs to an environment, and is the column to distribute by. Tables that grow without
-- bound have no foreign key to it: every insert would lock the one row of its scope, which all other inserts of that
-- environment lock as well. A unique index is called after its table and its last column, because a conflict names the
-- index (src/store/postgres/error.c). JSON that is only kept and handed on, to the byte, is json; what may be searched is
-- jsonb.

CREATE TABLE schema_versions (
    version integer PRIMARY KEY,
    oldest_reader integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- What became of a writing session's last commit (src/store/postgres/commit_record.c).
CREATE TABLE commit_records (
    session_id text COLLATE "C" PRIMARY KEY,
    commit_number bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);

CREATE TABLE tenants (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    internal_status text COLLATE "C" NOT NULL DEFAULT 'trialing',
    billing_details jsonb,
    metadata jsonb,
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL
);

CREATE TABLE environments (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    type text COLLATE "C" NOT NULL CHECK (type <> ''),
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL
);
CREATE INDEX environments_by_tenant ON environments (tenant_id, created_at);

-- Interns a pair. Rows are never changed or removed. The number is needed before the rows that it stands for are flushed.
CREATE TABLE scopes (
    scope bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id) DEFERRABLE INITIALLY DEFERRED,
    environment_id text COLLATE "C" NOT NULL REFERENCES environments (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX scopes_environment_id ON scopes (environment_id);

CREATE TABLE users (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    email text COLLATE "C",
    name text COLLATE "C",
    type text COLLATE "C" NOT NULL DEFAULT 'user',
    roles jsonb,
    metadata jsonb,
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE status = 'published' AND email <> '';
CREATE INDEX users_by_tenant ON users (tenant_id, created_at);

CREATE TABLE secrets (
    scope bigint NOT NULL REFERENCES scopes (scope),
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    type text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    display_id text COLLATE "C" NOT NULL,
    roles jsonb,
    user_type text COLLATE "C" NOT NULL DEFAULT 'user',
    user_id text COLLATE "C" NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE UNIQUE INDEX secrets_value ON secrets (value) WHERE value <> '';
CREATE UNIQUE INDEX secrets_id ON secrets (id);
CREATE INDEX secrets_by_user ON secrets (user_id, status);

CREATE TABLE customers (
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    external_id text COLLATE "C" NOT NULL CHECK (external_id <> ''),
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    email text COLLATE "C" NOT NULL DEFAULT '',
    contact text COLLATE "C",
    address_line1 text COLLATE "C" NOT NULL DEFAULT '',
    address_line2 text COLLATE "C" NOT NULL DEFAULT '',
    address_city text COLLATE "C" NOT NULL DEFAULT '',
    address_state text COLLATE "C" NOT NULL DEFAULT '',
    address_postal_code text COLLATE "C" NOT NULL DEFAULT '',
    address_country text COLLATE "C" NOT NULL DEFAULT '',
    timezone text COLLATE "C" NOT NULL DEFAULT 'UTC',
    metadata jsonb,
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

CREATE TABLE entity_integration_mappings (
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL CHECK (entity_id <> ''),
    entity_type text COLLATE "C" NOT NULL CHECK (entity_type <> ''),
    provider_type text COLLATE "C" NOT NULL CHECK (provider_type <> ''),
    provider_entity_id text COLLATE "C" NOT NULL CHECK (provider_entity_id <> ''),
    metadata jsonb,
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE UNIQUE INDEX entity_integration_mappings_provider_type
    ON entity_integration_mappings (scope, entity_type, entity_id, provider_type) WHERE status = 'published';
CREATE INDEX entity_integration_mappings_by_provider
    ON entity_integration_mappings (scope, provider_type, provider_entity_id);

-- What was changed, by whom and when. Only ever appended to. Numbers are given when a row is written, not when it is
-- committed: a later one may be seen earlier.
CREATE TABLE audit_log (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    actor_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    occurred_at timestamptz NOT NULL,
    changes json NOT NULL
);
CREATE INDEX audit_log_by_entity ON audit_log (scope, entity_type, entity_id);

-- The outbox: events to be delivered, written with the change they tell of.
CREATE TABLE system_events (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    event_name text COLLATE "C" NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    payload json NOT NULL,
    webhook_message_id text COLLATE "C",
    published_at timestamptz,
    failure_count bigint NOT NULL DEFAULT 0,
    failure_reason text COLLATE "C",
    created_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX system_events_id ON system_events (scope, id);
CREATE INDEX system_events_pending ON system_events (sequence) WHERE published_at IS NULL;
