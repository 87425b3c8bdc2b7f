-- Lists and searches.
--
-- Most lists are of one status, the newest first.
DROP INDEX customers_by_creation;
CREATE INDEX customers_by_creation ON customers (scope, status, created_at, id);

-- How many rows of each status a scope has, for the totals of lists (store/list_query.h). `shard` is always 0 here: it keeps
-- writing sessions of other engines out of each other's way.
CREATE TABLE row_counts (
    scope INTEGER NOT NULL,
    entity_type TEXT NOT NULL,
    status TEXT NOT NULL,
    shard INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (scope, entity_type, status, shard)
) WITHOUT ROWID;
INSERT INTO row_counts SELECT scope, 'customer', status, 0, COUNT(*) FROM customers GROUP BY scope, status;

CREATE TRIGGER customers_counted_insert AFTER INSERT ON customers BEGIN
    INSERT INTO row_counts VALUES (new.scope, 'customer', new.status, 0, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER customers_counted_update AFTER UPDATE OF status ON customers WHEN old.status <> new.status BEGIN
    UPDATE row_counts SET count = count - 1
        WHERE scope = old.scope AND entity_type = 'customer' AND status = old.status AND shard = 0;
    INSERT INTO row_counts VALUES (new.scope, 'customer', new.status, 0, 1)
        ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER customers_counted_delete AFTER DELETE ON customers BEGIN
    UPDATE row_counts SET count = count - 1
        WHERE scope = old.scope AND entity_type = 'customer' AND status = old.status AND shard = 0;
END;

-- An index of all trigrams of a row's searched fields (store/sqlite/trigram.h). A changed row is noted at once and
-- indexed by the housekeeping soon after; searches look at the index and at what is noted, and then at the rows themselves.
CREATE VIRTUAL TABLE customers_trigrams USING fts5 (folded, tokenize = 'trigram case_sensitive 1', detail = none);
CREATE TABLE customers_unindexed (key INTEGER PRIMARY KEY);
INSERT INTO customers_unindexed SELECT key FROM customers;

CREATE TRIGGER customers_noted_insert AFTER INSERT ON customers BEGIN
    INSERT OR IGNORE INTO customers_unindexed VALUES (new.key);
END;
CREATE TRIGGER customers_noted_update AFTER UPDATE OF external_id, name, email ON customers
WHEN old.external_id <> new.external_id OR old.name <> new.name OR old.email <> new.email BEGIN
    INSERT OR IGNORE INTO customers_unindexed VALUES (new.key);
END;
CREATE TRIGGER customers_noted_delete AFTER DELETE ON customers BEGIN
    INSERT OR IGNORE INTO customers_unindexed VALUES (old.key);
END;
