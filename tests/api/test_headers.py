"""Headers of every reply: CORS, security, request id."""

import pytest

from expectations import CORS_HEADERS, SECURITY_HEADERS, ULID, assert_common_headers
from http_client import RawConnection, request_bytes

REQUESTS = {
    "200": ("GET", "/health", None),
    "201": ("POST", "/v1/customers", {"external_id": "headers", "name": "Acme"}),
    "400": ("POST", "/v1/customers", {}),
    "400 json": ("POST", "/v1/customers", b"{"),
    "401": ("GET", "/v1/customers/x", None),
    "404 customer": ("GET", "/v1/customers/x", None),
    "404 route": ("GET", "/nowhere", None),
    "404 method": ("PUT", "/health", None),
    "409": ("POST", "/v1/customers", {"external_id": "headers", "name": "Acme"}),
    "openapi": ("GET", "/openapi.json", None),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_every_reply_has_the_common_headers(api, case):
    method, path, body = REQUESTS[case]
    if case == "409":
        api.request(method, path, body=body)
    reply = api.request(method, path, body=body, key=None if case == "401" else ...)
    if case[0] in "234":
        assert reply.status in (int(case[:3]), 409)
    assert_common_headers(reply)
    assert reply.header("Content-Type") == "application/json; charset=utf-8"
    assert int(reply.header("Content-Length")) == len(reply.body)


@pytest.mark.parametrize(
    "path", ["/", "/v1/customers", "/v1/customers/x", "/v1/nowhere", "/health", "/openapi.json", "*"]
)
def test_preflight(shared, path):
    request = request_bytes(
        "OPTIONS",
        path,
        headers=[
            ("Origin", "https://app.example"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "x-api-key, content-type, Authorization"),
        ],
    )
    with RawConnection(shared.address) as connection:
        for _ in range(2):
            reply = connection.exchange(request)
            assert reply.status == 200
            assert reply.body == b""
            assert reply.header("Access-Control-Allow-Headers") == "x-api-key, content-type, Authorization"
            assert_common_headers(reply)


def test_options_without_requested_headers(api):
    reply = api.request("OPTIONS", "/v1/customers", key=None)
    assert (reply.status, reply.body) == (200, b"")
    assert reply.header("Access-Control-Allow-Headers") == "*"
    assert_common_headers(reply)


def test_options_needs_no_good_key(api):
    assert api.request("OPTIONS", "/v1/customers/x", key="sk_bad").status == 200


def test_requested_headers_are_echoed_only_as_far_as_they_are_names(shared):
    """Nothing that a client sends may end a header line of ours early."""
    hostile = "x-a\tx-b: c"
    request = request_bytes("OPTIONS", "/", headers=[("Access-Control-Request-Headers", hostile)])
    with RawConnection(shared.address) as connection:
        reply = connection.exchange(request)
        assert reply.status in (200, 400)
        assert {name for name, _ in reply.headers} <= {name.lower() for name in (*CORS_HEADERS, *SECURITY_HEADERS)} | {
            "access-control-allow-headers",
            "x-request-id",
            "content-length",
            "content-type",
            "connection",
            "date",
            "server",
        }


GOOD_REQUEST_IDS = ["a", "my-request-1", "!~", '{"x":1}', "x" * 128, "550e8400-e29b-41d4-a716-446655440000"]


@pytest.mark.parametrize("request_id", GOOD_REQUEST_IDS)
@pytest.mark.parametrize("path", ["/health", "/nowhere", "/v1/customers/x"])
def test_request_id_is_echoed(api, path, request_id):
    assert api.get(path, headers={"X-Request-ID": request_id}).header("X-Request-ID") == request_id


@pytest.mark.parametrize(
    "request_id", ["", "x" * 129, "x" * 8000, "two words", "a\tb", "caf\xe9", "\x80"], ids=lambda text: repr(text)[:14]
)
def test_bad_request_id_is_replaced(shared, request_id):
    with RawConnection(shared.address) as connection:
        reply = connection.exchange(request_bytes("GET", "/health", headers=[("X-Request-ID", request_id)]))
        assert reply.status == 200
        assert ULID.fullmatch(reply.header("X-Request-ID"))


def test_request_ids_are_fresh(api):
    ids = [api.get("/health").header("X-Request-ID") for _ in range(200)]
    assert all(ULID.fullmatch(request_id) for request_id in ids)
    assert len(set(ids)) == 200
