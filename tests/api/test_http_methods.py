"""HEAD, OPTIONS, and which origins a browser may let read our replies."""

import pytest

from expectations import assert_common_headers
from http_client import RawConnection, request_bytes

OWN_HEADERS = {"x-request-id", "date"}


@pytest.fixture
def raw(shared):
    with RawConnection(shared.address) as connection:
        yield connection


@pytest.fixture
def paths(api, new_external_id):
    """A path for each kind of answer that a GET has."""
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    return {
        200: [
            f"/v1/customers/{customer['id']}",
            f"/v1/customers/external/{customer['external_id']}",
            "/health",
            "/openapi.json",
        ],
        404: ["/v1/customers/cust_none", "/nowhere", "/"],
    }


def comparable(reply):
    return [(name, value) for name, value in reply.headers if name not in OWN_HEADERS]


def test_head_answers_as_get_without_the_body(shared, raw, paths):
    for status, some in paths.items():
        for path in some:
            get = raw.exchange(request_bytes("GET", path, shared.key))
            head = raw.exchange(request_bytes("HEAD", path, shared.key), method="HEAD")
            assert (get.status, head.status) == (status, status), path
            assert comparable(head) == comparable(get), path
            assert int(head.header("Content-Length")) == len(get.body) > 0
    # No byte of a body was sent: the next reply is where it should be.
    assert raw.exchange(request_bytes("GET", "/health")).status == 200


def test_head_needs_a_key_like_get(shared, raw, paths):
    head = raw.exchange(request_bytes("HEAD", paths[200][0]), method="HEAD")
    assert head.status == 401
    assert head.header("WWW-Authenticate") == "Bearer"
    assert int(head.header("Content-Length")) > 0


def test_head_of_what_can_only_be_posted(shared, raw):
    get = raw.exchange(request_bytes("GET", "/v1/customers/a/b/c", shared.key))
    head = raw.exchange(request_bytes("HEAD", "/v1/customers/a/b/c", shared.key), method="HEAD")
    assert get.status == head.status == 404


def test_head_in_a_pipeline(shared, raw, paths):
    path = paths[200][0]
    raw.send((request_bytes("HEAD", path, shared.key) + request_bytes("GET", path, shared.key)) * 20)
    for _ in range(20):
        assert raw.read_reply("HEAD").status == 200
        assert raw.read_reply().json()["id"]


def test_head_that_is_refused_has_no_body(raw):
    raw.send(b"HEAD /health HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n")
    assert raw.read_reply("HEAD").status == 400
    raw.assert_closed()


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "LINK", "get", "GETT", "A" * 30])
def test_other_methods_do_not_exist(shared, raw, method):
    assert raw.exchange(request_bytes(method, "/health", shared.key)).status == 404
    assert raw.exchange(request_bytes("GET", "/health")).status == 200


@pytest.mark.parametrize("path", ["/", "/v1/customers", "/v1/nowhere/at/all", "*", "/v1/customers/%2F?x=%20"])
def test_options_of_anything(raw, path):
    reply = raw.exchange(request_bytes("OPTIONS", path, headers=[("Origin", "https://app.example")]))
    assert (reply.status, reply.body) == (200, b"")
    assert_common_headers(reply)


def test_options_with_a_body(raw):
    for _ in range(2):
        assert raw.exchange(request_bytes("OPTIONS", "/v1/customers", body=b"x" * 100)).status == 200


@pytest.mark.parametrize("requested", ["caf\xe9", "a\tb", "\x80"])
def test_what_is_no_header_name_is_not_echoed(raw, requested):
    reply = raw.exchange(request_bytes("OPTIONS", "/", headers=[("Access-Control-Request-Headers", requested)]))
    assert reply.status == 200
    assert reply.header("Access-Control-Allow-Headers") == "*"


def test_absolute_targets_are_read(shared, raw, paths):
    for path in paths[200]:
        for host in ("http://farthing.test", "HTTP://other:8080", "https://[::1]"):
            assert raw.exchange(request_bytes("GET", host + path, shared.key)).status == 200
    assert raw.exchange(request_bytes("GET", "http://farthing.test", shared.key)).status == 404
