-- oldest_reader: 1
-- How people prove who they are. `token` is a hash of the password that says how it was made; never the password.
CREATE TABLE auths (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    provider text COLLATE "C" NOT NULL,
    token text COLLATE "C" NOT NULL CHECK (token <> ''),
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL
);
CREATE UNIQUE INDEX auths_user_id ON auths (user_id) WHERE status = 'published';

-- Which secrets the servers of this database have, by what they are for (src/access/secrets.h): an id that follows from the
-- present key, never the key. A server with other secrets does not start.
CREATE TABLE server_secrets (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    key_id text COLLATE "C" NOT NULL CHECK (key_id <> ''),
    status text COLLATE "C" NOT NULL DEFAULT 'published',
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    updated_by text COLLATE "C" NOT NULL
);
