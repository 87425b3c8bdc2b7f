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
