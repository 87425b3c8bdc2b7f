"""SIGTERM drains: what runs is finished, nothing new is begun, the process ends with 0."""

import signal
import threading
import time

import pytest

from farthing_server import seconds, wait_until
from http_client import Client, RawConnection, request_bytes


def create_bytes(key, external_id):
    return request_bytes("POST", "/v1/customers", key, {"external_id": external_id, "name": "Acme"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server(initialised, start_server, number):
    directory, _ = initialised
    server = start_server(directory)
    server.process.send_signal(number)
    server.wait()


def test_idle_connections_do_not_hold_the_server(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    connections = [RawConnection(server.address) for _ in range(20)]
    for connection in connections[::2]:
        assert connection.exchange(request_bytes("GET", "/health")).status == 200
    start = time.monotonic()
    server.stop()
    assert time.monotonic() - start < seconds(3)
    for connection in connections:
        connection.assert_closed()
        connection.close()


def refuses_connections(address):
    try:
        RawConnection(address).close()
        return False
    except OSError:
        return True


def test_a_request_under_way_is_finished(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    request = create_bytes(credentials.api_key, "under way")
    with RawConnection(server.address) as connection:
        connection.send(request[:-5])
        time.sleep(0.2)
        server.terminate()
        wait_until(lambda: refuses_connections(server.address), 5, "the server to stop accepting")
        connection.send(request[-5:])
        reply = connection.read_reply()
        assert reply.status == 201
        assert reply.header("Connection") == "close"
        connection.assert_closed()
    server.wait()
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert client.get("/v1/customers/external/under%20way").status == 200


def test_a_drain_has_a_limit(initialised, start_server):
    """A client that never finishes cannot keep the server from ending."""
    directory, credentials = initialised
    server = start_server(directory, "--drain-timeout-ms", 500)
    with RawConnection(server.address) as connection:
        connection.send(create_bytes(credentials.api_key, "never whole")[:-5])
        time.sleep(0.1)
        start = time.monotonic()
        server.stop()
        assert 0.4 < time.monotonic() - start < seconds(3)


@pytest.mark.parametrize("attempt", range(5))
def test_what_was_acknowledged_under_load_is_there(initialised, start_server, attempt):
    directory, credentials = initialised
    server = start_server(directory)
    acknowledged = []
    failures = []

    def load(number):
        with RawConnection(server.address) as connection:
            for count in range(100_000):
                external_id = f"{number}-{count}"
                try:
                    reply = connection.exchange(create_bytes(credentials.api_key, external_id))
                except (OSError, EOFError):
                    return
                if reply.status != 201:
                    failures.append(reply)
                    return
                acknowledged.append(external_id)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.1 + 0.07 * attempt)
    server.stop()
    for thread in threads:
        thread.join()
    assert failures == []
    assert acknowledged
    server = start_server(directory)
    with RawConnection(server.address) as connection:
        for start in range(0, len(acknowledged), 100):
            some = acknowledged[start : start + 100]
            connection.send(
                b"".join(request_bytes("GET", f"/v1/customers/external/{one}", credentials.api_key) for one in some)
            )
            assert [connection.read_reply().status for _ in some] == [200] * len(some)


def test_it_starts_again_on_the_same_port(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    with Client(server.address) as client:
        assert client.get("/health").status == 200
        server.stop()
    again = start_server(directory, listen=f"127.0.0.1:{server.address[1]}")
    assert again.address == server.address
