"""What must be true of a database after a crash, read as the next start will find it."""

import audit_chains
import engine


def stored_customers(directory):
    """{external id: id} of the published customers, after checking the whole database: it is sound, no external id
    is there twice, audit and outbox rows match the customers one to one, and the chains of the audit trail are whole."""
    with engine.at_rest(directory) as look:
        return check(look)


def check(look):
    engine.assert_sound(look)
    customers = look("SELECT external_id, id, scope FROM customers WHERE status = 'published'")
    by_external_id = {(scope, external_id): customer_id for external_id, customer_id, scope in customers}
    assert len(by_external_id) == len(customers), "an external id is there twice"
    ids = sorted(customer_id for _, customer_id, _ in customers)
    assert len(set(ids)) == len(ids)
    for table in ("audit_log", "system_events"):
        told = look(f"SELECT entity_id FROM {table} WHERE entity_type = 'customer' ORDER BY sequence")
        assert sorted(entity_id for (entity_id,) in told) == ids, f"{table} does not match the customers"
    audit_chains.assert_whole(look)
    return {external_id: customer_id for external_id, customer_id, _ in customers}
