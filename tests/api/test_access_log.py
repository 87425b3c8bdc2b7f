"""The access log: a line a request with what an operator wants to know, never a secret, never a request that waits."""

import json
import re
import signal
import subprocess
import time

import pytest

from farthing_server import BINARY, environment, init, run, seconds, wait_until
from http_client import Client, RawConnection, request_bytes
from test_metrics import TOKEN, metrics_address, scrape_text, value

FIELDS = ["time", "request_id", "method", "route", "status", "bytes", "duration_us", "client"]
KEY_FIELDS = ["key_id", "user_id", "tenant_id", "environment_id"]
LOGFMT_FIELD = re.compile(r'([a-z_]+)=("(?:[^"\\]|\\.)*"|[^ "=]*)')


def read_logfmt(line):
    fields, end = {}, -1
    for match in LOGFMT_FIELD.finditer(line):
        assert match.start() == end + 1, line
        assert end < 0 or line[end] == " ", line
        name, text = match.groups()
        assert name not in fields
        fields[name] = json.loads(text) if text.startswith('"') else text
        end = match.end()
    assert end == len(line), line
    return fields


class AccessLog:
    """The lines of a file, read while a server writes it."""

    def __init__(self, path, read=read_logfmt):
        self.path, self.read = path, read

    def lines(self):
        text = self.path.read_text() if self.path.exists() else ""
        return [self.read(line) for line in text.split("\n")[:-1]]

    def wait(self, count):
        wait_until(lambda: len(self.lines()) >= count, 10, f"{count} lines in {self.path}")
        assert len(self.lines()) == count
        return self.lines()


@pytest.fixture
def log(tmp_path):
    return AccessLog(tmp_path / "access.log")


@pytest.fixture(params=["logfmt", "json"])
def any_log(request, tmp_path):
    """Both formats: (log, the flag that chooses it)."""
    return AccessLog(tmp_path / "access.log", json.loads if request.param == "json" else read_logfmt), request.param


