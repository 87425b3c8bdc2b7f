"""The data directory: who may open it, what it holds, what it never holds."""

import fcntl
import hashlib
import json
import os
import random
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

import engine
import farthing_server
import sealed
from engine import rows
from expectations import assert_error
from farthing_server import create_key, init, run, run_ok, wait_until
from http_client import Client


LONG = os.environ.get("FARTHING_TEST_LONG") == "1"
KILLS = 60 if LONG else 12
FIRST_START_SECONDS = 0.4 if engine.ON_POSTGRES else 0.04


def one_line_refusal(process, code=1):
    assert process.returncode == code, process
    assert process.stdout == ""
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr
    return process.stderr


def serve(directory, listen="127.0.0.1:0"):
    """A serve that is expected to end by itself."""
    return run("serve", "--data", directory, "--listen", listen)


# --- refusals --------------------------------------------------------------------------------------------------


def test_a_second_server_is_refused(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    for _ in range(3):
        assert str(directory) in one_line_refusal(serve(directory))
    with Client(server.address, credentials.api_key) as client:
        client.create({"external_id": "acme", "name": "Acme"})
    server.stop()
    start_server(directory)


def test_the_lock_is_on_the_directory_and_not_on_its_name(initialised, start_server, tmp_path):
    directory, _ = initialised
    start_server(directory)
    other_name = tmp_path / "other-name"
    other_name.symlink_to(directory)
    one_line_refusal(serve(other_name))


def test_a_directory_with_a_path_longer_than_a_sockets_may_be(tmp_path, start_server):
    """A Unix socket's address has room for 107 bytes; the paths of ours are as long as the directory's."""
    directory = tmp_path / ("x" * 100) / ("y" * 100) / "data"
    directory.parent.mkdir(parents=True)
    init(directory)
    key, _ = create_key(directory, name="without a server")
    server = start_server(directory)
    with Client(server.address, key) as client:
        assert client.get("/v1/customers/x").status == 404
        beside, _ = create_key(directory, name="beside a server")
        assert client.get("/v1/customers/x", key=beside).status == 404
    assert "ok" in run("doctor", "--data", directory).stdout
    assert "beside a server" in run_ok("key", "list", "--data", directory)
    assert (directory / "admin.sock").is_socket()
    server.kill()
    server = start_server(directory)  # what the killed one left is replaced
    server.stop()
    assert not (directory / "admin.sock").exists()


@pytest.mark.shared("the embedded database needs no directory for what is passing")
def test_a_folder_for_what_is_passing_with_a_path_longer_than_a_sockets_may_be(initialised, tmp_path):
    directory, _ = initialised
    folder = tmp_path / ("z" * 150)
    folder.mkdir()
    said = run_ok("tenant", "list", "--data", tmp_path / "none", TMPDIR=str(folder), **engine.variables(directory))
    assert "tenant_" in said
    assert list(folder.iterdir()) == []


def test_a_killed_server_leaves_no_lock(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    server.kill()
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/v1/customers/x").status == 404


def test_the_admin_socket_of_a_killed_server_is_in_nobodys_way(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    server.kill()
    assert (directory / "admin.sock").exists()
    key, _ = create_key(directory)
    server = start_server(directory)
    running_key, _ = create_key(directory)
    with Client(server.address) as client:
        assert [client.get("/v1/customers/x", key=key).status for key in (key, running_key)] == [404, 404]


@pytest.mark.embedded("the version is in the file's header")
@pytest.mark.parametrize("version", [9999, 2147483647])
def test_a_newer_schema_is_refused_and_left_alone(initialised, version):
    directory, _ = initialised
    engine.change(directory, f"PRAGMA user_version = {version}")
    before = (directory / "farthing.db").read_bytes()
    for process in (
        serve(directory),
        run("init", "--data", directory),
        run("key", "create", "--data", directory, "--name", "x"),
    ):
        one_line_refusal(process)
    assert (directory / "farthing.db").read_bytes() == before


def foreign_text(directory):
    (directory / "farthing.db").write_text("This is a text, not a database.\n" * 1000)


def foreign_short(directory):
    (directory / "farthing.db").write_bytes(b"SQLite format 3\0")


def foreign_database(directory):
    engine.change(directory, "CREATE TABLE recipes (id INTEGER PRIMARY KEY, dish TEXT)")


def foreign_application(directory):
    engine.change(directory, "PRAGMA application_id = 12345")
    engine.change(directory, "CREATE TABLE customers (id TEXT)")


def foreign_folder(directory):
    (directory / "farthing.db").mkdir()


@pytest.mark.embedded("the database is a file")
@pytest.mark.parametrize("make", [foreign_text, foreign_short, foreign_database, foreign_application, foreign_folder])
def test_a_foreign_database_is_refused_and_left_alone(directory, make):
    directory.mkdir()
    make(directory)
    database = directory / "farthing.db"
    before = database.read_bytes() if database.is_file() else None
    for process in (serve(directory), run("init", "--data", directory), run("key", "list", "--data", directory)):
        one_line_refusal(process)
    assert before is None or database.read_bytes() == before


def test_a_directory_of_something_else_is_refused_and_left_alone(directory):
    directory.mkdir()
    (directory / "thesis.tex").write_text("chapter one")
    for process in (serve(directory), run("init", "--data", directory)):
        one_line_refusal(process)
    assert os.listdir(directory) == ["thesis.tex"]


@pytest.mark.embedded("a backup of PostgreSQL is restored with its own tools")
def test_a_directory_whose_restoration_was_cut_short_is_told_as_such(initialised, tmp_path):
    """bug: it was called no data directory of Farthing."""
    directory, _ = initialised
    backup, other = tmp_path / "backup", tmp_path / "other"
    run_ok("backup", backup, "--data", directory)
    other.mkdir(mode=0o700)
    for name in ("farthing.db.restoring", "farthing.db.restoring-wal", "fetched.restoring"):
        (other / name).write_text("a half")
    for command in ("serve", "init"):
        said = one_line_refusal(run(command, "--data", other))
        assert f"a restoration into {other} was interrupted; `farthing restore` once more completes it" in said
    assert "was interrupted; `farthing restore`" in run("doctor", "--data", other).stdout
    lock = os.open(other, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    assert f"{other} is being restored by" in one_line_refusal(serve(other))
    os.close(lock)
    run_ok("restore", backup, "--data", other)
    run_ok("key", "list", "--data", other)


def test_a_file_is_no_directory(directory):
    directory.write_text("a file")
    for process in (serve(directory), run("init", "--data", directory), run("key", "list", "--data", directory)):
        one_line_refusal(process)
    assert directory.read_text() == "a file"


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("a file")
    one_line_refusal(serve(tmp_path / "file" / "data"))
    one_line_refusal(run("init", "--data", tmp_path / "file" / "data"))


@pytest.mark.embedded("the database is a file")
def test_a_damaged_database_is_refused(initialised):
    directory, _ = initialised
    database = directory / "farthing.db"
    content = bytearray(database.read_bytes())
    content[100:2000] = b"\xa5" * 1900
    database.write_bytes(content)
    one_line_refusal(serve(directory))


def test_a_port_in_use(initialised, start_server, tmp_path):
    directory, _ = initialised
    server = start_server(directory)
    other = tmp_path / "other"
    farthing_server.init(other)
    refusal = one_line_refusal(serve(other, listen=f"127.0.0.1:{server.address[1]}"))
    assert str(server.address[1]) in refusal
    start_server(other)


# --- files that are closed, or gone ----------------------------------------------------------------------------


@pytest.fixture
def as_owner(tmp_path):
    """Runs commands as a user that is not root, who may be refused: (run, a data directory of that user)."""
    if os.geteuid() != 0:
        yield lambda *arguments: run(*arguments), tmp_path / "owned"
        return
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    binary = shutil.copy(farthing_server.BINARY, folder / "farthing")
    os.chown(folder, 65534, 65534)

    def run_as_nobody(*arguments):
        return subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", binary, *map(str, arguments)],
                              capture_output=True, text=True, timeout=60, cwd="/",
                              env=farthing_server.environment(*arguments))

    yield run_as_nobody, folder / "owned"
    shutil.rmtree(folder)


@pytest.mark.embedded("the database is a file")
def test_a_closed_database_leaves_no_closed_log(as_owner):
    """What SQLite makes beside a database has its mode, and would stay when the database is opened again."""
    run_as_owner, directory = as_owner
    assert run_as_owner("init", "--data", directory).returncode == 0
    (directory / "farthing.db").chmod(0o400)
    for command in (["key", "list"], ["serve", "--listen", "127.0.0.1:0"]):
        refusal = one_line_refusal(run_as_owner(*command, "--data", directory))
        assert f"{directory}/farthing.db cannot be read and written" in refusal
        assert "mode 0400" in refusal
    assert run_as_owner("doctor", "--data", directory).returncode == 1
    assert not list(directory.glob("farthing.db-*"))
    (directory / "farthing.db").chmod(0o600)
    assert run_as_owner("key", "list", "--data", directory).returncode == 0


@pytest.mark.embedded("a log is beside the file")
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_closed_file_beside_the_database_is_named(as_owner, suffix):
    run_as_owner, directory = as_owner
    assert run_as_owner("init", "--data", directory).returncode == 0
    (directory / f"farthing.db{suffix}").touch(0o400)
    os.chown(directory / f"farthing.db{suffix}", directory.stat().st_uid, directory.stat().st_gid)
    refusal = one_line_refusal(run_as_owner("key", "list", "--data", directory))
    assert f"{directory}/farthing.db{suffix} cannot be read and written: Permission denied" in refusal
    report = run_as_owner("doctor", "--data", directory)
    assert report.returncode == 1
    assert f"`chmod 600 {directory}/farthing.db{suffix}`" in report.stdout


def test_doctor_of_a_directory_that_cannot_be_written(as_owner):
    run_as_owner, directory = as_owner
    assert run_as_owner("init", "--data", directory).returncode == 0
    directory.chmod(0o500)
    report = run_as_owner("doctor", "--data", directory)
    directory.chmod(0o700)
    assert report.returncode == 1
    assert f"`chmod 700 {directory}`" in report.stdout
    assert ("database: it was not looked at" in report.stdout) != engine.ON_POSTGRES, "it would be in there"
    assert "keep a copy" not in report.stdout


@pytest.mark.embedded("the file goes with the directory")
def test_a_directory_deleted_under_a_running_server(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        customer = client.create({"external_id": "before", "name": "Acme"})
        shutil.rmtree(directory)
        # Another one in its place, which the server must leave alone.
        other = farthing_server.init(directory)
        wait_until(lambda: client.get("/ready").status == 503, 10, "the server to notice")
        assert client.get("/ready").json()["checks"]["database"] == "database_removed"
        error = assert_error(client.post("/v1/customers", {"external_id": "after", "name": "Acme"}), 503)
        assert "database_removed" in json.dumps(error)
        assert client.get(f"/v1/customers/{customer['id']}").status == 200
    assert server.log.count("was removed, moved or replaced") == 1
    server.stop()
    assert rows(directory, "SELECT id FROM customers") == []
    assert rows(directory, "SELECT id FROM tenants") == [{"id": other.tenant_id}]


# --- modes and secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("listen, code", [("18080", 2), ("127.0.0.1:99999", 2), ("taken", 1)])
def test_a_first_start_that_cannot_listen_makes_nothing(directory, listen, code):
    """The first key is shown once: an address that will not do must be found out before it is made."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        if listen == "taken":
            listen = "127.0.0.1:%d" % taken.getsockname()[1]
        one_line_refusal(serve(directory, listen), code)
    assert not directory.exists()


def only_key(directory):
    """That of an init which has shown it; there is no other one, nor another tenant."""
    credentials = init(directory)
    (key,) = json.loads(run_ok("key", "list", "--data", directory, "--json"))["items"]
    (tenant,) = json.loads(run_ok("tenant", "list", "--data", directory, "--json"))["items"]
    assert tenant["id"] == credentials.tenant_id
    assert credentials.api_key
    return key


COMMANDS_THAT_FOUND_NOTHING = [
    ("key", "list"),
    ("key", "create", "--name", "x"),
    ("tenant", "create", "x"),
    ("audit", "verify"),
    ("outbox", "list"),
    ("secret", "rotate", "signing"),
    ("secret", "accept"),
]


@pytest.mark.embedded("the file is a database")
@pytest.mark.parametrize("command", COMMANDS_THAT_FOUND_NOTHING, ids=" ".join)
def test_a_listing_made_an_installation_of_an_empty_file(directory, command):
    directory.mkdir(mode=0o700)
    (directory / "farthing.db").touch()
    said = one_line_refusal(run(*command, "--data", directory))
    assert said == f"farthing: {directory} holds no installation; `farthing init` makes one\n"
    assert sorted(path.name for path in directory.iterdir()) == ["farthing.db", "lock"]
    assert (directory / "farthing.db").stat().st_size == 0
    only_key(directory)


def test_an_init_that_could_not_write_the_secrets_left_a_key_that_nobody_has_seen(directory):
    directory.mkdir(mode=0o700)
    (directory / "secrets.new").mkdir()
    process = run("init", "--data", directory)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.splitlines()[-1] == f"farthing: cannot write {directory}/secrets: Is a directory"
    (directory / "secrets.new").rmdir()
    for command in COMMANDS_THAT_FOUND_NOTHING:
        assert "holds no installation; `farthing init` makes one" in one_line_refusal(run(*command, "--data", directory))
    only_key(directory)


@pytest.mark.needs("mount")
@pytest.mark.embedded("the disk is that of the data directory")
def test_an_init_on_a_full_disk_makes_all_or_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    made = []
    for kilobytes in range(300, 460, 8):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", disk], check=True)
        try:
            process = run("init", "--data", disk / "data")
            made.append(process.returncode == 0)
            assert made[-1] == ("FARTHING_API_KEY=sk_" in process.stdout), process
            subprocess.run(["mount", "-o", "remount,size=8m", disk], check=True)
            if not made[-1]:
                assert (process.returncode, process.stdout) == (1, "")
                only_key(disk / "data")
        finally:
            subprocess.run(["umount", disk], check=True)
    assert True in made and False in made, made


@pytest.mark.embedded("the database is in the directory")
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_lost_database_was_replaced_by_an_empty_one(initialised, start_server, how):
    directory, credentials = initialised
    secrets = (directory / "secrets").read_bytes()
    for path in directory.glob("farthing.db*"):
        path.unlink()
    if how == "empty":
        (directory / "farthing.db").touch()
    commands = [["serve", "--listen", "127.0.0.1:0"], ["key", "list"], ["secret", "accept"]]
    for command in commands:
        assert one_line_refusal(run(*command, "--data", directory)) == (
            f"farthing: {directory} holds secrets, but the database {directory}/farthing.db that they are of is {how}: "
            "put it back (`farthing restore BACKUP`), or begin anew with these secrets (`farthing init`)\n"
        )
    assert [path.name for path in directory.glob("farthing.db*") if path.stat().st_size] == []
    process = run("doctor", "--data", directory)
    assert process.returncode == 1 and f"is {how}: put it back" in process.stdout
    assert init(directory).tenant_id != credentials.tenant_id
    assert (directory / "secrets").read_bytes() == secrets
    start_server(directory)


@pytest.mark.embedded("the database is in the directory")
def test_a_lost_database_is_put_back_beside_its_secrets(initialised, start_server, tmp_path):
    directory, credentials = initialised
    run_ok("backup", tmp_path / "backup", "--data", directory)
    for path in directory.glob("farthing.db*"):
        path.unlink()
    run_ok("restore", tmp_path / "backup", "--data", directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/v1/environments").status == 200


@pytest.mark.parametrize("command", ["init", "serve"])
def test_kills_of_a_first_start_leave_what_the_next_one_goes_on_with(tmp_path, start_server, command):
    """Whatever there is by then: a directory, tables, secrets, a tenant."""
    random.seed(command)
    ended = 0
    for number in range(KILLS):
        directory = tmp_path / f"data{number}"
        process = subprocess.Popen(
            [farthing_server.BINARY, "init", "--data", directory],
            env=farthing_server.environment("init", "--data", directory),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            process.communicate(timeout=random.uniform(0, FIRST_START_SECONDS))
            ended += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if command == "serve":
            start_server(directory).stop()
        else:
            again = run("init", "--data", directory)
            assert again.returncode == 0 or "is initialised already" in again.stderr, again
        (tenant,) = json.loads(run_ok("tenant", "list", "--data", directory, "--json"))["items"]
        assert len(json.loads(run_ok("key", "list", "--data", directory, "--json"))["items"]) <= 1
    assert ended < KILLS


def test_a_directory_of_another_user_is_called_what_it_is(initialised):
    """Not "no database" and not "something else": the one thing that helps is to know that it is a permission."""
    directory, _ = initialised
    binary, somebody_else = farthing_server.BINARY, []
    if os.geteuid() == 0:  # root may look everywhere
        binary = shutil.copy(binary, "/tmp/farthing-of-nobody-%d" % os.getpid())
        somebody_else = ["setpriv", "--reuid=65534", "--clear-groups"]
    directory.chmod(0o700 if somebody_else else 0)
    try:
        for command in (["serve", "--listen", "127.0.0.1:0"], ["init"], ["key", "list"]):
            process = subprocess.run([*somebody_else, binary, *command, "--data", directory],
                                     capture_output=True, text=True, timeout=60,
                                     env=farthing_server.environment("--data", directory))
            assert process.returncode == 1
            assert "Permission denied" in process.stderr
    finally:
        directory.chmod(0o700)
        if somebody_else:
            os.unlink(binary)


def mode_of(path):
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_look_in(directory, start_server, umask):
    before = os.umask(umask)
    try:
        farthing_server.init(directory)
        start_server(directory)
    finally:
        os.umask(before)
    assert mode_of(directory) == 0o700
    assert stat.S_ISSOCK((directory / "admin.sock").lstat().st_mode)
    assert mode_of(directory / "admin.sock") == 0o600
    for path in directory.iterdir():
        assert mode_of(path) & 0o077 == 0, path


def test_a_key_is_stored_only_as_its_hash(initialised, start_server):
    """No key that was ever printed can be found in any file of the directory, nor in the log."""
    directory, credentials = initialised
    keys = [credentials.api_key, create_key(directory)[0]]
    server = start_server(directory)
    keys += [create_key(directory)[0], create_key(directory, "--type", "publishable_key")[0]]
    with Client(server.address) as client:
        for key in keys:
            client.post("/v1/customers", {"external_id": f"by {keys.index(key)}", "name": "Acme"}, key=key)
            client.post("/v1/customers", b"{", key=key)
    secrets = [key.encode() for key in keys] + [key[3:].encode() for key in keys]
    for _ in range(2):
        for path in directory.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not any(secret in content for secret in secrets), path
        if server.process.poll() is None:
            server.stop()
    assert not any(secret.decode() in server.log for secret in secrets)
    stored = {row["value"] for row in rows(directory, "SELECT value FROM secrets")}
    assert hashlib.sha256(keys[0].encode()).hexdigest() in stored
    displays = {row["display_id"] for row in rows(directory, "SELECT display_id FROM secrets")}
    assert displays == {key[:5] + "***" + key[-2:] for key in keys}


# --- what a write leaves ---------------------------------------------------------------------------------------


@pytest.fixture
def written(initialised, start_server):
    """A directory in which one create was accepted and others were refused: (directory, credentials, customer)."""
    directory, credentials = initialised
    reader, _ = create_key(directory, "--role", "all_reader")
    server = start_server(directory)
    body = {
        "external_id": "acme",
        "name": "Acme GmbH",
        "email": "ap@acme.example",
        "contact": "+49 30 1234",
        "address_city": "Berlin",
        "metadata": {"tier": "gold"},
    }
    with Client(server.address, credentials.api_key) as client:
        reply = client.post("/v1/customers", body, headers={"X-Request-ID": "request-1"})
        assert reply.status == 201
        assert_error(client.post("/v1/customers", body), 409)
        assert_error(client.post("/v1/customers", {**body, "external_id": ""}), 400)
        assert_error(client.post("/v1/customers", {**body, "external_id": "other"}, key=reader), 403)
        assert_error(client.post("/v1/customers", {**body, "external_id": "other"}, key="sk_bad"), 401)
        assert client.get("/v1/customers/external/acme").status == 200
    server.stop()
    return directory, credentials, reply.json()


def test_a_create_leaves_one_audit_row(written):
    directory, _, customer = written
    (row,) = rows(directory, "SELECT * FROM audit_log WHERE entity_type = 'customer'")
    assert row["entity_id"] == customer["id"]
    assert row["action"] == "created"
    assert row["actor_id"] == customer["created_by"]
    assert row["request_id"] == "request-1"
    (stored,) = rows(directory, "SELECT * FROM customers")
    assert row["scope"] == stored["scope"]
    assert row["occurred_at"] == stored["created_at"]
    assert "Acme GmbH" not in row["changes"]
    ((_, changes),) = sealed.changes_of(directory, "entity_type = 'customer'")
    assert changes["after"]["name"] == "Acme GmbH"


def test_a_create_leaves_one_outbox_row(written):
    directory, _, customer = written
    (row,) = rows(directory, "SELECT * FROM system_events")
    assert row["event_name"] == "customer.created"
    assert row["entity_type"] == "customer"
    assert row["entity_id"] == customer["id"]
    assert row["published_at"] is None
    assert row["created_by"] == customer["created_by"]
    assert row["id"].startswith("sys_event_")
    assert "Acme GmbH" not in row["payload"]
    (payload,) = sealed.payloads_of(directory)
    assert payload == {
        "event_type": "customer.created",
        "customer": {
            key: customer[key]
            for key in (
                "id external_id environment_id name email contact address_city timezone "
                "metadata status updated_at".split()
            )
        },
    }


def test_a_minimal_create_leaves_empty_values_out_of_its_event(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        customer = client.create({"external_id": "acme", "name": "Acme", "metadata": {}})
    server.stop()
    (payload,) = sealed.payloads_of(directory)
    event = payload["customer"]
    assert set(event) == {"id", "external_id", "environment_id", "name", "timezone", "status", "updated_at"}
    assert event["timezone"] == "UTC"
    assert event["updated_at"] == customer["updated_at"]


def test_rows_of_many_creates_match_one_to_one(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        ids = [client.create({"external_id": f"customer {number}", "name": "Acme"})["id"] for number in range(200)]
        for number in range(0, 200, 7):
            assert client.post("/v1/customers", {"external_id": f"customer {number}", "name": "Acme"}).status == 409
    server.stop()
    audited = rows(directory, "SELECT entity_id FROM audit_log WHERE entity_type = 'customer' ORDER BY sequence")
    told = rows(directory, "SELECT entity_id FROM system_events WHERE entity_type = 'customer' ORDER BY sequence")
    assert [row["entity_id"] for row in audited] == ids
    assert [row["entity_id"] for row in told] == ids


def test_nothing_is_lost_by_a_stop_and_a_start(written, start_server):
    directory, credentials, customer = written
    for _ in range(3):
        server = start_server(directory)
        with Client(server.address, credentials.api_key) as client:
            got = client.get(f"/v1/customers/{customer['id']}").json()
            assert got == {**customer, "integrations": []}
        server.stop()


def test_a_copy_of_a_stopped_directory_serves(written, start_server, tmp_path):
    directory, credentials, customer = written
    shutil.copytree(directory, tmp_path / "copy", ignore=shutil.ignore_patterns("admin.sock"))
    engine.share(directory, tmp_path / "copy")
    server = start_server(tmp_path / "copy")
    with Client(server.address, credentials.api_key) as client:
        assert client.get(f"/v1/customers/{customer['id']}").status == 200
