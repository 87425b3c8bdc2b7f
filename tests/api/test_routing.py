"""Which paths and methods are served, and how the others are told so."""

import pytest

from expectations import assert_error
from http_client import RawConnection, request_bytes


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/v2/customers/x",
        "/v1/nowhere",
        "/v1/customersx",
        "/v1/customer",
        "/V1/customers/x",
        "/v1/Customers/x",
        "//v1/customers/x",
        "/v1//customers/x",
        "/v1/customers/external/x/y",
        "/v1/customers/x/y/z",
        "/v1/customers/usage",
        "/v1/customers/wallets",
        "/health/live",
        "/openapi.yaml",
        "/favicon.ico",
        "/.env",
        "/v1/customers/x%2Fy/z",
    ],
)
def test_unknown_route(api, path):
    for key in (None, "sk_bad", api.key):
        assert_error(api.get(path, key=key), 404, "not_found")


@pytest.mark.parametrize(
    "method, path",
    [
        ("PATCH", "/v1/customers"),
        ("PATCH", "/v1/customers/x"),
        ("POST", "/v1/customers/x"),
        ("DELETE", "/v1/customers/external/x"),
        ("POST", "/v1/customers/external/x"),
        ("PUT", "/v1/customers/lookup/x"),
        ("TRACE", "/health"),
        ("PROPFIND", "/v1/customers/x"),
        ("get", "/health"),
        ("POST", "/openapi.json"),
        ("POST", "/ready"),
    ],
)
def test_another_method_of_a_known_path_is_unknown(api, method, path):
    for key in (None, api.key):
        assert_error(api.request(method, path, key=key), 404, "not_found")


def test_an_unknown_route_with_a_body_keeps_the_connection(shared):
    with RawConnection(shared.address) as connection:
        for _ in range(3):
            assert connection.exchange(request_bytes("POST", "/nowhere", body=b"x" * 10_000)).status == 404
        assert connection.exchange(request_bytes("GET", "/health")).status == 200


def test_absolute_form(shared):
    """RFC 9112 section 3.2.2: a server must accept it."""
    with RawConnection(shared.address) as connection:
        assert connection.exchange(request_bytes("GET", "http://farthing.test/health")).json() == {"status": "ok"}


def test_literal_segments_are_never_ids(api):
    """The routes of these names are of other methods, or have one segment more."""
    assert_error(api.get("/v1/customers/search"), 404, "not_found", {"customer_id": "search"})
    assert_error(api.get("/v1/customers/external/"), 404, "not_found", {"customer_id": "external"})
    assert_error(api.get("/v1/customers/search", key=None), 401)


LONG = "/v1/customers/{}", "/v1/customers/external/{}", "/v1/activity/{}", "/v1/rbac/roles/{}", "/v1/environments/{}"


@pytest.mark.parametrize("path", LONG)
def test_a_long_id_is_not_repeated_whole(api, path):
    sent = 5000 * "%C3%BC"
    reply = api.get(path.format(sent[:15000]))
    assert_error(reply, 404, "not_found")
    body = reply.json()
    assert list(body["details"].values()) in ([], [255 * "\u00fc" + "\u2026"])
    assert len(body["message"]) < 400
    # What is as long as an id may be is repeated whole.
    (short,) = api.get(path.format("x" * 255)).json()["details"].values() or ["x" * 255]
    assert short == "x" * 255


def test_a_long_path_is_not_repeated_whole(api):
    message = api.get("/v1/" + 15000 * "x").json()["message"]
    assert message == f"there is no endpoint GET /v1/{251 * 'x'}\u2026"
