"""PostgreSQL is there and refuses: no connections, no room, no lock, no time. Each is a 503 with its reason, other requests go
on where they can, and everything goes on by itself when it is over."""

import os
import subprocess
import time

import pytest

from farthing_server import run, seconds, wait_until
from http_client import RawConnection, request_bytes
from nodes import assert_refused, customer
from postgres_cluster import give_to_server_user, new_folder
from steady_load import SteadyLoad

# ---- connections ----


def test_the_role_may_have_no_more_connections(own_place):
    node = own_place.node()
    with SteadyLoad(own_place.key, [node]) as load:
        load.wait_for_progress()
        own_place.cluster.sql("ALTER ROLE farthing CONNECTION LIMIT 0")
        load.wait_for_progress()  # those that it has stay
        own_place.end_sessions()
        load.wait_for_reason("too_many_connections")
        wait_until(lambda: not node.is_ready(), 10, "the node not to be ready")
        own_place.cluster.sql("ALTER ROLE farthing CONNECTION LIMIT -1")
        load.wait_for_progress()
        node.wait_until_ready()
    load.assert_kept(own_place.stored())


def test_fewer_connections_than_it_would_like_are_enough(own_place):
    """What it can have it uses; it does not refuse everybody because some of its sessions are missing."""
    node = own_place.node()
    own_place.cluster.sql("ALTER ROLE farthing CONNECTION LIMIT 3")
    own_place.end_sessions()
    time.sleep(1)
    with node.client(own_place.key) as client:
        statuses = [client.post("/v1/customers", customer(f"c{number}")).status for number in range(30)]
        statuses += [client.get(f"/v1/customers/external/c{number}").status for number in range(30)]
    assert 201 in statuses or 503 in statuses
    own_place.cluster.sql("ALTER ROLE farthing CONNECTION LIMIT -1")
    node.wait_until_ready()
    with node.client(own_place.key) as client:
        assert client.post("/v1/customers", customer("afterwards")).status == 201


def test_others_hold_all_connections(new_cluster, new_place):
    cluster = new_cluster(max_connections=20)
    place = new_place(cluster)
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        cluster.sql("CREATE ROLE greedy LOGIN")
        others = take_connections(place, 17)
        try:
            place.end_sessions()
            load.wait_for_reason("too_many_connections")
        finally:
            for other in others:
                other.kill()
                other.communicate()
        load.wait_for_progress()
        node.wait_until_ready()
    load.assert_kept(place.stored())


