"""`farthing serve --backup-to` and what is restored from it: as it was at any second, whatever happened to the server, its
data directory and the place in between."""

import json
import os
import random
import re
import shutil
import sqlite3
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote

import pytest

import s3_server
from farthing_server import init, run, run_ok, wait_until
from http_client import Client
from s3_server import S3Server

pytestmark = pytest.mark.embedded("PostgreSQL has continuous archiving of its own")

STORED_SECONDS_MAX = 20
# What was acknowledged this long before an instant is in what is restored as of it: an interval, and a round of storing.
INTERVAL_MS = 100
MARGIN_US = 5_000_000


def aged_marker(content):
    """As it was when a server last wrote it ten minutes ago."""
    marker = json.loads(content)
    return json.dumps({**marker, "alive_at_us": marker["alive_at_us"] - 600_000_000}).encode()


class DirectoryPlace:
    """A directory to back up to."""

    settings = []

    def __init__(self, path):
        self.name = str(path)
        self.path = path

    def objects(self):
        return {
            str(path.relative_to(self.path)): path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith(".")
        }

    def break_off(self):
        (self.path / "segment").rename(self.path.with_name("away"))
        (self.path / "segment").write_text("no directory")

    def mend(self):
        (self.path / "segment").unlink()
        self.path.with_name("away").rename(self.path / "segment")

    def damage(self, name):
        content = bytearray(self.objects()[name].read_bytes())
        content[len(content) // 2] ^= 0x40
        self.objects()[name].write_bytes(content)

    def remove(self, name):
        self.objects()[name].unlink()

    def age(self, name):
        self.objects()[name].write_bytes(aged_marker(self.objects()[name].read_bytes()))


class S3Place:
    """A bucket to back up to."""

    def __init__(self, service):
        self.service = service
        self.name = f"s3://{s3_server.BUCKET}/farthing"
        self.settings = [
            "--backup-s3-endpoint", service.endpoint, "--backup-s3-region", s3_server.REGION,
            "--backup-s3-access-key-id", s3_server.ACCESS_KEY_ID,
            "--backup-s3-secret-access-key", s3_server.SECRET_ACCESS_KEY,
        ]
        self.is_broken = False

    def objects(self):
        return {unquote(name).removeprefix("farthing/"): content for name, content in dict(self.service.objects).items()}

    def break_off(self):
        take_fault = self.service.take_fault
        self.service.take_fault = lambda method, target: (
            s3_server.refuse(503, "SlowDown") if method == "PUT" else take_fault(method, target))

    def mend(self):
        del self.service.take_fault

    def damage(self, name):
        content = bytearray(self.service.objects["farthing/" + name])
        content[len(content) // 2] ^= 0x40
        self.service.objects["farthing/" + name] = bytes(content)

    def remove(self, name):
        del self.service.objects["farthing/" + name]

    def age(self, name):
        self.service.objects["farthing/" + name] = aged_marker(self.service.objects["farthing/" + name])


@pytest.fixture(params=["directory", "s3"])
def place(request, tmp_path):
    if request.param == "directory":
        yield DirectoryPlace(tmp_path / "copies")
        return
    service = S3Server()
    yield S3Place(service)
    service.stop()


@pytest.fixture
def directory_place(tmp_path):
    return DirectoryPlace(tmp_path / "copies")


class Installation:
    """A server that is backed up."""

    def __init__(self, directory, place, start_server):
        self.directory, self.place, self.start_server = directory, place, start_server
        self.credentials = init(directory)
        self.restored_count = 0

    def start(self, *arguments):
        self.server = self.start_server(
            self.directory, "--backup-to", self.place.name, "--backup-interval-ms", INTERVAL_MS, *self.place.settings,
            *arguments)
        self.client = Client(self.server.address, self.credentials.api_key)
        return self.client

    def stop(self):
        self.client.close()
        self.server.stop()

    def kill(self):
        self.client.close()
        self.server.kill()

    def create(self, name):
        """When it was begun and when it was acknowledged, in microseconds."""
        begun = time.time_ns() // 1000
        self.client.create({"external_id": name, "name": name})
        return begun, time.time_ns() // 1000

    def wait_until_stored(self, instant_us=None):
        """Until everything acknowledged before the instant, or up to now, is in the place."""
        instant_us = instant_us or time.time_ns() // 1000
        wait_until(lambda: stored_until(self.client) * 1e6 > instant_us, STORED_SECONDS_MAX, "the backup to come so far")

    def wait_for_base(self, count=1):
        wait_until(lambda: len(self.bases()) >= count, STORED_SECONDS_MAX, f"{count} bases")

    def bases(self):
        return sorted(name for name in self.place.objects() if name.startswith("base/") and name.endswith(".json"))

    def segments(self):
        return sorted(name for name in self.place.objects() if name.startswith("segment/"))

    def streams(self):
        return sorted(name for name in self.place.objects() if name.startswith("stream/"))

    def restore(self, at_us=None):
        """Restores into a new directory; what `look` finds there."""
        self.restored_count += 1
        target = self.directory.parent / f"restored-{self.restored_count}"
        at = ["--at", instant(at_us)] if at_us else []
        run_ok("restore", self.place.name, "--data", target, *at, *self.restore_settings())
        assert sorted(entry.name for entry in target.iterdir()) == ["farthing.db", "lock", "secrets"]
        return target

    def restore_settings(self):
        return self.place.settings


def instant(microseconds):
    moment = datetime.fromtimestamp(microseconds // 1_000_000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + f".{microseconds % 1_000_000:06}Z"


def stored_until(client):
    lines = client.get("/metrics", key=None, headers=[("Authorization", "Bearer a-token-for-metrics")])
    found = re.search(rb"^farthing_backup_stored_until_seconds (\S+)$", lines.body, re.M)
    return float(found.group(1))


def look(directory, query="SELECT external_id FROM customers ORDER BY external_id"):
    connection = sqlite3.connect(f"file:{directory}/farthing.db?mode=ro&immutable=1", uri=True)
    try:
        return [row[0] for row in connection.execute(query)]
    finally:
        connection.close()


def is_sound(directory):
    return run("check", "--data", directory).stdout.endswith(": all is well\n")


@pytest.fixture
def installation(directory, place, start_server):
    return Installation(directory, place, start_with_metrics(start_server))


@pytest.fixture
def local_installation(directory, directory_place, start_server):
    return Installation(directory, directory_place, start_with_metrics(start_server))


def start_with_metrics(start_server):
    return lambda directory, *arguments: start_server(directory, "--metrics-token", "a-token-for-metrics", *arguments)


# ---- what comes back ----


def test_what_was_committed_comes_back_without_the_data_directory(installation):
    installation.start()
    for number in range(20):
        installation.create(f"c{number:02}")
    installation.wait_until_stored()
    installation.wait_for_base()
    installation.create("last")
    installation.wait_until_stored()
    installation.kill()
    secrets = (installation.directory / "secrets").read_bytes()
    shutil.rmtree(installation.directory)
    restored = installation.restore()
    assert look(restored) == [f"c{number:02}" for number in range(20)] + ["last"]
    assert (restored / "secrets").read_bytes() == secrets
    assert is_sound(restored)
    with_key = installation.start_server(restored)
    with Client(with_key.address, installation.credentials.api_key) as client:
        assert client.get("/v1/customers/external/last").status == 200


def test_a_place_is_checked_by_restoring_it(installation, tmp_path):
    installation.start()
    installation.create("one")
    installation.wait_for_base()
    installation.create("two")
    installation.stop()
    (tmp_path / "temporary").mkdir()
    checked = run("check", installation.place.name, *installation.restore_settings(), TMPDIR=str(tmp_path / "temporary"))
    assert checked.returncode == 0, checked.stderr
    assert "restored as it was at 20" in checked.stdout and "2 customers" in checked.stdout
    assert checked.stdout.endswith(": all is well\n")
    assert not list((tmp_path / "temporary").iterdir())


def test_any_second_comes_back_as_it_was(local_installation):
    """Through restarts, kills and several bases: what was acknowledged well before an instant is there, and nothing that was
    begun after it."""
    rng = random.Random(7)
    created = {}
    local_installation.start()
    local_installation.wait_for_base()
    first_base_at = time.time_ns() // 1000
    for round_number in range(6):
        for number in range(rng.randrange(3, 12)):
            name = f"{round_number}-{number:02}"
            created[name] = local_installation.create(name)
            time.sleep(rng.random() * 0.05)
        if round_number == 5:
            break
        if rng.random() < 0.5:
            local_installation.kill()
        else:
            local_installation.stop()
        if round_number == 2:  # a base is wanted again
            state = json.loads((local_installation.directory / "backup-state").read_text())
            state["last_base_at_us"] = 0
            (local_installation.directory / "backup-state").write_text(json.dumps(state))
        local_installation.start()
    local_installation.wait_until_stored()
    local_installation.wait_for_base(2)  # more when a kill met a log that had just begun anew
    local_installation.stop()
    last_us = time.time_ns() // 1000
    segments = [int(name.rsplit("-", 1)[1]) for name in local_installation.segments()]
    instants = [rng.choice(segments) + rng.choice((0, 1, -1)) for _ in range(8)]
    instants += [rng.randrange(first_base_at, last_us) for _ in range(4)]
    for at_us in [max(at_us, first_base_at) for at_us in instants] + [last_us]:
        restored = local_installation.restore(at_us)
        there = set(look(restored))
        assert {name for name, (_, done) in created.items() if done < at_us - MARGIN_US} <= there
        assert there <= {name for name, (begun, _) in created.items() if begun <= at_us}
        order = sorted(created, key=lambda name: created[name])
        assert there == set(order[: len(there)]), "what is there is all that was created up to some moment"
        assert look(restored, "PRAGMA integrity_check") == ["ok"]
        shutil.rmtree(restored)
    assert set(look(local_installation.restore(last_us))) == set(created)


def test_a_restored_instant_is_one_of_the_stream(local_installation):
    """Of one transaction, all is there or nothing: customers, keys, trail and events."""
    local_installation.start()
    local_installation.wait_for_base()
    for number in range(30):
        local_installation.create(f"c{number}")
    local_installation.wait_until_stored()
    local_installation.stop()
    base_at = int(re.search(r"(\d{16})", local_installation.bases()[0]).group(1))
    segments = [name for name in local_installation.segments() if int(name.rsplit("-", 1)[1]) >= base_at]
    for name in random.Random(3).sample(segments, min(4, len(segments))):
        restored = local_installation.restore(int(name.rsplit("-", 1)[1]))
        customers = set(look(restored, "SELECT id FROM customers"))
        assert set(look(restored, "SELECT entity_id FROM system_events")) == customers
        assert set(look(restored, "SELECT entity_id FROM audit_log WHERE entity_type = 'customer'")) == customers
        assert is_sound(restored)


def test_writes_under_load_come_back(local_installation):
    """The log begins anew many times meanwhile, and a base is made in the middle."""
    local_installation.start()
    names = [[] for _ in range(4)]

    def write(index):
        with Client(local_installation.server.address, local_installation.credentials.api_key) as client:
            for number in range(120):
                client.create({"external_id": f"{index}-{number:03}", "name": "C", "metadata": {"m": "x" * 4000}})
                names[index].append(f"{index}-{number:03}")

    writers = [threading.Thread(target=write, args=(index,)) for index in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    local_installation.wait_for_base()
    local_installation.wait_until_stored()
    local_installation.kill()
    restored = local_installation.restore()
    assert look(restored) == sorted(sum(names, []))
    assert is_sound(restored)


# ---- going on and beginning anew ----


def test_restarts_go_on_with_the_stream(local_installation):
    for ending in ("stop", "kill", "stop", "stop", "kill", "kill"):
        local_installation.start()
        local_installation.create(f"before-{ending}-{len(local_installation.segments())}")
        local_installation.wait_for_base()
        if ending == "kill":
            local_installation.wait_until_stored()
        getattr(local_installation, ending)()
    assert len(local_installation.streams()) == 1 and len(local_installation.bases()) == 1
    numbers = [int(name.split("/")[3].split("-")[0]) for name in local_installation.segments()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))  # a base makes the first ones needless
    assert len(look(local_installation.restore())) == 6


def test_what_a_stop_leaves_is_stored_before_it_ends(local_installation):
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.create("last")
    local_installation.stop()
    assert look(local_installation.restore()) == ["last"]


def test_changes_that_nobody_followed_begin_a_new_stream(local_installation):
    local_installation.start()
    local_installation.create("followed")
    local_installation.wait_for_base()
    local_installation.stop()
    run_ok("key", "create", "--data", local_installation.directory, "--name", "unfollowed")
    local_installation.start()
    wait_until(lambda: len(local_installation.streams()) == 2, STORED_SECONDS_MAX, "a new stream")
    local_installation.wait_for_base(2)
    local_installation.create("after")
    local_installation.stop()
    restored = local_installation.restore()
    assert look(restored) == ["after", "followed"]
    assert "unfollowed" in look(restored, "SELECT name FROM secrets")
    assert "a new stream of the continuous backup begins" in local_installation.server.log


def test_a_data_directory_that_goes_back_in_time_begins_a_new_stream(local_installation):
    """A snapshot of the machine puts back every file with its times: what the place knows of the time since stays there."""
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.create("before")
    local_installation.stop()
    files = [path for path in local_installation.directory.iterdir() if path.is_file()]
    snapshot = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    local_installation.start()
    for name in ("since-1", "since-2"):
        local_installation.create(name)
        local_installation.wait_until_stored()
    local_installation.stop()
    reverted_at = time.time_ns() // 1000
    for path, (content, modified_ns) in snapshot.items():
        path.write_bytes(content)
        os.utime(path, ns=(modified_ns, modified_ns))
    local_installation.start()
    local_installation.create("after")
    local_installation.wait_for_base(2)
    local_installation.wait_until_stored()
    local_installation.stop()
    assert "the place holds more than the data directory knows of" in local_installation.server.log
    assert look(local_installation.restore(reverted_at)) == ["before", "since-1", "since-2"]
    assert look(local_installation.restore()) == ["after", "before"]


def test_an_older_stream_is_restored_as_well(local_installation):
    local_installation.start()
    local_installation.wait_for_base()
    created = local_installation.create("old")
    local_installation.wait_until_stored()
    local_installation.stop()
    between_us = time.time_ns() // 1000
    run_ok("key", "create", "--data", local_installation.directory, "--name", "unfollowed")
    local_installation.start()
    local_installation.wait_for_base(2)
    local_installation.create("new")
    local_installation.stop()
    assert created[1] < between_us
    assert look(local_installation.restore(between_us)) == ["old"]
    assert look(local_installation.restore()) == ["new", "old"]


# ---- what goes wrong ----


def test_a_place_that_is_away_is_waited_for(installation):
    """Requests go on meanwhile, and nothing is missing afterwards."""
    installation.start()
    installation.wait_for_base()
    installation.create("before")
    installation.wait_until_stored()
    installation.place.break_off()
    for number in range(10):
        installation.create(f"during{number}")
    wait_until(lambda: "the continuous backup stands still" in installation.server.log, STORED_SECONDS_MAX, "a word")
    stood_at = stored_until(installation.client)
    installation.create("during-still")
    assert stored_until(installation.client) <= stood_at + 1
    installation.place.mend()
    wait_until(lambda: "the continuous backup goes on" in installation.server.log, STORED_SECONDS_MAX, "a word")
    installation.create("after")
    installation.wait_until_stored()
    installation.kill()
    assert len(installation.streams()) == 1
    names = look(installation.restore())
    assert names == sorted(["before", "after", "during-still", *(f"during{number}" for number in range(10))])


def test_more_than_can_be_kept_begins_a_new_stream(directory, start_server):
    place = DirectoryPlace(directory.parent / "copies")
    installation = Installation(directory, place, start_with_metrics(start_server))
    client = installation.start("--backup-kept-bytes", "1MiB")
    installation.wait_for_base()
    installation.create("before")
    installation.wait_until_stored()
    place.break_off()
    for number in range(60):
        client.create({"external_id": f"large{number}", "name": "C", "metadata": {"m": "x" * 16000}})
    place.mend()
    wait_until(lambda: len(installation.streams()) == 2, STORED_SECONDS_MAX, "a new stream")
    installation.wait_for_base(2)
    installation.create("after")
    installation.wait_until_stored()
    installation.stop()
    assert "more was committed than is kept" in installation.server.log
    assert len(look(installation.restore())) == 62


def test_a_server_stops_although_the_place_is_away(local_installation):
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.create("stored")
    local_installation.wait_until_stored()
    local_installation.place.break_off()
    local_installation.create("unstored")
    local_installation.stop()
    local_installation.place.mend()
    local_installation.start()
    wait_until(lambda: len(local_installation.streams()) == 2, STORED_SECONDS_MAX, "a new stream")
    local_installation.wait_for_base(2)
    local_installation.stop()
    assert look(local_installation.restore()) == ["stored", "unstored"]


def test_damage_is_found(local_installation):
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.create("one")
    local_installation.wait_until_stored()
    local_installation.create("two")
    local_installation.stop()
    target = local_installation.directory.parent / "target"
    for name in (local_installation.segments()[-1], local_installation.bases()[0].replace(".json", ".zst")):
        local_installation.place.damage(name)
        refused = run("restore", local_installation.place.name, "--data", target)
        assert refused.returncode == 1 and name in refused.stderr and "the data directory is as it was" in refused.stderr
        assert not (target / "farthing.db").exists() and not list(target.glob("*.restoring"))
        local_installation.place.damage(name)
    run_ok("restore", local_installation.place.name, "--data", target)


def test_secrets_that_are_damaged_are_told_of(local_installation, tmp_path):
    """bug: they were restored, into a directory that no server starts on, and `check` called all well."""
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.stop()
    place = local_installation.place.name
    (stored,) = (path for path in Path(place, "secrets").iterdir())
    stored.write_text(stored.read_text()[:-30])
    target = tmp_path / "target"
    for refused in (run("restore", place, "--data", target), run("check", place)):
        assert refused.returncode == 1 and "secrets" in refused.stderr and "put it back from a copy" in refused.stderr
    assert not (target / "farthing.db").exists() and not list(target.glob("*.restoring"))
    shutil.copy(local_installation.directory / "secrets", target)
    run_ok("restore", place, "--data", target)


def test_a_missing_segment_is_told(local_installation):
    """Never a state that there was not, and nothing that is missing without a word."""
    local_installation.start()
    local_installation.wait_for_base()
    for name in ("one", "two", "three"):
        local_installation.create(name)
        local_installation.wait_until_stored()
    local_installation.stop()
    missing = local_installation.segments()[-2]
    local_installation.place.remove(missing)
    target = local_installation.directory.parent / "target"
    refused = run("restore", local_installation.place.name, "--data", target)
    number = int(missing.split("/")[3].split("-")[0])
    assert refused.returncode == 1 and f"segment {number} of the stream" in refused.stderr
    assert run("check", local_installation.place.name).returncode == 1
    before = re.search(r"--at (\S+) restores", refused.stderr).group(1)
    run_ok("restore", local_installation.place.name, "--at", before, "--data", target)
    assert look(target) in (["one"], ["one", "two"], [])
    assert is_sound(target)


def test_a_copy_does_not_write_where_its_original_does(local_installation):
    """bug: a copy that was restored for a trial, with the same settings, took over the backup of its original."""
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.create("before")
    local_installation.wait_until_stored()
    copied = local_installation.restore()
    copy = Installation.__new__(Installation)
    copy.__dict__.update(local_installation.__dict__, directory=copied)
    copy.start()
    wait_until(lambda: "another server of this installation" in copy.server.log, STORED_SECONDS_MAX, "a refusal")
    copy.create("in the copy alone")
    local_installation.create("after")
    local_installation.wait_until_stored()
    copy.stop()
    assert look(local_installation.restore()) == ["after", "before"]
    assert len(local_installation.streams()) == 1
    # When the original has stopped, the place is free at once.
    local_installation.stop()
    copy.start()
    wait_until(lambda: len(copy.bases()) == 2, STORED_SECONDS_MAX, "a base of the copy's stream")
    copy.stop()
    assert look(local_installation.restore()) == ["before", "in the copy alone"]


def test_a_place_that_was_made_anew_is_written_again(local_installation):
    """bug: a server went on with the directory that was removed."""
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.create("before")
    local_installation.wait_until_stored()
    shutil.rmtree(local_installation.place.path)
    local_installation.place.path.mkdir()
    local_installation.create("during")
    wait_until(lambda: "the continuous backup goes on" in local_installation.server.log, STORED_SECONDS_MAX, "a word")
    assert local_installation.segments()
    local_installation.stop()


def test_another_installation_is_refused(directory, start_server, directory_place, tmp_path):
    first = Installation(directory, directory_place, start_with_metrics(start_server))
    first.start()
    first.wait_for_base()
    first.stop()
    second = Installation(tmp_path / "second", directory_place, start_with_metrics(start_server))
    second.start()
    wait_until(lambda: "another installation" in second.server.log, STORED_SECONDS_MAX, "a refusal")
    second.stop()
    assert len(first.streams()) == 1


def test_the_doctor_looks_at_the_place(installation):
    def line():
        process = run("doctor", "--data", installation.directory, "--backup-to", installation.place.name,
                      *installation.place.settings)
        return re.search(r"^(\S+) +continuous backup: (.*)$", process.stdout, re.M).groups()

    assert line()[0] == "fail" or "holds no copy" in line()[1]
    installation.start()
    installation.wait_for_base()
    verdict, words = line()
    assert verdict == "ok" and "the last copy of the whole database from 20" in words
    marker = installation.streams()[0]
    installation.place.age(marker)
    verdict, words = line()
    assert verdict == "fail" and "nothing was written" in words
    installation.stop()
    assert line()[0] == "ok"


# ---- what is removed ----


def aged(name, days):
    """The name of an object as it would be had it been stored so many days before."""
    before, instant_us = re.fullmatch(r"(.*-)(\d{16})((?:\.\w+)?)", name).group(1, 2)
    suffix = name[len(before) + 16:]
    return f"{before}{int(instant_us) - days * 86_400_000_000:016}{suffix}"


def test_what_is_older_than_the_retention_is_removed(local_installation):
    """The newest base that is old enough stays, and what leads on from it; what was cut short goes as well."""
    place = local_installation.place
    for count in (1, 2, 3):
        local_installation.start("--backup-retention-days", "3")
        local_installation.create(f"c{count}")
        local_installation.wait_for_base(count)
        local_installation.create(f"d{count}")
        local_installation.stop()
        state = json.loads((local_installation.directory / "backup-state").read_text())
        state["last_base_at_us"] = 0
        (local_installation.directory / "backup-state").write_text(json.dumps(state))
    bases = local_installation.bases()
    for base, days in zip(bases, (9, 5, 1)):
        for name in (base, base.replace(".json", ".zst")):
            place.objects()[name].rename(place.path / aged(name, days))
    leftover = place.path / aged(bases[0].replace(".json", ".zst"), 12)  # of a base that never had its .json
    leftover.write_text("some of it")
    local_installation.start("--backup-retention-days", "3")
    wait_until(lambda: aged(bases[0], 9) not in local_installation.bases(), STORED_SECONDS_MAX, "the oldest to go")
    local_installation.wait_for_base(3)
    first_kept = int(bases[1].split("/")[2].split("-")[0])
    wait_until(
        lambda: all(int(name.split("/")[3].split("-")[0]) >= first_kept for name in local_installation.segments()),
        STORED_SECONDS_MAX, "its segments to go")
    wait_until(lambda: not leftover.exists(), STORED_SECONDS_MAX, "the rest of a base to go")
    local_installation.stop()
    assert aged(bases[1], 5) in local_installation.bases() and aged(bases[2], 1) in local_installation.bases()
    assert look(local_installation.restore()) == ["c1", "c2", "c3", "d1", "d2", "d3"]


# ---- words ----


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--backup-to", "{directory}/inside"], "backup-to names a directory in the data directory"),
        (["--backup-to", "{directory}.other"], "is a data directory or a plain backup"),
        (["--backup-to", "ftp://somewhere"], "must be a directory or s3://BUCKET/PREFIX"),
        (["--backup-to", "/nowhere/at/all"], "/nowhere/at/all"),
        (["--backup-to", "s3://"], "backup-s3-region"),
        (["--backup-interval-ms", "100"], "backup-interval-ms"),
        (["--backup-to", "{directory}.copies", "--database", "postgres://nobody@127.0.0.1:1/none"], "continuous archiving"),
    ],
)
def test_settings_that_cannot_be(directory, arguments, complaint):
    init(directory)
    init(f"{directory}.other")
    process = run("serve", "--data", directory, "--listen", "127.0.0.1:0", *(word.format(directory=directory) for word in arguments))
    assert process.returncode != 0 and complaint in process.stderr, process.stderr
    assert process.stderr.count("\n") == 1


def test_restores_that_cannot_be(local_installation, tmp_path):
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.stop()
    target = tmp_path / "target"
    name = local_installation.place.name
    for arguments, complaint in (
        ([name, "--at", "yesterday"], "--at must be an instant"),
        ([name, "--at", "2020-01-01T00:00:00Z"], "and not further"),
        ([name, "--at", "9020-01-01T00:00:00Z"], "is still to come"),
        ([tmp_path / "nowhere"], "there is no "),
        ([tmp_path / "nowhere", "--at", "2020-01-01T00:00:00Z"], "there is no "),
        (["s3://copies/none"], "backup-s3-region"),
        (["s3://copies/none", "--backup-s3-region", "eu-test-1"], "AWS_SECRET_ACCESS_KEY"),
    ):
        refused = run("restore", *arguments, "--data", target)
        assert refused.returncode != 0 and complaint in refused.stderr, refused.stderr
    (tmp_path / "empty").mkdir()
    refused = run("restore", tmp_path / "empty", "--data", target)
    assert refused.returncode == 1 and "holds no backup" in refused.stderr
    run_ok("backup", tmp_path / "plain", "--data", local_installation.directory)
    refused = run("restore", tmp_path / "plain", "--at", "2020-01-01T00:00:00Z", "--data", target)
    assert refused.returncode == 2 and "--at is for a continuous backup" in refused.stderr
    assert not (target / "farthing.db").exists()


def test_nothing_is_left_of_a_base_that_was_cut_short(local_installation):
    """bug: a server that was killed while it copied could never make a base again."""
    directory = local_installation.directory
    for name in ("backup-base.db", "backup-base.db.partial", "backup-base.zst", "backup-base.json"):
        (directory / name).write_bytes(b"left over")
    local_installation.start()
    local_installation.wait_for_base()
    local_installation.stop()
    assert not [name for name in os.listdir(directory) if name.startswith("backup-") and name != "backup-state"]