def test_off_by_default(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        client.get("/v1/customers/cust_nobody")
    server.terminate()
    assert server.wait() == ""
    assert "cust_nobody" not in server.log


def test_a_line_has_its_fields(initialised, start_server, any_log):
    log, log_format = any_log
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path, "--log-format", log_format)
    with Client(server.address, credentials.api_key) as client:
        customer = client.create({"external_id": "acme", "name": "Acme"})
        path = f"/v1/customers/{customer['id']}"
        got = client.get(f"{path}?expand=nothing&x=1", headers={"X-Request-ID": "mine-1"})
        client.get(path, key=None)
        client.request("HEAD", path)
        client.request("PATCH", "/unknown/%C3%BC", body={})
    lines = log.wait(5)
    created, read, refused, head, unknown = lines
    assert list(created) == FIELDS + KEY_FIELDS + ["path"]
    assert (created["method"], created["route"], created["path"]) == ("POST", "/v1/customers", "/v1/customers")
    assert created["tenant_id"] == credentials.tenant_id
    assert created["environment_id"] == credentials.environment_id
    assert created["key_id"].startswith("secret_")
    assert created["client"] == "127.0.0.1"
    assert int(created["status"]) == 201
    assert 0 < int(created["duration_us"]) < seconds(10) * 1e6
    assert abs(time.time() - time.mktime(time.strptime(created["time"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 120
    assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", created["request_id"])
    assert (read["route"], read["path"], read["request_id"]) == ("/v1/customers/{id}", path, "mine-1")
    assert int(read["status"]) == got.status and int(read["bytes"]) == len(got.body)
    assert list(refused) == FIELDS + ["path"] and int(refused["status"]) == 401
    assert head["method"] == "HEAD" and head["route"] == "/v1/customers/{id}" and int(head["bytes"]) == 0
    assert unknown["route"] == "unmatched" and unknown["path"] == "/unknown/%C3%BC" and int(unknown["status"]) == 404
    assert isinstance(read["status"], int) == (log_format == "json")


def test_a_line_says_who_came_with_a_token(initialised, start_server, log):
    """A person by the user's id, a customer in the portal by theirs, and nobody by what proves it."""
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path)
    with Client(server.address, key=None) as client:
        signed_up = client.post("/v1/auth/signup", {"email": "ada@example.com", "password": "correct horse"}).json()
        bearer = {"Authorization": "Bearer " + signed_up["token"]}
        (environment,) = client.get("/v1/environments", headers=bearer).json()["environments"]
        bound = {**bearer, "X-Environment-ID": environment["id"]}
        assert client.post("/v1/customers", {"external_id": "acme", "name": "Acme"}, headers=bound).status == 201
        session = client.post("/v1/customers/portal/acme", {}, headers=bound).json()["token"]
        assert client.get("/v1/customer/portal/info", headers={"X-Session-Token": session}).status == 200
        assert client.get("/v1/customers/x", headers={**bearer, "X-Environment-ID": credentials.environment_id}).status == 403
        altered = bearer["Authorization"][:-2] + ("AA" if bearer["Authorization"][-2:] != "AA" else "BB")
        assert client.get("/v1/users/me", headers={"Authorization": altered}).status == 401
    lines = log.wait(7)
    who = [{name: line[name] for name in line if name in (*KEY_FIELDS, "customer_id")} for line in lines]
    person = {"user_id": signed_up["user_id"], "tenant_id": signed_up["tenant_id"]}
    inside = {**person, "environment_id": environment["id"]}
    customer = {**inside, "customer_id": who[4].get("customer_id", "")}
    del customer["user_id"]
    assert customer["customer_id"].startswith("cust_")
    assert who == [{}, person, inside, inside, customer, person, {}]
    text = log.path.read_text()
    for secret in (signed_up["token"], session):
        assert not any(part in text for part in secret.split("."))


def test_requests_that_could_not_be_read_have_a_line(initialised, start_server, log):
    directory, _ = initialised
    server = start_server(directory, "--access-log", log.path)
    with RawConnection(server.address) as connection:
        assert connection.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").status == 400
    (line,) = log.wait(1)
    assert line["status"] == "400" and line["route"] == "unmatched"


def test_requests_whose_body_is_refused_have_their_route(initialised, start_server, log):
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path, "--body-timeout-ms", 300, "--header-timeout-ms", 300, "--body-bytes-max", 65536)
    chunked = [("Transfer-Encoding", "chunked")]
    cases = [
        (request_bytes("POST", "/v1/customers", None, b"{")[:-1], 408, "/v1/customers"),
        (request_bytes("PUT", "/v1/customers/cust_1", credentials.api_key, headers=chunked), 408, "/v1/customers/{id}"),
        (request_bytes("POST", "/v1/customers", None, headers=[("Content-Length", "65537")]), 413, "/v1/customers"),
        (request_bytes("POST", "/v1/customers", credentials.api_key, headers=chunked) + b"10001\r\n", 413, "/v1/customers"),
        (request_bytes("POST", "/v1/customers", credentials.api_key, headers=chunked) + b"x\r\n", 400, "/v1/customers"),
        (request_bytes("POST", "/nowhere", None, b"{")[:-1], 408, "unmatched"),
        (request_bytes("POST", "/v1/customers", None, b"{")[:-3], 408, "unmatched"),
    ]
    for number, (data, status, route) in enumerate(cases, 1):
        with RawConnection(server.address) as connection:
            assert connection.exchange(data).status == status, data
        line = log.wait(number)[-1]
        assert (line["status"], line["route"]) == (str(status), route), data


def test_probes_have_no_line(initialised, start_server, log):
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path)
    with Client(server.address, credentials.api_key) as client:
        for path in ("/health", "/health/ready", "/ready"):
            assert client.get(path).status == 200
        client.post("/health", {})
        client.get("/v1/customers/cust_nobody")
    assert [line["path"] for line in log.wait(1)] == ["/v1/customers/cust_nobody"]


def test_standard_output(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--access-log", "stdout")
    with Client(server.address, credentials.api_key) as client:
        for number in range(100):
            client.get(f"/v1/customers/cust_{number}")
    server.terminate()
    lines = server.wait().splitlines()
    assert [read_logfmt(line)["path"] for line in lines] == [f"/v1/customers/cust_{number}" for number in range(100)]


def test_lines_cannot_be_forged(initialised, start_server, any_log):
    """Whatever bytes a client sends, a request is one line, and its fields are those that we wrote."""
    log, log_format = any_log
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path, "--log-format", log_format)
    forged = 'time=2026-01-01T00:00:00Z request_id=x method=GET status=200'
    paths = [
        "/a%0a" + forged.replace(" ", "%20"),
        '/"quoted"',
        "/back\\slash\\",
        '/" status=200 x="',
        "/a=b=c",
        "/%00",
        "/\x7f",
        "/\xc2\x9b31m",  # CSI, as a terminal knows it
        "/\xff\xfe",
        "/" + '"' * 5000,
        "/{},\"status\":200",
    ]
    for path in paths:
        data = b"GET " + path.replace(" ", "%20").encode("latin-1") + b" HTTP/1.1\r\nHost: a\r\nX-Request-ID: a\"b=\\c\r\n\r\n"
        with RawConnection(server.address) as connection:
            connection.exchange(data)
    lines = log.wait(len(paths))
    for line in lines:
        assert line["method"] in ("GET", "") and int(line["status"]) in (400, 404)
        assert set(FIELDS) < set(line) <= set(FIELDS) | {"path", "truncated"}
    assert all(line["request_id"] == 'a"b=\\c' for line in lines if line["status"] in (404, "404"))
    raw = log.path.read_bytes().decode()  # UTF-8 throughout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", raw)
    assert raw.count("\n") == len(paths)


def test_no_secret_in_any_log(initialised, start_server, log):
    """Secrets sent in every place where a client may put one, right or wrong, and with the most talkative level."""
    directory, credentials = initialised
    server = start_server(
        directory, "--access-log", log.path, "--log-level", "debug", "--metrics-token", TOKEN, "--metrics-listen", "127.0.0.1:0"
    )
    key, foreign = credentials.api_key, "sk_live_51Hxxxxxxxxxxxxxxxxxxxxxxxx"
    words = [key, foreign, "bearer-of-news-4711", "cookie-monster-4711", "password-4711", "body-secret-4711", TOKEN]
    count = 0
    with Client(server.address, key) as client:
        customer = client.create({"external_id": "acme", "name": "body-secret-4711", "metadata": {"token": "body-secret-4711"}})
        count += 1
        for secret in words:
            headers = {
                "Authorization": f"Bearer {secret}",
                "Cookie": f"session={secret}",
                "X-Session-Token": secret,
                "Proxy-Authorization": secret,
                "User-Agent": secret,
                "Referer": f"http://{secret}/",
            }
            for path in (
                f"/v1/customers/{customer['id']}?api_key={secret}&token={secret}&password={secret}&{secret}",
                f"/metrics?{secret}",
                f"/openapi.json?access_token={secret}#{secret}",
            ):
                client.get(path, headers=headers, key=secret)
                client.post(path, {"api_key": secret, "name": secret}, headers=headers)
                client.request("OPTIONS", path, headers={**headers, "Origin": f"http://{secret}"})
                count += 3
        # Keys are known by their look, also in a path or where we repeat what the client says.
        for secret in (key, foreign):
            client.get(f"/v1/customers/{secret}", headers={"X-Request-ID": secret})
            client.get(f"/{secret}/x-{secret}", headers={"X-Request-ID": f"a.{secret}"})
            client.get(f"/v1/customers/%20{secret}", headers={"X-Request-ID": f"%22{secret}"})
            client.get(f"/v1/customers/sk%5F{secret[3:]}", headers={"X-Request-ID": f"%73{secret[1:]}"})
            count += 4
        client.post("/v1/customers", b'{"external_id": "body-secret-4711", ')
        count += 1
    with RawConnection(server.address) as connection:
        connection.exchange(b"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: " + key.encode() + b"\r\nHost: b\r\n\r\n")
        count += 1
    lines = log.wait(count)
    server.stop()
    everything = server.log + log.path.read_text()
    for secret in words:
        assert secret not in everything, secret
    for secret in (key, foreign):
        assert secret[3:] not in everything, secret
    assert "/v1/customers/sk_" in [line["path"] for line in lines]
    assert "a.sk_" in [line["request_id"] for line in lines]
    assert "request refused" in server.log, "the debug level says something"


def test_names_that_look_a_little_like_keys_are_kept(initialised, start_server, log):
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path)
    names = ["task_0123456789abcdef0123", "sk_short", "disk_0123456789abcdef0123", "pk_"]
    with Client(server.address, credentials.api_key) as client:
        for name in names:
            client.get(f"/v1/customers/external/{name}")
    assert [line["path"].rsplit("/", 1)[1] for line in log.wait(len(names))] == names


