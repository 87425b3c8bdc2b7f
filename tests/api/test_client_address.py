"""Whom a request is from, as the access log tells it: the peer, or whom a trusted proxy names."""

import json
import socket

import pytest

from farthing_server import seconds, wait_until
from http_client import RawConnection, request_bytes
from test_listeners import UnixConnection


@pytest.fixture
def client_of(initialised, start_server, tmp_path):
    """Starts a server, and gives what its access log calls the client of a request with these headers."""
    directory, _ = initialised

    def start(*arguments, connect=None, **options):
        log = tmp_path / f"access.{len(list(tmp_path.iterdir()))}.log"
        server = start_server(directory, "--access-log", log, "--log-format", "json", *arguments, **options)

        def ask(*headers):
            before = len(log.read_text().splitlines()) if log.exists() else 0
            with (connect or RawConnection)(server.address) as connection:
                assert connection.exchange(request_bytes("GET", "/v1/customers/x", headers=headers)).status == 401
            wait_until(lambda: log.exists() and len(log.read_text().splitlines()) > before, 10, "the access log")
            return json.loads(log.read_text().splitlines()[-1])["client"]

        return ask

    return start


def x(*values):
    return [("X-Forwarded-For", value) for value in values]


def test_nobody_is_trusted_unless_told(client_of):
    ask = client_of()
    assert ask() == "127.0.0.1"
    assert ask(*x("192.0.2.1")) == "127.0.0.1"
    assert ask(("Forwarded", "for=192.0.2.1")) == "127.0.0.1"


def test_x_forwarded_for(client_of):
    ask = client_of("--trust-proxy", "loopback", "--trust-proxy", "10.0.0.0/8", "--trust-proxy", "2001:db8:aaaa::/48")
    assert ask() == "127.0.0.1"
    assert ask(*x("192.0.2.1")) == "192.0.2.1"
    assert ask(*x("203.0.113.7, 192.0.2.1")) == "192.0.2.1"
    assert ask(*x("203.0.113.7, 192.0.2.1, 10.1.2.3")) == "192.0.2.1"
    assert ask(*x("203.0.113.7", "192.0.2.1", "10.1.2.3")) == "192.0.2.1"
    assert ask(*x("2001:DB8::1, 2001:db8:aaaa::9")) == "2001:db8::1"
    assert ask(*x("[2001:db8::1]:443")) == "2001:db8::1"
    assert ask(*x("unknown, 10.1.2.3")) == "10.1.2.3"
    # The other header is not the one that the proxy writes, so it is the client's own.
    assert ask(("Forwarded", "for=203.0.113.7"), *x("192.0.2.1")) == "192.0.2.1"
    assert ask(("Forwarded", "for=203.0.113.7")) == "127.0.0.1"


def test_forwarded(client_of):
    ask = client_of("--trust-proxy", "127.0.0.1", "--forwarded-header", "forwarded")
    assert ask(("Forwarded", 'for="[2001:db8::1]:4711";proto=https, for=127.0.0.1')) == "2001:db8::1"
    assert ask(("Forwarded", "for=203.0.113.7"), ("Forwarded", "for=192.0.2.1;proto=http")) == "192.0.2.1"
    assert ask(*x("203.0.113.7")) == "127.0.0.1"


def test_a_proxy_on_a_unix_socket(client_of, tmp_path):
    ask = client_of(listen=f"unix:{tmp_path / 'socket'}", connect=UnixConnection)
    assert ask(*x("192.0.2.1")) == "unix"


def test_a_trusted_proxy_on_a_unix_socket(client_of, tmp_path):
    ask = client_of("--trust-proxy", "unix", listen=f"unix:{tmp_path / 'socket'}", connect=UnixConnection)
    assert ask() == "unix"
    assert ask(*x("192.0.2.1")) == "192.0.2.1"
    assert ask(*x("203.0.113.7, 127.0.0.1")) == "127.0.0.1"  # only the socket is trusted


def test_ipv6(client_of):
    with socket.socket(socket.AF_INET6) as probe:
        probe.settimeout(seconds(1))
        probe.bind(("::1", 0))  # fails, and so does the test, where there is no IPv6
    ask = client_of("--trust-proxy", "::1", listen="[::1]:0")
    assert ask() == "::1"
    assert ask(*x("2001:db8::7")) == "2001:db8::7"


def test_an_ipv4_client_of_a_socket_for_both(client_of):
    """It has one address, however it came in."""
    ask = client_of(
        "--trust-proxy",
        "127.0.0.0/8",
        listen="[::]:0",
        connect=lambda address: RawConnection(("127.0.0.1", address[1])),
    )
    assert ask() == "127.0.0.1"
    assert ask(*x("192.0.2.1")) == "192.0.2.1"


OPEN_QUOTES = ['"', '"x', 'for="', 'for="\\', '"a, "b, "']


def test_a_quote_that_the_client_leaves_open_hides_nothing(client_of):
    """The proxy writes behind what the client has sent."""
    ask = client_of("--trust-proxy", "loopback")
    for quote in OPEN_QUOTES:
        assert ask(*x(f"{quote}, 192.0.2.1")) == "192.0.2.1"


def test_a_quote_that_the_client_leaves_open_hides_nothing_of_forwarded(client_of):
    ask = client_of("--trust-proxy", "loopback", "--forwarded-header", "forwarded")
    for quote in OPEN_QUOTES:
        assert ask(("Forwarded", f"{quote}, for=192.0.2.1")) == "192.0.2.1"
        assert ask(("Forwarded", f'{quote}, for="[2001:db8::1]:4711";by="a, \\"b"')) == "2001:db8::1"
