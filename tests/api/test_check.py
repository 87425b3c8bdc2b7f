"""`farthing check`: of a data directory at rest, and of a backup."""

import os
import sqlite3

import pytest

import engine
from farthing_server import init, run, run_ok
from http_client import Client

pytestmark = pytest.mark.embedded("PostgreSQL has its own tools for this")

TITLES = [
    "pages and indexes", "rows that others refer to", "customers and their keys", "external ids", "former external ids",
    "integration mappings", "counts of lists", "the index of searches", "events and their changes", "environments",
    "the audit trail",
]


@pytest.fixture
def written(directory, start_server):
    """A data directory at rest, with customers of all sorts in it."""
    credentials = init(directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        mapping = {"provider_type": "stripe", "provider_entity_id": "cus_1"}
        made = [client.create({"external_id": f"c{number}", "name": "Acme"}) for number in range(5)]
        mapped = client.create({"external_id": "mapped", "name": "Mapped", "integration_entity_mapping": [mapping]})
        assert client.request("PUT", f"/v1/customers/{mapped['id']}", body=b'{"external_id": "renamed"}').status == 200
        assert client.request("DELETE", f"/v1/customers/{made[0]['id']}").status == 204
        run_ok("customer", "erase", made[1]["id"], "--yes", "--data", directory)
        server.stop()
    return directory


def check(directory, *arguments):
    return run("check", "--data", directory, *arguments)


def test_all_is_well(written):
    done = check(written)
    assert done.returncode == 0, done.stdout
    *lines, last = done.stdout.splitlines()
    assert lines == [f"ok    {title}" for title in TITLES]
    assert last.startswith("1 tenants, 1 environments, 6 customers, ") and last.endswith(": all is well")


def test_a_backup_is_checked_where_nothing_can_be_written(written):
    backup = written.parent / "backup"
    run_ok("backup", backup, "--data", written)
    before = {entry.name: entry.read_bytes() for entry in backup.iterdir()}
    done = check(written, backup)
    assert done.returncode == 0 and done.stdout.endswith(": all is well\n")
    assert {entry.name: entry.read_bytes() for entry in backup.iterdir()} == before


FAULTS = {
    "a customer without a key": ("DELETE FROM customer_keys WHERE id = (SELECT id FROM customers WHERE external_id = 'c2')", "customers and their keys"),
    "a key without a customer": ("INSERT INTO customer_keys SELECT 7, scope, 'cust_nobody', secret FROM customer_keys LIMIT 1", "customers and their keys"),
    "a former id of nobody": ("UPDATE customer_aliases SET customer_id = 'cust_nobody'", "former external ids"),
    "a mapping of nobody": ("UPDATE entity_integration_mappings SET entity_id = 'cust_nobody'", "integration mappings"),
    "a count that is wrong": ("UPDATE row_counts SET count = count + 1 WHERE status = 'published'", "counts of lists"),
    "a customer that is not indexed": ("DELETE FROM customers_unindexed WHERE key = (SELECT key FROM customers WHERE external_id = 'c2')", "the index of searches"),
    "an event without a change": ("UPDATE system_events SET created_at = created_at + 1 WHERE sequence = 2", "events and their changes"),
    "a change that was altered": ("UPDATE audit_log SET actor_id = 'user_nobody' WHERE sequence = 3", "the audit trail"),
    "a scope of no environment": ("INSERT INTO scopes (tenant_id, environment_id) VALUES ('t', 'env_nobody')", "environments"),
}


@pytest.mark.parametrize("statement, title", FAULTS.values(), ids=FAULTS)
def test_what_is_wrong_is_named(written, statement, title):
    connection = sqlite3.connect(written / "farthing.db")
    for name in ("audit_log_is_never_changed",):
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()
    done = check(written)
    assert done.returncode == 1
    assert f"FAIL  {title}\n" in done.stdout and done.stdout.endswith(": not all is well\n")


def test_a_damaged_page_is_found(written):
    database = written / "farthing.db"
    connection = sqlite3.connect(database)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'customers_external_id'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with open(database, "r+b") as file:
        file.seek((page - 1) * size + size // 2)
        file.write(os.urandom(size // 2))
    done = check(written)
    assert done.returncode == 1
    assert "FAIL  pages and indexes\n" in done.stdout and "farthing restore" in done.stdout


def test_a_directory_in_use_and_one_without_a_database(written, start_server):
    server = start_server(written)
    done = check(written)
    assert done.returncode == 1 and "farthing backup" in done.stderr
    server.stop()
    done = check(written.parent / "nothing")
    assert done.returncode == 1 and "holds no database" in done.stderr
    assert not engine.has_database(written.parent / "nothing")
    done = check(written, written.parent)
    assert done.returncode == 1 and "holds no backup" in done.stderr


def test_a_data_directory_for_a_backup_is_told_of_data(written):
    """bug: that it holds no backup was all that was said."""
    done = run("check", written)
    assert done.returncode == 1 and done.stderr.endswith("; if it is a data directory, name it with --data\n")
    done = run("check", written.parent)
    assert done.returncode == 1 and "--data" not in done.stderr


def test_a_database_that_is_a_pipe_is_refused(written):
    """bug: check and restore waited for ever for somebody to write to it."""
    backup = written.parent / "backup"
    run_ok("backup", backup, "--data", written)
    (backup / "farthing.db").unlink()
    os.mkfifo(backup / "farthing.db")
    for done in (run("check", backup), run("restore", backup, "--data", written.parent / "new")):
        assert done.returncode == 1 and f"{backup / 'farthing.db'} is no regular file" in done.stderr
    (written / "farthing.db").unlink()
    os.mkfifo(written / "farthing.db")
    done = check(written)
    assert done.returncode == 1 and "holds no database" in done.stderr
