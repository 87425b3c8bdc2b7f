"""Databases of every earlier schema version, the snapshot before a migration, `farthing migrate`, and the way back."""

import json
import os
import re
import shutil
import socket
import sqlite3
import stat
import subprocess

import pytest

import engine
import farthing_server
from farthing_server import BINARY, init, run, run_ok, seconds
from http_client import Client
from kept_databases import CURRENT, VERSIONS, archive_of, schema, schema_version, unpack

LONG = os.environ.get("FARTHING_TEST_LONG") == "1"
# Of the calls at which a process is killed; all of them with --long.
KILLS_SAMPLE = 8


def migrate(directory, *arguments):
    return run("migrate", "--data", directory, *arguments)


def content(directory):
    """The bytes of what makes a data directory, without what a process leaves in passing."""
    return {path.name: path.read_bytes() for path in directory.iterdir()
            if path.is_file() and path.name != "lock" and not path.name.startswith("farthing.db-")}


def snapshots(directory):
    return sorted(directory.glob("before-schema-*"))


def tail(text):
    return text.splitlines()[-1]


# ---- every version ----


def test_every_version_is_kept():
    """A new migration needs a database of the version that it leaves: tests/kept/README.md says how one is made."""
    missing = [archive_of(version).name for version in VERSIONS if not archive_of(version).exists()]
    assert not missing


@pytest.fixture(scope="module")
def fresh_schema(tmp_path_factory):
    directory = tmp_path_factory.mktemp("fresh") / "data"
    init(directory)
    return schema(directory)


def assert_is_there(client, made):
    for customer in made["customers"]:
        got = client.get(f"/v1/customers/{customer['id']}").json()
        assert {name: got[name] for name in customer if name != "integrations"} == {
            name: value for name, value in customer.items() if name != "integrations"}
        assert client.get(f"/v1/customers/external/{customer['external_id']}").json()["id"] == customer["id"]
    listed = client.get("/v1/customers?limit=1000").json()
    assert {customer["id"] for customer in made["customers"]} <= {item["id"] for item in listed["items"]}
    if made.get("former_external_id"):
        assert client.get(f"/v1/customers/external/{made['former_external_id']}").status == 404
    if made.get("archived"):
        assert client.get(f"/v1/customers/{made['archived']}").json()["status"] == "archived"
    if made.get("erased"):
        assert client.get(f"/v1/customers/{made['erased']}").json()["name"] == "(erased)"
    if made.get("connection"):
        got = client.get(f"/v1/connections/{made['connection']['id']}").json()
        assert got["name"] == made["connection"]["name"]
    if made.get("login"):
        assert client.post("/v1/auth/login", made["login"], key=None).status == 200
    assert client.get("/v1/customers", key=made["revoked_key"]).status == 401


def write(client, made):
    first, second = made["customers"][:2]
    client.create({"external_id": "new", "name": "New"})
    assert client.request("PUT", f"/v1/customers/{first['id']}", body={"name": "Changed"}).json()["name"] == "Changed"
    assert client.request("DELETE", f"/v1/customers/{second['id']}").status == 204


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_every_version_is_opened(version, directory, start_server, fresh_schema):
    made = unpack(version, directory)
    assert schema_version(directory) == made["schema"] == version
    server = start_server(directory)
    with Client(server.address, made["api_key"]) as client:
        assert_is_there(client, made)
        write(client, made)
    server.stop()
    assert schema_version(directory) == CURRENT
    assert schema(directory) == fresh_schema, "a migration was changed after databases were made with it"
    assert "the trail is whole\n" in run_ok("audit", "verify", "--data", directory)
    if not engine.ON_POSTGRES:
        assert tail(run_ok("check", "--data", directory)).endswith(": all is well")
        assert len(snapshots(directory)) == (version < CURRENT)


# ---- the command ----


