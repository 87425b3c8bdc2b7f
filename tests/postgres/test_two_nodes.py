"""Two servers, each with a data directory of its own, on one database."""

import json
import random
import threading
import time

import pytest

from farthing_server import run, seconds, wait_until
from http_client import RawConnection, request_bytes
from nodes import Place
from retries import Retries
from steady_load import SteadyLoad

SEEN_SECONDS_MAX = 1.0
CONTENDERS = 24


@pytest.fixture
def two(place):
    """(place, one node, the other)"""
    return place, place.node(0), place.node(1)


def assert_soon(condition, what):
    """Within what the product promises, and what a slower build may take more."""
    begun = time.monotonic()
    wait_until(condition, SEEN_SECONDS_MAX, what)
    return time.monotonic() - begun


# ---- what one changes the other knows ----


@pytest.fixture(params=["listening", "deaf for a moment"])
def ears(request, place):
    """Before each change, the sessions of the nodes may have been ended, the ones that listen among them."""

    def end_sessions():
        if request.param != "listening":
            place.end_sessions()

    return end_sessions


def test_a_key_that_is_made_and_revoked_on_the_other(two, ears, rounds):
    _, one, other = two
    for _ in range(rounds(4)):
        ears()
        key, key_id = one.new_key()
        assert one.status(key) == 404
        assert_soon(lambda: other.status(key) == 404, "the other node to know the key")
        ears()
        one.command("key", "revoke", key_id)
        assert one.status(key) == 401
        assert_soon(lambda: other.status(key) == 401, "the other node to refuse the key")


def test_a_tenant_that_is_suspended_on_the_other(two, ears, rounds):
    place, one, other = two
    number = 0

    def write(expected):
        nonlocal number
        number += 1
        return other.status(place.key, "POST", "/v1/customers", {"external_id": f"c{number}", "name": "n"}) == expected

    for _ in range(rounds(3)):
        ears()
        one.command("tenant", "suspend", place.credentials.tenant_id)
        assert_soon(lambda: write(403), "the other node to refuse writes")
        ears()
        one.command("tenant", "resume", place.credentials.tenant_id)
        assert_soon(lambda: write(201), "the other node to take writes")


def bearer_status(node, token):
    with node.client() as client:
        return client.get("/v1/users/me", headers={"Authorization": f"Bearer {token}"}).status


def test_a_new_password_ends_tokens_on_the_other(two, ears, rounds):
    _, one, other = two
    owner = {"email": "owner@acme.example", "password": "password 0"}
    user = json.loads(one.command("user", "list", "--json"))["items"][0]["id"]
    one.command("user", "set-password", user, "--email", owner["email"], stdin=owner["password"])

    def log_in(node):
        with node.client() as client:
            return client.post("/v1/auth/login", owner).json()["token"]

    for number in range(1, 1 + rounds(4)):
        tokens = [log_in(one), log_in(other)]
        ears()
        owner["password"] = f"password {number}"
        one.command("user", "set-password", user, stdin=owner["password"])
        assert [bearer_status(one, token) for token in tokens] == [401, 401]
        # One of the new password is good everywhere at once, whatever the other node has heard of.
        token = log_in(one)
        assert (bearer_status(other, token), bearer_status(one, token)) == (200, 200)
        for token in tokens:
            assert_soon(lambda: bearer_status(other, token) == 401, "the other node to refuse the token")  # noqa: B023


def test_a_revoked_key_never_works_again_behind_the_promise(two, rounds):
    """Sessions end all the time; once a second has passed, no answer is given with a key that is revoked."""
    place, one, other = two
    is_over = threading.Event()

    def disturb():
        generator = random.Random(0)
        while not is_over.is_set():
            place.end_sessions("random() < 0.4")
            time.sleep(generator.uniform(0.02, 0.3))

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(rounds(8)):
            key, key_id = one.new_key()
            wait_until(lambda: other.status(key) == 404, 10, "the other node to know the key")
            one.command("key", "revoke", key_id)
            time.sleep(seconds(SEEN_SECONDS_MAX))
            for _ in range(20):
                assert other.status(key) in (401, 503)
    finally:
        is_over.set()
        thread.join()