def test_sighup_opens_the_file_again(initialised, start_server, log, tmp_path):
    directory, credentials = initialised
    server = start_server(directory, "--access-log", log.path)
    renamed = AccessLog(tmp_path / "access.log.1")
    with Client(server.address, credentials.api_key) as client:
        client.get("/v1/customers/cust_1")
        log.wait(1)
        log.path.rename(renamed.path)
        client.get("/v1/customers/cust_2")
        renamed.wait(2)
        server.process.send_signal(signal.SIGHUP)
        wait_until(log.path.exists, 10, "the file to be opened again")
        client.get("/v1/customers/cust_3")
    assert [line["path"] for line in log.wait(1)] == ["/v1/customers/cust_3"]
    assert len(renamed.lines()) == 2


@pytest.mark.parametrize("destination", ["/nowhere/access.log", "/"])
def test_bad_destination_stops_the_start(directory, destination):
    init(directory)
    process = run("serve", "--data", directory, "--listen", "127.0.0.1:0", "--access-log", destination)
    assert process.returncode == 1
    assert f"cannot open the access log {destination}: " in process.stderr
    assert not (directory / "admin.sock").exists()


@pytest.mark.parametrize("name", ["secrets", "farthing.db", "farthing.db-wal", "lock", "alias"])
def test_the_access_log_was_written_into_the_directory_s_own_files(directory, tmp_path, name):
    init(directory)
    path = directory / name
    if name == "alias":
        path = tmp_path / name
        path.symlink_to(directory / "secrets")
    before = {file: file.read_bytes() for file in directory.iterdir()}
    for command in (["serve", "--listen", "127.0.0.1:0"], ["config", "check"]):
        process = run(*command, "--data", directory, "--access-log", path)
        assert process.returncode == 2
        assert process.stderr == f"farthing: access-log names {path}, a file of the data directory: name one of its own\n"
    assert {file: file.read_bytes() for file in directory.iterdir()} == before