def test_what_is_pending_is_shown_rehearsed_and_done(directory):
    made = unpack(1, directory)
    before = content(directory)
    rehearsed = migrate(directory, "--dry-run")
    assert rehearsed.returncode == 0, rehearsed.stderr
    first, *lines, last = rehearsed.stdout.splitlines()
    assert first == f"schema 1, this program's is {CURRENT}: {CURRENT - 1} migrations to run"
    assert re.match(r"  0002_auths +How people prove who they are\.$", lines[0])
    assert re.match(r"  0003_audit_chain +The audit trail proves that it is whole: .*\.$", lines[1])
    assert re.fullmatch(r"rehearsed in [\d.]+ s and rolled back: nothing has changed", last)
    assert schema_version(directory) == 1
    if not engine.ON_POSTGRES:
        assert re.fullmatch(r"the snapshot takes [\d.]+ MB, [\d.]+ MB are free", lines[-1])
        assert content(directory) == before and not snapshots(directory)
    done = migrate(directory)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"schema {CURRENT} in [\d.]+ s", tail(done.stdout))
    assert schema_version(directory) == CURRENT
    assert migrate(directory).stdout == migrate(directory, "--dry-run").stdout == f"schema {CURRENT}: there is nothing to do\n"
    assert made["tenant_id"] in run_ok("tenant", "list", "--data", directory)


def test_a_migration_that_fails_changes_nothing(directory):
    """All that is pending is one transaction: also what could be done before it."""
    unpack(1, directory)
    engine.change(directory, "CREATE TABLE customer_keys (mine INTEGER)")
    if engine.ON_POSTGRES:
        engine.change(directory, "ALTER TABLE customer_keys OWNER TO farthing")
    before, tables = content(directory), schema(directory)
    for arguments in (["--dry-run"], [], []):
        failed = migrate(directory, *arguments)
        assert failed.returncode == 1
        assert re.search(r"^farthing: migration 0008_customer_keys failed and was rolled back: ", failed.stderr, re.M)
        assert content(directory) == before and schema(directory) == tables and schema_version(directory) == 1
    assert len(snapshots(directory)) == (not engine.ON_POSTGRES), "each attempt has made one"


@pytest.mark.parametrize("arguments", [["--lose-writes"], ["--rollback", "--dry-run"], ["--rollback", "--without-snapshot"]])
def test_flags_that_do_not_go_together(initialised, arguments):
    refused = migrate(initialised[0], *arguments)
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1


def test_where_there_is_nothing(directory):
    refused = migrate(directory)
    assert refused.returncode == 1 and "`farthing init`" in refused.stderr
    assert not directory.exists()


@pytest.mark.shared("there is a snapshot of the embedded database")
def test_the_way_back_on_postgresql_is_told(initialised):
    refused = migrate(initialised[0], "--rollback")
    assert refused.returncode == 2 and "put back the dump" in refused.stderr


# ---- the snapshot ----

on_files = pytest.mark.embedded("a snapshot of PostgreSQL is the operator's")


@on_files
@pytest.mark.parametrize("opening", [["key", "list"], ["migrate"], ["tenant", "list"]], ids=" ".join)
def test_a_snapshot_is_a_backup(directory, tmp_path, opening):
    made = unpack(CURRENT - 1, directory)
    before = content(directory)
    run_ok(*opening, "--data", directory)
    run_ok(*opening, "--data", directory)
    (snapshot,) = snapshots(directory)
    assert re.fullmatch(rf"before-schema-{CURRENT}-\d{{8}}T\d{{6}}Z", snapshot.name)
    assert {path.name for path in snapshot.iterdir()} == {"backup.json", "farthing.db", "secrets"}
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in snapshot.iterdir()} == {0o600}
    assert (snapshot / "farthing.db").read_bytes() == before["farthing.db"]
    assert json.loads((snapshot / "backup.json").read_text())["schema_version"] == CURRENT - 1
    checked = run_ok("check", snapshot)
    assert "ok    pages and indexes\n" in checked and "ok    its SHA-256\n" in checked
    run_ok("restore", snapshot, "--data", tmp_path / "restored")
    assert tail(run_ok("check", "--data", tmp_path / "restored")).endswith(": all is well")
    assert made["tenant_id"] in run_ok("tenant", "list", "--data", tmp_path / "restored")
    doctor = run("doctor", "--data", directory).stdout
    assert "snapshots: 1 from before the schema changed" in doctor and str(snapshot) in doctor


@on_files
def test_what_stands_in_the_log_is_in_the_snapshot(directory):
    """A server that was killed leaves its last writes there."""
    unpack(CURRENT - 1, directory)
    writer = sqlite3.connect(directory / "farthing.db", isolation_level=None)
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    writer.execute("UPDATE tenants SET name = 'from the log'")
    for name in ("farthing.db", "farthing.db-wal"):
        shutil.copy(directory / name, directory.parent / name)
    writer.close()
    for path in directory.glob("farthing.db*"):
        path.unlink()
    for name in ("farthing.db", "farthing.db-wal"):
        shutil.copy(directory.parent / name, directory / name)
    assert b"from the log" not in (directory / "farthing.db").read_bytes()
    assert migrate(directory).returncode == 0
    (snapshot,) = snapshots(directory)
    assert b"from the log" in (snapshot / "farthing.db").read_bytes()


