"""The network between the server and PostgreSQL: silent, closed, or cut at the worst moment. What a client is told is true, and
what it was told is done is there once."""

import random
import threading
import time

import pytest

from farthing_server import seconds, wait_until
from nodes import assert_refused, customer
from proxy import cut_after, cut_behind, lose_commit
from steady_load import SteadyLoad

# A request that the database does not answer is answered within this, whatever it is.
PATIENCE_SECONDS = 25


def ask_patiently(node, key, method, path, body=None):
    """(reply, how many seconds it took)"""
    with node.client(key) as client:
        client.connection.timeout = seconds(PATIENCE_SECONDS)
        begun = time.monotonic()
        reply = client.request(method, path, body=body)
        return reply, time.monotonic() - begun


# ---- silence ----


def test_a_network_that_goes_silent(far_place, proxy):
    """The sockets stay open and nothing comes: everything is refused in time, and goes on by itself behind the silence."""
    node = far_place.node()
    with SteadyLoad(far_place.key, [node]) as load:
        load.wait_for_progress()
        proxy.go_silent()
        load.wait_for_reason("database_unavailable", "timeout", "outcome_unknown", limit_seconds=PATIENCE_SECONDS)
        wait_until(lambda: not node.is_ready(), 15, "the node not to be ready")
        with node.client() as client:
            assert client.get("/health").status == 200
        proxy.flow_again()
        load.wait_for_progress()
        node.wait_until_ready()
    assert load.slowest_seconds < seconds(PATIENCE_SECONDS)
    load.assert_kept(far_place.stored())


@pytest.mark.parametrize("what", ["write", "read"])
def test_one_request_into_the_silence(far_place, proxy, what):
    node = far_place.node()
    with node.client(far_place.key) as client:
        created = client.create(customer("before"))
    proxy.go_silent()
    if what == "write":
        reply, _ = ask_patiently(node, far_place.key, "POST", "/v1/customers", customer("during"))
        assert_refused(reply, "database_unavailable", "timeout", "outcome_unknown")
    else:
        reply, _ = ask_patiently(node, far_place.key, "GET", f"/v1/customers/{created['id']}")
        assert_refused(reply, "database_unavailable", "timeout")
    proxy.flow_again()
    proxy.cut()
    node.wait_until_ready()
    with node.client(far_place.key) as client:
        assert client.get(f"/v1/customers/{created['id']}").status == 200
        assert client.post("/v1/customers", customer("afterwards")).status == 201
    assert {"before", "afterwards"} <= set(far_place.stored()) <= {"before", "during", "afterwards"}


def test_new_connections_into_the_silence(far_place, proxy):
    """They are accepted and never greeted: connecting has a limit of its own."""
    node = far_place.node()
    with SteadyLoad(far_place.key, [node]) as load:
        load.wait_for_progress()
        proxy.go_silent()
        proxy.cut()
        load.wait_for_reason("database_unavailable", "timeout", limit_seconds=PATIENCE_SECONDS)
        proxy.flow_again()
        load.wait_for_progress()
        node.wait_until_ready()
    assert load.slowest_seconds < seconds(PATIENCE_SECONDS)
    load.assert_kept(far_place.stored())


