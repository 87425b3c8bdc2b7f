"""The process has no descriptor left while it serves: connections that are there go on, new ones wait, and come in when there are
some again."""

import contextlib
import os
import re
import resource
import socket

import pytest

import engine
from expectations import assert_error
from farthing_server import wait_until
from http_client import Client, RawConnection, request_bytes

SEARCH = {"filters": [{"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "now"}}]}


def open_descriptors(place):
    return len(os.listdir(f"/proc/{place.pid}/fd"))


def paused(client):
    text = client.get("/metrics", headers={"Authorization": "Bearer a-token-for-the-test"}).body.decode()
    return int(re.search(r'^farthing_http_connections_refused_total{reason="no_descriptors"} (\d+)$', text, re.M).group(1))


@pytest.fixture
def place(tmp_path, new_place):
    return new_place(tmp_path, "--metrics-token", "a-token-for-the-test")


def test_connections_wait_until_there_are_descriptors_again(place):
    with place.client() as client, contextlib.ExitStack() as stack:
        assert client.get("/ready").status == 200 and paused(client) == 0
        with place.limit(resource.RLIMIT_NOFILE, open_descriptors(place)):
            waiting = [stack.enter_context(RawConnection(place.server.address)) for _ in range(5)]
            for connection in waiting:
                connection.send(request_bytes("GET", "/health"))
            place.changes.wait_for_progress(20)
            place.reads.assert_go_on()
            if not engine.ON_POSTGRES:  # where it needs no connection of its own
                assert_error(client.post("/v1/customers/search", SEARCH), 503, details={"reason": "cannot_open"})
            wait_until(lambda: paused(client) > 0, 10, "the server to pause")
            for connection in waiting:
                connection.socket.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.socket.recv(1)
                connection.socket.settimeout(20)
        for connection in waiting:
            assert connection.read_reply().status == 200
        assert client.post("/v1/customers/search", SEARCH).json()["pagination"]["total"] == 10
        with Client(place.server.address, place.key) as another:
            assert another.get("/ready").status == 200
    place.assert_all_is_well_again()


def test_clients_that_never_leave_take_all_descriptors(tmp_path, new_place):
    """More connections than the process may have open, all at once; when they leave, all is as before."""
    place = new_place(tmp_path, "--metrics-token", "a-token-for-the-test")
    with place.client() as client:
        assert client.get("/ready").status == 200
        with place.limit(resource.RLIMIT_NOFILE, open_descriptors(place) + 20):
            crowd = [socket.create_connection(place.server.address) for _ in range(60)]
            wait_until(lambda: paused(client) > 0, 10, "the server to pause")
            place.changes.wait_for_progress(20)
            place.reads.assert_go_on()
            for connection in crowd:
                connection.close()
            with Client(place.server.address, place.key) as another:
                assert another.get("/ready").status == 200
    place.assert_all_is_well_again()
