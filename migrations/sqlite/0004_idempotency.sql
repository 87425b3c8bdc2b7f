-- Replies to POST requests that carried an Idempotency-Key, for whoever sends them again. Neither the key nor the reply
-- can be read here: of the key there is a hash, and the reply is encrypted under a key that follows from it.
CREATE TABLE idempotency_records (
    scope INTEGER NOT NULL,
    route TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    reply TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, route, key_hash)
) WITHOUT ROWID;
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);
