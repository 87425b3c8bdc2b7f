import pytest

from expectations import assert_common_headers, assert_error


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/health", "/health/", "/health?verbose=1"])
def test_health_needs_no_key(api, method, path):
    reply = api.request(method, path, key=None)
    assert reply.status == 200
    assert reply.json() == {"status": "ok"}
    assert_common_headers(reply)


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON", b"\xff\x00"])
def test_health_takes_any_body(api, body):
    reply = api.post("/health", body, key=None)
    assert (reply.status, reply.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/ready", "/health/ready"])
def test_ready_names_its_checks(api, path):
    reply = api.get(path, key=None)
    assert reply.status == 200
    body = reply.json()
    assert set(body) == {"status", "checks"}
    assert body["status"] == "ok"
    assert body["checks"]["database"] == "ok"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/health", "/ready", "/health/ready"])
def test_health_has_no_other_method(api, method, path):
    assert_error(api.request(method, path, key=None), 404, "not_found")
