"""`farthing backup` and `farthing restore`."""

import json
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

import engine
from farthing_server import BINARY, create_key, init, run, run_ok, wait_until
from http_client import Client

pytestmark = pytest.mark.embedded("PostgreSQL has its own tools for copies")


class Place:
    def __init__(self, directory, start_server):
        self.directory, self.start_server = directory, start_server
        self.backups = directory.parent
        self.credentials = init(directory)

    def start(self, directory=None, *arguments):
        self.server = self.start_server(directory or self.directory, *arguments)
        self.client = Client(self.server.address, self.credentials.api_key)
        return self.client

    def stop(self):
        self.client.close()
        self.server.stop()

    def back_up(self, name, *arguments):
        run_ok("backup", self.backups / name, "--data", self.directory, *arguments)
        return self.backups / name

    def restore(self, backup, *arguments, directory=None):
        return run("restore", backup, "--data", directory or self.directory, *arguments)


@pytest.fixture
def place(directory, start_server):
    return Place(directory, start_server)


def look(path, query):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def names_in(path):
    return sorted(entry.name for entry in path.iterdir())


# ---- backups ----


@pytest.mark.parametrize("is_served", [True, False], ids=["served", "at rest"])
def test_a_backup_is_a_whole_copy(place, is_served):
    client = place.start()
    made = [client.create({"external_id": f"c{number}", "name": "C"})["id"] for number in range(20)]
    if not is_served:
        place.stop()
    backup = place.back_up("backup")
    assert names_in(backup) == ["backup.json", "farthing.db", "secrets"]
    assert stat.S_IMODE(os.stat(backup).st_mode) == 0o700
    assert {stat.S_IMODE(os.stat(backup / name).st_mode) for name in names_in(backup)} == {0o600}
    assert look(backup / "farthing.db", "PRAGMA integrity_check") == [("ok",)]
    assert [id for (id,) in look(backup / "farthing.db", "SELECT id FROM customers ORDER BY id")] == made
    assert (backup / "secrets").read_bytes() == (place.directory / "secrets").read_bytes()
    manifest = json.loads((backup / "backup.json").read_text())
    assert manifest["bytes"] == (backup / "farthing.db").stat().st_size
    assert manifest["sha256"] == subprocess.run(
        ["sha256sum", backup / "farthing.db"], capture_output=True, text=True, check=True).stdout.split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", manifest["finished_at"])
    assert run_ok("audit", "verify", "--data", place.directory).endswith("the trail is whole\n")


def test_what_is_written_meanwhile_is_there_whole_or_not_at_all(place):
    """Rows and their trail are of one moment, and what was acknowledged before the end is in the copy."""
    client = place.start()
    for number in range(50):
        client.create({"external_id": f"before{number}", "name": "C" * 250})
    acknowledged, going_on = [], threading.Event()

    def write():
        with Client(place.server.address, place.credentials.api_key) as other:
            while not going_on.is_set():
                acknowledged.append(other.create({"external_id": f"during{len(acknowledged)}", "name": "C"})["id"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(acknowledged) < 5:
            time.sleep(0.001)
        before = list(acknowledged)
        backup = place.back_up("backup", "--rate", "1")
    finally:
        going_on.set()
        writer.join()
    database = backup / "farthing.db"
    assert look(database, "PRAGMA integrity_check") == [("ok",)]
    there = {id for (id,) in look(database, "SELECT id FROM customers")}
    assert set(before) <= there and there <= set(acknowledged) | {id for (id,) in look(database, "SELECT id FROM customers WHERE external_id LIKE 'before%'")}
    assert len(there) > len(before) + 50, "nothing was written while the copy was made"
    for table in ("SELECT id FROM customer_keys", "SELECT entity_id FROM system_events", "SELECT entity_id FROM audit_log WHERE entity_type = 'customer'"):
        assert {id for (id,) in look(database, table)} == there
    place.stop()
    restored = place.backups / "restored"
    assert place.restore(backup, directory=restored).returncode == 0
    assert run_ok("audit", "verify", "--data", restored).endswith("the trail is whole\n")


def test_a_slow_backup_keeps_to_its_rate(place):
    client = place.start()
    for number in range(300):
        client.create({"external_id": f"c{number}", "name": "C" * 250, "metadata": {"m": "x" * 8000}})
    size = os.stat(place.directory / "farthing.db").st_size
    started = time.monotonic()
    place.back_up("backup", "--rate", "1")
    assert time.monotonic() - started > 0.7 * size / 1e6
    assert client.get("/health").status == 200


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["{directory}"], "is there already"),
        (["{directory}/inside"], "does not belong into the data directory"),
        (["/nowhere/at/all"], "cannot make /nowhere/at/all"),
        (["{backups}/x", "--rate", "0"], "--rate"),
        (["{backups}/x", "--rate", "fast"], "--rate"),
    ],
)
def test_backups_that_are_refused_leave_nothing(place, arguments, complaint):
    place.start()
    before = names_in(place.backups)
    filled = [argument.format(directory=place.directory, backups=place.backups) for argument in arguments]
    done = run("backup", *filled, "--data", place.directory)
    assert done.returncode != 0 and complaint in done.stderr
    assert names_in(place.backups) == before


