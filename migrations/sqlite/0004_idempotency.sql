-- Replies to POST requests that carried an Idempotency-Key, for whoever sends them again. Nothing of this can be read
-- without that key: the id and the hash of the request are hashes over it, and the reply is encrypted under it.
CREATE TABLE idempotency_records (
    id TEXT NOT NULL PRIMARY KEY,
    request_hash TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    reply TEXT,
    created_at INTEGER NOT NULL
);
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);
