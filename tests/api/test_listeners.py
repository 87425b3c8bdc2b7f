"""Where the server listens, whom it lets in, and how many."""

import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from farthing_server import SLOWDOWN, run, seconds, socket_address, wait_until
from http_client import Client, RawConnection, Reply, request_bytes
from tls import Certificate, TlsConnection

HEALTH = request_bytes("GET", "/health")


class UnixConnection(RawConnection):
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds(20))
        self.socket.connect(str(path))
        self.received = b""


def assert_serves(connection):
    with connection:
        assert connection.exchange(HEALTH).json() == {"status": "ok"}


@pytest.fixture(scope="session")
def ipv6():
    """Fails, rather than skips, where the machine has no IPv6: then this part is not tested."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.fail(f"this machine has no IPv6 loopback (::1), so listening on IPv6 cannot be tested: {error}")


# --- TCP ---------------------------------------------------------------------------------------------------------


def test_several_addresses(initialised, start_server, tmp_path, ipv6):
    directory, _ = initialised
    path = tmp_path / "socket"
    server = start_server(directory, "--listen", "[::1]:0", "--listen", f"unix:{path}", "--listen", "127.0.0.2:0")
    addresses = [address for address, _ in server.addresses()]
    assert [re.sub(r"\d+$", "N", address) for address in addresses] == [
        "127.0.0.1:N",
        "[::1]:N",
        f"unix:{path}",
        "127.0.0.2:N",
    ]
    for address in addresses:
        where = socket_address(address)
        for _ in range(10):
            assert_serves(UnixConnection(where) if isinstance(where, str) else RawConnection(where))


def test_both_families_at_once(initialised, start_server, ipv6):
    directory, _ = initialised
    server = start_server(directory, listen="[::]:0")
    port = server.address[1]
    assert_serves(RawConnection(("::1", port)))
    assert_serves(RawConnection(("127.0.0.1", port)))


def test_an_address_in_the_list_twice(initialised, start_server):
    directory, _ = initialised
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % probe.getsockname()[1]
    process = run("serve", "--data", directory, "--listen", address, "--listen", address)
    assert process.returncode == 1
    assert process.stderr.startswith(f"farthing: cannot listen on {address}: address already in use")


def test_too_many_addresses(initialised):
    directory, _ = initialised
    process = run("serve", "--data", directory, *["--listen=127.0.0.1:0"] * 30)
    assert process.returncode == 2 and process.stderr.count("\n") == 1


# --- Unix sockets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags, mode", [((), 0o660), (("--unix-socket-mode", "0600"), 0o600), (("--unix-socket-mode=666",), 0o666)])
def test_the_mode_of_a_unix_socket(initialised, start_server, tmp_path, flags, mode):
    directory, _ = initialised
    path = tmp_path / "socket"
    server = start_server(directory, *flags, listen=f"unix:{path}")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE((directory / "admin.sock").stat().st_mode) == 0o600
    assert_serves(UnixConnection(path))
    server.stop()
    assert not path.exists()


@pytest.mark.parametrize("mode", ["", "rw", "0668", "1777", "00660"])
def test_what_is_no_mode(initialised, mode):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--unix-socket-mode", mode)
    assert process.returncode == 2 and "unix-socket-mode" in process.stderr


def test_curl_through_a_unix_socket(initialised, start_server, tmp_path):
    directory, _ = initialised
    path = tmp_path / "socket"
    start_server(directory, "--listen", f"unix:{path}")
    output = subprocess.run(
        ["curl", "-sS", "--unix-socket", path, "http://localhost/health"],
        capture_output=True,
        text=True,
        timeout=seconds(20),
    )
    assert (output.stdout, output.stderr) == ('{"status":"ok"}', "")


def test_a_stale_socket_is_replaced(initialised, start_server, tmp_path):
    directory, _ = initialised
    path = tmp_path / "socket"
    server = start_server(directory, listen=f"unix:{path}")
    server.kill()
    assert path.exists()
    start_server(directory, listen=f"unix:{path}")
    assert_serves(UnixConnection(path))


def test_a_socket_that_another_server_made_in_its_place_is_left_alone(initialised, start_server, tmp_path):
    """The first server's path was removed by hand; when it ends, the second one must keep what it made there."""
    directory, _ = initialised
    path = tmp_path / "socket"
    first = start_server(directory, "--listen", f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as second:
        second.bind(str(path))
        first.stop()
        assert path.is_socket()


def test_what_is_in_the_way_is_left_alone(initialised, tmp_path):
    directory, _ = initialised
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        process = run("serve", "--data", directory, "--listen", f"unix:{path}")
        assert process.returncode == 1
        assert process.stderr == (
            f"farthing: cannot listen on {path}: another server listens there; stop it or choose another path\n"
        )
        UnixConnection(path).close()
    path.unlink()
    path.write_text("precious")
    process = run("serve", "--data", directory, "--listen", f"unix:{path}")
    assert process.returncode == 1
    assert "there is a file that is not a socket" in process.stderr
    assert path.read_text() == "precious"
    process = run("serve", "--data", directory, "--listen", f"unix:{tmp_path}/{'x' * 120}")
    assert process.returncode == 1 and "107 bytes" in process.stderr


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_socket_of_another_kind_that_is_in_use_is_left_alone(initialised, start_server, tmp_path, kind):
    directory, _ = initialised
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, kind) as other:
        other.bind(str(path))
        if kind == socket.SOCK_SEQPACKET:
            other.listen()
        made = path.stat().st_ino
        process = run("serve", "--data", directory, "--listen", f"unix:{path}")
        assert process.returncode == 1
        assert process.stderr == (
            f"farthing: cannot listen on {path}: another program has a socket of another kind there; "
            "stop it or choose another path\n"
        )
        assert path.stat().st_ino == made
    start_server(directory, listen=f"unix:{path}")  # now nobody has it
    assert_serves(UnixConnection(path))


