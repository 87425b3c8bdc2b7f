"""Limits of a request, and slow senders."""

import time

import pytest

from expectations import assert_error
from farthing_server import seconds, wait_until
from http_client import Client, RawConnection, request_bytes
from shared_server import Shared

BODY_BYTES_MAX = 10 * 1024 * 1024
URL_BYTES_MAX = 16 * 1024
HEADER_BYTES_MAX = 32 * 1024


@pytest.fixture
def raw(shared):
    with RawConnection(shared.address) as connection:
        yield connection


def padded_body(external_id, length):
    body = b'{"external_id":"%s","name":"Acme"}' % external_id.encode()
    return body + b" " * (length - len(body))


# --- body ------------------------------------------------------------------------------------------------------


def test_the_largest_body_is_read(api, new_external_id):
    assert api.post("/v1/customers", padded_body(new_external_id(), BODY_BYTES_MAX)).status == 201
    assert api.get("/health").status == 200


def test_a_larger_body_is_refused_before_it_is_read(shared, raw):
    head = request_bytes("POST", "/v1/customers", shared.key, headers=[("Content-Length", str(BODY_BYTES_MAX + 1))])
    assert_error(raw.exchange(head), 413, "validation_error")
    raw.assert_closed()


def test_a_larger_body_sent_whole_is_refused(shared, raw):
    """The refusal must reach a client that goes on sending: it may not be lost in a reset."""
    raw.send_tolerant(request_bytes("POST", "/v1/customers", shared.key, padded_body("large", BODY_BYTES_MAX + 1)))
    assert_error(raw.read_reply(), 413, "validation_error")


@pytest.mark.parametrize("length", ["18446744073709551615", "18446744073709551616", "9" * 40])
def test_an_absurd_length_is_refused(shared, raw, length):
    reply = raw.exchange(request_bytes("POST", "/v1/customers", shared.key, headers=[("Content-Length", length)]))
    assert reply.status in (400, 413)
    assert_error(reply, reply.status, "validation_error")
    raw.assert_closed()


def test_expect_continue(shared, raw, new_external_id):
    body = padded_body(new_external_id(), 100)
    head = request_bytes(
        "POST", "/v1/customers", shared.key, headers=[("Content-Length", "100"), ("Expect", "100-continue")]
    )
    assert raw.exchange(head).status == 100
    assert raw.exchange(body).status == 201


def test_expect_continue_with_too_large_a_body(shared, raw):
    headers = [("Content-Length", str(BODY_BYTES_MAX + 1)), ("Expect", "100-continue")]
    assert_error(raw.exchange(request_bytes("POST", "/v1/customers", shared.key, headers=headers)), 413)


# --- URL and headers -------------------------------------------------------------------------------------------


def test_the_longest_url_is_read(shared, raw):
    path = "/v1/customers/".ljust(URL_BYTES_MAX, "x")
    assert_error(raw.exchange(request_bytes("GET", path, shared.key)), 404, "not_found")
    assert raw.exchange(request_bytes("GET", "/health")).status == 200


@pytest.mark.parametrize("length", [URL_BYTES_MAX + 1, 20_000, 100_000])
def test_a_longer_url_is_refused(shared, raw, length):
    raw.send_tolerant(request_bytes("GET", "/v1/customers/".ljust(length, "x"), shared.key))
    assert_error(raw.read_reply(), 414, "validation_error")
    raw.assert_closed()


def test_an_endless_url_is_refused(raw):
    raw.send_tolerant(b"GET /" + b"x" * 200_000)
    assert_error(raw.read_reply(), 414, "validation_error")
    raw.assert_closed()


