-- Connections to providers; secrets are encrypted under a key of the server's, whose id they begin with
-- (src/base/envelope.h).
CREATE TABLE connections (
    key INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (scope),
    id TEXT NOT NULL,
    name TEXT NOT NULL CHECK (name <> ''),
    provider_type TEXT NOT NULL CHECK (provider_type <> ''),
    encrypted_secret_data TEXT,
    metadata TEXT,
    sync_config TEXT,
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
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