def watched_connections(server):
    """How many descriptors each of the server's loops watches."""
    folder = f"/proc/{server.process.pid}"
    loops = [
        name for name in os.listdir(f"{folder}/fd") if os.readlink(f"{folder}/fd/{name}") == "anon_inode:[eventpoll]"
    ]
    return [open(f"{folder}/fdinfo/{loop}").read().count("tfd:") for loop in loops]


def all_loops_wait(server):
    """Whether none of the server's loops has anything to do, or waits for a processor to do it on."""
    states = []
    for task in os.listdir(f"/proc/{server.process.pid}/task"):
        name, state = open(f"/proc/{server.process.pid}/task/{task}/stat").read().split("(")[1].rsplit(")")
        if name.startswith("http-"):
            states.append(state.split()[0])
    return set(states) == {"S"}


def test_all_loops_accept_from_a_unix_socket(initialised, start_server, tmp_path):
    """In turn, when they have the time: on a busy machine one that is kept off its processor would miss its turns."""
    directory, _ = initialised
    path = tmp_path / "socket"
    server = start_server(directory, "--loops", 3, listen=f"unix:{path}")
    before = watched_connections(server)
    assert len(before) == 3
    connections = []
    for _ in range(60):
        wait_until(lambda: all_loops_wait(server), 20, "the loops to have nothing to do")
        connections.append(UnixConnection(path))
        assert connections[-1].exchange(HEALTH).status == 200
    assert [after - earlier for after, earlier in zip(watched_connections(server), before)] == [20, 20, 20]
    for connection in connections:
        connection.close()


def test_the_public_sockets_are_not_the_admin_socket(initialised, start_server, tmp_path):
    directory, _ = initialised
    path = tmp_path / "socket"
    start_server(directory, listen=f"unix:{path}")
    request = request_bytes("GET", "/admin/keys")
    with UnixConnection(path) as public, UnixConnection(directory / "admin.sock") as admin:
        assert public.exchange(request).status == 404
        assert admin.exchange(request).status == 200


