"""GET /metrics: who may read it, that it is what Prometheus reads, and that its numbers are true."""

import http.client
import re
import socket
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

import engine
from expectations import assert_error
from farthing_server import REPOSITORY, Server, init, run, seconds, wait_until
from http_client import Client, RawConnection, request_bytes
from shared_server import Shared

TOKEN = "0123456789abcdef-metrics"
DOCUMENT = REPOSITORY / "docs/metrics.md"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_address(server):
    """The second address that the server says it listens on, soon after the first."""
    wait_until(lambda: len(server.addresses()) > 1, 10, "the server to listen for scrapes")
    host, port = server.addresses()[1][0].rsplit(":", 1)
    return host, int(port)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A server with a metrics listener of its own."""
    shared = Shared(tmp_path_factory.mktemp("shared") / "data", "--metrics-listen", "127.0.0.1:0", "--loops", "2")
    yield shared
    shared.server.stop()


@pytest.fixture
def scrape(shared):
    with Client(metrics_address(shared.server)) as client:
        yield lambda: scrape_text(client)


def scrape_text(client):
    reply = client.get("/metrics", key=None)
    assert reply.status == 200, reply
    assert reply.header("Content-Type") == MEDIA_TYPE
    return reply.body.decode()


def values(text):
    """(sample name, frozenset of labels) -> value, as Prometheus' own parser reads them."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def value(text, name, **labels):
    return values(text).get((name, frozenset(labels.items())), 0)


def requests(text, route, method, status):
    return value(text, "farthing_http_requests_total", route=route, method=method, status=str(status))


# ---- the format ----

SAMPLE = re.compile(
    r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*)\})? (\S+)'
)


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type, self.samples = name, help_text, None, []


def families(text):
    """Reads the exposition line by line, as strictly as the format is written down: HELP, TYPE, samples, once each."""
    found = {}
    family = None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, help_text = line[len("# HELP ") :].split(" ", 1)
            assert name not in found, f"{name} is described twice"
            assert family is None or family.type, f"{family.name} has no type"
            family = found[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, kind = line[len("# TYPE ") :].split(" ")
            assert name == family.name and family.type is None and not family.samples, line
            family.type = kind
        else:
            match = SAMPLE.fullmatch(line)
            assert match, f"not a sample: {line}"
            suffix = match[1][len(family.name) :]
            assert match[1].startswith(family.name), line
            assert suffix in (("_bucket", "_sum", "_count") if family.type == "histogram" else ("",)), line
            labels = dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', match[3] or ""))
            family.samples.append((suffix, labels, float(match[4])))
    return found


def assert_histogram(family):
    series = {}
    for suffix, labels, number in family.samples:
        bound = labels.pop("le", None)
        one = series.setdefault(tuple(labels.items()), {"bounds": [], "counts": []})
        if suffix == "_bucket":
            one["bounds"].append(float(bound.replace("+Inf", "inf")))
            one["counts"].append(number)
        else:
            assert suffix not in one
            one[suffix] = number
    for one in series.values():
        assert one["bounds"] == sorted(set(one["bounds"])) and one["bounds"][-1] == float("inf")
        assert one["counts"] == sorted(one["counts"]), "buckets are cumulative"
        assert one["counts"][-1] == one["_count"]
        assert one["_sum"] >= 0 and (one["_sum"] > 0 or one["_count"] == 0 or family.name.endswith("_seconds"))


def test_exposition_is_well_formed(api, scrape, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "A"})
    assert api.get(f"/v1/customers/{customer['id']}").status == 200
    api.get("/no/such/path")
    found = families(scrape())
    for family in found.values():
        assert family.type in ("counter", "gauge", "histogram")
        assert family.name.endswith("_total") == (family.type == "counter")
        assert not family.name.endswith(("_count", "_sum", "_bucket"))
        assert family.samples, f"{family.name} has no sample"
        assert family.help.endswith(".") and len(family.help) > 10
        keys = [(suffix, tuple(sorted(labels.items()))) for suffix, labels, _ in family.samples]
        assert len(keys) == len(set(keys)), f"{family.name} repeats a series"
        if family.type == "histogram":
            assert_histogram(family)
    assert len(found) > 20
    # And Prometheus' own parser sees the same samples.
    assert len(values(scrape())) >= sum(len(family.samples) for family in found.values())


