-- oldest_reader: 3
-- What the audit trail and the outbox tell of a customer, they hold encrypted under a key of that customer alone. Erasing
-- the customer removes the key (src/store/customer_key.h). The secret is 32 bytes in hexadecimal; of two random UUIDs, 244
-- bits of it are random.
CREATE TABLE customer_keys (
    scope bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    secret text COLLATE "C" NOT NULL CHECK (length(secret) = 64),
    PRIMARY KEY (scope, id)
);
INSERT INTO customer_keys
SELECT scope, id, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '') FROM customers;

-- Whose key a kept reply is encrypted with besides; NULL: it tells of no customer.
ALTER TABLE idempotency_records ADD COLUMN customer_id text COLLATE "C";

-- What was sent out about a customer.
CREATE INDEX system_events_by_entity ON system_events (scope, entity_id);