@on_files
def test_the_last_two_are_kept(directory):
    unpack(CURRENT - 1, directory)
    for number in range(1, 4):
        older = directory / f"before-schema-2-2020010{number}T000000Z"
        older.mkdir()
        (older / "farthing.db").write_bytes(b"older")
        manifest = {"format": 1, "version": "0", "schema_version": 1, "finished_at_us": number, "bytes": 5, "sha256": "", "has_secrets": False}
        (older / "backup.json").write_text(json.dumps(manifest))
    unfinished = directory / "before-schema-2-20200104T000000Z"
    unfinished.mkdir()
    (unfinished / "farthing.db").write_bytes(b"half of it")
    mine = directory / "before-schema-changes.txt"
    mine.write_text("notes")
    assert migrate(directory).returncode == 0
    names = [path.name for path in snapshots(directory) if path.is_dir()]
    assert len(names) == 2 and names[0] == "before-schema-2-20200103T000000Z" and names[1].startswith(f"before-schema-{CURRENT}-")
    assert mine.read_text() == "notes"


@on_files
def test_a_database_of_an_earlier_schema_is_not_called_broken(directory):
    """bug: `farthing check` missed tables that a later schema has, and asked to have it reported."""
    unpack(VERSIONS[0], directory)
    before = content(directory)
    checked = run("check", "--data", directory)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr
    assert "ok    pages and indexes\n" in checked.stdout and "FAIL" not in checked.stdout
    assert tail(checked.stdout).startswith(f"schema {VERSIONS[0]}, before this program's {CURRENT}: ") and "farthing migrate" in checked.stdout
    assert content(directory) == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 17 MB, of which a snapshot must leave 16."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=17m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


@on_files
@pytest.mark.needs("mount")
def test_a_disk_without_room_for_it(small_disk):
    directory = small_disk / "data"
    unpack(CURRENT - 1, directory)
    (small_disk / "ballast").write_bytes(bytes(800 * 1024))
    before = content(directory)
    for command in (["migrate"], ["key", "list"], ["serve", "--listen", "127.0.0.1:0"]):
        refused = run(*command, "--data", directory)
        assert refused.returncode == 1
        assert "there is no room for the snapshot" in refused.stderr and "--without-snapshot" in refused.stderr
        assert len([line for line in refused.stderr.splitlines() if line.startswith("farthing: ")]) == 1
        assert content(directory) == before and not snapshots(directory)
    assert migrate(directory, "--without-snapshot").returncode == 0
    assert schema_version(directory) == CURRENT and not snapshots(directory)


@on_files
def test_a_service_manager_is_asked_for_patience(directory, start_server, tmp_path):
    """To end a migration that takes long, and to begin it again, would go on for ever."""
    unpack(CURRENT - 1, directory)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        for expected in ([b"EXTEND_TIMEOUT_USEC=3600000000", b"READY=1", b"STOPPING=1"], [b"READY=1", b"STOPPING=1"]):
            start_server(directory, NOTIFY_SOCKET=str(tmp_path / "notify")).stop()
            assert [listener.recv(4096) for _ in expected] == expected


@on_files
def test_a_database_that_is_replaced_has_one_too(directory, tmp_path):
    """`restore --replace` opens it, to ask what only it knows."""
    unpack(CURRENT - 1, directory)
    init(tmp_path / "other")
    run_ok("backup", tmp_path / "backup", "--data", tmp_path / "other")
    run_ok("restore", tmp_path / "backup", "--replace", "--data", directory)
    assert len(snapshots(directory)) == 1


# ---- the way back ----


@pytest.fixture
def migrated(directory):
    """(directory, what was noted of its database, that database)."""
    made = unpack(CURRENT - 1, directory)
    database = (directory / "farthing.db").read_bytes()
    run_ok("migrate", "--data", directory)
    return directory, made, database


def replaced(directory):
    (aside,) = directory.glob("replaced-*")
    assert [path.name for path in aside.iterdir()] == ["farthing.db"]
    return aside / "farthing.db"


def version_in(database):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return connection.execute("PRAGMA user_version").fetchone()[0]


