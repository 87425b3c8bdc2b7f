"""Connections: keep-alive, pipelining, requests in pieces, and what a client reads of what was written."""

import random
import time

import pytest

from farthing_server import SLOWDOWN
from http_client import RawConnection, request_bytes


@pytest.fixture
def raw(shared):
    with RawConnection(shared.address) as connection:
        yield connection


def create_bytes(shared, external_id, **more):
    return request_bytes("POST", "/v1/customers", shared.key, {"external_id": external_id, "name": "Acme", **more})


def get_bytes(shared, external_id):
    return request_bytes("GET", f"/v1/customers/external/{external_id}", shared.key)


def test_a_connection_is_kept(raw):
    for _ in range(500):
        reply = raw.exchange(request_bytes("GET", "/health"))
        assert reply.status == 200
        assert (reply.header("Connection") or "keep-alive").lower() == "keep-alive"


@pytest.mark.parametrize("value", ["close", "Close", "CLOSE", "keep-alive, close"])
def test_connection_close_is_honoured(raw, value):
    raw.send(request_bytes("GET", "/health", headers=[("Connection", value)]) + request_bytes("GET", "/health"))
    reply = raw.read_reply()
    assert reply.status == 200
    assert reply.header("Connection").lower() == "close"
    raw.assert_closed()


def test_http_1_0_closes(raw):
    reply = raw.exchange(b"GET /health HTTP/1.0\r\n\r\n")
    assert reply.json() == {"status": "ok"}
    raw.assert_closed()


def test_a_half_closed_connection_gets_its_reply(raw):
    """A client may shut its sending side as soon as it has sent (some load tools do)."""
    import socket

    raw.send(request_bytes("GET", "/health"))
    raw.socket.shutdown(socket.SHUT_WR)
    assert raw.read_reply().status == 200
    raw.assert_closed()


def test_pipelined_reads_are_answered_in_order(shared, raw, api, new_external_id):
    customers = [api.create({"external_id": new_external_id(), "name": "Acme"}) for _ in range(20)]
    order = [random.choice(customers) for _ in range(200)]
    raw.send(b"".join(get_bytes(shared, customer["external_id"]) for customer in order))
    for customer in order:
        assert raw.read_reply().json()["id"] == customer["id"]


def test_pipelined_writes_are_answered_in_order(shared, raw, new_external_id):
    external_ids = [new_external_id() for _ in range(100)]
    raw.send(b"".join(create_bytes(shared, external_id) for external_id in external_ids))
    replies = [raw.read_reply() for _ in external_ids]
    assert [reply.json()["external_id"] for reply in replies] == external_ids
    ids = [reply.json()["id"] for reply in replies]
    assert ids == sorted(ids)


def test_each_kind_of_reply_in_one_pipeline(shared, raw, new_external_id):
    external_id = new_external_id()
    requests = [
        (200, request_bytes("GET", "/health")),
        (404, get_bytes(shared, external_id)),
        (201, create_bytes(shared, external_id)),
        (200, get_bytes(shared, external_id)),
        (409, create_bytes(shared, external_id)),
        (400, request_bytes("POST", "/v1/customers", shared.key, b"{")),
        (401, request_bytes("POST", "/v1/customers", "sk_bad", b"{}")),
        (404, request_bytes("POST", "/nowhere", body=b"ignored")),
        (200, request_bytes("OPTIONS", "/v1/customers")),
        (201, create_bytes(shared, new_external_id())),
        (200, request_bytes("POST", "/health", body=b"x" * 1000)),
        (200, get_bytes(shared, external_id)),
    ]
    raw.send(b"".join(request for _, request in requests))
    assert [raw.read_reply().status for _ in requests] == [status for status, _ in requests]
    # Once more: the customers exist now, so they are found where they were not, and cannot be created again.
    raw.send(b"".join(request for _, request in requests))
    repeated = [200, 200, 409, 200, 409, 400, 401, 404, 200, 409, 200, 200]
    assert [raw.read_reply().status for _ in requests] == repeated


def test_a_read_behind_a_write_in_one_pipeline_sees_it(shared, raw, new_external_id):
    for _ in range(100):
        external_id = new_external_id()
        raw.send(get_bytes(shared, external_id) + create_bytes(shared, external_id) + get_bytes(shared, external_id))
        before, created, after = (raw.read_reply() for _ in range(3))
        assert (before.status, created.status, after.status) == (404, 201, 200)
        assert after.json()["id"] == created.json()["id"]


