"""`farthing copy`: a whole database into another one, both ways between the engines and between two of one."""

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess

import pytest

import engine
from farthing_server import BINARY, Server, environment, run, run_ok, seconds, wait_until
from http_client import Client
from postgres_cluster import Session
from providers import connection_body

pytestmark = pytest.mark.embedded("it starts both engines by itself")

CHUNK_ROWS = 10_000  # src/store/copy/copy.c
METADATA = {"zeta": "ä\"\\\n", "a": "1", "bb": "", "Ω": "ω"}


# ---- places ----


class Embedded:
    """A data directory with an embedded database, or where one may come."""

    def __init__(self, directory):
        self.directory = directory
        self.end = directory
        self.variables = {}

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.directory}/farthing.db?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def change(self, statement):
        with contextlib.closing(sqlite3.connect(self.directory / "farthing.db")) as connection:
            connection.executescript(statement)


class Far:
    """A PostgreSQL database, and the data directory of a server that uses it."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.cluster = engine.databases().cluster
        self.end = self.cluster.create_database(name)
        self.variables = {"FARTHING_DATABASE": self.end}

    def rows(self, query):
        return [tuple(value for _, value in row) for row in self.cluster.rows(query, self.name)]

    def change(self, statement):
        self.cluster.sql(statement, self.name)


class Places:
    """Makes places of a kind, "sqlite" or "postgres": empty ones, and such as `fill` leaves, which are copies of one."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0
        self.names, self.filled = [], {}

    def make(self, kind):
        self.count += 1
        directory = self.folder / f"place{self.count}"
        if kind == "sqlite":
            return Embedded(directory)
        self.names.append(f"copy_{os.getpid()}_{self.count}")
        return Far(directory, self.names[-1])

    def source(self, kind):
        """(the place, its credentials, what was created, a request with an Idempotency-Key and its reply)"""
        if kind not in self.filled:
            place = self.make(kind)
            self.filled[kind] = (place, *fill(place))
        original, *what = self.filled[kind]
        place = self.make(kind)
        shutil.copytree(original.directory, place.directory, ignore=shutil.ignore_patterns("*.sock", "database"))
        if kind == "postgres":
            cluster = engine.databases().cluster
            cluster.sql(f"DROP DATABASE {place.name}; CREATE DATABASE {place.name} OWNER farthing TEMPLATE {original.name}")
        return (place, *what)

    def remove(self):
        for name in self.names:
            engine.databases().cluster.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    places = Places(tmp_path_factory.mktemp("copy"))
    yield places
    places.remove()


def fill(place):
    """A database with rows in every table, at rest: (credentials, what was created)."""
    credentials = init_of(place)
    server = Server(place.directory, **place.variables)
    with Client(server.address, credentials.api_key) as client:
        made = [client.create({"external_id": f"c{number}", "name": f"Acmé {number}", "email": f"{number}@example.com"})
                for number in range(8)]
        mapping = {"provider_type": "stripe", "provider_entity_id": "cus_1"}
        made.append(client.create({"external_id": "mapped", "name": "Mapped", "metadata": METADATA,
                                   "integration_entity_mapping": [mapping]}))
        renamed = client.request("PUT", f"/v1/customers/{made[2]['id']}", body=b'{"external_id": "renamed", "name": "N"}')
        assert renamed.status == 200, renamed
        assert client.request("DELETE", f"/v1/customers/{made[0]['id']}").status == 204
        sent = {"external_id": "sent twice", "name": "S"}
        reply = client.post("/v1/customers", sent, headers={"Idempotency-Key": "key-1"})
        assert reply.status == 201, reply
        connected = client.post("/v1/connections", connection_body("stripe"))
        assert connected.status == 201, connected
        run_ok("customer", "erase", made[1]["id"], "--yes", "--data", place.directory, **place.variables)
        run_ok("user", "set-password", credentials.user_id(place), "--email", "owner@example.com", "--data", place.directory,
               stdin="correct horse battery\n", **place.variables)
    server.stop()
    return credentials, made, (sent, reply.body)


def init_of(place):
    output = run_ok("init", "--data", place.directory, **place.variables)
    return Owner(output)


class Owner:
    def __init__(self, output):
        self.values = dict(line.split("=", 1) for line in output.splitlines() if line.startswith("FARTHING_"))
        self.api_key = self.values["FARTHING_API_KEY"]

    def user_id(self, place):
        return place.rows("SELECT id FROM users")[0][0]