@on_files
def test_back_and_forth(migrated, start_server):
    """Serving alone writes nothing that anybody would miss."""
    directory, made, database = migrated
    start_server(directory).stop()
    back = migrate(directory, "--rollback")
    assert back.returncode == 0, back.stderr
    assert f"with schema {CURRENT - 1}" in back.stdout and "install the Farthing of before" in back.stdout
    assert (directory / "farthing.db").read_bytes() == database
    assert version_in(replaced(directory)) == CURRENT
    assert not snapshots(directory)
    again = migrate(directory, "--rollback")
    assert again.returncode == 1 and "no snapshot" in again.stderr
    server = start_server(directory)
    with Client(server.address, made["api_key"]) as client:
        assert_is_there(client, made)
    server.stop()
    assert len(snapshots(directory)) == 1


@on_files
def test_newer_writes_are_not_lost_by_mistake(migrated, start_server):
    directory, made, database = migrated
    server = start_server(directory)
    with Client(server.address, made["api_key"]) as client:
        late = [client.create({"external_id": f"late-{number}", "name": "Late"}) for number in range(3)]
    run_ok("user", "create", "--tenant", made["tenant_id"], "--email", "late@kept.example", "--data", directory)
    refused = migrate(directory, "--rollback")
    assert refused.returncode == 1 and "in use by" in refused.stderr
    server.stop()
    refused = migrate(directory, "--rollback")
    assert refused.returncode == 1
    assert "4 changes were acknowledged since the snapshot" in refused.stderr
    assert "3 customer created, 1 user created" in refused.stderr and "--lose-writes" in refused.stderr
    assert late[0]["created_at"][:16] in refused.stderr
    assert schema_version(directory) == CURRENT and len(snapshots(directory)) == 1
    back = migrate(directory, "--rollback", "--lose-writes")
    assert back.returncode == 0 and "4 changes since" in back.stdout
    assert (directory / "farthing.db").read_bytes() == database
    with sqlite3.connect(replaced(directory)) as connection:
        assert connection.execute("SELECT count(*) FROM customers WHERE name = 'Late'").fetchone() == (3,)


