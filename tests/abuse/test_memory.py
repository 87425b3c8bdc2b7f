"""What many rude clients at once may cost: the memory of the server while they are there, and after they have gone.

The bound is the one that http/http.h states: buffered-bytes-max, and for each connection one buffer and one reply.
"""

import contextlib
import resource
import time
from pathlib import Path

import pytest

from farthing_server import Server, init, wait_until
from http_client import Client, RawConnection, request_bytes

KIB, MIB = 1024, 1024 * 1024
BUFFERED_BYTES_MAX = 16 * MIB
SLACK = 8 * MIB  # the allocator's, the database's, and that of the free lists
# A connection and the beginning of a request: what was sent, its share of a page, the exchange.
CONNECTION_BYTES = 8 * KIB

# Once is enough for what ends before there is a request to ask the database for.
is_same_on_postgres = pytest.mark.embedded("nothing of it reaches a database")


class Target:
    """A server with one large customer, and how much memory it has."""

    def __init__(self, directory):
        self.key = init(directory).api_key
        self.server = Server(directory, "--buffered-bytes-max", BUFFERED_BYTES_MAX)
        self.status = Path(f"/proc/{self.server.process.pid}/status")
        metadata = {f"key{number}": "v" * 250 for number in range(200)}
        with self.client() as client:
            client.create({"external_id": "large", "name": "Acme", "metadata": metadata})
            for _ in range(20):
                assert client.get("/v1/customers/external/large").status == 200
        self.before = self.memory()

    def client(self):
        return Client(self.server.address, self.key)

    def memory(self, line="VmRSS"):
        return int(self.status.read_text().split(line + ":")[1].split()[0]) * KIB

    def grown(self):
        return self.memory() - self.before

    def assert_served(self):
        """Somebody polite gets an answer at once."""
        start = time.monotonic()
        with self.client() as client:
            assert client.get("/v1/customers/external/large").status == 200
        assert time.monotonic() - start < 2

    def assert_given_back(self):
        wait_until(lambda: self.grown() < SLACK, 15, f"memory to go back; still {self.grown() / MIB:.0f} MiB")


@pytest.fixture
def target(tmp_path):
    target = Target(tmp_path / "data")
    yield target
    target.server.stop()


