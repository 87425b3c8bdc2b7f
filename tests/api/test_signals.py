"""Signals: a second one stops at once, SIGHUP reloads, and what a service manager is told."""

import os
import signal
import socket
import time

import pytest

from farthing_server import STOP_SECONDS_MAX, seconds, wait_until
from http_client import Client, RawConnection, request_bytes

HEALTH = request_bytes("GET", "/health")


def half_a_request(server):
    """A connection that keeps a drain waiting."""
    connection = RawConnection(server.address)
    connection.send(HEALTH[:-1])
    assert connection.socket.getpeername()
    time.sleep(0.1)
    return connection


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_at_once(initialised, start_server, second):
    directory, _ = initialised
    server = start_server(directory)
    with half_a_request(server) as connection:
        server.terminate()
        wait_until(lambda: 'message="draining"' in server.log, 5, "the drain")
        time.sleep(0.3)
        assert server.process.poll() is None
        start = time.monotonic()
        server.process.send_signal(second)
        server.wait()
        assert time.monotonic() - start < seconds(2)
        assert "stopping at once" in server.log
        connection.assert_closed()


def test_what_was_acknowledged_before_a_second_signal_is_there(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client, half_a_request(server):
        for number in range(50):
            client.create({"external_id": f"kept {number}", "name": "Acme"})
        server.terminate()
        server.terminate()
        server.wait()
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        for number in range(50):
            assert client.get(f"/v1/customers/external/kept%20{number}").status == 200


def test_hang_ups_do_not_end_a_drain(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory, "--drain-timeout-ms", 1000)
    with half_a_request(server):
        start = time.monotonic()
        server.terminate()
        for _ in range(3):
            time.sleep(0.1)
            server.process.send_signal(signal.SIGHUP)
        server.wait()
        assert 0.9 < time.monotonic() - start < seconds(4)


def test_hang_ups_disturb_nobody(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    with Client(server.address) as client:
        for count in range(1, 21):
            server.process.send_signal(signal.SIGHUP)
            assert client.get("/health").status == 200
            wait_until(lambda: server.log.count('message="reloaded"') == count, 5, "the reload")


# --- the service manager -----------------------------------------------------------------------------------------


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket that hears what is notified, and what NOTIFY_SOCKET is to be."""
    name = f"@farthing-test-{os.getpid()}-{time.monotonic_ns()}" if request.param == "abstract" else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0"))
        listener.settimeout(seconds(STOP_SECONDS_MAX))
        yield listener, name


def test_states_are_notified(initialised, start_server, manager):
    directory, _ = initialised
    listener, name = manager
    server = start_server(directory, NOTIFY_SOCKET=name)
    assert listener.recv(4096) == b"READY=1"
    server.process.send_signal(signal.SIGHUP)
    first, second = listener.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    started = int(second.removeprefix(b"MONOTONIC_USEC="))
    assert 0 < time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - started < seconds(10) * 1_000_000
    assert listener.recv(4096) == b"READY=1"
    server.terminate()
    assert listener.recv(4096) == b"STOPPING=1"
    server.wait()


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "@", "/" + "x" * 200])
def test_a_manager_that_is_not_there_does_not_matter(initialised, start_server, name):
    directory, _ = initialised
    server = start_server(directory, NOTIFY_SOCKET=name)
    with Client(server.address) as client:
        assert client.get("/health").status == 200
