"""TLS: what is spoken, what is refused, certificates that come and go, and clients that misbehave."""

import http.client
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from farthing_server import Server, run, seconds, socket_address, wait_until
from http_client import RawConnection, request_bytes
from tls import RSA, Certificate, TlsConnection, openssl

HEALTH = request_bytes("GET", "/health")
HANDSHAKES_UNFINISHED_MAX = 1024  # of a loop


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, certificate):
    """One that speaks TLS at its first address and plain HTTP at its second."""
    server = Server(
        tmp_path_factory.mktemp("shared") / "data",
        *certificate.flags,
        *("--listen", "http://127.0.0.1:0", "--header-timeout-ms", 2000, "--idle-timeout-ms", 4000),
    )
    yield server
    server.stop()


def plain_address(server):
    (address,) = [address for address, scheme in server.addresses() if scheme == "http"]
    return socket_address(address)


def s_client(server, *arguments, data=b"", check=True):
    host, port = server.address
    return openssl("s_client", "-connect", f"{host}:{port}", *arguments, data=data, check=check)


# --- what is spoken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_and_replies(server, certificate, version):
    context = certificate.context()
    context.minimum_version = context.maximum_version = version
    with TlsConnection(server.address, context) as connection:
        assert connection.socket.version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]
        for _ in range(20):
            assert connection.exchange(HEALTH).json() == {"status": "ok"}
        connection.send(HEALTH * 50)  # pipelined, in few records
        assert [connection.read_reply().status for _ in range(50)] == [200] * 50


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(server, version):
    output = s_client(server, version, "-cipher", "ALL:@SECLEVEL=0", check=False)
    assert "alert protocol version" in output and "Cipher is (NONE)" in output, output


# Mozilla's intermediate list (5.7), of those that a certificate with an elliptic key can have.
TLS_1_2 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
}
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


def accepts(server, *arguments):
    output = s_client(server, *arguments, check=False)
    match = re.search(r"^New, \(?(\S+?)\)?, Cipher is (\S+)", output, flags=re.M)
    assert match, output
    return None if match[2] in ("(NONE)", "0000") else match[2]


