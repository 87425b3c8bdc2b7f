"""SIGKILL at any instant: what was acknowledged is there, once; what was not is there once or not at all."""

import random
import shutil
import signal
import subprocess
import time
from urllib.parse import quote

import pytest

import farthing_server
from crash_checks import stored_customers
from farthing_server import BINARY, Server, create_key, environment, init, seconds
from http_client import Client, RawConnection, request_bytes
from load import Load

CHAPTER_ROUNDS = 20


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data"


def assert_stored(stored, load):
    """Of a database at rest: everything that was acknowledged, under its id, and nothing that nobody sent."""
    missing = {one: id for one, id in load.acknowledged.items() if stored.get(one) != id}
    assert missing == {}, f"{len(missing)} of {len(load.acknowledged)} acknowledged creates are lost"
    assert set(stored) <= load.tried


def assert_served(address, key, stored, external_ids):
    """Of a running server: these are found by id and by external id, and cannot be created again."""
    with RawConnection(address) as connection:
        for start in range(0, len(external_ids), 50):
            some = external_ids[start : start + 50]
            for external_id in some:
                connection.send(
                    request_bytes("GET", f"/v1/customers/{stored[external_id]}", key)
                    + request_bytes("GET", f"/v1/customers/external/{quote(external_id, safe='')}", key)
                    + request_bytes("POST", "/v1/customers", key, {"external_id": external_id, "name": "again"})
                )
            for external_id in some:
                by_id, by_external_id, again = (connection.read_reply() for _ in range(3))
                assert by_id.status == by_external_id.status == 200, (external_id, by_id, by_external_id)
                assert by_id.body == by_external_id.body
                assert by_id.json()["external_id"] == external_id
                assert again.status == 409, again


def kill_under_load(directory, load, generator, round_count, seconds_max):
    """Rounds of start, load, kill, look. The last server stays down."""
    for _ in range(round_count):
        acknowledged_before = set(load.acknowledged)
        server = Server(directory)
        load.start(server.address)
        time.sleep(generator.uniform(0.02, seconds_max))
        server.kill()
        load.join()
        stored = stored_customers(directory)
        assert_stored(stored, load)
        fresh = [one for one in load.acknowledged if one not in acknowledged_before]
        older = generator.sample(sorted(acknowledged_before), min(50, len(acknowledged_before)))
        unacknowledged = [one for one in stored if one not in load.acknowledged]
        server = Server(directory)
        assert_served(server.address, load.key, stored, fresh[-500:] + older + unacknowledged[-100:])
        assert server.process.poll() is None
        server.kill()


def assert_all_served(directory, load):
    stored = stored_customers(directory)
    server = Server(directory)
    assert_served(server.address, load.key, stored, sorted(stored))
    server.stop()
    assert stored_customers(directory) == stored


def kill_in_chapters(tmp_path, round_count, seed, *, seconds_max, acknowledged_min, **load_options):
    """A directory is used for some rounds only: looking through all of it takes longer from round to round."""
    generator = random.Random(seed)
    for chapter in range(0, round_count, CHAPTER_ROUNDS):
        directory = tmp_path / f"chapter{chapter}"
        load = Load(init(directory).api_key, generator.random(), **load_options)
        rounds_left = min(CHAPTER_ROUNDS, round_count - chapter)
        kill_under_load(directory, load, generator, rounds_left, seconds_max)
        assert len(load.acknowledged) > acknowledged_min * rounds_left, "hardly any load"
        assert_all_served(directory, load)
        shutil.rmtree(directory)


def test_kill_under_load(tmp_path, rounds, seed):
    kill_in_chapters(tmp_path, rounds(20), seed, seconds_max=0.6, acknowledged_min=20)


def test_kill_while_checkpoints_run(tmp_path, rounds, seed):
    """Large customers fill the write-ahead log so fast that the writer is always copying it back."""
    kill_in_chapters(tmp_path, rounds(8), seed, seconds_max=1.0, acknowledged_min=5, body_bytes=48_000)


def test_kill_during_start(tmp_path, rounds, seed):
    """A start that is itself cut short, over a log that a killed server left, changes nothing."""
    generator = random.Random(seed)
    for number in range(rounds(4)):
        directory = tmp_path / f"data{number}"
        load = Load(init(directory).api_key, seed)
        server = Server(directory)
        load.start(server.address)
        time.sleep(0.2)
        server.kill()
        load.join()
        stored = stored_customers(directory)
        assert_stored(stored, load)
        for _ in range(15):
            server = Server(directory, wait=False)
            time.sleep(generator.uniform(0, 0.03))
            server.kill()
        assert stored_customers(directory) == stored
        assert_all_served(directory, load)


def test_kill_during_init(tmp_path, rounds, seed):
    """Whatever an init that was cut short leaves behind can be initialised, or is."""
    generator = random.Random(seed)
    left = {"initialised": 0, "not yet": 0}
    for number in range(rounds(40)):
        directory = tmp_path / f"data{number}"
        process = subprocess.Popen(
            [str(BINARY), "init", "--data", str(directory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment("--data", directory),
        )
        time.sleep(generator.uniform(0, seconds(0.02)))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        again = farthing_server.run("init", "--data", directory)
        assert again.returncode in (0, 1), again
        left["initialised" if again.returncode else "not yet"] += 1
        key, _ = create_key(directory)
        server = Server(directory)
        with Client(server.address, key) as client:
            client.create({"external_id": "acme", "name": "Acme"})
        server.stop()
        assert list(stored_customers(directory)) == ["acme"]
    print(left)


def test_kill_while_keys_are_made(directory, rounds, seed):
    """A key that was printed works after the crash; one that was reported revoked stays so."""
    generator = random.Random(seed)
    init(directory)
    good, revoked = [], []
    for _ in range(rounds(5)):
        server = Server(directory)
        for _ in range(generator.randint(1, 5)):
            good.append(create_key(directory))
        if generator.random() < 0.7:
            key, key_id = good.pop(generator.randrange(len(good)))
            farthing_server.run_ok("key", "revoke", "--data", directory, key_id)
            revoked.append(key)
        server.kill()
        server = Server(directory)
        with Client(server.address) as client:
            assert all(client.get("/v1/customers/x", key=key).status == 404 for key, _ in good)
            assert all(client.get("/v1/customers/x", key=key).status == 401 for key in revoked)
        server.kill()


@pytest.mark.embedded("the database is two files")
def test_the_data_directory_of_a_killed_server_can_be_copied(directory, tmp_path, seed):
    """The database, its log and the secrets are all there is: a copy of the three elsewhere serves the same."""
    load = Load(init(directory).api_key, seed)
    server = Server(directory)
    load.start(server.address)
    time.sleep(0.3)
    server.kill()
    load.join()
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for name in ("farthing.db", "farthing.db-wal", "secrets"):
        shutil.copy(directory / name, copy / name)
    stored = stored_customers(directory)
    server = Server(copy)
    assert_served(server.address, load.key, stored, sorted(stored)[:500])
    server.stop()
    assert stored_customers(copy) == stored
