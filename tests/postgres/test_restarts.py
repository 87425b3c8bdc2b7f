"""The database goes away and comes back under load: nothing acknowledged is lost, nothing is there twice, and the server goes on
by itself."""

import os
import random
import signal
import time

import pytest

from farthing_server import seconds, wait_until
from nodes import assert_refused
from postgres_cluster import Cluster
from retries import Retries
from steady_load import SteadyLoad


def test_restarts_under_load(own_place, rounds, seed):
    """In any order: `fast` ends sessions between two statements, `immediate` is a crash with a recovery behind it."""
    generator = random.Random(seed)
    node = own_place.node()
    with SteadyLoad(own_place.key, [node], seed=seed) as load:
        load.wait_for_progress()
        for _ in range(rounds(6)):
            own_place.cluster.stop(generator.choice([signal.SIGINT, signal.SIGQUIT]))
            time.sleep(generator.choice([0, 0, generator.uniform(0, 1)]))
            own_place.cluster.start()
            load.wait_for_progress(generator.randrange(1, 60))
        node.wait_until_ready()
    load.assert_kept(own_place.stored())


def test_retries_while_the_database_restarts(own_place, rounds, seed):
    """With an Idempotency-Key it does not matter what became of a request that was refused or not answered, its commit being
    in doubt included: sent again, it is done once."""
    generator = random.Random(seed)
    node = own_place.node()
    retries = Retries(own_place.credentials, seed)
    retries.start([node])
    try:
        for _ in range(rounds(4)):
            retries.wait_for_progress(generator.randrange(1, 300))
            own_place.cluster.stop(generator.choice([signal.SIGINT, signal.SIGQUIT]))
            time.sleep(generator.choice([0, 0, generator.uniform(0, 1)]))
            own_place.cluster.start()
        retries.wait_for_progress(300)
    finally:
        retries.stop()
    retries.finish([node])
    own_place.stored()
    retries.check(own_place.rows)


def test_a_restart_that_takes_longer_than_anybody_waits(own_place):
    """Writes and reads are refused in the meantime, with a reason, and no request hangs."""
    node = own_place.node()
    with SteadyLoad(own_place.key, [node]) as load:
        load.wait_for_progress()
        own_place.cluster.crash()
        load.wait_for_reason("database_unavailable")
        wait_until(lambda: not node.is_ready(), 10, "the node not to be ready")
        with node.client(own_place.key) as client:
            assert client.get("/health").status == 200, "the process lives"
            # A session that has not heard yet sends its commit to nobody, and cannot know that.
            reply = client.post("/v1/customers", {"external_id": "during", "name": "n"})
            assert_refused(reply, "database_unavailable", "outcome_unknown")
            assert_refused(client.get("/v1/customers/external/during"), "database_unavailable")
        own_place.cluster.start()
        load.wait_for_progress()
        node.wait_until_ready()
    assert load.slowest_seconds < seconds(30)
    load.assert_kept({one: id for one, id in own_place.stored().items() if one != "during"})


def test_ready_names_the_database(own_place):
    node = own_place.node()
    with node.client() as client:
        assert client.get("/ready").json()["checks"]["database"] == "ok"
        own_place.cluster.stop()

        def checks():
            return client.get("/ready").json()["checks"]

        wait_until(lambda: client.get("/ready").status == 503, 10, "the node to notice, without a request")
        wait_until(lambda: checks()["database"] == "database_unavailable", 10, "the reason to be named")
        assert checks()["disk"] == "ok", "it is not the disk's fault"
        own_place.cluster.start()
        wait_until(lambda: client.get("/ready").status == 200, 10, "the node to notice, without a request")


def test_sessions_are_ended_under_load(place, rounds, seed):
    """By pg_terminate_backend, some or all of them, over and over."""
    generator = random.Random(seed)
    node = place.node()
    with SteadyLoad(place.key, [node], seed=seed) as load:
        load.wait_for_progress()
        for _ in range(rounds(15)):
            share = generator.choice([0.2, 0.5, 1.1])
            place.end_sessions(f"random() < {share}")
            load.wait_for_progress(generator.randrange(1, 30))
    load.assert_kept(place.stored())
    # When all are ended again while new ones are opened, somebody may be told so; one lost session is nobody's business.
    assert load.reasons["database_unavailable"] <= 5