def test_large_headers_are_read(shared, raw):
    headers = [(f"X-Fill-{number}", "x" * 1000) for number in range(30)]
    assert raw.exchange(request_bytes("GET", "/health", shared.key, headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [[("X-Fill", "x" * HEADER_BYTES_MAX)], [(f"X-Fill-{number}", "x" * 1000) for number in range(33)]],
    ids=["one", "many"],
)
def test_larger_headers_are_refused(shared, raw, headers):
    raw.send_tolerant(request_bytes("GET", "/health", shared.key, headers=headers))
    assert_error(raw.read_reply(), 431, "validation_error")
    raw.assert_closed()


def test_endless_headers_are_refused(raw):
    raw.send_tolerant(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Fill: " + b"x" * 200_000)
    assert_error(raw.read_reply(), 431, "validation_error")
    raw.assert_closed()


def test_too_many_headers_are_refused(raw):
    headers = [(f"X-{number}", "x") for number in range(1000)]
    raw.send_tolerant(request_bytes("GET", "/health", headers=headers))
    assert_error(raw.read_reply(), 431, "validation_error")
    raw.assert_closed()


# --- beginnings and ends ---------------------------------------------------------------------------------------


def test_what_came_before_a_malformed_request_is_answered(shared, raw):
    raw.send(request_bytes("GET", "/health") * 3 + request_bytes("GET", "/health")[:-2] + b"X-A\r\n\r\n")
    assert [raw.read_reply().status for _ in range(4)] == [200, 200, 200, 400]
    raw.assert_closed()


def test_empty_lines_before_a_request_are_skipped(raw):
    """RFC 9112 section 2.2: a server should ignore at least one."""
    assert raw.exchange(b"\r\n" + request_bytes("GET", "/health")).status == 200


def test_no_bytes_at_all(shared):
    for _ in range(20):
        RawConnection(shared.address).close()
    with RawConnection(shared.address) as connection:
        assert connection.exchange(request_bytes("GET", "/health")).status == 200


def test_clients_that_leave_in_the_middle(shared, new_external_id):
    """A request that its sender abandoned is not carried out when its body is not whole."""
    external_id = new_external_id()
    whole = request_bytes("POST", "/v1/customers", shared.key, {"external_id": external_id, "name": "Acme"})
    for length in (1, 20, whole.index(b"\r\n\r\n") + 2, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
        with RawConnection(shared.address) as connection:
            connection.send(whole[:length])
    time.sleep(0.1)
    with shared.client() as client:
        assert client.get(f"/v1/customers/external/{external_id}").status == 404


# --- slow senders ----------------------------------------------------------------------------------------------

TIMEOUT_MS = 400
TIMEOUT_FLAGS = ["--header-timeout-ms", "--body-timeout-ms", "--idle-timeout-ms"]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A server with short limits. The limit under test is the short one; the others stay far away."""
    servers = {}

    def hasty(flag):
        if flag not in servers:
            directory = tmp_path_factory.mktemp("hasty") / "data"
            others = [text for name in TIMEOUT_FLAGS if name != flag for text in (name, "60000")]
            servers[flag] = Shared(directory, flag, TIMEOUT_MS, *others)
        return servers[flag]

    yield hasty
    for shared in servers.values():
        shared.server.stop()


def drip(connection, data, pause_seconds=0.05):
    """Sends byte by byte until the server has had enough."""
    connection.socket.setblocking(False)
    try:
        for byte in data:
            try:
                connection.socket.send(bytes([byte]))
                more = connection.socket.recv(1 << 16)
                connection.received += more
                break
            except BlockingIOError:
                time.sleep(pause_seconds)
            except (BrokenPipeError, ConnectionResetError):
                break
    finally:
        connection.socket.settimeout(seconds(10))


def assert_timed_out(connection, start):
    assert_error(connection.read_reply(), 408, "validation_error")
    connection.assert_closed()
    assert TIMEOUT_MS / 1000 * 0.9 <= time.monotonic() - start < seconds(TIMEOUT_MS / 1000 + 2)


def test_a_head_that_does_not_come_whole(hasty):
    with RawConnection(hasty("--header-timeout-ms").address) as connection:
        start = time.monotonic()
        connection.send(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        assert_timed_out(connection, start)


def test_a_head_that_comes_byte_by_byte(hasty):
    """The limit is on the whole head: a byte now and then does not renew it."""
    with RawConnection(hasty("--header-timeout-ms").address) as connection:
        start = time.monotonic()
        drip(connection, request_bytes("GET", "/health", headers=[("X-Fill", "x" * 1000)]))
        assert_timed_out(connection, start)


def test_a_body_that_does_not_come_whole(hasty):
    shared = hasty("--body-timeout-ms")
    with RawConnection(shared.address) as connection:
        start = time.monotonic()
        connection.send(request_bytes("POST", "/v1/customers", shared.key, padded_body("slow", 500))[:-1])
        assert_timed_out(connection, start)


def test_a_body_that_comes_byte_by_byte(hasty):
    shared = hasty("--body-timeout-ms")
    with RawConnection(shared.address) as connection:
        request = request_bytes("POST", "/v1/customers", shared.key, padded_body("slow", 500))
        start = time.monotonic()
        connection.send(request[:-499])
        drip(connection, request[-499:])
        assert_timed_out(connection, start)
    with shared.client() as client:
        assert client.get("/v1/customers/external/slow").status == 404


def test_an_idle_connection_is_closed_without_a_word(hasty):
    shared = hasty("--idle-timeout-ms")
    with RawConnection(shared.address) as connection:
        assert connection.exchange(request_bytes("GET", "/health")).status == 200
        start = time.monotonic()
        connection.assert_closed()
        assert TIMEOUT_MS / 1000 * 0.8 <= time.monotonic() - start < seconds(TIMEOUT_MS / 1000 + 2)


def test_a_busy_connection_outlives_the_idle_limit(hasty):
    shared = hasty("--idle-timeout-ms")
    with RawConnection(shared.address) as connection:
        for _ in range(8):
            assert connection.exchange(request_bytes("GET", "/health")).status == 200
            time.sleep(TIMEOUT_MS / 1000 / 4)


def test_others_are_served_while_one_dawdles(hasty):
    shared = hasty("--header-timeout-ms")
    dawdlers = [RawConnection(shared.address) for _ in range(64)]
    for connection in dawdlers:
        connection.send(b"GET /hea")
    with shared.client() as client:
        assert client.get("/health").status == 200
    for connection in dawdlers:
        assert connection.read_reply().status == 408
        connection.close()


def test_a_client_that_does_not_read_is_given_up(initialised, start_server):
    """Its replies are many; the server keeps no more of them than fit, and not for ever."""
    directory, credentials = initialised
    server = start_server(directory, "--write-timeout-ms", TIMEOUT_MS)
    with RawConnection(server.address) as connection:
        body = {
            "external_id": "large",
            "name": "Acme",
            "metadata": {f"key{number}": "v" * 250 for number in range(200)},
        }
        assert connection.exchange(request_bytes("POST", "/v1/customers", credentials.api_key, body)).status == 201
        get = request_bytes("GET", "/v1/customers/external/large", credentials.api_key)
        connection.send_tolerant(get * 400)  # 20 MB of replies
        time.sleep(seconds(TIMEOUT_MS / 1000 + 1))
        received = 0
        try:
            while more := connection.socket.recv(1 << 20):
                received += len(more)
        except ConnectionResetError:
            pass
        assert received < 400 * 50_000
    with Client(server.address) as client:
        assert client.get("/health").status == 200


def test_the_body_limit_is_a_setting(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--body-bytes-max", 1000)
    with RawConnection(server.address) as connection:
        request = request_bytes("POST", "/v1/customers", credentials.api_key, padded_body("acme", 1000))
        assert connection.exchange(request).status == 201
        connection.send_tolerant(request_bytes("POST", "/v1/customers", credentials.api_key, padded_body("x", 1001)))
        assert_error(connection.read_reply(), 413, "validation_error")
        connection.assert_closed()


@pytest.mark.parametrize("loops", [1, 2, 7])
def test_the_number_of_loops_is_a_setting(initialised, start_server, loops):
    directory, credentials = initialised
    server = start_server(directory, "--loops", loops)
    connections = [RawConnection(server.address) for _ in range(20)]
    for number, connection in enumerate(connections):
        body = {"external_id": str(number), "name": "Acme"}
        connection.send(request_bytes("POST", "/v1/customers", credentials.api_key, body))
    assert [connection.read_reply().status for connection in connections] == [201] * 20
    for connection in connections:
        connection.close()


# --- connections -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flag,status,code",
    [("--connections-max", 503, "service_unavailable"), ("--connections-per-client-max", 429, "too_many_requests")],
)
@pytest.mark.parametrize("origins", ["*", "https://app.example"])
def test_a_connection_too_many_is_told_so(initialised, start_server, flag, status, code, origins):
    """Before it says anything; and when another one has gone there is room."""
    other = ["--connections-per-client-max", 100] if flag == "--connections-max" else []
    server = start_server(initialised[0], flag, 2, *other, "--allowed-origins", origins)
    first, second = RawConnection(server.address), RawConnection(server.address)
    for connection in (first, second):
        assert connection.exchange(request_bytes("GET", "/health")).status == 200
    with RawConnection(server.address) as third:
        reply = third.read_reply()
        assert (reply.status, reply.json()["code"], reply.json()["http_status_code"]) == (status, code, status)
        assert int(reply.header("Retry-After")) >= 1
        assert reply.header("Access-Control-Allow-Origin") == (origins if origins == "*" else None)
        assert reply.header("Access-Control-Allow-Headers") == "*"
        third.assert_closed()
    first.close()

    def is_served():
        with RawConnection(server.address) as connection:
            connection.send_tolerant(request_bytes("GET", "/health"))
            return connection.read_reply().status == 200

    wait_until(is_served, 5, "room for a connection")
    second.close()