# --- sockets that were passed ------------------------------------------------------------------------------------


@pytest.fixture
def start_with(start_server):
    """Starts servers that are passed sockets, as a service manager does it."""

    def start(sockets, directory, *arguments, names=None, **options):
        numbers = [50 + index for index, _ in enumerate(sockets)]  # out of the way of 3, 4, …
        for number, one in zip(numbers, sockets):
            os.dup2(one.fileno(), number)
        moves = " ".join(f"{3 + index}<&{number} {number}<&-" for index, number in enumerate(numbers))
        script = f'export LISTEN_PID=$$ LISTEN_FDS={len(sockets)}; exec "$@" {moves}'
        variables = {} if names is None else {"LISTEN_FDNAMES": names}
        try:
            return start_server(
                directory, *arguments, launcher=("bash", "-c", script, "bash"), pass_fds=numbers, **variables, **options
            )
        finally:
            for number in numbers:
                os.close(number)

    return start


@pytest.fixture
def listening(tmp_path):
    """Listening sockets: one of TCP, one of Unix."""
    tcp, local = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    local.bind(str(tmp_path / "passed"))
    local.listen()
    with tcp, local:
        yield tcp, local


def test_passed_sockets_take_the_place_of_the_default(initialised, start_with, listening):
    directory, _ = initialised
    tcp, local = listening
    server = start_with(listening, directory, listen=None)
    assert server.addresses() == [
        ("127.0.0.1:%d" % tcp.getsockname()[1], "http"),
        (f"unix:{local.getsockname()}", "http"),
    ]
    for _ in range(20):
        assert_serves(RawConnection(tcp.getsockname()))
        assert_serves(UnixConnection(local.getsockname()))
    server.stop()
    # They are the manager's: they stay, and the next server goes on with them.
    assert os.path.exists(local.getsockname())
    waiting = RawConnection(tcp.getsockname())
    waiting.send(HEALTH)
    start_with(listening, directory, listen=None)
    with waiting:
        assert waiting.read_reply().status == 200


def test_passed_sockets_beside_others(initialised, start_with, listening):
    directory, _ = initialised
    server = start_with(listening, directory, "--listen", "systemd")
    assert len(server.addresses()) == 3
    assert_serves(RawConnection(server.address))
    assert_serves(RawConnection(listening[0].getsockname()))


def test_passed_sockets_that_are_not_wanted(initialised, start_with, listening):
    directory, _ = initialised
    server = start_with(listening, directory)
    assert len(server.addresses()) == 1
    assert "the sockets that were passed are not used" in server.log


def test_sockets_that_were_passed_to_another_process(initialised, listening):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--listen", "systemd", LISTEN_PID="1", LISTEN_FDS="1")
    assert process.returncode == 2
    assert process.stderr == "farthing: listen: systemd: no socket was passed to this process (LISTEN_FDS, LISTEN_PID)\n"


def test_names_of_passed_sockets(initialised, start_with, listening, tmp_path):
    directory, _ = initialised
    certificate = Certificate(tmp_path / "tls")
    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as unnamed:
        sockets = (listening[0], plain, unnamed)
        server = start_with(sockets, directory, *certificate.flags, listen=None, names="https:http:unknown")
        assert [scheme for _, scheme in server.addresses()] == ["https", "http", "https"]
        assert_serves(TlsConnection(listening[0].getsockname(), certificate.context()))
        assert_serves(RawConnection(plain.getsockname()))
        assert_serves(TlsConnection(unnamed.getsockname(), certificate.context()))


@pytest.mark.parametrize("address", ["fd:0", "fd:99", "fd:4294967299"])
def test_what_is_no_listening_socket(initialised, address):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--listen", address)
    assert process.returncode == 1
    assert process.stderr == f"farthing: cannot listen on {address}: this descriptor is not a listening socket\n"