@on_files
def test_writes_of_a_trail_that_has_begun_anew_count(migrated, start_server):
    """Rows that were kept long enough are gone, and their numbers are given again."""
    directory, made, _ = migrated
    with sqlite3.connect(directory / "farthing.db") as connection:
        for trigger in ("audit_log_is_kept", "audit_log_is_never_changed"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DELETE FROM audit_log")
    server = start_server(directory)
    with Client(server.address, made["api_key"]) as client:
        client.create({"external_id": "late", "name": "Late"})
    server.stop()
    refused = migrate(directory, "--rollback")
    assert refused.returncode == 1 and "1 changes were acknowledged" in refused.stderr


@on_files
def test_the_older_program_goes_back_too(migrated):
    """It was installed first, and refuses the schema; so does this one the schema of a later one."""
    directory, _, database = migrated
    with sqlite3.connect(directory / "farthing.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    assert "run a newer Farthing" in run("key", "list", "--data", directory).stderr
    assert "run a newer Farthing" in migrate(directory).stderr
    assert migrate(directory, "--rollback").returncode == 0
    assert (directory / "farthing.db").read_bytes() == database


@on_files
@pytest.mark.parametrize("damage", ["the snapshot", "the database"])
def test_what_is_damaged_is_not_trusted(migrated, damage):
    directory, _, database = migrated
    (snapshot,) = snapshots(directory)
    path = (snapshot if damage == "the snapshot" else directory) / "farthing.db"
    if damage == "the snapshot":
        changed = bytearray(path.read_bytes())
        changed[len(changed) // 2] ^= 1
        path.write_bytes(changed)
    else:
        path.write_bytes(b"no database at all" * 1000)
    before = content(directory)
    refused = migrate(directory, "--rollback")
    assert refused.returncode == 1 and ("SHA-256" if damage == "the snapshot" else "--lose-writes") in refused.stderr
    assert content(directory) == before
    forced = migrate(directory, "--rollback", "--lose-writes")
    assert forced.returncode == (1 if damage == "the snapshot" else 0)
    assert content(directory)["farthing.db"] == (before["farthing.db"] if damage == "the snapshot" else database)


# ---- kill -9 ----

WATCHED = "write,pwrite64,fsync,fdatasync,rename,renameat2,mkdir,unlink,ftruncate,utimensat"


# What changes names are few calls, and each matters.
NAMES = {"rename", "renameat2", "mkdir", "unlink"}


def traced(command, inject=(), trace="/dev/null"):
    """A command's first thread under strace, which can end it with SIGKILL amid a call."""
    return subprocess.run(
        ["strace", "-qq", "-o", trace, "-e", f"trace={WATCHED}", *inject, BINARY, *command],
        capture_output=True, text=True, check=False, timeout=seconds(60),
        env=farthing_server.environment("migrate", ASAN_OPTIONS="detect_leaks=0"),
    )


def kill_points(command, folder):
    """Each (call, which of them) that a command makes, of those that change something; without --long a sample."""
    done = traced(command, trace=folder / "trace")
    assert done.returncode == 0, done.stderr
    counts, points = {}, []
    for line in (folder / "trace").read_text().splitlines():
        call = line.split("(")[0]
        if call not in WATCHED.split(","):
            continue
        counts[call] = counts.get(call, 0) + 1
        points.append((call, counts[call]))
    stride = 1 if LONG else max(1, len(points) // KILLS_SAMPLE)
    return [point for number, point in enumerate(points) if number % stride == 0 or point[0] in NAMES]


def kill_at(point, command):
    call, number = point
    ended = traced(command, inject=["-e", f"inject={call}:signal=SIGKILL:when={number}"])
    assert ended.returncode != 0, f"it was not killed at {point}"


def copied(directory, name):
    other = directory.parent / name
    shutil.copytree(directory, other, copy_function=shutil.copy2)
    return other


@on_files
def test_a_migration_that_is_killed_is_done_again(directory):
    made = unpack(1, directory)
    points = kill_points(["migrate", "--data", copied(directory, "reference")], directory.parent)
    assert len(points) >= 10
    for point in points:
        victim = copied(directory, "victim")
        kill_at(point, ["migrate", "--data", victim])
        with engine.at_rest(victim) as look:
            version = look("PRAGMA user_version")[0][0]
        finished = [path for path in snapshots(victim) if (path / "backup.json").exists()]
        assert version == 1 or (version == CURRENT and len(finished) == 1), point
        assert migrate(victim).returncode == 0, point
        (snapshot,) = snapshots(victim)
        assert (snapshot / "farthing.db").read_bytes() == (directory / "farthing.db").read_bytes(), point
        assert "ok    its SHA-256\n" in run_ok("check", snapshot)
        assert tail(run_ok("check", "--data", victim)).endswith(": all is well"), point
        assert len(engine.rows(victim, "SELECT id FROM customers")) >= len(made["customers"])
        shutil.rmtree(victim)


@on_files
def test_a_way_back_that_is_killed_is_gone_again(migrated):
    directory, _, database = migrated
    points = kill_points(["migrate", "--rollback", "--data", copied(directory, "reference")], directory.parent)
    assert {"rename", "renameat2"} <= {call for call, _ in points}
    for point in points:
        victim = copied(directory, "victim")
        kill_at(point, ["migrate", "--rollback", "--data", victim])
        assert (victim / "farthing.db").exists(), point
        again = migrate(victim, "--rollback")
        assert again.returncode == 0 or "no snapshot" in again.stderr, (point, again.stderr)
        assert (victim / "farthing.db").read_bytes() == database, point
        (aside,) = victim.glob("replaced-*/farthing.db")
        assert version_in(aside) == CURRENT, point
        shutil.rmtree(victim)


@on_files
def test_a_restoration_that_is_killed_loses_neither_database(directory, tmp_path):
    made = unpack(CURRENT, directory)
    run_ok("backup", tmp_path / "backup", "--data", directory)
    run_ok("user", "create", "--tenant", made["tenant_id"], "--email", "late@kept.example", "--data", directory)
    command = ["restore", tmp_path / "backup", "--replace", "--data"]
    points = kill_points([*command, copied(directory, "reference")], tmp_path)
    assert {"mkdir", "rename", "renameat2"} <= {call for call, _ in points}
    for point in points if LONG else [point for point in points if point[0].startswith("rename")]:
        victim = copied(directory, "victim")
        kill_at(point, [*command, victim])
        assert (victim / "farthing.db").exists(), point
        assert run(*command, victim).returncode == 0, point
        assert "late@kept.example" not in run_ok("user", "list", "--data", victim), point
        assert any(b"late@kept.example" in path.read_bytes() for path in victim.glob("replaced-*/farthing.db")), point
        shutil.rmtree(victim)
