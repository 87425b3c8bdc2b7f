-- How people prove who they are. `token` is a hash of the password that says how it was made; never the password.
CREATE TABLE auths (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
    provider TEXT NOT NULL,
    token TEXT NOT NULL CHECK (token <> ''),
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE UNIQUE INDEX auths_user_id ON auths (user_id) WHERE status = 'published';

-- Which secrets the servers of this database have, by what they are for (src/access/secrets.h): an id that follows from the
-- present key, never the key. A server with other secrets does not start.
CREATE TABLE server_secrets (
    id TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL CHECK (key_id <> ''),
    status TEXT NOT NULL DEFAULT 'published',
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_by TEXT NOT NULL
);