@contextlib.contextmanager
def crowd(target, count, data=b""):
    """Connections that each send something and read nothing."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft > count + 100, f"needs {count} descriptors; raise ulimit -n"
    connections = []
    try:
        for _ in range(count):
            connections.append(RawConnection(target.server.address))
            if data:
                send_what_fits(connections[-1], data)
        time.sleep(0.5)
        yield connections
    finally:
        for connection in connections:
            connection.close()


def send_what_fits(connection, data):
    """Sends until the server takes no more."""
    connection.socket.settimeout(0.2)
    with contextlib.suppress(OSError):
        connection.socket.sendall(data)
    connection.socket.settimeout(20)


@is_same_on_postgres
def test_a_flood_of_connections(target):
    with crowd(target, 2000):
        assert target.grown() < 2000 * KIB + SLACK
        target.assert_served()
    target.assert_given_back()


@is_same_on_postgres
def test_a_flood_of_connections_that_come_and_go(target):
    for _ in range(5):
        with crowd(target, 500, b"GET /health HTTP/1.1\r\n"):
            pass
    target.assert_served()
    target.assert_given_back()


@is_same_on_postgres
def test_slow_loris(target):
    with crowd(target, 2000, b"GET /health HTTP/1.1\r\nHost: ") as connections:
        for byte in b"farthing.test\r\nX-A: ":
            for connection in connections:
                connection.send_tolerant(bytes([byte]))
        assert target.grown() < 2000 * CONNECTION_BYTES + SLACK
        target.assert_served()
    target.assert_given_back()


@is_same_on_postgres
def test_huge_headers(target):
    """As large as they may be, and never whole: 62 MiB if all were taken."""
    head = b"GET /health HTTP/1.1\r\nHost: h\r\nX-A: " + b"x" * 32_000
    with crowd(target, 2000, head):
        assert target.grown() < BUFFERED_BYTES_MAX + 2000 * (16 * KIB + CONNECTION_BYTES) + SLACK
        target.assert_served()
    target.assert_given_back()


@is_same_on_postgres
def test_never_ending_headers(target):
    with crowd(target, 200, b"GET /health HTTP/1.1\r\nHost: h\r\nX-A: " + b"x" * 500_000):
        assert target.grown() < BUFFERED_BYTES_MAX + SLACK
        target.assert_served()
    target.assert_given_back()


def body_head(target, *headers, key=...):
    return request_bytes("POST", "/v1/customers", target.key if key is ... else key, headers=headers)


@pytest.mark.parametrize("kind", ["chunk", "chunks", "extension", "length"])
def test_bodies_that_do_not_end(target, kind):
    """Each sends eight megabytes of a body whose end does not come: 320 MB in all."""
    data = {
        "chunk": body_head(target, ("Transfer-Encoding", "chunked")) + b"9fffff\r\n" + b"x" * 8_000_000,
        "chunks": body_head(target, ("Transfer-Encoding", "chunked")) + b"400\r\n%s\r\n" % (b"x" * 1024) * 8000,
        "extension": body_head(target, ("Transfer-Encoding", "chunked")) + b"1;" + b"x" * 8_000_000,
        "length": body_head(target, ("Content-Length", "10000000")) + b"x" * 8_000_000,
    }[kind]
    with crowd(target, 40, data) as connections:
        assert target.grown() < BUFFERED_BYTES_MAX + SLACK
        target.assert_served()
        statuses = [status_of(connection) for connection in connections]
    if kind == "extension":
        assert set(statuses) == {400}
    else:
        # Some are taken as far as they came; those for whom there is no room are told so.
        assert set(statuses) == {503, None}
    target.assert_given_back()


def status_of(connection):
    connection.socket.settimeout(0.2)
    try:
        return connection.read_reply().status
    except OSError:
        return None


def test_who_is_refused_for_want_of_memory_is_told_when_to_come_again(target):
    data = body_head(target, ("Content-Length", "10000000")) + b"x" * 8_000_000
    with crowd(target, 10, data) as connections:
        replies = []
        for connection in connections:
            connection.socket.settimeout(0.2)
            with contextlib.suppress(OSError):
                replies.append(connection.read_reply())
        assert replies
        for reply in replies:
            assert reply.status == 503 and reply.json()["code"] == "service_unavailable"
            assert int(reply.header("Retry-After")) >= 1
            assert reply.header("Connection") == "close"
    target.assert_given_back()
    with target.client() as client:
        assert client.post("/v1/customers", b'{"external_id":"b","name":"B"}' + b" " * 8_000_000).status == 201
    target.assert_given_back()


@is_same_on_postgres
def test_strangers_cannot_fill_a_buffer(target):
    with crowd(target, 200, body_head(target, ("Content-Length", "10000000"), key=None) + b"x" * 1_000_000):
        assert target.grown() < SLACK
        target.assert_served()


def test_readers_that_stop_reading(target):
    """Each asks for ten megabytes and takes none."""
    get = request_bytes("GET", "/v1/customers/external/large", target.key)
    with crowd(target, 200, get * 200):
        assert target.grown() < BUFFERED_BYTES_MAX + 200 * 128 * KIB + SLACK
        target.assert_served()
    target.assert_given_back()


@is_same_on_postgres
def test_pipelining_without_reading(target):
    with crowd(target, 100, request_bytes("GET", "/health") * 5000):
        assert target.grown() < BUFFERED_BYTES_MAX + 100 * 32 * KIB + SLACK
        target.assert_served()
    target.assert_given_back()


def test_large_bodies_are_forgotten(target):
    for number in range(8):
        with target.client() as client:
            body = b'{"external_id":"%d","name":"Acme"}' % number + b" " * 9_000_000
            assert client.post("/v1/customers", body).status == 201
    target.assert_given_back()


# What one reply may take of the memory for all of them (store/store.h).
PAGE_BYTES_MAX = BUFFERED_BYTES_MAX // 4


def add_large_customers(target, count):
    """Each with metadata of nearly 64 KiB. What the database keeps of them in memory is not the crowd's."""
    metadata = {f"key{number}": "v" * 250 for number in range(240)}
    with target.client() as client:
        for number in range(count):
            client.create({"external_id": f"large-{number}", "name": "Acme", "metadata": metadata})
    with crowd(target, 8, request_bytes("GET", f"/v1/customers?limit={count}", target.key)) as connections:
        assert {connection.read_reply().status for connection in connections} <= {200, 400, 503}
    time.sleep(2)
    target.before = target.memory()


def test_large_pages_that_nobody_reads_are_bounded(target):
    """Each asks for a page of nearly four megabytes and takes nothing: 150 MiB if all were answered."""
    add_large_customers(target, 60)
    get = request_bytes("GET", "/v1/customers?limit=1000", target.key)
    with crowd(target, 40, get) as connections:
        time.sleep(1)
        # Beside what is counted: a page each of those that are being read and written just now.
        assert target.grown() < BUFFERED_BYTES_MAX + 4 * PAGE_BYTES_MAX + SLACK
        target.assert_served()
        with target.client() as client:
            assert client.post("/v1/customers", {"external_id": "meanwhile", "name": "Acme"}).status == 201
        replies = [connection.read_reply() for connection in connections]
    refused = [reply for reply in replies if reply.status == 503]
    # One tenant's searches that wait are few: more are told 429, which also bounds them.
    assert refused and {200, 503} <= {reply.status for reply in replies} <= {200, 429, 503}
    for reply in refused:
        assert reply.json()["code"] == "service_unavailable"
        assert reply.json()["error"]["details"] == {"reason": "overloaded"}
        assert int(reply.header("Retry-After")) >= 1
    target.assert_given_back()
    with target.client() as client:
        page = client.get("/v1/customers?limit=1000")
        assert page.status == 200 and len(page.body) > PAGE_BYTES_MAX * 3 // 4


def test_a_page_that_is_larger_than_a_reply_may_be(target):
    add_large_customers(target, 80)
    with target.client() as client:
        for path in ("/v1/customers?limit=1000", "/v1/customers?limit=75"):
            reply = client.get(path)
            assert reply.status == 400 and reply.json()["code"] == "validation_error"
            assert set(reply.json()["error"]["details"]) == {"limit"}
        assert len(client.get("/v1/customers?limit=50").json()["items"]) == 50
    target.assert_given_back()