def test_document_has_every_metric(api, scrape):
    """docs/metrics.md: one row a metric, with its type, labels and help, in the order of the exposition."""
    api.get("/no/such/path")
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) \| (.*) \|$", DOCUMENT.read_text(), re.M)
    expected = []
    for family in families(scrape()).values():
        labels = [name for name in family.samples[0][1] if name != "le"]
        expected.append((family.name, family.type, ", ".join(f"`{name}`" for name in labels), family.help))
    told = {name for name, *_ in expected}
    assert [row for row in rows if row[0] in told or not is_of_files(row[0])] == expected


def is_of_files(name):
    """What PostgreSQL knows of its files and its log is not ours to tell."""
    return engine.ON_POSTGRES and name.startswith("farthing_database_")


# ---- the numbers ----


def test_requests_are_counted_by_route_and_status(api, scrape, new_external_id):
    customers = "/v1/customers"
    route = customers + "/{id}"
    before = scrape()
    ids = [api.create({"external_id": new_external_id(), "name": "A"})["id"] for _ in range(3)]
    for customer_id in ids * 2:
        assert api.get(f"{customers}/{customer_id}").status == 200
    for _ in range(4):
        assert api.get(f"{customers}/cust_nobody").status == 404
    assert api.get(f"{customers}/{ids[0]}", key="sk_wrong").status == 401
    assert api.request("HEAD", f"{customers}/{ids[0]}").status == 200
    assert api.post(customers, {"name": "no external id"}).status == 400
    after = scrape()

    def increase(*labels):
        return requests(after, *labels) - requests(before, *labels)

    assert increase(customers, "POST", 201) == 3
    assert increase(customers, "POST", 400) == 1
    assert increase(route, "GET", 200) == 6
    assert increase(route, "GET", 404) == 4
    assert increase(route, "GET", 401) == 1
    assert increase(route, "HEAD", 200) == 1
    for lane, count in (("read", 6 + 4 + 1 + 1), ("write", 3 + 1)):
        name = "farthing_http_request_duration_seconds_count"
        assert value(after, name, lane=lane) - value(before, name, lane=lane) == count
    assert value(after, "farthing_writer_batch_commands_sum") - value(before, "farthing_writer_batch_commands_sum") == 3
    # Housekeeping may have one of its own waiting at the moment of a scrape.
    wait_until(lambda: value(scrape(), "farthing_writer_commands_waiting") == 0, 10, "nothing to wait")


