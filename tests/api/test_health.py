import subprocess

import pytest

import farthing_server
from expectations import assert_common_headers, assert_error
from farthing_server import wait_until
from http_client import Client


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


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.needs("mount")
@pytest.mark.embedded("the disk is that of the data directory")
def test_a_full_disk_is_not_ready_until_there_is_room(small_disk, start_server):
    credentials = farthing_server.init(small_disk / "data")
    server = start_server(small_disk / "data")
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/ready").json()["checks"]["disk"] == "ok"
        ballast = small_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)) == 4096:
                    pass
            except OSError:
                pass  # it is full
        # What the files have room for may still be written.
        number = 0
        while (reply := client.post("/v1/customers", {"external_id": f"c{number}", "name": "x" * 200})).status == 201:
            number += 1
            assert number < 10000
        assert_error(reply, 503)
        assert "disk_full" in reply.body.decode()
        ready = client.get("/ready")
        assert (ready.status, ready.json()["checks"]["disk"]) == (503, "disk_full")
        assert client.get("/health").status == 200
        ballast.unlink()
        # Without a write: whoever waits for it to be ready sends none.
        wait_until(lambda: client.get("/ready").status == 200, 10, "the server to be ready again")
        assert client.post("/v1/customers", {"external_id": "again", "name": "Acme"}).status == 201
    server.stop()