def test_a_backend_is_killed_under_load(own_place, rounds, seed):
    """SIGKILL of one backend makes PostgreSQL end all of them and recover."""
    generator = random.Random(seed)
    node = own_place.node()
    with SteadyLoad(own_place.key, [node], seed=seed) as load:
        load.wait_for_progress()
        for _ in range(rounds(4)):
            recoveries = own_place.cluster.log.count("ready to accept connections")
            victims = own_place.backends("state <> 'idle'") or own_place.backends()
            os.kill(generator.choice(victims), signal.SIGKILL)
            # Its own file says that it is ready until it has noticed that a backend is gone.
            wait_until(
                lambda: own_place.cluster.log.count("ready to accept connections") > recoveries,
                20,
                "PostgreSQL to recover",
            )
            load.wait_for_progress(20)
    load.assert_kept(own_place.stored())


def test_queries_are_cancelled_under_load(place, rounds):
    """pg_cancel_backend hits whatever is running, a commit included."""
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        for _ in range(rounds(40)):
            place.cancel_statements()
        load.wait_for_progress()
    load.assert_kept(place.stored())


def test_a_server_that_is_started_while_the_database_is_away(own_place):
    """It either waits for it or says in one line that it cannot; it does not stand there without a word."""
    node = own_place.new_node()
    own_place.cluster.stop()
    process = node.try_command("serve", "--listen", "127.0.0.1:0")
    assert process.returncode == 1, process
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr
    assert str(own_place.cluster.port) in process.stderr, "it says where it has looked"
    own_place.cluster.start()
    node.start()
    with node.client(own_place.key) as client:
        assert client.get("/v1/customers/x").status == 404


# ---- failover ----


@pytest.fixture
def primary_and_standby(new_cluster):
    """The standby has each commit before it is acknowledged, so that a failover loses nothing and both know the same."""
    primary = new_cluster(replicas=True)
    standby = standby_of(primary)
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.sql("ALTER SYSTEM SET synchronous_commit = 'remote_apply'")  # a database that was made is there, too
    primary.sql("SELECT pg_reload_conf()")
    wait_until(
        lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync", 20, "the standby to be in step"
    )
    yield primary, standby
    standby.remove()


def standby_of(primary):
    standby = Cluster(replicas=True)
    standby.make_standby_of(primary)
    return standby.start()


def promote(standby):
    standby.sql("SELECT pg_promote()")
    wait_until(lambda: standby.sql("SELECT pg_is_in_recovery()") == "f", 20, "the standby to be promoted")


def url_of_both(primary, standby):
    own = primary.url("farthing", target_session_attrs="read-write", connect_timeout=2)
    return own.replace(f"127.0.0.1:{primary.port}", f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}")


@pytest.mark.parametrize("old_one", ["killed", "shut down"])
def test_failover_to_another_host_of_the_url(primary_and_standby, new_place, old_one):
    primary, standby = primary_and_standby
    place = new_place(primary, url=url_of_both(primary, standby))
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        primary.stop(signal.SIGKILL if old_one == "killed" else signal.SIGINT)
        time.sleep(0.5)
        promote(standby)
        load.wait_for_progress()
        node.wait_until_ready()
    place.cluster = standby
    load.assert_kept(place.stored())


def test_a_database_that_takes_no_writes_for_a_while(place):
    """As one that was made a standby, or that its keeper has set to read-only."""
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        place.cluster.sql(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
        place.end_sessions()
        load.wait_for_reason("read_only")
        known, customer_id = next(iter(load.acknowledged.items()))
        with node.client(place.key) as client:
            reply = client.get(f"/v1/customers/{customer_id}")  # from what takes no writes we read only if told so
            assert assert_refused(reply, "read_only") if reply.status == 503 else reply.json()["external_id"] == known
        place.cluster.sql(f"ALTER DATABASE {place.database} RESET default_transaction_read_only")
        place.end_sessions()
        load.wait_for_progress()
        node.wait_until_ready()
    load.assert_kept(place.stored())