def test_cipher_suites_of_tls_1_2(server):
    offered = openssl("ciphers", "-s", "-tls1_2", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").strip().split(":")
    assert TLS_1_2 < set(offered) and len(offered) > 30
    # The server takes what the client prefers: what it took is left out, until it takes nothing more.
    taken = set()
    while cipher := accepts(server, "-tls1_2", "-cipher", ":".join(set(offered) - taken) + ":@SECLEVEL=0"):
        taken.add(cipher)
    assert taken == TLS_1_2


def test_cipher_suites_of_tls_1_3(server):
    for cipher in TLS_1_3:
        assert accepts(server, "-tls1_3", "-ciphersuites", cipher) == cipher
    for cipher in ("TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
        assert accepts(server, "-tls1_3", "-ciphersuites", cipher) is None


def test_groups(server):
    for group in ("X25519", "P-256", "P-384"):
        output = s_client(server, "-groups", group)
        assert f"Server Temp Key: {'X25519' if group == 'X25519' else 'ECDH'}" in output, output
    for group in ("P-521", "X448", "ffdhe2048"):
        assert "handshake failure" in s_client(server, "-groups", group, check=False)


def test_rsa(directory, start_server, tmp_path):
    certificate = Certificate(tmp_path / "tls", key=RSA)
    server = start_server(directory, *certificate.flags)
    for version in ("-tls1_2", "-tls1_3"):
        assert accepts(server, version)
    assert accepts(server, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256") == "ECDHE-RSA-AES128-GCM-SHA256"
    assert accepts(server, "-tls1_2", "-cipher", "AES128-GCM-SHA256") is None


def test_protocols(server, certificate):
    def chosen(*protocols):
        context = certificate.context()
        context.set_alpn_protocols(protocols)
        with TlsConnection(server.address, context) as connection:
            assert connection.exchange(HEALTH).status == 200
            return connection.socket.selected_alpn_protocol()

    assert chosen("http/1.1") == "http/1.1"
    assert chosen("h2", "http/1.1") == "http/1.1"
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        chosen("h2")
    with TlsConnection(server.address, certificate.context()) as connection:
        assert connection.socket.selected_alpn_protocol() is None


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed(server, tmp_path, version):
    saved = tmp_path / "session"
    first = s_client(server, version, "-sess_out", saved, "-ign_eof", data=b"GET /health HTTP/1.0\r\n\r\n")
    assert "New, " in first and "200 OK" in first
    for _ in range(3):
        again = s_client(server, version, "-sess_in", saved, "-ign_eof", data=b"GET /health HTTP/1.0\r\n\r\n")
        assert "Reused, " in again and "200 OK" in again
    assert "Early data was not sent" in first or version == "-tls1_2"
    assert not re.search(r"Max Early Data: [1-9]", first)


def test_a_session_is_not_resumed_by_another_server(server, certificate, directory, start_server, tmp_path):
    saved = tmp_path / "session"
    s_client(server, "-tls1_2", "-sess_out", saved)
    other = start_server(directory, *certificate.flags)
    assert "New, " in s_client(other, "-tls1_2", "-sess_in", saved)


def test_renegotiation_is_refused(server):
    output = s_client(server, "-tls1_2", "-legacy_renegotiation", data=b"R\n", check=False)
    assert "RENEGOTIATING" in output and "no renegotiation" in output, output


def said_until(process, output, words, count):
    """What the process has said in all, once it has said this so often."""
    while output.count(words) < count:
        more = os.read(process.stdout.fileno(), 1 << 16)
        assert more, output
        output += more
    return output


def test_a_change_of_keys(server, certificate):
    """TLS 1.3's KeyUpdate, which asks the server for one of its own."""
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", "%s:%d" % server.address, "-tls1_3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = said_until(process, b"", b"Verify return code", 1)
    for count in range(1, 4):
        process.stdin.write(b"K\n")
        process.stdin.flush()
        output = said_until(process, output, b"KEYUPDATE", count)
    process.stdin.write(b"GET /health HTTP/1.0\r\n\r\n")
    process.stdin.flush()
    output = (output + process.stdout.read()).decode()  # to its end, which comes when the server closes
    process.communicate(timeout=seconds(10))
    assert output.count("KEYUPDATE") == 3 and "200 OK" in output, output


def test_a_flood_of_key_updates_is_ended(server, certificate):
    """Each costs more than a request and brings none: the loop would do nothing else."""
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", "%s:%d" % server.address, "-tls1_3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with pytest.raises(BrokenPipeError):
        for _ in range(600):
            process.stdin.write(b"k\n")
            process.stdin.flush()
            time.sleep(0.01)  # s_client takes what comes at once as one command
    process.kill()
    process.wait()
    with TlsConnection(server.address, certificate.context()) as connection:
        assert connection.exchange(HEALTH).status == 200


def test_curl(server, certificate):
    host, port = server.address
    output = subprocess.run(
        ["curl", "-sS", "--cacert", certificate.certificate, "-w", " %{http_code} %{http_version}"]
        + [f"https://localhost:{port}/health", "--connect-to", f"localhost:{port}:{host}:{port}"],
        capture_output=True,
        text=True,
        timeout=seconds(20),
    )
    assert (output.stdout, output.stderr) == ('{"status":"ok"} 200 1.1', "")


def test_large_bodies_both_ways(directory, start_server, certificate):
    server = start_server(directory, *certificate.flags)
    with TlsConnection(server.address, certificate.context()) as connection:
        description = connection.exchange(request_bytes("GET", "/openapi.json"))
        assert description.status == 200 and len(description.body) > 5_000
        reply = connection.exchange(request_bytes("POST", "/v1/customers", "no key", b" " * 3_000_000), "POST")
        assert reply.status in (401, 413)


# --- the end -----------------------------------------------------------------------------------------------------


def test_the_server_says_that_it_closes(server, certificate):
    with TlsConnection(server.address, certificate.context()) as connection:
        connection.send(request_bytes("GET", "/health", headers=[("Connection", "close")]))
        assert connection.read_reply().status == 200
        # An end without close_notify would be an SSLEOFError here.
        connection.socket.suppress_ragged_eofs = False
        connection.assert_closed()


def test_an_idle_client_is_told_as_well(server, certificate):
    with TlsConnection(server.address, certificate.context()) as connection:
        connection.socket.suppress_ragged_eofs = False
        connection.assert_closed(limit_seconds=8)


def test_a_client_that_closes_its_half_gets_its_reply(server, certificate):
    with TlsConnection(server.address, certificate.context()) as connection:
        connection.send(HEALTH)
        plain = socket.socket(fileno=socket.dup(connection.socket.fileno()))
        plain.shutdown(socket.SHUT_WR)
        plain.close()
        assert connection.read_reply().status == 200


def test_a_drain_ends_handshakes_at_once(directory, start_server, certificate):
    server = start_server(directory, *certificate.flags)
    dawdling = [RawConnection(server.address) for _ in range(10)]
    with TlsConnection(server.address, certificate.context()) as connection:
        assert connection.exchange(HEALTH).status == 200
        start = time.monotonic()
        server.stop()
        assert time.monotonic() - start < seconds(3)
        connection.assert_closed()
    for one in dawdling:
        one.assert_closed()
        one.close()


# --- clients that misbehave --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS", "get"])
def test_plain_http_is_told_so(server, method):
    with RawConnection(server.address) as connection:
        connection.send_tolerant(request_bytes(method, "/health"))
        reply = connection.read_reply(method)
        assert reply.status == 400
        assert reply.header("Connection") == "close"
        assert reply.json()["code"] == "validation_error"
        assert "https://" in reply.json()["message"]
        connection.assert_closed()


def test_plain_http_where_plain_http_is_spoken(server):
    with RawConnection(plain_address(server)) as connection:
        assert connection.exchange(HEALTH).status == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 1000,
        b"\x16\x03\x01\xff\xff" + b"\0" * 70000,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"\x17\x03\x03\x00\x10" + b"x" * 16,
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",
        b"\xff" * 20000,
    ],
    # pytest puts the name of the test into the environment, where it may be too long for any program to be started.
    ids=["zeros", "long record", "empty hello", "alert", "data", "SSL 2", "ones"],
)
def test_garbage_ends_the_connection(server, garbage):
    with RawConnection(server.address) as connection:
        connection.send_tolerant(garbage)
        connection.socket.settimeout(seconds(5))
        try:
            while connection.socket.recv(1 << 16):  # an alert may come first
                pass
        except ConnectionResetError:
            pass


def test_garbage_after_the_handshake_ends_the_connection(server, certificate):
    with TlsConnection(server.address, certificate.context()) as connection:
        assert connection.exchange(HEALTH).status == 200
        plain = socket.socket(fileno=socket.dup(connection.socket.fileno()))
        plain.settimeout(seconds(5))
        plain.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        alert = plain.recv(1 << 16)
        assert alert and b"HTTP" not in alert
        assert plain.recv(1 << 16) == b""
        plain.close()


def test_a_slow_handshake_is_ended(server):
    """Also one that goes on, byte by byte: the time is that of the whole handshake."""
    with RawConnection(server.address) as silent, RawConnection(server.address) as slow:
        start = time.monotonic()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 600
        for byte in hello:
            try:
                slow.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
            assert time.monotonic() - start < seconds(6)
        assert time.monotonic() - start > 1.5
        slow.socket.settimeout(seconds(5))
        try:
            assert slow.socket.recv(100) == b""
        except ConnectionResetError:
            pass
        silent.assert_closed()


def test_the_oldest_of_too_many_unfinished_handshakes_gives_way(directory, start_server, certificate):
    """A greeting without an end costs some 36 KiB; nobody holds the memory of thousands, and others still come in."""
    server = start_server(directory, *certificate.flags, "--loops", 1)
    idle = [socket.create_connection(server.address) for _ in range(HANDSHAKES_UNFINISHED_MAX + 20)]
    wait_until(lambda: readable(idle[0]), 10, "the oldest one to be closed")
    with TlsConnection(server.address, certificate.context()) as connection:
        assert connection.exchange(HEALTH).status == 200
    assert sum(readable(each) for each in idle) in range(20, 23)
    assert not any(readable(each) for each in idle[-100:])
    for each in idle:
        each.close()


def readable(connection):
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def test_others_are_served_meanwhile(server, certificate):
    dawdling = [RawConnection(server.address) for _ in range(200)]
    for one in dawdling[::2]:
        one.send(b"\x16\x03\x01\x02\x00\x01")
    with TlsConnection(server.address, certificate.context()) as connection:
        for _ in range(20):
            assert connection.exchange(HEALTH).status == 200
    for one in dawdling:
        one.close()


def test_a_handshake_in_small_pieces(server, certificate):
    """The client's bytes arrive a few at a time, and so do the server's."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = certificate.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with RawConnection(server.address) as connection:

        def send():
            data = outgoing.read()
            for start in range(0, len(data), 7):
                connection.send(data[start : start + 7])

        def step(action):
            while True:
                try:
                    result = action()
                    send()
                    return result
                except ssl.SSLWantReadError:
                    send()
                    data = connection.socket.recv(11)
                    assert data
                    incoming.write(data)

        step(client.do_handshake)
        for _ in range(3):
            step(lambda: client.write(HEALTH))
            reply = b""
            while not reply.endswith(b"}"):
                reply += step(lambda: client.read(1000))
            assert reply.startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_does_not_read_is_given_up(initialised, start_server, certificate):
    directory, _ = initialised
    server = start_server(directory, *certificate.flags, "--write-timeout-ms", 500)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(seconds(20))
    plain.connect(server.address)
    with TlsConnection(None, certificate.context(), plain=plain) as connection:
        request = request_bytes("GET", "/openapi.json")
        connection.socket.settimeout(seconds(2))
        sent = 0
        try:
            for sent in range(100_000):
                connection.send(request)
        except OSError:
            pass
        assert sent < 90_000
        with TlsConnection(server.address, certificate.context()) as other:
            assert other.exchange(HEALTH).status == 200


# --- certificates ------------------------------------------------------------------------------------------------


def test_files_that_cannot_be_used_stop_the_start(tmp_path, certificate):
    other = Certificate(tmp_path, "other")
    rsa = Certificate(tmp_path, "rsa", key=RSA)
    text = tmp_path / "text"
    text.write_text("no certificate\n")
    sealed = tmp_path / "sealed.key"
    openssl("pkey", "-in", other.key, "-aes256", "-passout", "pass:secret", "-out", sealed)
    weak = Certificate(tmp_path, "weak", key=("rsa:1024",))
    missing = tmp_path / "missing"
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    cases = [
        (missing, certificate.key, 1, f"cannot read the TLS certificate {missing}: No such file or directory"),
        (certificate.certificate, missing, 1, f"cannot read the TLS key {missing}: No such file or directory"),
        (text, certificate.key, 1, f"the TLS certificate {text} cannot be used: "),
        (certificate.certificate, text, 1, f"the TLS key {text} cannot be used: "),
        (certificate.certificate, sealed, 1, f"the TLS key {sealed} cannot be used: "),
        (certificate.certificate, other.key, 1, "does not belong to the certificate"),
        (certificate.certificate, rsa.key, 1, "does not belong to the certificate"),
        (weak.certificate, weak.key, 1, f"the TLS certificate {weak.certificate} cannot be used: ee key too small"),
        (pipe, certificate.key, 1, f"the TLS certificate {pipe} cannot be used: it is not a regular file"),
        (certificate.certificate, link, 1, f"the TLS key {link} cannot be used: it is not a regular file"),
        (tmp_path, certificate.key, 1, f"the TLS certificate {tmp_path} cannot be used: it is not a regular file"),
    ]
    for chain, key, code, said in cases:
        directory = tmp_path / "data"
        process = run("serve", "--data", directory, "--listen=127.0.0.1:0", "--tls-cert", chain, "--tls-key", key)
        assert process.returncode == code and said in process.stderr, process
        assert process.stderr.count("\n") == 1 and process.stdout == ""
        assert not directory.exists() or not any(directory.iterdir())


def test_one_without_the_other(tmp_path, certificate):
    for flag in (("--tls-cert", certificate.certificate), ("--tls-key", certificate.key)):
        process = run("serve", "--data", tmp_path / "data", *flag)
        assert process.returncode == 2 and "tls-" in process.stderr, process
    process = run("serve", "--data", tmp_path / "data", "--listen", "https://127.0.0.1:0")
    assert process.returncode == 1
    assert process.stderr == "farthing: cannot listen on 127.0.0.1:0: https needs a certificate and its key\n"


def test_warnings(directory, start_server, tmp_path):
    soon = Certificate(tmp_path, "soon", days=5)
    soon.key.chmod(0o644)
    server = start_server(directory, *soon.flags)
    assert server.log.count("the TLS certificate expires soon") == 1
    assert re.search(r"\bdays=[45]\b", server.log)
    assert server.log.count("the TLS key is open to others") == 1
    server.stop()
    expired = Certificate(tmp_path, "expired", days=-1)
    server = start_server(directory, *expired.flags)
    assert server.log.count("the TLS certificate has expired or is not valid yet") == 1
    assert "open to others" not in server.log


def served_subject(server):
    """The common name of the certificate that a new connection is shown."""
    return re.search(r"subject=CN = (\S+)", s_client(server))[1]


def hang_up(server):
    """Sends SIGHUP and waits until it is dealt with. Returns what was logged."""
    before = len(server.log)
    server.process.send_signal(signal.SIGHUP)
    outcome = re.compile('message="?(reloaded|the TLS certificate stays|the configuration stays)')
    wait_until(lambda: outcome.search(server.log[before:]), 5, "the reload")
    return server.log[before:]


def test_reload(directory, start_server, tmp_path):
    one, two = Certificate(tmp_path, "one"), Certificate(tmp_path, "two", key=RSA)
    files = Certificate(tmp_path, "served")
    files.replace_by(one)
    server = start_server(directory, *files.flags)
    with TlsConnection(server.address, one.context()) as connection:
        assert connection.subject() == "one"
        files.replace_by(two)
        assert served_subject(server) == "one"
        assert 'message="reloaded"' in hang_up(server)
        assert served_subject(server) == "two"
        assert connection.exchange(HEALTH).status == 200  # the old connection goes on


def test_a_bad_reload_keeps_the_old_certificate(directory, start_server, tmp_path):
    one, other = Certificate(tmp_path, "one"), Certificate(tmp_path, "other")
    expired = Certificate(tmp_path, "expired", days=-1)
    files = Certificate(tmp_path, "served")
    files.replace_by(one)
    server = start_server(directory, *files.flags)
    files.key.write_bytes(other.key.read_bytes())
    assert "does not belong to the certificate" in hang_up(server)
    assert served_subject(server) == "one"
    files.replace_by(expired)
    assert "has expired" in hang_up(server)
    assert served_subject(server) == "one"
    files.certificate.unlink()
    assert "No such file or directory" in hang_up(server)
    assert served_subject(server) == "one"
    files.replace_by(other)
    hang_up(server)
    assert served_subject(server) == "other"


def test_a_pipe_does_not_hold_up_a_reload(directory, start_server, tmp_path):
    one, other = Certificate(tmp_path, "one"), Certificate(tmp_path, "other")
    files = Certificate(tmp_path, "served")
    files.replace_by(one)
    server = start_server(directory, *files.flags)
    files.key.unlink()
    os.mkfifo(files.key)
    assert "it is not a regular file" in hang_up(server)
    assert served_subject(server) == "one"
    files.key.unlink()
    files.certificate.unlink()
    files.key.symlink_to(other.key)
    files.certificate.symlink_to(other.certificate)
    hang_up(server)
    assert served_subject(server) == "other"
    server.stop()


def test_a_reload_takes_other_files_and_says_what_needs_a_restart(directory, start_server, tmp_path):
    one, two = Certificate(tmp_path, "one"), Certificate(tmp_path, "two")
    config = tmp_path / "farthing.conf"

    def write(certificate, *lines):
        settings = [f"tls-cert = {certificate.certificate}", f"tls-key = {certificate.key}", *lines]
        config.write_text("\n".join(settings) + "\n")

    write(one)
    server = start_server(directory, "--config", config)
    write(two, "connections-max = 100")
    log = hang_up(server)
    assert re.search(r'"a changed setting needs a restart" setting=connections-max', log), log
    assert log.count("needs a restart") == 1
    assert served_subject(server) == "two"
    config.write_text("nonsense = 1\n")
    log = hang_up(server)
    assert "the configuration stays as it was" in log and "nonsense" in log
    config.write_text("")
    assert re.search(r'"a changed setting needs a restart" setting=tls-cert', hang_up(server))
    assert served_subject(server) == "two"


def test_reload_under_load(directory, start_server, tmp_path):
    """Nothing fails while the certificate changes: neither connections that stay nor those that come."""
    one, two = Certificate(tmp_path, "one"), Certificate(tmp_path, "two")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(one.certificate)
    context.load_verify_locations(two.certificate)
    files = Certificate(tmp_path, "served")
    files.replace_by(one)
    server = start_server(directory, *files.flags)
    done = threading.Event()
    failures, subjects, counts = [], set(), [0, 0]

    def keep():
        with TlsConnection(server.address, context) as connection:
            while not done.is_set():
                if connection.exchange(HEALTH).status != 200:
                    failures.append("a reply")
                counts[0] += 1

    def come():
        while not done.is_set():
            try:
                with TlsConnection(server.address, context) as connection:
                    subjects.add(connection.subject())
                    if connection.exchange(HEALTH).status != 200:
                        failures.append("a reply")
                    counts[1] += 1
            except OSError as error:
                failures.append(error)

    threads = [threading.Thread(target=target) for target in (keep, keep, come, come)]
    for thread in threads:
        thread.start()
    for certificate in (two, one) * 10:
        files.replace_by(certificate)
        hang_up(server)
        time.sleep(0.02)
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert subjects == {"one", "two"}
    assert min(counts) > 20


def test_sessions_survive_a_reload(directory, start_server, tmp_path):
    certificate = Certificate(tmp_path, "one")
    server = start_server(directory, *certificate.flags)
    context = certificate.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with TlsConnection(server.address, context) as connection:
        assert connection.exchange(HEALTH).status == 200
        session = connection.socket.session
    hang_up(server)
    with TlsConnection(server.address, context, session=session) as connection:
        assert connection.socket.session_reused
        assert connection.exchange(HEALTH).status == 200


def test_the_public_api_over_tls(initialised, start_server, certificate):
    directory, credentials = initialised
    server = start_server(directory, *certificate.flags)
    connection = http.client.HTTPSConnection(*server.address, context=certificate.context(), timeout=seconds(20))
    headers = {"x-api-key": credentials.api_key, "Content-Type": "application/json"}
    connection.request("POST", "/v1/customers", b'{"external_id": "over TLS", "name": "Acme"}', headers)
    response = connection.getresponse()
    assert response.status == 201
    response.read()
    connection.request("GET", "/v1/customers/external/over%20TLS", headers=headers)
    assert connection.getresponse().status == 200
    connection.close()


def test_config_check_tells_what_serve_would(tmp_path, certificate):
    """bug: it approved of files with which `serve` does not start."""
    other = Certificate(tmp_path, name="other")
    for flags, said in (
        (certificate.flags, None),
        (("--tls-cert", certificate.certificate, "--tls-key", other.key), "does not belong to the certificate"),
        (("--tls-cert", tmp_path / "absent.pem", "--tls-key", certificate.key), "cannot read the TLS certificate"),
    ):
        process = run("config", "check", "--data", tmp_path / "data", *flags)
        assert process.returncode == (1 if said else 0), process
        assert said is None or (said in process.stderr and len(process.stderr.splitlines()) == 1), process
