-- A random customer by its key, with the columns and the statement of GET /v1/customers/{id}. Each row tells the id of the
-- next one in created_by (bench/seed_postgres.py), so that the id is a parameter as it stands and computing it costs neither side
-- anything. Each client starts at a random row, found once by its time of creation, and reads a part of the table, so that its session has the server's shared
-- memory mapped, as sessions have that stay: else the page faults of new sessions would be measured for half a minute.
\if :started
\else
\set row random(0, :rows - 1)
\set microseconds :row / 100 * 1000 + :row % 100
SELECT id AS next FROM customers
WHERE scope = 1 AND created_at = timestamptz '2026-01-01 00:00:00+00' + :microseconds * interval '1 microsecond' \gset
SELECT count(*) AS sampled FROM customers TABLESAMPLE SYSTEM (20) \gset
\set started 1
\endif
SELECT id, external_id, name, email, contact, address_line1, address_line2, address_city, address_state,
    address_postal_code, address_country, timezone, metadata, status, created_at, updated_at, created_by AS next,
    updated_by
FROM customers WHERE scope = 1 AND id = :next \gset
