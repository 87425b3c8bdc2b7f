-- oldest_reader: 3
-- Replies to POST requests that carried an Idempotency-Key, for whoever sends them again. Neither the key nor the reply
-- can be read here: of the key there is a hash, and the reply is encrypted under a key that follows from it.
CREATE TABLE idempotency_records (
    scope bigint NOT NULL,
    route text COLLATE "C" NOT NULL,
    key_hash text COLLATE "C" NOT NULL,
    request_hash text COLLATE "C" NOT NULL,
    status_code bigint NOT NULL,
    reply text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (scope, route, key_hash)
);
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);