def test_a_server_that_ends_leaves_no_half_backup(place):
    client = place.start()
    for number in range(200):
        client.create({"external_id": f"c{number}", "name": "C" * 250, "metadata": {"m": "x" * 8000}})
    backup = subprocess.Popen(
        [str(BINARY), "backup", place.backups / "backup", "--data", place.directory, "--rate", "1"],
        stderr=subprocess.PIPE, text=True)
    while not (place.backups / "backup").exists():
        time.sleep(0.01)
    place.stop()
    _, complaint = backup.communicate()
    assert backup.returncode == 1 and complaint
    assert not (place.backups / "backup").exists()


def test_one_backup_at_a_time(place):
    client = place.start()
    for number in range(200):
        client.create({"external_id": f"c{number}", "name": "C" * 250, "metadata": {"m": "x" * 8000}})
    first = subprocess.Popen([str(BINARY), "backup", place.backups / "first", "--data", place.directory, "--rate", "1"])
    while not (place.backups / "first" / "farthing.db.partial").exists():
        time.sleep(0.01)
    second = run("backup", place.backups / "second", "--data", place.directory)
    assert second.returncode == 1 and "another backup is under way" in second.stderr
    assert first.wait() == 0
    place.back_up("second")


def test_a_backup_under_the_name_of_the_one_before(place):
    """The end of the one before once removed the file of the one under way."""
    client = place.start()
    for number in range(100):
        client.create({"external_id": f"c{number}", "name": "C" * 250, "metadata": {"m": "x" * 8000}})
    for _ in range(3):
        shutil.rmtree(place.back_up("backup", "--rate", "2"))


def wait_until_copying(place, backup):
    wait_until(lambda: (backup / "farthing.db.partial").exists(), 10, "the copy to begin")


