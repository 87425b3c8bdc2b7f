-- oldest_reader: 3
-- Connections to providers; secrets are encrypted under a key of the server's, whose id they begin with
-- (src/base/envelope.h).
CREATE TABLE connections (
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL CHECK (name <> ''),
    provider_type text COLLATE "C" NOT NULL CHECK (provider_type <> ''),
    encrypted_secret_data text COLLATE "C",
    metadata jsonb,
    sync_config jsonb,
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (scope, id)
);
CREATE UNIQUE INDEX connections_provider_type ON connections (scope, provider_type)
    WHERE status = 'published' AND provider_type <> 's3';
CREATE INDEX connections_by_time ON connections (scope, created_at);
-- For whatever must be encrypted anew.
CREATE INDEX connections_by_encryption_key ON connections (substr(encrypted_secret_data, 1, 16));

-- No two customers are one at a provider; and what an entity was ever mapped to is found.
CREATE UNIQUE INDEX entity_integration_mappings_provider_entity_id
    ON entity_integration_mappings (scope, provider_type, provider_entity_id)
    WHERE status = 'published' AND entity_type = 'customer';
CREATE INDEX entity_integration_mappings_by_entity ON entity_integration_mappings (scope, entity_type, entity_id);