@pytest.mark.parametrize("address", ["fd:", "fd:-1", "fd:3x", "unix:", "http://", "nowhere"])
def test_what_is_no_address(initialised, address):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--listen", address)
    assert process.returncode == 2
    assert process.stderr.startswith("farthing: --listen must be HOST:PORT")
    assert process.stderr.endswith(f'not "{address}"\n')


# --- limits ------------------------------------------------------------------------------------------------------


def read_all(connection):
    """All bytes until the server closes."""
    received = b""
    try:
        while more := connection.recv(1 << 16):
            received += more
    except ConnectionResetError:
        pass
    return received


def refusal(address):
    """What a connection that may not come in is told."""
    with socket.create_connection(address, timeout=seconds(20)) as connection:
        received = read_all(connection)
    head, body = received.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    return Reply(int(lines[0].split(" ")[1]), [tuple(line.split(": ", 1)) for line in lines[1:]], body)


def assert_refused(reply, status, code, message):
    assert reply.status == status
    assert reply.header("Connection") == "close"
    assert reply.header("Retry-After") == "1"
    assert reply.header("X-Content-Type-Options") == "nosniff"
    assert int(reply.header("Content-Length")) == len(reply.body)
    assert reply.json() == {
        "code": code,
        "message": message,
        "http_status_code": status,
        "success": False,
        "error": {"message": message, "internal_error": code, "details": {}},
    }


def served(address):
    connection = RawConnection(address)
    assert connection.exchange(HEALTH).status == 200
    return connection


def test_connections_in_all(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory, "--connections-max", 10, "--connections-per-client-max", 100)
    connections = [served(server.address) for _ in range(10)]
    for _ in range(5):
        reply = refusal(server.address)
        assert_refused(reply, 503, "service_unavailable", "too many connections; try again later")
    for connection in connections:
        assert connection.exchange(HEALTH).status == 200
    # The admin socket is always open.
    with UnixConnection(directory / "admin.sock") as admin:
        assert admin.exchange(request_bytes("GET", "/admin/keys")).status == 200
    connections.pop().close()
    wait_until(lambda: can_come_in(server.address), 5, "a place")
    assert server.log.count("connections are refused") == 1
    for connection in connections:
        connection.close()


def can_come_in(address):
    with RawConnection(address) as connection:
        try:
            return connection.exchange(HEALTH).status == 200
        except (OSError, EOFError):
            return False


def test_connections_of_one_client(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory, "--connections-per-client-max", 5, listen="0.0.0.0:0")
    port = server.address[1]
    address = ("127.0.0.1", port)
    connections = [served(address) for _ in range(5)]
    reply = refusal(address)
    assert_refused(reply, 429, "too_many_requests", "too many connections from this address; close some first")
    # Another client is not hindered.
    with socket.create_connection(address, source_address=("127.0.0.2", 0), timeout=seconds(20)) as other:
        other.sendall(HEALTH)
        assert other.recv(100).startswith(b"HTTP/1.1 200 ")
    connections.pop().close()
    wait_until(lambda: can_come_in(address), 5, "a place")
    for connection in connections:
        connection.close()


def test_half_of_all_is_for_one_client(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory, "--connections-max", 10)
    connections = [served(server.address) for _ in range(5)]
    assert refusal(server.address).status == 429
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8", "loopback"])
def test_trusted_proxies_are_not_one_client(initialised, start_server, trusted):
    directory, _ = initialised
    server = start_server(directory, "--connections-per-client-max", 2, "--trust-proxy", trusted)
    connections = [served(server.address) for _ in range(8)]
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("network", ["everybody", "10.0.0.1/8", "::1/129", "localhost"])
def test_what_is_no_network(initialised, network):
    directory, _ = initialised
    process = run("serve", "--data", directory, "--trust-proxy", network)
    assert process.returncode == 2
    assert process.stderr == (
        "farthing: --trust-proxy must be an address, a network such as 10.0.0.0/8, loopback or unix, "
        f'not "{network}"\n'
    )