def test_a_server_is_stopped_amid_the_silence(far_place, proxy):
    """SIGTERM ends it, with whatever waits, in the time that it gives to a drain."""
    node = far_place.node()
    with node.client(far_place.key) as client:
        client.create(customer("before"))
    proxy.go_silent()
    threads = [
        threading.Thread(target=ask_and_forget, args=(node, far_place.key, number), daemon=True) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    begun = time.monotonic()
    node.stop()
    assert time.monotonic() - begun < seconds(35)
    proxy.flow_again()


def ask_and_forget(node, key, number):
    try:
        ask_patiently(node, key, "POST", "/v1/customers", customer(f"during {number}"))
    except OSError:
        pass


# ---- refused, cut ----


def test_the_way_is_closed_and_opened(far_place, proxy, rounds):
    node = far_place.node()
    with SteadyLoad(far_place.key, [node]) as load:
        load.wait_for_progress()
        for _ in range(rounds(3)):
            proxy.refuse()
            time.sleep(0.3)
            proxy.admit()
            load.wait_for_progress(20)
        node.wait_until_ready()
    load.assert_kept(far_place.stored())


def test_cut_after_any_number_of_bytes(far_place, proxy, rounds, seed):
    """In the middle of whatever is just being sent, a transaction or the opening of a session."""
    generator = random.Random(seed)
    node = far_place.node()
    with SteadyLoad(far_place.key, [node], writers=6, seed=seed) as load:
        load.wait_for_progress()
        for _ in range(rounds(60)):
            proxy.cut_by(cut_after(generator.randrange(1, 12000)))
            load.wait_for_progress(generator.randrange(1, 25))
    load.assert_kept(far_place.stored())


def test_the_answer_to_a_commit_is_lost(far_place, proxy, rounds, seed):
    """It is committed and nobody hears of it: the client is told 201, or that nobody can tell, and never that nothing was
    changed."""
    generator = random.Random(seed)
    node = far_place.node()
    with SteadyLoad(far_place.key, [node], writers=6, seed=seed) as load:
        load.wait_for_progress()
        for _ in range(rounds(40)):
            proxy.cut_by(lose_commit(generator.randrange(4)))
            load.wait_for_progress(generator.randrange(1, 25))
    load.assert_kept(far_place.stored())


def test_cut_right_behind_the_commit(far_place, proxy, rounds):
    """The server has it, and may or may not have done it."""
    node = far_place.node()
    with SteadyLoad(far_place.key, [node], writers=6) as load:
        load.wait_for_progress()
        for _ in range(rounds(40)):
            proxy.cut_by(cut_behind([b"COMMIT"]))
            time.sleep(0.05)
            proxy.cut_by(cut_after(4000))
            load.wait_for_progress(10)
    load.assert_kept(far_place.stored())


def test_an_outcome_that_can_be_found_out_is(far_place, proxy):
    """One create, its commit done and the answer lost, the database well: the client need not know of it."""
    node = far_place.node()
    with node.client(far_place.key) as client:
        for number in range(10):
            proxy.cut_by(lose_commit())
            reply = client.post("/v1/customers", customer(f"c{number}"))
            assert reply.status == 201, reply
            assert client.get(f"/v1/customers/{reply.json()['id']}").status == 200
    assert len(far_place.stored()) == 10


def test_an_outcome_that_cannot_be_found_out_is_told(far_place, proxy):
    """The answer to a commit is lost, and nobody gets to the database any more."""
    node = far_place.node()
    with node.client(far_place.key) as client:
        client.create(customer("before"))

    def refuse_behind(rule):
        def refusing(direction, data):
            count = rule(direction, data)
            proxy.refuses = proxy.refuses or count is not None
            return count

        return refusing

    proxy.cut_by(refuse_behind(lose_commit(after=b"during")))
    reply, took = ask_patiently(node, far_place.key, "POST", "/v1/customers", customer("during"))
    assert assert_refused(reply) == "outcome_unknown"
    assert took < seconds(PATIENCE_SECONDS)
    proxy.admit()
    node.wait_until_ready()
    with node.client(far_place.key) as client:
        assert client.post("/v1/customers", customer("during")).status == 409
    assert sorted(far_place.stored()) == ["before", "during"]


@pytest.mark.parametrize("which", ["revoked", "made"])
def test_an_operators_commit_is_lost(far_place, proxy, which):
    """A key that was reported is as it was reported."""
    node = far_place.node()
    key, key_id = node.new_key()
    for _ in range(5):
        proxy.cut_by(lose_commit())
        if which == "made":
            key, key_id = node.new_key()
            expected = 404
        else:
            node.command("key", "revoke", key_id)
            expected = 401
        with node.client(key) as client:
            assert client.get("/v1/customers/x").status == expected
        key, key_id = node.new_key()