def test_an_access_log_in_the_data_directory(initialised, start_server):
    directory, credentials = initialised
    log = AccessLog(directory / "access.log")
    for _ in range(2):
        server = start_server(directory, "--access-log", log.path)
        with Client(server.address, credentials.api_key) as client:
            client.get("/v1/customers/cust_1")
        server.stop()
    log.wait(2)


# ---- readers that do not read ----


def test_requests_do_not_wait_for_a_full_pipe(initialised, start_server):
    """Standard output is a pipe that nobody reads: lines are dropped and counted, requests go on, and so does the end."""
    directory, credentials = initialised
    server = start_server(directory, "--access-log", "stdout", "--metrics-listen", "127.0.0.1:0", "--loops", "1")
    batch = b"".join(request_bytes("GET", "/" + "x" * 1500, headers=[("X-Request-ID", "r" * 100)]) for _ in range(40))
    with Client(metrics_address(server)) as metrics, RawConnection(server.address) as connection:
        before = time.monotonic()
        for _ in range(40):
            connection.send(batch)
            for _ in range(40):
                assert connection.read_reply().status == 404
        assert time.monotonic() - before < seconds(20)
        dropped = "farthing_log_lines_dropped_total"
        assert value(scrape_text(metrics), dropped, log="access") > 100
        assert value(scrape_text(metrics), dropped, log="process") == 0
    server.terminate()
    started = time.monotonic()
    server.process.wait(seconds(20))  # communicate() would read the pipe
    assert time.monotonic() - started < seconds(15)
    output = server.wait()
    for line in output.splitlines():
        read_logfmt(line)
    assert "access log lines were dropped" in server.log


def test_nothing_waits_for_standard_error(initialised, tmp_path):
    """The server's own log is a pipe that nobody reads, and each request logs a line: none of them waits."""
    directory, _ = initialised
    socket_path = tmp_path / "listen"
    command = [str(BINARY), "serve", "--data", str(directory), "--listen", "127.0.0.1:0", "--log-level", "debug"]
    command += ["--metrics-listen", f"unix:{socket_path}", "--loops", "1"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment(*command[1:]))
    try:
        address = None
        while address is None:
            found = re.search(rb'"listening" address=([\d.]+):(\d+)', process.stderr.readline())
            address = found and (found[1].decode(), int(found[2]))
        for _ in range(2000):
            with RawConnection(address) as connection:
                assert connection.exchange(b"GET / HTTP/9.1\r\nHost: a\r\n\r\n").status == 505
        with UnixClient(socket_path) as metrics:
            dropped = value(scrape_text(metrics), "farthing_log_lines_dropped_total", log="process")
        assert 100 < dropped < 2000
        process.terminate()
        assert process.wait(seconds(20)) == 0
        assert process.stderr.read().count(b"request refused") >= 2000 - dropped
    finally:
        process.kill()
        process.communicate()


class UnixClient(Client):
    def __init__(self, path):
        from test_metrics import UnixConnection

        self.key, self.connection = None, UnixConnection(path)
