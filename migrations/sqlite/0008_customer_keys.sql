-- What the audit trail and the outbox tell of a customer, they hold encrypted under a key of that customer alone. Erasing
-- the customer removes the key (src/store/customer_key.h). The secret is 32 bytes in hexadecimal.
CREATE TABLE customer_keys (
    key INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes (scope),
    id TEXT NOT NULL,
    secret TEXT NOT NULL CHECK (length(secret) = 64)
);
INSERT INTO customer_keys SELECT key, scope, id, lower(hex(randomblob(32))) FROM customers;

-- Whose key a kept reply is encrypted with besides; NULL: it tells of no customer.
ALTER TABLE idempotency_records ADD COLUMN customer_id TEXT;

-- What was sent out about a customer.
CREATE INDEX system_events_by_entity ON system_events (scope, entity_id);