def test_refused_tls_clients_are_just_closed(initialised, start_server, tmp_path):
    directory, _ = initialised
    certificate = Certificate(tmp_path / "tls")
    server = start_server(directory, *certificate.flags, "--connections-per-client-max", 1)
    with TlsConnection(server.address, certificate.context()) as connection:
        with socket.create_connection(server.address, timeout=seconds(20)) as refused:
            assert read_all(refused) == b""
        assert connection.exchange(HEALTH).status == 200


def resident_kib(server):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{server.process.pid}/status").read())[1])


def test_a_flood_of_connections(initialised, start_server):
    """Thousands of attempts over the limit cost neither memory nor the connections that are there."""
    directory, _ = initialised
    server = start_server(directory, "--connections-per-client-max", 50)
    connections = [served(server.address) for _ in range(50)]
    for _ in range(200):
        refusal(server.address)
    before = resident_kib(server)
    outcomes = []

    def flood():
        for _ in range(1000):
            outcomes.append(refusal(server.address).status)

    threads = [threading.Thread(target=flood) for _ in range(4)]
    for thread in threads:
        thread.start()
    slowest = 0
    while any(thread.is_alive() for thread in threads):
        for connection in connections:
            start = time.monotonic()
            assert connection.exchange(HEALTH).status == 200
            slowest = max(slowest, time.monotonic() - start)
    assert outcomes.count(429) == len(outcomes) == 4000
    assert slowest < seconds(1)
    if SLOWDOWN == 1:  # sanitizers keep freed memory
        assert resident_kib(server) - before < 2048
    for connection in connections:
        connection.close()


def test_many_connections_that_say_nothing(initialised, start_server):
    """More than the usual limit of open files: the server raises it as far as it may."""
    directory, _ = initialised
    script = 'ulimit -Sn 1024; exec "$@"'
    server = start_server(directory, launcher=("sh", "-c", script, "sh"))
    limits = open(f"/proc/{server.process.pid}/limits").read()
    soft, hard = re.search(r"Max open files\s+(\d+)\s+(\d+)", limits).groups()
    assert soft == hard
    # `half of all` are for one client; this stays below what the test's own process may open.
    connections = [socket.create_connection(server.address, timeout=seconds(20)) for _ in range(900)]
    connections[-1].sendall(HEALTH)
    assert connections[-1].recv(100).startswith(b"HTTP/1.1 200 ")
    for connection in connections:
        connection.close()


def test_few_descriptors(initialised, start_server):
    directory, _ = initialised
    script = 'ulimit -n 200; exec "$@"'
    server = start_server(
        directory, "--connections-max", 1000, "--connections-per-client-max", 1000, launcher=("sh", "-c", script, "sh")
    )
    assert "connections-max is lowered" in server.log
    connections = [served(server.address) for _ in range(100)]
    assert refusal(server.address).status == 503
    with Client(server.address) as client:
        assert client.get("/health").status == 503
    for connection in connections:
        assert connection.exchange(HEALTH).status == 200
        connection.close()


def test_a_restart_with_clients_that_keep_coming(initialised, start_server, tmp_path):
    """A Unix socket is there again after a restart; in between, clients are refused, not left hanging."""
    directory, _ = initialised
    path = tmp_path / "socket"
    for _ in range(3):
        server = start_server(directory, listen=f"unix:{path}")
        assert_serves(UnixConnection(path))
        server.process.send_signal(signal.SIGTERM)
        server.wait()
        with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
            UnixConnection(path)




def test_a_unix_socket_in_a_directory_that_is_not_there(initialised, tmp_path):
    process = run("serve", "--data", initialised[0], "--listen", f"unix:{tmp_path}/none/x.sock")
    assert (process.returncode, process.stdout) == (1, "")
    assert "the directory that it is to be in does not exist" in process.stderr