def take_connections(place, count):
    """All that are not reserved for superusers, whoever else wants them."""
    command = [word if word != "postgres" else "greedy" for word in place.cluster.psql_command()[:-1]] + ["postgres"]
    others = []
    while (missing := count - int(place.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'greedy'"))) > 0:
        place.end_sessions()
        for _ in range(missing):
            others.append(subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env={}
            ))
        time.sleep(0.1)
    return others


def test_a_first_start_without_a_connection_says_why(own_place):
    own_place.cluster.sql("ALTER ROLE farthing CONNECTION LIMIT 0")
    process = own_place.new_node().try_command("serve", "--listen", "127.0.0.1:0")
    assert process.returncode == 1 and len(process.stderr.strip().splitlines()) == 1, process
    assert "too many connections" in process.stderr
    own_place.cluster.sql("ALTER ROLE farthing CONNECTION LIMIT -1")


# ---- room ----


@pytest.fixture
def small_disk():
    """A file system that a test can fill up: (path, fill, make room)."""
    folder = new_folder()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", str(folder)], check=True)
    give_to_server_user(folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def small_place(small_disk, place):
    """A place whose tables are on that disk."""
    tables = small_disk / "tables"
    tables.mkdir()
    give_to_server_user(tables)
    place.cluster.sql(f"CREATE TABLESPACE small LOCATION '{tables}'")
    place.cluster.sql(f"ALTER DATABASE {place.database} SET TABLESPACE small")
    yield place
    place.stop()
    place.cluster.sql(f"DROP DATABASE {place.database} WITH (FORCE)")
    place.cluster.sql("DROP TABLESPACE small")


def fill(folder):
    """Leaves nothing free."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        try:
            for size in (1 << 20, 4096):
                while file.write(bytes(size)) == size:
                    pass
        except OSError:
            pass


def empty(folder):
    os.unlink(folder / "ballast")


@pytest.mark.needs("mount")
def test_the_disk_of_the_tables_is_full(small_disk, small_place):
    node = small_place.node()
    with SteadyLoad(small_place.key, [node]) as load:
        load.wait_for_progress()
        fill(small_disk)
        load.wait_for_reason("disk_full", limit_seconds=60)
        wait_until(lambda: not node.is_ready(), 10, "the node not to be ready")
        with node.client(small_place.key) as client:
            known, customer_id = next(iter(load.acknowledged.items()))
            assert client.get(f"/v1/customers/{customer_id}").json()["external_id"] == known, "reads go on"
        empty(small_disk)
        load.wait_for_progress()
        node.wait_until_ready()
    load.assert_kept(small_place.stored())


@pytest.mark.needs("mount")
def test_ready_again_after_a_full_disk_without_a_write(small_disk, small_place):
    """Whoever waits for it to be ready sends none."""
    node = small_place.node()
    fill(small_disk)
    with node.client(small_place.key) as client:
        number = 0
        while (reply := client.post("/v1/customers", customer(f"c{number}" + "x" * 200))).status == 201:
            number += 1
            assert number < 20000
        assert_refused(reply, "disk_full")
        assert client.get("/ready").status == 503
        empty(small_disk)
        wait_until(lambda: client.get("/ready").status == 200, 15, "the server to be ready again")


@pytest.mark.needs("mount")
def test_the_disk_of_the_log_is_full(small_disk, new_cluster, new_place, fresh_data):
    """PostgreSQL cannot live without its log: it goes down, and its keeper starts it when there is room again."""
    cluster = new_cluster(min_wal_size="32MB", max_wal_size="32MB", wal_recycle="off")
    place = new_place(cluster)
    cluster.stop()
    move_log(cluster, small_disk)
    cluster.start()
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        fill(small_disk)
        cluster.sql("SELECT pg_logical_emit_message(true, 'filler', repeat('x', 1000))")
        wait_until(lambda: ends_or_panics(cluster), 60, "PostgreSQL to run out of log")
        load.wait_for_reason("database_unavailable", "disk_full", limit_seconds=60)
        empty(small_disk)
        cluster.stop()
        cluster.start()
        load.wait_for_progress()
        node.wait_until_ready()
    load.assert_kept(place.stored())


def move_log(cluster, disk):
    subprocess.run(["mv", str(cluster.data / "pg_wal"), str(disk / "pg_wal")], check=True)
    (cluster.data / "pg_wal").symlink_to(disk / "pg_wal")


def ends_or_panics(cluster):
    """More log is asked for until there is none."""
    try:
        cluster.sql("SELECT pg_switch_wal()")
        cluster.sql("SELECT count(pg_logical_emit_message(true, 'filler', repeat('x', 100000))) FROM generate_series(1, 200)")
    except Exception:
        return "No space left on device" in cluster.log
    return False


# ---- locks and time ----


def test_a_table_that_somebody_else_has_locked(place):
    """Nobody waits for it forever; what needs no lock goes on."""
    node = place.node()
    with node.client(place.key) as client:
        created = client.create(customer("before"))
        with place.session() as other:
            other.sql("BEGIN")
            other.sql("LOCK TABLE customers IN EXCLUSIVE MODE")  # readers may, writers may not
            begun = time.monotonic()
            assert_refused(client.post("/v1/customers", customer("during")), "busy", "timeout")
            assert time.monotonic() - begun < seconds(20)
            assert client.get(f"/v1/customers/{created['id']}").status == 200
            assert client.get("/health").status == 200
            other.sql("ROLLBACK")
        assert client.post("/v1/customers", customer("during")).status == 201
    node.wait_until_ready()
    assert sorted(place.stored()) == ["before", "during"]


def test_a_table_that_nobody_may_read(place):
    node = place.node()
    with node.client(place.key) as client:
        created = client.create(customer("before"))
        with place.session() as other:
            other.sql("BEGIN")
            other.sql("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            replies = ask_at_once(place, node, "GET", [f"/v1/customers/{created['id']}"] * 12)
            assert [assert_refused(reply, "busy") for reply in replies] == ["busy"] * 12
            other.sql("ROLLBACK")
        assert client.get(f"/v1/customers/{created['id']}").status == 200
        assert client.post("/v1/customers", customer("afterwards")).status == 201
    node.wait_until_ready()


def test_a_row_that_somebody_else_is_writing(place):
    """An equal external id in a transaction that is not over: the create waits, and is told what came of it."""
    node = place.node()
    for ending, status in (("COMMIT", 409), ("ROLLBACK", 201)):
        with node.client(place.key) as client, place.session() as other:
            model = client.create(customer(f"model of {ending}"))
            other.sql("BEGIN")
            other.sql(copy_statement(model["id"], "contested " + ending))
            client.connection.request(
                "POST", "/v1/customers", body='{"external_id":"contested %s","name":"n"}' % ending,
                headers={"x-api-key": place.key, "Content-Type": "application/json"},
            )
            time.sleep(0.3)
            other.sql(ending)
            assert client.connection.getresponse().status == status


def ask_at_once(place, node, method, paths, bodies=None):
    """The replies, which come one after the other within the time that a client has for one."""
    connections = [RawConnection(node.address) for _ in paths]
    for number, (connection, path) in enumerate(zip(connections, paths)):
        connection.send(request_bytes(method, path, place.key, bodies[number] if bodies else None))
    replies = [connection.read_reply() for connection in connections]
    for connection in connections:
        connection.close()
    return replies


@pytest.fixture
def one_writer(place):
    """What is written at once shares a transaction."""
    return place.new_node("--database-connections", "2").start()


def test_a_row_that_many_wait_for(place, one_writer):
    """One wait in all and not one after the other; those who are not concerned are served."""
    names = ["contested"] * 14 + [f"free {number}" for number in range(6)]
    with one_writer.client(place.key) as client, place.session() as other:
        model = client.create(customer("model"))
        other.sql("BEGIN")
        other.sql(copy_statement(model["id"], "contested"))
        replies = ask_at_once(place, one_writer, "POST", ["/v1/customers"] * len(names), [customer(name) for name in names])
        assert [reply.status for reply in replies] == [503] * 14 + [201] * 6
        assert {assert_refused(reply) for reply in replies[:14]} == {"busy"}
        other.sql("ROLLBACK")
        assert client.post("/v1/customers", customer("contested")).status == 201
        assert client.get("/ready").status == 200


def test_a_stop_while_many_wait_for_a_row(place, one_writer):
    """Who is cut off waits no longer, and what they wanted is not done behind their backs."""
    with one_writer.client(place.key) as client, place.session() as other:
        model = client.create(customer("model"))
        one_writer.stop()
        one_writer.flags = (*one_writer.flags, "--drain-timeout-ms", "200")
        one_writer.start()
        other.sql("BEGIN")
        other.sql(copy_statement(model["id"], "contested"))
        connections = [RawConnection(one_writer.address) for _ in range(30)]
        for connection in connections:
            connection.send(request_bytes("POST", "/v1/customers", place.key, customer("contested")))
        wait_until(lambda: place.backends("wait_event_type = 'Lock'"), 10, "somebody to wait for the row")
        one_writer.stop()
        assert not place.backends("wait_event_type = 'Lock'"), "nobody is left behind"
        other.sql("ROLLBACK")
    assert sorted(place.stored()) == ["model"]


def copy_statement(customer_id, external_id):
    """Another customer like this one. Whatever its columns are, its keys are its own."""
    return (
        "INSERT INTO customers SELECT (jsonb_populate_record(c, jsonb_build_object("
        f"'id', 'cust_' || repeat('0', 26 - length('{external_id}')) || upper(replace('{external_id}', ' ', '')), "
        f"'external_id', '{external_id}', 'key', 4611686018427387904 + length('{external_id}')))).* "
        f"FROM customers c WHERE id = '{customer_id}'"
    )


def test_a_write_that_takes_too_long_is_given_up(place):
    """Something of the keeper's own slows one table down; the others who write are not kept for long."""
    node = place.node()
    place.on_change(
        "BEFORE INSERT ON customers", "IF NEW.name = 'slow' THEN PERFORM pg_sleep(60); END IF; RETURN NEW;"
    )
    with node.client(place.key) as client:
        begun = time.monotonic()
        client.connection.timeout = 60
        assert_refused(client.post("/v1/customers", {"external_id": "slow", "name": "slow"}), "timeout")
        assert time.monotonic() - begun < seconds(30)
        assert client.post("/v1/customers", customer("quick")).status == 201
    node.wait_until_ready()
    assert list(place.stored()) == ["quick"]


def test_deadlocks_with_somebody_else_are_nobodys_business(place, rounds):
    """Another program locks what we write, in the other order; whoever PostgreSQL ends, our clients do not notice more than
    that something was busy."""
    node = place.node()
    with SteadyLoad(place.key, [node]) as load:
        load.wait_for_progress()
        for _ in range(rounds(5)):
            with place.session() as other:
                other.sql("BEGIN")
                other.sql("LOCK TABLE system_events IN EXCLUSIVE MODE")
                time.sleep(0.1)
                other.send("LOCK TABLE customers IN EXCLUSIVE MODE")
                time.sleep(1.2)
        load.wait_for_progress()
    load.assert_kept(place.stored())


def test_a_keeper_who_takes_rights_away_and_gives_them_back(place):
    """Refused by the database is not accepted, whatever the reason, and no crash."""
    node = place.node()
    with node.client(place.key) as client:
        created = client.create(customer("before"))
        place.sql("ALTER TABLE customers OWNER TO postgres")
        reply = client.post("/v1/customers", customer("during"))
        assert reply.status in (500, 503), reply
        assert "permission denied" not in reply.body.decode(), "what the database says is for the log"
        place.sql("ALTER TABLE customers OWNER TO farthing")
        assert client.post("/v1/customers", customer("during")).status == 201
        assert client.get(f"/v1/customers/{created['id']}").status == 200
    assert sorted(place.stored()) == ["before", "during"]


def test_a_database_that_is_gone(place):
    """Dropped under the server: refused, not forgotten."""
    node = place.node()
    with node.client(place.key) as client:
        client.create(customer("before"))
        place.cluster.sql(f"DROP DATABASE {place.database} WITH (FORCE)")
        wait_until(lambda: client.get("/ready").status == 503, 10, "the node to notice")
        assert_refused(client.post("/v1/customers", customer("during")))
        place.cluster.create_database(place.database)
        reply = client.post("/v1/customers", customer("during"))
        assert reply.status in (500, 503), "an empty database in its place is not ours"
    node.stop()
    assert run("key", "list", "--data", node.directory, **node.variables).returncode == 1
