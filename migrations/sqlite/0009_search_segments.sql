-- The index of searches, made anew as segments (src/store/sqlite/search): it tells where in which field a text is, so that
-- what it finds need not be looked at, and in which order rows were created.
DROP TRIGGER customers_noted_insert;
DROP TRIGGER customers_noted_update;
DROP TRIGGER customers_noted_delete;
DROP TABLE customers_unindexed;
DROP TABLE customers_trigrams;

-- A part of the index. state: 0 searched, 1 being made, 2 being removed; void_since is NULL unless some documents are void.
CREATE TABLE customers_search_segments (
    segment INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    documents INTEGER NOT NULL,
    void INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    void_since INTEGER,
    steps INTEGER NOT NULL
);
-- Keys of rows in the order of their creation; block is the segment's number * 2^32 and that of the first document in it.
CREATE TABLE customers_search_documents (
    block INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    key INTEGER NOT NULL,
    status TEXT NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX customers_search_documents_by_place ON customers_search_documents (segment, scope, status, created_at, key);
-- In which documents a term is, and where; block is the segment's number * 2^32 and a number of its own.
CREATE TABLE customers_search_postings (
    block INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    term INTEGER NOT NULL,
    document INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX customers_search_postings_by_term ON customers_search_postings (segment, term, document);
-- A bit for each document that is not any more what its row is.
CREATE TABLE customers_search_void (
    segment INTEGER NOT NULL,
    part INTEGER NOT NULL,
    bits BLOB NOT NULL,
    PRIMARY KEY (segment, part)
) WITHOUT ROWID;

-- The rows that no segment has as they are, and where the segments have them unless they are new.
CREATE TABLE customers_unindexed (
    key INTEGER PRIMARY KEY,
    is_new INTEGER NOT NULL,
    scope INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL
);
INSERT INTO customers_unindexed SELECT key, 1, scope, created_at, status FROM customers;

CREATE TRIGGER customers_noted_insert AFTER INSERT ON customers BEGIN
    INSERT OR IGNORE INTO customers_unindexed VALUES (new.key, 1, new.scope, new.created_at, new.status);
END;
CREATE TRIGGER customers_noted_update AFTER UPDATE OF external_id, name, email, status, created_at ON customers
WHEN old.external_id <> new.external_id OR old.name <> new.name OR old.email <> new.email OR old.status <> new.status
    OR old.created_at <> new.created_at
BEGIN
    INSERT OR IGNORE INTO customers_unindexed VALUES (old.key, 0, old.scope, old.created_at, old.status);
END;
CREATE TRIGGER customers_noted_delete AFTER DELETE ON customers BEGIN
    INSERT OR IGNORE INTO customers_unindexed VALUES (old.key, 0, old.scope, old.created_at, old.status);
END;
