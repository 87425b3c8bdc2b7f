"""The clock steps back and forth while the server serves: nothing hangs, changes stay in their order, a request that is sent again is
done once, and what expires does so by the clock."""

import contextlib
import time
import uuid
from datetime import datetime, timedelta, timezone

import pytest

import engine
from failing import Shim
from farthing_server import Server, init, run_ok, seconds
from http_client import Client

HOUR, DAY = 3600, 24 * 3600
STEPS = (HOUR, -HOUR, 400 * DAY, -400 * DAY, 1, -1, 0)


@pytest.fixture
def shim(tmp_path):
    return Shim(tmp_path / "shim")


@pytest.fixture
def start(tmp_path, shim):
    """Starts a server on a new data directory, whose clock the shim has. Gives the server and a client."""
    with contextlib.ExitStack() as stack:

        def of(*flags):
            credentials = init(tmp_path / "data")
            server = Server(tmp_path / "data", *flags, **shim.variables)
            stack.callback(server.stop)
            return server, stack.enter_context(Client(server.address, credentials.api_key))

        yield of


def clock_of(client):
    """The server's, in seconds of real time ahead, as its replies tell."""
    date = client.get("/health").header("Date")
    told = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
    return (told - datetime.now(timezone.utc)).total_seconds()


def wait_for_date(client, ahead):
    """The header is made anew once a second, by a clock that never steps."""
    deadline = time.monotonic() + seconds(10)
    while abs(clock_of(client) - ahead) > 5:
        assert time.monotonic() < deadline, f"the Date is {clock_of(client)} s ahead, the clock {ahead} s"
        time.sleep(0.05)


def test_changes_go_on_in_their_order(new_place, shim):
    """Each change of a customer is later than the one before (changes.py looks at that); ids are in the order of the commits."""
    place = new_place(variables=shim.variables)
    with place.client() as client:
        for ahead in STEPS:
            shim.set_clock(ahead)
            place.changes.wait_for_progress(30)
            place.reads.assert_go_on(20)
        wait_for_date(client, 0)
    assert not place.changes.refused, place.changes.refused
    place.end()
    if not engine.ON_POSTGRES:
        made = "SELECT entity_id FROM audit_log WHERE entity_type = 'customer' AND action = 'created' ORDER BY sequence"
        ids = [id for (id,) in engine.tuples(place.directory, made)]
        assert ids == sorted(ids)


def test_a_request_that_is_sent_again_after_a_jump_is_done_once(start, shim):
    """Its reply would be too old to be kept, if that clock were right."""
    _, client = start("--idempotency-retention-hours", "1")
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"name": "made", "type": "private_key"}
    first = client.post("/v1/secrets/api/keys", body, headers=headers)
    assert first.status == 201
    for ahead in STEPS:
        shim.set_clock(ahead)
        again = client.post("/v1/secrets/api/keys", body, headers=headers)
        assert (again.status, again.body, again.header("Idempotent-Replayed")) == (201, first.body, "true"), ahead


def test_what_expires_does_so_by_the_clock(start, shim):
    _, client = start()
    in_an_hour = (datetime.now(timezone.utc) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    key = client.post("/v1/secrets/api/keys", {"name": "k", "type": "private_key", "expires_at": in_an_hour}).json()["api_key"]
    for ahead, status in ((0, 404), (2 * HOUR, 401), (-2 * HOUR, 404), (400 * DAY, 401), (0, 404)):
        shim.set_clock(ahead)
        assert client.get("/v1/customers/nobody", key=key).status == status, ahead


def test_who_logs_in_while_the_clock_is_wrong(start, shim):
    """A token of the future is none before its time; who logs in again is let in. One of before outlives the excursion."""
    server, client = start()
    user = client.get("/v1/users/me").json()
    email = "who@clock.test"
    run_ok("user", "create", "--data", server.directory, "--tenant", user["tenant"]["id"], "--email", email, "--role", "all_writer")
    run_ok("user", "set-password", "--data", server.directory, email, stdin="a long enough password\n")

    def log_in():
        reply = client.post("/v1/auth/login", {"email": email, "password": "a long enough password"}, key=None)
        assert reply.status == 200, reply
        return {"Authorization": f"Bearer {reply.json()['token']}"}

    def status(token):
        return client.get("/v1/users/me", key=None, headers=token).status

    before = log_in()
    shim.set_clock(400 * DAY)
    assert status(before) == 401
    ahead = log_in()
    assert status(ahead) == 200
    shim.set_clock(0)
    assert [status(before), status(ahead), status(log_in())] == [200, 401, 200]


def test_limits_do_not_go_by_the_clock(start, shim):
    """A minute's worth of requests is not given for a clock that says that a minute has passed."""
    _, client = start("--rate-limit-per-key", "1")
    statuses = []
    for ahead in STEPS:
        shim.set_clock(ahead)
        statuses += [client.get("/v1/customers/nobody").status for _ in range(5)]
    assert statuses.count(429) >= len(statuses) // 2, statuses
    deadline = time.monotonic() + seconds(10)
    while (reply := client.get("/v1/customers/nobody")).status == 429:
        assert 1 <= int(reply.header("Retry-After")) <= 2
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert reply.status == 404


@pytest.mark.embedded("PostgreSQL has its own tools for this")
def test_a_backup_ends(tmp_path, start, shim):
    server, client = start()
    for ahead in STEPS[2:]:
        shim.set_clock(ahead)
        client.create({"external_id": f"c{ahead}", "name": "Acme"})
        run_ok("backup", tmp_path / f"backup{ahead}", "--data", server.directory)
        run_ok("check", tmp_path / f"backup{ahead}", "--data", server.directory)