def start_backup(place, name, *arguments):
    process = subprocess.Popen([BINARY, "backup", place.backups / name, "--data", place.directory, *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until_copying(place, place.backups / name)
    return process


def fill(client, count=300):
    for number in range(count):
        client.create({"external_id": f"filler{number}", "name": "C" * 250, "metadata": {"m": "x" * 8000}})


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backup_leaves_nothing_and_is_made_again(place, signal_number):
    """bug: the server copied on to the end, refused others meanwhile, and the directory stayed."""
    fill(place.start())
    process = start_backup(place, "backup", "--rate", "1")
    process.send_signal(signal_number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1 and "interrupted" in errors
    assert not (place.backups / "backup").exists()
    place.back_up("backup")


def test_a_backup_whose_command_was_killed_is_given_up(place):
    """Nobody asks any more how far it is: within a quarter of a minute another one can be made."""
    fill(place.start(), 3000)  # half a minute at this rate
    process = start_backup(place, "killed", "--rate", "1")
    process.kill()
    process.communicate(timeout=60)
    assert "another backup is under way" in run("backup", place.backups / "next", "--data", place.directory).stderr
    wait_until(lambda: not (place.backups / "killed" / "farthing.db.partial").exists(), 25, "the copy to be given up")
    assert names_in(place.backups / "killed") == []
    # The server is free for another one only when what the copy held on the disk is given back.
    wait_until(lambda: run("backup", place.backups / "next", "--data", place.directory).returncode == 0, 10, "the next")


def test_a_finished_backup_is_not_held_open(place):
    """bug: what was removed kept its room on the disk until the next backup began, which the writer then waited for."""
    fill(place.start(), 20)
    backup = place.back_up("backup")
    shutil.rmtree(backup)
    held = [os.readlink(entry) for entry in Path(f"/proc/{place.server.process.pid}/fd").iterdir() if entry.is_symlink()]
    assert not [path for path in held if str(backup) in path]


def test_a_backup_ends_while_the_database_grows_faster(place):
    """bug: the copy followed the end of the file, which moved on as fast as the rate allowed."""
    client = place.start()
    fill(client, 100)
    process = start_backup(place, "backup", "--rate", "1")
    number = 0
    while process.poll() is None:
        number += 1
        assert number < 20_000
        client.create({"external_id": f"during{number}", "name": "C", "metadata": {"m": "x" * 8000}})
    assert process.returncode == 0, process.stderr.read()
    assert look(place.backups / "backup" / "farthing.db", "PRAGMA integrity_check") == [("ok",)]


def test_a_backup_to_s3_says_what_to_use_instead(place):
    done = run("backup", "s3://bucket/farthing", "--data", place.directory)
    assert done.returncode == 2 and "--backup-to" in done.stderr


# ---- restoring ----


def test_a_new_data_directory_out_of_a_backup(place):
    client = place.start()
    customer = client.create({"external_id": "a", "name": "A"})
    backup = place.back_up("backup")
    place.stop()
    other = place.backups / "other"
    done = place.restore(backup, directory=other)
    assert done.returncode == 0 and "restored" in done.stdout
    assert (other / "secrets").read_bytes() == (place.directory / "secrets").read_bytes()
    client = place.start(other)
    assert client.get(f"/v1/customers/{customer['id']}").json()["name"] == "A"
    place.stop()


def test_a_database_is_only_replaced_when_that_is_said(place):
    place.start().create({"external_id": "a", "name": "A"})
    backup = place.back_up("backup")
    refused = place.restore(backup, "--replace")
    assert refused.returncode == 1 and "in use" in refused.stderr.lower()
    place.stop()
    refused = place.restore(backup)
    assert refused.returncode == 1 and "--replace" in refused.stderr
    assert place.restore(backup, "--replace").returncode == 0


def test_what_only_the_replaced_database_knows_is_carried_over(place):
    client = place.start()
    kept = client.create({"external_id": "kept", "name": "Kept"})
    person = client.create({"external_id": "person", "name": "Wilhelmine"})
    key, key_id = create_key(place.directory)
    backup = place.back_up("backup")
    late = client.create({"external_id": "late", "name": "Late"})
    run_ok("key", "revoke", key_id, "--data", place.directory)
    run_ok("customer", "erase", person["id"], "--yes", "--data", place.directory)
    place.stop()
    engine.change(place.directory, f"UPDATE system_events SET published_at = 1, webhook_message_id = 'm' WHERE entity_id = '{kept['id']}'")
    done = place.restore(backup, "--replace")
    assert done.returncode == 0
    assert "carried over: 1 revoked keys, 1 erased customers, 1 deliveries\n" in done.stdout
    client = place.start()
    assert client.get("/v1/customers/external/kept").status == 200
    assert client.get(f"/v1/customers/{late['id']}").status == 404
    assert client.get(f"/v1/customers/{person['id']}").json()["name"] == "(erased)"
    with Client(place.server.address, key) as revoked:
        assert revoked.get("/v1/customers/external/kept").status == 401
    place.stop()
    waiting = [id for (id,) in look(place.directory / "farthing.db", "SELECT entity_id FROM system_events WHERE published_at IS NULL ORDER BY sequence")]
    assert kept["id"] not in waiting and person["id"] in waiting
    assert b"Wilhelmine" not in (place.directory / "farthing.db").read_bytes()
    assert run_ok("audit", "verify", "--data", place.directory).endswith("the trail is whole\n")
    (aside,) = place.directory.glob("replaced-*")
    assert look(aside / "farthing.db", f"SELECT id FROM customers WHERE id = '{late['id']}'") == [(late["id"],)]


@pytest.mark.parametrize("damage", ["altered", "cut off", "unfinished", "no backup", "later format", "no database"])
def test_a_backup_that_is_none_is_refused_and_changes_nothing(place, damage):
    place.start().create({"external_id": "a", "name": "A"})
    backup = place.back_up("backup")
    place.stop()
    database, manifest = backup / "farthing.db", backup / "backup.json"
    if damage == "altered":
        content = bytearray(database.read_bytes())
        content[len(content) // 2] ^= 1
        database.write_bytes(content)
    elif damage == "cut off":
        os.truncate(database, database.stat().st_size // 2)
    elif damage == "unfinished":
        manifest.unlink()
    elif damage == "later format":
        manifest.write_text(manifest.read_text().replace('"format":1', '"format":2'))
    elif damage == "no database":
        database.unlink()
    else:
        manifest.write_text("[]")
    before = {path.name: path.read_bytes() for path in place.directory.iterdir() if path.is_file() and path.name != "lock"}
    done = place.restore(backup, "--replace")
    assert done.returncode == 1 and str(backup) in done.stderr
    assert {path.name: path.read_bytes() for path in place.directory.iterdir() if path.is_file() and path.name != "lock"} == before


def test_a_damaged_database_is_put_aside_only_when_that_is_said(place):
    customer = place.start().create({"external_id": "a", "name": "A"})
    backup = place.back_up("backup")
    place.stop()
    (place.directory / "farthing.db").write_bytes(b"no database at all" * 1000)
    refused = place.restore(backup, "--replace")
    assert refused.returncode == 1 and "--forget" in refused.stderr
    assert place.restore(backup, "--replace", "--forget").returncode == 0
    assert place.start().get(f"/v1/customers/{customer['id']}").status == 200
    place.stop()


def test_a_restoration_that_was_cut_short_is_done_again(place):
    place.start().create({"external_id": "a", "name": "A"})
    backup = place.back_up("backup")
    place.stop()
    other = place.backups / "other"
    other.mkdir(mode=0o700)
    (other / "farthing.db.restoring").write_bytes(b"a half")
    assert place.restore(backup, directory=other).returncode == 0
    assert names_in(other) == ["farthing.db", "lock", "secrets"]


def test_a_directory_of_something_else_is_not_touched(place):
    place.start()
    backup = place.back_up("backup")
    other = place.backups / "other"
    other.mkdir(mode=0o700)
    (other / "letters.txt").write_text("dear")
    done = place.restore(backup, directory=other)
    assert done.returncode == 1
    assert "letters.txt" in names_in(other) and "farthing.db" not in names_in(other)


def test_check_finds_what_restore_would_refuse(place):
    """bug: a backup of another content, or without its secrets, was called sound."""
    place.start()
    place.client.create({"external_id": "one", "name": "A name that is long enough to be found"})
    backup = place.back_up("backup")
    place.stop()
    assert run("check", backup).returncode == 0
    database = (backup / "farthing.db").read_bytes()
    (backup / "farthing.db").write_bytes(database.replace(b"A name that is long", b"A name that is lost"))
    damaged = run("check", backup)
    assert damaged.returncode == 1 and "SHA-256" in damaged.stderr
    (backup / "farthing.db").write_bytes(database)
    (backup / "secrets").rename(backup / "elsewhere")
    target = place.backups / "restored"
    for checked in (run("check", backup), place.restore(backup, directory=target)):
        assert checked.returncode == 1 and f"{backup}/secrets is missing" in checked.stderr
    assert not (target / "farthing.db").exists()
    (backup / "elsewhere").rename(backup / "secrets")
    assert place.restore(backup, directory=target).returncode == 0


@pytest.mark.parametrize("damage", ["altered", "cut off", "empty", "something else"])
def test_secrets_that_are_damaged_are_told_of(place, damage):
    """bug: such a backup was called sound, and restored into a directory that no server starts on."""
    backup = place.back_up("backup")
    secrets = backup / "secrets"
    content = secrets.read_text()
    digit = "1" if content.rstrip().endswith("0") else "0"
    damaged = {"altered": content.rstrip()[:-1] + digit + "\n", "cut off": content[: len(content) - 30], "empty": "", "something else": "garbage\n"}
    secrets.write_text(damaged[damage])
    target = place.backups / "restored"
    for refused in (run("check", backup), place.restore(backup, directory=target)):
        assert refused.returncode == 1 and str(secrets) in refused.stderr and "put it back from a copy" in refused.stderr
    assert not (target / "farthing.db").exists()
    # Where there are secrets already, those of the backup are not used.
    target.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(place.directory / "secrets", target)
    assert place.restore(backup, directory=target).returncode == 0


def test_a_backup_is_not_served(place):
    """bug: it was, and was none any more afterwards."""
    backup = place.back_up("backup")
    for arguments in (("serve", "--data", backup, "--listen", "127.0.0.1:0"), ("key", "list", "--data", backup)):
        refused = run(*arguments)
        assert refused.returncode == 1 and f"{backup} is a backup; `farthing restore" in refused.stderr
    assert run("check", backup).returncode == 0


def test_a_backup_is_not_made_another_by_a_restoration_or_a_migration(place):
    """bug: it was restored into and migrated, and was neither a backup nor a data directory any more."""
    backup, other = place.back_up("backup"), place.back_up("other")
    before = {path.name: path.read_bytes() for path in backup.iterdir()}
    for arguments in (("restore", other, "--replace"), ("restore", backup, "--replace"), ("migrate",), ("migrate", "--rollback")):
        refused = run(*arguments, "--data", backup)
        assert refused.returncode == 1 and f"{backup} is a backup; `farthing restore" in refused.stderr
        assert {path.name: path.read_bytes() for path in backup.iterdir()} == before