def test_labels_are_bounded(api, scrape):
    """Whatever clients ask for, the number of series stays that of our own routes and statuses."""
    for number in range(50):
        api.get(f"/v1/unknown/{number}")
        api.get(f"/v1/customers/cust_{number}?x={number}")
        api.request("PATCH", f"/v1/customers/{number}", body={})
        api.request("BREW", f"/v1/customers/{number}")
    text = scrape()
    routes = {labels["route"] for _, labels, _ in families(text)["farthing_http_requests_total"].samples}
    methods = {labels["method"] for _, labels, _ in families(text)["farthing_http_requests_total"].samples}
    assert "unmatched" in routes
    assert all(re.fullmatch(r"unmatched|(/[a-z0-9.-]+|/\{[a-z_]+\})+", route) for route in routes), routes
    assert methods <= {"GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "other"}
    assert "cust_" not in text


def test_latencies_are_plausible(api, scrape):
    name = "farthing_http_request_duration_seconds"
    before = scrape()
    for _ in range(100):
        api.get("/v1/customers/cust_nobody")
    after = scrape()
    count = value(after, name + "_count", lane="read") - value(before, name + "_count", lane="read")
    total = value(after, name + "_sum", lane="read") - value(before, name + "_sum", lane="read")
    assert count == 100
    assert 0 < total / count < seconds(0.1)


def test_rejected_requests_have_a_reason(shared, scrape):
    name = "farthing_http_requests_rejected_total"
    cases = {
        "malformed": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "url_too_long": b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        "header_too_large": b"GET / HTTP/1.1\r\nHost: a\r\nx: " + b"y" * 40000 + b"\r\n\r\n",
        "not_implemented": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        "version": b"GET / HTTP/9.1\r\nHost: a\r\n\r\n",
    }
    before = scrape()
    for request in cases.values():
        with RawConnection(shared.address) as connection:
            connection.send_tolerant(request)
            connection.read_reply()
    after = scrape()
    for reason in cases:
        assert value(after, name, reason=reason) - value(before, name, reason=reason) == 1, reason


def test_limits_are_counted(initialised, start_server):
    directory, credentials = initialised
    flags = "--rate-limit-per-key", 1, "--connections-per-client-max", 3, "--metrics-listen", "127.0.0.1:0", "--loops", 1
    server = start_server(directory, *flags)
    with Client(server.address, credentials.api_key) as client:
        statuses = [client.get("/v1/customers/cust_nobody").status for _ in range(20)]
        # The client stays: one that has just left may be noticed before, between or after these.
        connections = [RawConnection(server.address) for _ in range(2 + 2)]
        refused = [connection.read_reply().status for connection in connections[2:]]
    with Client(metrics_address(server)) as client:
        text = scrape_text(client)
    assert statuses.count(429) > 10 and refused == [429, 429]
    assert value(text, "farthing_http_requests_rejected_total", reason="rate_limited") == statuses.count(429)
    assert requests(text, "/v1/customers/{id}", "GET", 429) == statuses.count(429)
    assert value(text, "farthing_http_connections_refused_total", reason="client_limit") >= 2
    for connection in connections:
        connection.close()


def test_connections_are_counted(shared, scrape):
    accepted, opened = "farthing_http_connections_accepted_total", "farthing_http_connections_open"
    before = scrape()
    connections = [RawConnection(shared.address) for _ in range(20)]
    for connection in connections:
        assert connection.exchange(request_bytes("GET", "/health")).status == 200
    during = scrape()
    assert value(during, accepted) - value(before, accepted) == 20
    assert value(during, opened) - value(before, opened) == 20
    assert value(during, "process_open_fds") - value(before, "process_open_fds") >= 20
    for connection in connections:
        connection.close()


@pytest.mark.embedded("sizes of its files, the version of SQLite")
def test_sizes_and_versions(shared, scrape):
    files = {"size": shared.directory / "farthing.db", "wal_size": shared.directory / "farthing.db-wal"}
    before = {name: path.stat().st_size for name, path in files.items()}
    text = scrape()
    for name, path in files.items():  # a checkpoint may come in between
        assert before[name] <= value(text, f"farthing_database_{name}_bytes") <= path.stat().st_size
    assert value(text, "farthing_database_sync_failed") == 0
    assert value(text, "process_resident_memory_bytes") > 1 << 20
    (build,) = families(text)["farthing_build_info"].samples
    assert set(build[1]) == {"version", "sqlite"} and build[2] == 1
    assert build[1]["version"] in run("version").stdout


def test_scrapes_under_load_agree(shared, scrape, new_external_id):
    """Scraped while both loops and the writer count, counters never fall and nothing is lost in the end."""
    name = "farthing_http_request_duration_seconds_count"
    rounds, clients = 40, 4
    before = scrape()
    names = [[new_external_id() for _ in range(rounds)] for _ in range(clients)]

    def work(ids):
        with shared.client() as client:
            for external_id in ids:
                client.create({"external_id": external_id, "name": "A"})
                client.get(f"/v1/customers/external/{external_id}")

    threads = [threading.Thread(target=work, args=(ids,)) for ids in names]
    for thread in threads:
        thread.start()
    last = values(before)
    while any(thread.is_alive() for thread in threads):
        now = values(scrape())
        for key in last:
            if key[0].endswith(("_total", "_count", "_bucket")) and not key[0].startswith("process_"):
                assert now[key] >= last[key], key
        last = now
    for thread in threads:
        thread.join()
    after = scrape()
    for lane in ("read", "write"):
        assert value(after, name, lane=lane) - value(before, name, lane=lane) == rounds * clients


# ---- who may read it ----


def test_public_listener_has_no_metrics(api):
    reply = api.get("/metrics")
    assert_error(reply, 404, "not_found")
    unknown = api.get("/metricz")
    assert reply.json()["message"] == unknown.json()["message"].replace("metricz", "metrics")
    assert_error(api.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}), 404, "not_found")