def copy(source, target, *arguments, **options):
    return run("copy", "--from", source.end, "--to", target.end, *arguments, **options)


def copied(source, target, *arguments):
    done = copy(source, target, *arguments)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def bring_secrets(source, target):
    """What the command says is to be done by hand when an end is a PostgreSQL database."""
    target.directory.mkdir(exist_ok=True)
    (target.directory / "secrets").write_bytes((source.directory / "secrets").read_bytes())
    os.chmod(target.directory / "secrets", 0o600)


TABLES = [
    "tenants", "environments", "scopes", "users", "auths", "secrets", "server_secrets", "connections", "customers", "customer_keys",
    "customer_aliases", "entity_integration_mappings", "idempotency_records", "system_events", "audit_chains", "audit_log",
]


# ---- whole copies ----


KINDS = [("sqlite", "postgres"), ("postgres", "sqlite")]
KINDS_OF_ONE = [("sqlite", "sqlite"), ("postgres", "postgres")]


@pytest.mark.parametrize("kinds", KINDS + (KINDS_OF_ONE if os.environ.get("FARTHING_TEST_LONG") == "1" else []), ids=" to ".join)
def test_everything_is_there_and_goes_on(places, start_server, kinds):
    source, credentials, made, (sent, reply) = places.source(kinds[0])
    target = places.make(kinds[1])
    told = json.loads(copied(source, target, "--json"))
    assert told["ok"] and [table["table"] for table in told["tables"]] == TABLES
    for table in told["tables"]:
        assert table["ok"] and table["hash"] == table["target_hash"]
        assert [(table["rows"],)] == source.rows(f"SELECT count(*) FROM {table['table']}")
        assert [(table["rows"],)] == target.rows(f"SELECT count(*) FROM {table['table']}")
        assert table["rows"] > 0, f"nothing was there to be copied of {table['table']}"
    assert told["copied_rows"] == sum(table["rows"] for table in told["tables"])
    assert told["secrets"] == ("copied" if kinds == ("sqlite", "sqlite") else "to_bring")
    if told["secrets"] == "to_bring":
        bring_secrets(source, target)
    server = start_server(target.directory, **target.variables)
    with Client(server.address, credentials.api_key) as client:
        assert client.get(f"/v1/customers/{made[-1]['id']}").json()["metadata"] == METADATA
        assert client.get("/v1/customers?status=published&limit=1").json()["pagination"]["total"] == len(made) - 1
        again = client.post("/v1/customers", sent, headers={"Idempotency-Key": "key-1"})
        assert (again.status, again.body) == (201, reply)
        found = client.post("/v1/customers/search", {"filters": [
            {"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "CMÉ 5"}}]}).json()
        assert [item["external_id"] for item in found["items"]] == ["c5"]
        assert client.create({"external_id": "new", "name": "New"})["id"]
        login = client.post("/v1/auth/login", {"email": "owner@example.com", "password": "correct horse battery"})
        assert login.status == 200, login
    verified = run_ok("audit", "verify", "--data", target.directory, **target.variables)
    assert verified.endswith("the trail is whole\n"), verified
    server.stop()
    if kinds[1] == "sqlite":
        checked = run("check", "--data", target.directory)
        assert checked.returncode == 0, checked.stdout


def test_there_and_back_again(places):
    source, far, back = places.source("sqlite")[0], places.make("postgres"), places.make("sqlite")
    there = json.loads(copied(source, far, "--json"))
    home = json.loads(copied(far, back, "--json"))
    assert [table["hash"] for table in there["tables"]] == [table["hash"] for table in home["tables"]]


def test_a_backup_goes_into_postgres(places, start_server):
    source, target, backup = places.source("sqlite")[0], places.make("postgres"), places.make("sqlite")
    run_ok("backup", backup.directory, "--data", source.directory)
    server = start_server(source.directory)  # whom a copy of its backup does not concern
    before = {entry.name: entry.read_bytes() for entry in backup.directory.iterdir()}
    output = copied(backup, target)
    assert "and the same on both sides" in output and f"copy {backup.directory}/secrets into" in output
    assert {entry.name: entry.read_bytes() for entry in backup.directory.iterdir()} == before
    server.stop()


# ---- looking first, and comparing ----


def test_a_dry_run_changes_nothing(places):
    source, target = places.source("sqlite")[0], places.make("sqlite")
    output = copied(source, target, "--dry-run")
    assert output.splitlines()[-1].endswith(f"rows would be copied into {target.directory}/farthing.db")
    assert not target.directory.exists()
    far = places.make("postgres")
    assert json.loads(copied(source, far, "--dry-run", "--json"))["copied_rows"] == 0
    assert far.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


TAMPERED = {
    "customers": "UPDATE customers SET name = 'Emca' WHERE external_id = 'c3'",
    "entity_integration_mappings": "DELETE FROM entity_integration_mappings",
    "idempotency_records": "INSERT INTO idempotency_records SELECT id || 'x', request_hash, status_code, reply, created_at, customer_id "
                           "FROM idempotency_records",
    "users": "UPDATE users SET updated_at = updated_at + {tick}",
    "customer_keys": "UPDATE customer_keys SET secret = lower(upper(replace(secret, '0', '1')))",
    "connections": "UPDATE connections SET sync_config = '{{}}'",
}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_differs_is_found(places, kind):
    source, target = places.source("sqlite")[0], places.make(kind)
    copied(source, target)
    assert copy(source, target, "--verify").stdout.endswith("rows: the two are the same\n")
    changed = set()
    for table, statement in TAMPERED.items():
        target.change(statement.format(tick="1" if kind == "sqlite" else "interval '1 microsecond'"))
        changed.add(table)
        done = copy(source, target, "--verify")
        assert done.returncode == 1 and done.stdout.endswith("the two are NOT the same\n")
        lines = {line.split()[0]: line for line in done.stdout.splitlines()}
        assert {name for name in TABLES if "DIFFERS" in lines[name]} == changed


# ---- interrupted ----


def poison(source):
    """A text that PostgreSQL takes from nobody, in the table that is copied last."""
    source.change("DROP TRIGGER audit_log_is_never_changed; CREATE TABLE kept AS SELECT sequence, request_id FROM audit_log; "
                  "UPDATE audit_log SET request_id = CAST(x'61ff62' AS TEXT)")


def cure(source):
    source.change("UPDATE audit_log SET request_id = (SELECT request_id FROM kept WHERE kept.sequence = audit_log.sequence); "
                  "DROP TABLE kept")


def unfinished(places):
    """A source, and a PostgreSQL database that has all of it but the audit trail."""
    source, target = places.source("sqlite")[0], places.make("postgres")
    poison(source)
    done = copy(source, target)
    assert done.returncode == 1 and "invalid byte sequence" in done.stderr and len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("; run the same command again, which goes on where this one stopped\n")
    cure(source)
    return source, target


def assert_refused(place, words):
    for command in (["serve"], ["init"], ["key", "list"]):
        refused = run(*command, "--data", place.directory, **place.variables)
        assert refused.returncode == 1 and words in refused.stderr, refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_what_is_not_finished_is_not_served_and_goes_on(places):
    source, target = unfinished(places)
    assert_refused(target, "holds a copy that is not finished; run the same `farthing copy` again")
    assert copy(target, places.make("sqlite")).returncode == 1
    copies = target.rows("SELECT count(*) FROM customers")
    told = json.loads(copied(source, target, "--json"))
    assert told["ok"] and told["resumed"] and target.rows("SELECT count(*) FROM customers") == copies
    assert told["copied_rows"] == source.rows("SELECT count(*) FROM audit_log")[0][0]
    assert copy(source, target, "--verify").returncode == 0


def start_copy(source, target, *arguments, **options):
    return subprocess.Popen([str(BINARY), "copy", "--from", str(source.end), "--to", str(target.end), *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=environment("copy"), **options)


def test_a_killed_copy_into_postgres_goes_on(places):
    """Killed while it waits, amid the transaction of a chunk, for a lock that the test has."""
    source, target = unfinished(places)
    with Session(target.cluster, target.name) as session:
        session.sql("BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        process = start_copy(source, target)
        wait_until(lambda: target.cluster.backends(target.name, "wait_event_type = 'Lock'"), 30, "the copy to wait")
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=seconds(30))
        session.sql("ROLLBACK")
    told = json.loads(copied(source, target, "--json"))
    assert told["ok"] and told["resumed"]


def test_the_session_of_a_killed_copy_makes_room_for_the_next(places):
    """bug: who ran the command again at once was told that somebody else was copying, for as long as PostgreSQL was at what
    the killed one had asked for."""
    source, target = unfinished(places)
    waiting = lambda: target.cluster.backends(target.name, "wait_event_type = 'Lock'")
    with Session(target.cluster, target.name) as session:
        session.sql("BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        process = start_copy(source, target)
        wait_until(waiting, 30, "the copy to wait")
        before = waiting()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=seconds(30))
        again = start_copy(source, target)
        wait_until(lambda: waiting() and waiting() != before, 30, "the next one to wait in its place")
        session.sql("ROLLBACK")
    again.communicate(timeout=seconds(60))
    assert again.returncode == 0


def test_a_copy_into_a_file_that_is_ended_amid_its_rows_goes_on(places):
    """By the system, at a write beyond what a file may have: the process has no say in it. And once more, where it is told
    of it instead, as of a disk that is full."""
    source, target = places.source("postgres")[0], places.make("sqlite")
    source.change("INSERT INTO customers (scope, id, external_id, name, created_at, updated_at, created_by, updated_by) "
                  f"SELECT 1, 'cust_' || lpad(n::text, 10, '0') || repeat('0', 16), 'many' || n, repeat('n', 500), now(), now(), '', '' "
                  f"FROM generate_series(1, {3 * CHUNK_ROWS}) AS n")

    def limit_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def ignoring():
        limit_files()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    limit = 10 << 20
    process = start_copy(source, target, preexec_fn=limit_files, restore_signals=False)
    _, said = process.communicate(timeout=seconds(60))
    assert process.returncode == -signal.SIGXFSZ, said
    first = progress_of(target)
    assert 0 < first < 3 * CHUNK_ROWS
    assert_refused(target, "it holds a copy that is not finished")
    # A PostgreSQL database may have been written to: what was copied already is brought up to date then.
    source.change("UPDATE tenants SET name = 'Renamed'; UPDATE customers SET status = 'archived' WHERE external_id = 'many5'; "
                  f"UPDATE customers SET external_id = 'many5' WHERE external_id = 'many{3 * CHUNK_ROWS}'; "
                  "DELETE FROM customers WHERE external_id = 'many7'")
    limit = 14 << 20
    process = start_copy(source, target, preexec_fn=ignoring, restore_signals=False)
    _, said = process.communicate(timeout=seconds(60))
    assert process.returncode == 1 and f"farthing: cannot write to {target.directory}/farthing.db: " in said, said
    assert said.endswith("; run the same command again, which goes on where this one stopped\n")
    assert first <= progress_of(target)
    told = json.loads(copied(source, target, "--json"))
    assert told["ok"] and told["resumed"]
    assert told["copied_rows"] < 3 * CHUNK_ROWS
    checked = target.rows("PRAGMA integrity_check")
    assert checked == [("ok",)]


def progress_of(place):
    return place.rows("SELECT row_count FROM copy_progress WHERE table_name = 'customers'")[0][0]


def test_a_source_that_was_written_to_meanwhile_is_refused(places):
    source, target = unfinished(places)
    run_ok("environment", "create", "another", "--data", source.directory)
    done = copy(source, target)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "was begun from another source, or this one was written to since then" in done.stderr


def test_it_ends_when_the_pause_is_over(places):
    """The lock that keeps it waiting is not let go of."""
    source, target = unfinished(places)
    with Session(target.cluster, target.name) as session:
        session.sql("BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        process = start_copy(source, target, "--pause-max", "1")
        _, said = process.communicate(timeout=seconds(60))
        session.sql("ROLLBACK")
    assert process.returncode == 1 and "as long as --pause-max lets it" in said, said
    assert json.loads(copied(source, target, "--json"))["ok"]


# ---- a source that goes on ----


def change_much(client, made):
    """Makes, changes and removes rows of all sorts; an external id goes from one customer to another."""
    assert client.request("DELETE", f"/v1/customers/{made[3]['id']}").status == 204
    client.create({"external_id": made[3]["external_id"], "name": "Heir", "metadata": METADATA})
    assert client.request("PUT", f"/v1/customers/{made[4]['id']}", body=b'{"external_id": "moved", "name": "Moved"}').status == 200
    for number in range(30):
        client.create({"external_id": f"later{number}", "name": f"Later {number}"})
    kept = client.post("/v1/customers", {"external_id": "kept", "name": "K"}, headers={"Idempotency-Key": "key-2"})
    assert kept.status == 201, kept


def change_beside(place, made):
    """What commands change, and the housekeeping."""
    run_ok("customer", "erase", made[5]["id"], "--yes", "--data", place.directory, **place.variables)
    run_ok("environment", "create", "another", "--data", place.directory, **place.variables)
    run_ok("key", "create", "--name", "another", "--environment", "another", "--data", place.directory, **place.variables)


def assert_caught_up(told, source, target):
    assert told["ok"] and told["finished"] and told["resumed"]
    assert 0 < told["copied_rows"] < sum(table["rows"] for table in told["tables"])
    for table in told["tables"]:
        assert [(table["rows"],)] == source.rows(f"SELECT count(*) FROM {table['table']}")
    verified = copy(source, target, "--verify")
    assert verified.returncode == 0, verified.stdout
    run_ok("audit", "verify", "--data", target.directory, **target.variables)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_bulk_of_a_postgres_database_is_copied_while_its_servers_go_on(places, start_server, kind):
    source, credentials, made, _ = places.source("postgres")
    target = places.make(kind)
    server = start_server(source.directory, **source.variables)
    with Client(server.address, credentials.api_key) as client:
        told = json.loads(copied(source, target, "--bulk", "--json"))
        assert told["pause_ms"] == 0 and not told["finished"]
        assert_refused(target, "it holds a copy that is not finished")
        change_much(client, made)
        change_beside(source, made)
        assert not json.loads(copied(source, target, "--bulk", "--json"))["finished"]
        client.create({"external_id": "last", "name": "Last"})
    server.stop()
    # As the housekeeping removes what was kept long enough.
    source.change("DELETE FROM idempotency_records WHERE id = (SELECT min(id) FROM idempotency_records); "
                  "UPDATE audit_chains SET first_position = 2, first_hash = (SELECT hash FROM audit_log WHERE chain = 1 AND position = 1) "
                  "WHERE chain = 1; DELETE FROM audit_log WHERE chain = 1 AND position = 1")
    bring_secrets(source, target)
    assert_caught_up(json.loads(copied(source, target, "--json")), source, target)


def test_a_data_directory_catches_up_with_what_came_after_its_backup(places, start_server):
    """The second command reads its target while the server goes on, and then waits for it to be stopped."""
    source, credentials, made, _ = places.source("sqlite")
    target, backup = places.make("postgres"), places.make("sqlite")
    server = start_server(source.directory)
    run_ok("backup", backup.directory, "--data", source.directory)
    assert not json.loads(copied(backup, target, "--bulk", "--json"))["finished"]
    with Client(server.address, credentials.api_key) as client:
        change_much(client, made)
        change_beside(source, made)
        process = start_copy(source, target, "--json")
        assert process.stderr.readline().startswith(f"ready to catch up: stop the server on {source.directory} now (process ")
        client.create({"external_id": "last", "name": "Last"})
    server.stop()
    output, said = process.communicate(timeout=seconds(60))
    assert process.returncode == 0, said
    bring_secrets(source, target)
    assert_caught_up(json.loads(output), source, target)


def test_an_interrupted_catching_up_leaves_all_as_it_was(places):
    """Ended by its limit amid its transaction, in which it waits for a lock that the test has."""
    source, _, _, _ = places.source("sqlite")
    target, backup = places.make("postgres"), places.make("sqlite")
    run_ok("backup", backup.directory, "--data", source.directory)
    copied(backup, target, "--bulk")
    run_ok("environment", "create", "another", "--data", source.directory)
    with Session(target.cluster, target.name) as session:
        session.sql("BEGIN; LOCK TABLE audit_log IN SHARE MODE")
        process = start_copy(source, target, "--pause-max", "1")
        _, said = process.communicate(timeout=seconds(60))
        assert process.returncode == 1 and "as long as --pause-max lets it" in said, said
        session.sql("ROLLBACK")
    assert target.rows("SELECT count(*) FROM environments") == [(1,)]
    bring_secrets(source, target)
    assert_caught_up(json.loads(copied(source, target, "--json")), source, target)


def test_another_source_has_nothing_to_catch_up_with(places):
    target, other = places.make("postgres"), places.make("sqlite")
    copied(places.source("postgres")[0], target, "--bulk")
    init_of(other)
    done = copy(other, target)
    assert done.returncode == 1 and "was begun from another source" in done.stderr, done.stderr


# ---- what is refused ----


def test_what_holds_something_is_no_target(places):
    source = places.source("sqlite")[0]
    for target in (places.make("sqlite"), places.make("postgres")):
        init_of(target)
        before = target.rows("SELECT id FROM tenants")
        for arguments in ((), ("--dry-run",)):
            done = copy(source, target, *arguments)
            assert done.returncode == 1 and "holds a database already; name an empty target" in done.stderr, done.stderr
            assert len(done.stderr.splitlines()) == 1
        assert target.rows("SELECT id FROM tenants") == before
    stuff = places.make("sqlite")
    stuff.directory.mkdir()
    (stuff.directory / "letter").write_text("Dear")
    assert "is no data directory and is not empty" in copy(source, stuff).stderr


def test_sources_that_cannot_be_copied(places, start_server):
    source, target = places.source("sqlite")[0], places.make("sqlite")
    assert "are the same directory" in copy(source, source).stderr
    assert "holds no database" in copy(target, source).stderr
    far = places.make("postgres")
    assert "holds nothing of Farthing's to be copied" in copy(far, target).stderr
    init_of(far)
    assert "name that by its URL" in run("copy", "--from", far.directory, "--to", target.end).stderr
    server = start_server(source.directory)
    refused = copy(source, target)
    assert refused.returncode == 1 and "is in use by process" in refused.stderr
    server.stop()
    source.change("PRAGMA user_version = 3")
    older = copy(source, target)
    assert older.returncode == 1 and "has schema version 3, and this program copies version" in older.stderr
    assert not target.directory.exists() or not (target.directory / "farthing.db").exists()


def test_other_secrets_are_not_overwritten(places):
    source, target = places.source("sqlite")[0], places.make("sqlite")
    target.directory.mkdir()
    (target.directory / "secrets").write_text("other")
    done = copy(source, target)
    assert done.returncode == 1 and "holds other secrets than those of" in done.stderr
    assert (target.directory / "secrets").read_text() == "other"


def test_servers_on_a_postgres_source_read_on_and_wait_with_writes(places, start_server):
    """While the copy is held up, in its target, by a lock that the test has."""
    source, credentials, *_ = places.source("postgres")
    target = places.make("postgres")
    server = start_server(source.directory, **source.variables)
    target.change("CREATE FUNCTION wait_for_test() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
                  "PERFORM pg_advisory_xact_lock(77); END $$; "
                  "CREATE EVENT TRIGGER wait_for_test ON ddl_command_start WHEN TAG IN ('CREATE TABLE') "
                  "EXECUTE FUNCTION wait_for_test()")
    with Session(target.cluster, target.name) as session, Client(server.address, credentials.api_key) as client:
        session.sql("BEGIN; SELECT pg_advisory_xact_lock(77)")
        process = start_copy(source, target)
        wait_until(lambda: target.cluster.backends(target.name, "wait_event_type = 'Lock'"), 30, "the copy to wait")
        assert client.get("/v1/customers?limit=1").status == 200
        refused = client.post("/v1/customers", {"external_id": "late", "name": "L"})
        assert refused.status == 503 and refused.json()["details"]["reason"] == "busy", refused
        session.sql("ROLLBACK")
        output, said = process.communicate(timeout=seconds(60))
        assert process.returncode == 0, said
        assert client.create({"external_id": "late", "name": "L"})["id"]
    server.stop()


def test_the_password_of_a_url_is_never_shown(places):
    """`run` looks for it in all that is printed."""
    source, target = places.source("sqlite")[0], places.make("postgres")
    output = copied(source, target)
    assert f"are in 127.0.0.1:{target.cluster.port}/{target.name}, and the same on both sides" in output
    target.end = target.end.replace(target.name, "absent")
    assert copy(source, target).returncode == 1


def test_flags():
    assert run("copy", "--from", "a").returncode == 2
    assert run("copy", "--from", "a", "--to", "b", "--dry-run", "--verify").returncode == 2
    assert run("copy", "--from", "a", "--to", "b", "--bulk", "--verify").returncode == 2