def test_a_write_is_seen_by_every_connection_once_it_is_acknowledged(shared, new_external_id):
    """The connections are spread over the loops, each of which has a read transaction of its own."""
    readers = [RawConnection(shared.address) for _ in range(16)]
    with RawConnection(shared.address) as writer:
        for number in range(150):
            external_id = new_external_id()
            assert writer.exchange(create_bytes(shared, external_id)).status == 201
            request = get_bytes(shared, external_id)
            for reader in readers[number % 4 :: 4]:
                reader.send(request)
            for reader in readers[number % 4 :: 4]:
                assert reader.read_reply().status == 200
    for reader in readers:
        reader.close()


def read_replies_unseen(connection, count):
    """Takes replies off a connection without looking into them, which is faster."""
    seen = 0
    while seen < count:
        connection._fill()
        seen += connection.received.count(b"\r\nX-Request-ID: ")
        connection.received = connection.received[-20:].rpartition(b"\r\nX-Request-ID: ")[2]


def test_a_write_is_seen_while_the_loops_are_busy(shared, new_external_id):
    """The first half of a read arrives among many large ones, the second half when the write is acknowledged: the
    loop may have begun the batch, and taken its snapshot, before the write."""
    large = new_external_id()
    fillers = [RawConnection(shared.address) for _ in range(64)]
    readers = [RawConnection(shared.address) for _ in range(16)]
    writers = [RawConnection(shared.address) for _ in range(4)]
    text = {f"key{number}": "v" * 250 for number in range(200)}
    assert writers[0].exchange(create_bytes(shared, large, metadata=text)).status == 201
    filling = get_bytes(shared, large) * 4
    for number in range(max(10, round(60 / SLOWDOWN))):
        external_id = new_external_id()
        request = get_bytes(shared, external_id)
        writers[number % 4].send(create_bytes(shared, external_id))
        for index, filler in enumerate(fillers):
            filler.send(filling)
            if index % 4 == 0:
                readers[index // 4].send(request[:10])
        assert writers[number % 4].read_reply().status == 201
        for reader in readers:
            reader.send(request[10:])
        assert [reader.read_reply().status for reader in readers] == [200] * len(readers)
        for filler in fillers:
            read_replies_unseen(filler, 4)
    for connection in (*fillers, *readers, *writers):
        connection.close()


def test_a_request_byte_by_byte(shared, raw, new_external_id):
    external_id = new_external_id()
    for byte in create_bytes(shared, external_id) + get_bytes(shared, external_id):
        raw.send(bytes([byte]))
    assert raw.read_reply().status == 201
    assert raw.read_reply().status == 200


def test_requests_cut_anywhere(shared, raw, new_external_id):
    external_ids = [new_external_id() for _ in range(8)]
    stream = b"".join(create_bytes(shared, external_id) for external_id in external_ids)
    cuts = sorted(random.Random(1).sample(range(len(stream)), 30))
    for start, end in zip([0, *cuts], [*cuts, len(stream)]):
        raw.send(stream[start:end])
        time.sleep(0.001)
    assert [raw.read_reply().json()["external_id"] for _ in external_ids] == external_ids


def test_a_client_that_reads_late_gets_all(shared, new_external_id):
    """More replies than the sockets' buffers hold: the server must wait with the rest, and with reading more."""
    with RawConnection(shared.address) as connection:
        external_id = new_external_id()
        text = {f"key{number}": "v" * 250 for number in range(200)}
        assert connection.exchange(create_bytes(shared, external_id, metadata=text)).status == 201
        request = get_bytes(shared, external_id)
        count = 400  # 20 MB of replies
        connection.socket.setblocking(False)
        unsent = request * count
        deadline = time.monotonic() + 1
        while unsent and time.monotonic() < deadline:
            try:
                unsent = unsent[connection.socket.send(unsent) :]
            except BlockingIOError:
                time.sleep(0.01)
        connection.socket.settimeout(20)
        with shared.client() as other:
            assert other.get("/health").status == 200
        received = 0
        while received < count:
            if unsent:
                connection.socket.settimeout(0.0)
                try:
                    unsent = unsent[connection.socket.send(unsent) :]
                except BlockingIOError:
                    pass
                connection.socket.settimeout(20)
            assert connection.read_reply().json()["metadata"] == text
            received += 1


def test_many_connections(shared):
    connections = [RawConnection(shared.address) for _ in range(900)]
    for connection in connections:
        connection.send(request_bytes("GET", "/health"))
    for connection in connections:
        assert connection.read_reply().status == 200
        connection.close()