def test_metrics_listener_has_no_api(shared, scrape):
    scrape()
    with Client(metrics_address(shared.server), shared.key) as client:
        assert_error(client.get("/v1/customers/cust_nobody"), 404, "not_found")
        assert "no endpoint" in client.get("/v1/customers/cust_nobody").json()["message"]
        assert_error(client.get("/admin/keys"), 404, "not_found")
        assert client.get("/health").status == 200


def test_nobody_logs_in_or_signs_up_on_the_metrics_listener(shared):
    """There is no throttle on it."""
    with Client(metrics_address(shared.server)) as client:
        for path in ("/v1/auth/login", "/v1/auth/signup"):
            reply = client.post(path, {"email": "ada@example.com", "password": "a long password"})
            assert_error(reply, 404, "not_found")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def test_admin_socket_has_metrics(shared):
    connection = UnixConnection(shared.directory / "admin.sock")
    connection.request("GET", "/metrics")
    response = connection.getresponse()
    assert response.status == 200
    assert "farthing_build_info" in families(response.read().decode())
    connection.close()


def test_token(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, "--metrics-token", TOKEN)
    with Client(server.address, credentials.api_key) as client:
        for header in (None, "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"):
            reply = client.get("/metrics", headers={} if header is None else {"Authorization": header})
            assert_error(reply, 401)
            assert reply.header("WWW-Authenticate") == "Bearer"
        for header in (f"Bearer {TOKEN}", f"bearer  {TOKEN}"):
            reply = client.get("/metrics", headers={"Authorization": header}, key=None)
            assert reply.status == 200
            families(reply.body.decode())
    assert TOKEN not in server.log


def test_token_from_the_environment(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory, FARTHING_METRICS_TOKEN=TOKEN)
    with Client(server.address) as client:
        assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status == 200


def test_short_token_stops_the_start(directory):
    init(directory)
    process = run("serve", "--data", directory, "--listen", "127.0.0.1:0", "--metrics-token", "short")
    assert process.returncode != 0
    assert process.stderr.count("\n") == 1 and "at least 16 characters" in process.stderr


def test_metrics_listener_that_is_taken_stops_the_start(directory):
    init(directory)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        process = run("serve", "--data", directory, "--listen", "127.0.0.1:0", "--metrics-listen", address)
    assert process.returncode != 0
    assert f"cannot listen on {address}" in process.stderr


def test_numbers_begin_at_nothing(initialised):
    """What a server counts is its own; a restart begins anew, and says when."""
    directory, _ = initialised
    starts = []
    for _ in range(2):
        server = Server(directory, "--metrics-listen", "127.0.0.1:0")
        with Client(metrics_address(server)) as client:
            text = scrape_text(client)
        assert requests(text, "/metrics", "GET", 200) == 0
        starts.append(value(text, "process_start_time_seconds"))
        server.stop()
    assert starts[0] < starts[1]
