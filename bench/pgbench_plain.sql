-- What one create writes, for pgbench. Ids have the shape and size of ours: a part that grows with time (a count, kept by
-- each client over its transactions) and a random part. External ids are random. Rows are as the load client sends them.
\set count :count + 1
\set id (1000000 + :count) * 1000000000 + random(0, 999999999)
\set event (1000000 + :count) * 1000000000 + random(0, 999999999)
\set request (1000000 + :count) * 1000000000 + random(0, 999999999)
\set external random(1000000000000000, 9999999999999999)
\set number random(10000000, 18388607)
BEGIN;
INSERT INTO customers (scope, id, external_id, name, email, contact, address_line1, address_line2, address_city,
    address_state, address_postal_code, address_country, timezone, metadata, status, created_at, updated_at, created_by,
    updated_by)
VALUES (1, 'cust_01KDVDNA00' || :id::text, 'acct_' || :external::text, 'Northwind Traders ' || :number::text,
    'billing+' || :number::text || '@northwind.example.com', '+49 30 ' || :number::text, '221 Main Street', 'Floor 12',
    'Portland', 'OR', '97201', 'US', 'America/Denver',
    '{"plan":"growth","crm_id":"00' || :number::text || '","segment":"mid-market"}', 'published', now(), now(),
    'user_01KDVDN9ZZ0000000000000002', 'user_01KDVDN9ZZ0000000000000002');
INSERT INTO customer_keys (scope, id, secret)
VALUES (1, 'cust_01KDVDNA00' || :id::text, '00f3a52b7c91d6e8' || :external::text || repeat('e', 32));
INSERT INTO audit_log (scope, tenant_id, chain, position, hash, entity_type, entity_id, action, actor_id, request_id,
    occurred_at, changes)
VALUES (1, '', 1, :count, '00f3a52b7c91d6e8' || :request::text || :external::text || repeat('e', 16), 'customer', 'cust_01KDVDNA00' || :id::text, 'created', 'user_01KDVDN9ZZ0000000000000002',
    '01KDVDNA00' || :request::text, now(),
    '{"sealed":"cust_01KDVDNA00' || :id::text || ':' || repeat('e', 633) || '"}');
INSERT INTO system_events (scope, id, event_name, entity_type, entity_id, payload, created_at, created_by)
VALUES (1, 'sys_event_01KDVDNA00' || :event::text, 'customer.created', 'customer', 'cust_01KDVDNA00' || :id::text,
    '{"sealed":"cust_01KDVDNA00' || :id::text || ':' || repeat('e', 836) || '"}', now(),
    'user_01KDVDN9ZZ0000000000000002');
COMMIT;
