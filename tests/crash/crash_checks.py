"""What must be true of a data directory after a crash, read from a copy of its files as a start will find them."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

DATABASE_FILES = ["farthing.db", "farthing.db-wal"]


def open_copy(directory, scratch):
    for name in DATABASE_FILES:
        if (directory / name).exists():
            shutil.copy(directory / name, scratch / name)
    return sqlite3.connect(scratch / "farthing.db")


def stored_customers(directory):
    """{external id: id} of the published customers, after checking the whole database: it is sound, no external id
    is there twice, and audit and outbox rows match the customers one to one, in the order of their creation."""
    with tempfile.TemporaryDirectory() as scratch:
        connection = open_copy(directory, Path(scratch))
        try:
            return check(connection)
        finally:
            connection.close()


def check(connection):
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    customers = connection.execute("SELECT external_id, id, scope FROM customers WHERE status = 'published'").fetchall()
    by_external_id = {(scope, external_id): customer_id for external_id, customer_id, scope in customers}
    assert len(by_external_id) == len(customers), "an external id is there twice"
    ids = sorted(customer_id for _, customer_id, _ in customers)
    assert len(set(ids)) == len(ids)
    for table in ("audit_log", "system_events"):
        told = [
            entity_id
            for (entity_id,) in connection.execute(
                f"SELECT entity_id FROM {table} WHERE entity_type = 'customer' ORDER BY sequence"
            )
        ]
        assert sorted(told) == ids, f"{table} does not match the customers"
    return {external_id: customer_id for external_id, customer_id, _ in customers}
