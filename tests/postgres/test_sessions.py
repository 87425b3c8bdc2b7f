"""How a node's sessions are set, and that one of its questions that goes wrong is asked once more."""

import socket
import struct
import threading

from farthing_server import wait_until
from http_client import RawConnection, request_bytes
from nodes import customer

CANCELED = "canceling statement due to user request"


def test_sessions_are_set_as_the_node_promises_whatever_the_databases_default_is(place):
    place.sql(
        f"ALTER DATABASE {place.database} SET jit = on; ALTER DATABASE {place.database} SET enable_seqscan = on;"
        f"ALTER DATABASE {place.database} SET synchronous_commit = off;"
        f"ALTER DATABASE {place.database} SET statement_timeout = 0; ALTER DATABASE {place.database} SET lock_timeout = 0"
    )
    names = ["jit", "enable_seqscan", "synchronous_commit", "statement_timeout", "lock_timeout"]
    place.sql("CREATE TABLE seen (name text, setting text)")
    place.on_change(
        "BEFORE INSERT ON customers",
        f"INSERT INTO seen SELECT name, current_setting(name) FROM unnest('{{{','.join(names)}}}'::text[]) AS name;"
        " RETURN NEW;",
    )
    with place.client() as client:
        client.create(customer("a"))
    assert dict(place.rows("SELECT name, setting FROM seen")) == {
        "jit": "off", "enable_seqscan": "off", "synchronous_commit": "on", "statement_timeout": "10s", "lock_timeout": "5s",
    }  # fmt: skip


def test_a_read_whose_statement_could_not_be_prepared_is_tried_once_more(place):
    node = place.new_node("--database-connections", "2").start()
    with node.client(place.key) as client:
        created = client.create(customer("a"))
        statuses = []
        reading = threading.Thread(target=lambda: statuses.append(client.get(f"/v1/customers/{created['id']}").status))
        with place.session() as other:
            other.sql("BEGIN")
            other.sql("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            reading.start()
            place.wait_for_blocked(1)
            before = place.cluster.log.count(CANCELED)
            place.cancel_statements("wait_event_type = 'Lock'")
            wait_until(lambda: place.cluster.log.count(CANCELED) > before, 20, "the question to fail")
            other.sql("ROLLBACK")
        reading.join()
    assert statuses == [200]


def test_a_search_that_nobody_waits_for_is_ended(place):
    """The server is told, and the search takes no reader from others."""
    search = {"filters": [{"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "a"}}]}
    node = place.new_node("--database-connections", "2").start()
    with node.client(place.key) as client:
        client.create(customer("a"))
        with place.session() as other:
            other.sql("BEGIN")
            other.sql("LOCK TABLE customers IN ACCESS EXCLUSIVE MODE")
            connection = RawConnection(node.server.address)
            connection.send(request_bytes("POST", "/v1/customers/search", place.key, search))
            place.wait_for_blocked(1)
            before = place.cluster.log.count(CANCELED)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            wait_until(lambda: place.cluster.log.count(CANCELED) > before, 20, "the search to be ended")
            other.sql("ROLLBACK")
        assert client.post("/v1/customers/search", search).json()["pagination"]["total"] == 1
