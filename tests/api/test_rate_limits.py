"""Limits of requests a second, of a key and of an address; off unless they are set."""

import time

import pytest

from expectations import assert_error
from farthing_server import create_environment
from http_client import Client, RawConnection, request_bytes


def assert_limited(reply):
    assert_error(reply, 429, "too_many_requests")
    assert 1 <= int(reply.header("Retry-After")) <= 60
    return int(reply.header("Retry-After"))


def test_there_is_no_limit_unless_one_is_set(shared):
    with RawConnection(shared.address) as connection:
        connection.send(request_bytes("GET", "/v1/customers/x", shared.key) * 3000)
        assert {connection.read_reply().status for _ in range(3000)} == {404}


def test_a_key_has_a_limit_of_its_own(initialised, start_server):
    directory, credentials = initialised
    other = create_environment(directory, credentials.tenant_id, "other")
    server = start_server(directory, "--rate-limit-per-key", 1, "--rate-limit-per-key-burst", 5)
    with Client(server.address, credentials.api_key) as client:
        assert [client.get("/v1/customers/x").status for _ in range(5)] == [404] * 5
        wait = assert_limited(client.get("/v1/customers/x"))
        # Another key is another bucket; a public route has none; a key that is no good is still told so.
        assert client.get("/v1/customers/x", key=other.api_key).status == 404
        assert client.get("/health").status == 200
        assert client.get("/v1/customers/x", key="sk_bad").status == 401
        # On every connection, on every loop.
        with Client(server.address, credentials.api_key) as second:
            assert_limited(second.get("/v1/customers/x"))
        time.sleep(wait)
        assert client.get("/v1/customers/x").status == 404


def test_an_address_has_a_limit(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--rate-limit-per-address", 1, "--rate-limit-per-address-burst", 5)
    with Client(server.address, credentials.api_key) as client:
        # Whatever it asks for, with whatever key.
        paths = ["/v1/customers/x", "/nowhere", "/v1/customers/y"]
        assert [client.get(path).status for path in paths] == [404] * 3
        assert [client.get("/v1/customers/x", key="sk_bad").status for _ in range(2)] == [401] * 2
        assert_limited(client.get("/v1/customers/x", key="sk_bad"))
        assert_limited(client.get("/nowhere"))
        assert client.get("/health").status == 200
        # The connection stays, as it does after any reply.
        time.sleep(assert_limited(client.get("/v1/customers/x")))
        assert client.get("/v1/customers/x").status == 404


def test_a_large_request_counts_once(initialised, start_server):
    """Its head is looked at first, and then all of it."""
    directory, credentials = initialised
    server = start_server(directory, "--rate-limit-per-key", 1, "--rate-limit-per-key-burst", 3)
    with RawConnection(server.address) as connection:
        for number in range(3):
            body = b'{"external_id":"%d","name":"Acme"}' % number + b" " * 100_000
            head = request_bytes(
                "POST",
                "/v1/customers",
                credentials.api_key,
                headers=[("Content-Length", str(len(body))), ("Expect", "100-continue")],
            )
            assert connection.exchange(head).status == 100
            assert connection.exchange(body).status == 201
        # And is refused by its head alone.
        assert_limited(connection.exchange(head))
        connection.assert_closed()


@pytest.mark.parametrize("flag", ["--rate-limit-per-key", "--rate-limit-per-address"])
def test_at_the_rate_nobody_is_refused(initialised, start_server, flag):
    directory, credentials = initialised
    server = start_server(directory, flag, 100)
    with Client(server.address, credentials.api_key) as client:
        statuses = []
        for _ in range(150):
            statuses.append(client.get("/v1/customers/x").status)
            time.sleep(0.011)
        assert set(statuses) == {404}


def test_the_burst_is_a_second_of_the_rate(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--rate-limit-per-key", 50)
    with RawConnection(server.address) as connection:
        connection.send(request_bytes("GET", "/v1/customers/x", credentials.api_key) * 200)
        statuses = [connection.read_reply().status for _ in range(200)]
        assert statuses[:50] == [404] * 50
        assert statuses.count(429) >= 100


# --- origins ----------------------------------------------------------------------------------------------------

ALLOWED = "https://app.example, https://admin.example"


@pytest.mark.parametrize("method,path", [("GET", "/health"), ("GET", "/nowhere"), ("OPTIONS", "/v1/customers")])
def test_origins_can_be_listed(initialised, start_server, method, path):
    server = start_server(initialised[0], "--allowed-origins", ALLOWED)
    with Client(server.address) as client:
        for origin in ("https://app.example", "https://admin.example"):
            reply = client.request(method, path, headers={"Origin": origin})
            assert reply.header("Access-Control-Allow-Origin") == origin
            assert reply.header("Vary") == "Origin"
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "https://app.example.evil"}):
            reply = client.request(method, path, headers=headers)
            assert reply.header("Access-Control-Allow-Origin") is None
            assert reply.header("Vary") == "Origin"
            assert reply.header("Access-Control-Expose-Headers") == "X-Request-ID, Idempotent-Replayed"