def test_a_key_is_revoked_while_all_who_read_wait(two):
    """What others change is read on a session that no slow query is in the way of: keys are neither trusted for longer, nor is
    everybody refused because nobody knows."""
    place, one, _ = two
    other = place.new_node("--database-connections", "2").start()
    key, key_id = one.new_key()
    wait_until(lambda: other.status(key) == 404, 10, "the other node to know the key")
    is_over = threading.Event()

    def read():
        while not is_over.is_set():
            other.status(place.key)

    def refused_by_its_body():
        return other.status(key, "POST", "/v1/customers", {})

    readers = [threading.Thread(target=read) for _ in range(3)]
    with place.session() as somebody:
        somebody.sql("BEGIN")
        somebody.sql("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
        for reader in readers:
            reader.start()
        try:
            wait_until(lambda: place.backends("wait_event_type = 'Lock'"), 10, "a read to wait")
            one.command("key", "revoke", key_id)
            seen = []
            wait_until(lambda: seen.append(refused_by_its_body()) or seen[-1] == 401, 20, "the key to be refused")
            assert set(seen) <= {400, 401}, seen
        finally:
            somebody.sql("ROLLBACK")
            is_over.set()
            for reader in readers:
                reader.join()


def test_a_key_made_while_the_other_cannot_hear(two):
    """The database is away for one of them only: what it missed it learns when it is back."""
    place, one, other = two
    key, key_id = one.new_key()
    assert_soon(lambda: other.status(key) == 404, "the other node to know the key")
    other.kill()
    one.command("key", "revoke", key_id)
    late, _ = one.new_key()
    other.start()
    assert (other.status(key), other.status(late)) == (401, 404)


# ---- one truth ----


def test_equal_creates_over_two_nodes(two, rounds):
    place, *nodes = two
    connections = [RawConnection(nodes[number % 2].address) for number in range(CONTENDERS)]
    for round_number in range(rounds(30)):
        external_id = f"contested {round_number}"
        for number, connection in enumerate(connections):
            body = {"external_id": external_id, "name": f"contender {number}"}
            connection.send(request_bytes("POST", "/v1/customers", place.key, body))
        replies = [connection.read_reply() for connection in connections]
        assert sorted(reply.status for reply in replies) == [201] + [409] * (CONTENDERS - 1)
        (winner,) = [reply.json() for reply in replies if reply.status == 201]
        for node in nodes:
            with node.client(place.key) as client:
                found = client.get("/v1/customers/external/" + external_id.replace(" ", "%20")).json()
                assert found == {**winner, "integrations": []}
    for connection in connections:
        connection.close()
    assert len(place.stored()) == rounds(30)


def test_what_one_has_acknowledged_the_other_serves_at_once(two, rounds):
    """Read your writes, whichever node you ask next."""
    place, one, other = two
    with one.client(place.key) as writer, other.client(place.key) as reader:
        for number in range(rounds(200)):
            created = writer.create({"external_id": f"c{number}", "name": "n"})
            assert reader.get(f"/v1/customers/{created['id']}").status == 200
            assert reader.get(f"/v1/customers/external/c{number}").status == 200
            assert reader.post("/v1/customers", {"external_id": f"c{number}", "name": "n"}).status == 409
            writer, reader = reader, writer


def test_equal_names_over_two_nodes(two, rounds):
    """Users' addresses are unique as well, and operators have more than one terminal."""
    _, *nodes = two
    for round_number in range(rounds(5)):
        codes = []

        def create(node):
            command = ["user", "create", "--email", f"u{round_number}@example.com", "--name", "U"]
            codes.append(node.try_command(*command).returncode)

        threads = [threading.Thread(target=create, args=(nodes[number % 2],)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [0, 1, 1, 1]


@pytest.mark.parametrize("what", ["tenant", "environment"])
def test_equal_names_over_two_nodes_that_no_index_keeps_apart(two, what):
    """Operators take turns to look for the name and to make it: both are amid that at the same time."""
    place, *nodes = two
    processes = []
    threads = [
        threading.Thread(target=lambda node=node: processes.append(node.try_command(what, "create", "Same")))
        for node in nodes
    ]
    with place.session() as other:
        other.sql("BEGIN")
        other.sql(f"LOCK TABLE {what}s IN EXCLUSIVE MODE")  # to look is allowed
        for thread in threads:
            thread.start()
        place.wait_for_blocked(2)
        other.sql("COMMIT")
    for thread in threads:
        thread.join()
    assert sorted(process.returncode for process in processes) == [0, 1], processes
    (refused,) = [process.stderr for process in processes if process.returncode == 1]
    assert f'{what} called "Same" already' in refused
    assert place.rows(f"SELECT count(*) FROM {what}s WHERE name = 'Same'") == [(1,)]


# ---- starts ----


@pytest.mark.parametrize("count", [2, 4])
def test_nodes_that_start_together_on_an_empty_database(shared_cluster, database, tmp_path, rounds, count):
    """The schema is made once and there is one first tenant, whoever was first."""
    for round_number in range(rounds(4)):
        folder = tmp_path / f"round{round_number}"
        folder.mkdir()
        place = Place(folder, shared_cluster, database, is_initialised=False)
        nodes = [place.new_node().start(wait=False) for _ in range(count)]
        for node in nodes:
            node.server.wait_for_start()
        assert place.rows("SELECT count(*) FROM tenants") == [(1,)]
        versions = place.rows("SELECT version FROM schema_versions ORDER BY version")
        assert versions == [(number,) for number in range(1, len(versions) + 1)]
        key, _ = nodes[0].new_key()
        assert_soon(lambda: nodes[-1].status(key) == 404, "the other node to know the key")
        assert nodes[-1].status(key, "POST", "/v1/customers", {"external_id": "a", "name": "A"}) == 201
        place.stop()
        shared_cluster.sql(f"DROP DATABASE {database}")


def test_init_on_two_directories_at_once(shared_cluster, database, tmp_path):
    """One of them makes the first tenant; the other says that there is one."""
    place = Place(tmp_path, shared_cluster, database, is_initialised=False)
    processes = []
    threads = [
        threading.Thread(target=lambda node=place.new_node(): processes.append(node.try_command("init"))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(process.returncode for process in processes) == [0, 1, 1], processes
    assert place.rows("SELECT count(*) FROM tenants") == [(1,)]


def test_a_rolling_restart_under_load(two, rounds, seed):
    """One after the other is stopped and started, as an upgrade does: each acknowledged write is there, and clients who try
    again do not notice more than a closed connection."""
    place, *nodes = two
    with SteadyLoad(place.key, nodes, seed=seed) as load:
        load.wait_for_progress()
        for _ in range(rounds(4)):
            for node in nodes:
                node.stop()
                load.wait_for_progress(20)
                node.start()
                node.wait_until_ready()
                load.wait_for_progress(20)
    assert set(load.statuses) <= {200, 201, 409}, load.statuses
    load.assert_kept(place.stored())


def test_nodes_are_killed_under_load(two, rounds, seed):
    """SIGKILL at any instant, of either or both, over and over."""
    place, *nodes = two
    generator = random.Random(seed)
    with SteadyLoad(place.key, nodes, seed=seed, writers=6) as load:
        for _ in range(rounds(20)):
            load.wait_for_progress(generator.randrange(1, 40))
            victims = generator.choice([nodes[:1], nodes[1:], nodes])
            for node in victims:
                node.kill()
            time.sleep(generator.choice([0, generator.uniform(0, 0.2)]))
            for node in victims:
                node.start()
    load.assert_kept(place.stored())


def test_a_killed_node_is_not_missed(two):
    """Its sessions end with it: what they held is free for the other at once."""
    place, one, other = two
    with SteadyLoad(place.key, [one]) as load:
        load.wait_for_progress()
        one.kill()
        with other.client(place.key) as client:
            begun = time.monotonic()
            client.create({"external_id": "elsewhere", "name": "n"})
            assert time.monotonic() - begun < seconds(5)
    stored = place.stored()
    assert stored.pop("elsewhere")
    load.assert_kept(stored)


# ---- the data directories ----


def test_a_directory_is_still_for_one_process(two):
    _, one, _ = two
    process = one.try_command("serve", "--listen", "127.0.0.1:0")
    assert process.returncode == 1 and len(process.stderr.splitlines()) == 1, process


def test_commands_that_wait_for_each_other(place):
    """Without a server each connects by itself, in turns: the second waits for as long as a slow database keeps the first."""
    node = place.nodes[0]  # its directory is there
    processes = []

    def make_a_key():
        processes.append(node.try_command("key", "create", "--name", "k"))

    threads = [threading.Thread(target=make_a_key) for _ in range(2)]
    with place.session() as somebody:
        somebody.sql("BEGIN")
        somebody.sql("LOCK TABLE schema_versions IN ACCESS EXCLUSIVE MODE")
        for thread in threads:
            thread.start()
        wait_until(lambda: place.backends("wait_event_type = 'Lock'"), 10, "the first to be kept by the database")
        time.sleep(1.5)  # the second is not refused meanwhile
        somebody.sql("ROLLBACK")
    for thread in threads:
        thread.join()
    assert [process.returncode for process in processes] == [0, 0], processes


def test_a_directory_remembers_its_database(two):
    """Started without its URL, it says so instead of beginning anew with an embedded one."""
    place, one, _ = two
    one.stop()
    name = f"127.0.0.1:{place.cluster.port}/{place.database}"
    assert (one.directory / "database").read_text() == f"{name}\n{place.credentials.tenant_id}\n"
    for command in (["serve", "--listen", "127.0.0.1:0"], ["key", "list"], ["init"]):
        process = run(*command, "--data", one.directory, FARTHING_DATABASE="")
        assert process.returncode == 1 and len(process.stderr.splitlines()) == 1, process
        assert name in process.stderr and "--database" in process.stderr
    assert not (one.directory / "farthing.db").exists()
    one.start()
    assert one.status(place.key) == 404


# ---- requests that are sent again ----


def test_twins_over_two_nodes(two, rounds):
    """The same request to both at once: it is done once, whoever was second waits, and all get the same reply."""
    place, *nodes = two
    connections = [RawConnection(nodes[number % 2].address) for number in range(CONTENDERS)]
    for round_number in range(rounds(30)):
        headers = [("Idempotency-Key", f"round-{round_number}")]
        request = request_bytes("POST", "/v1/customers", place.key, {"external_id": f"c{round_number}", "name": "n"}, headers)
        for connection in connections:
            connection.send(request)
        replies = [connection.read_reply() for connection in connections]
        assert {reply.status for reply in replies} == {201} and len({reply.body for reply in replies}) == 1, replies
        assert sum(reply.header("Idempotent-Replayed") is None for reply in replies) == 1
    for connection in connections:
        connection.close()
    assert len(place.stored()) == rounds(30)


def test_retries_while_nodes_are_killed(two, rounds, seed):
    """Each request is sent again and again to either node, until it has an answer: nothing is done twice."""
    place, *nodes = two
    generator = random.Random(seed)
    retries = Retries(place.credentials, seed)
    retries.start(nodes)
    try:
        for _ in range(rounds(8)):
            retries.wait_for_progress(generator.randrange(1, 300))
            victims = generator.choice([nodes[:1], nodes[1:], nodes])
            for node in victims:
                node.kill()
            time.sleep(generator.choice([0, generator.uniform(0, 0.2)]))
            for node in victims:
                node.start()
    finally:
        retries.stop()
    retries.finish(nodes)
    place.stored()
    retries.check(place.rows)
