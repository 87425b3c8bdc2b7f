"""`Idempotency-Key`: whoever sends a POST again gets the reply that the first one got, and nothing is done twice."""

import itertools
import json
import threading
import uuid

import pytest

import engine
from expectations import assert_common_headers, assert_error
from farthing_server import create_environment, create_key, run_ok, variables_of, wait_until
from http_client import Client, RawConnection, request_bytes
from test_listeners import UnixConnection

CONTENDERS = 16
ROUNDS = 15

numbers = itertools.count(1)


@pytest.fixture
def body():
    """A customer that nobody else creates."""
    external_id = f"idempotent {next(numbers)}"
    return {"external_id": external_id, "name": "Acme", "metadata": {"text": 'ä "€" \u2028'}}


@pytest.fixture
def key():
    return str(uuid.uuid4())


def post(client, body, idempotency_key, path="/v1/customers", **options):
    return client.post(path, body, headers={"Idempotency-Key": idempotency_key}, **options)


def is_replay(reply):
    marks = reply.header("Idempotent-Replayed")
    assert marks in (None, "true"), reply
    return marks == "true"


def assert_replays(first, again):
    assert (again.status, again.body) == (first.status, first.body), (first, again)
    assert is_replay(again)
    assert_common_headers(again)
    for name in ("Content-Type", "Content-Length"):
        assert first.header(name) == again.header(name)


def customers(directory, body):
    """The rows with its external id."""
    return engine.tuples(directory, f"SELECT id FROM customers WHERE external_id = '{body['external_id']}'")


def records(directory):
    return engine.rows(directory, "SELECT * FROM idempotency_records")


# ---- again ----


def test_the_same_request_again(shared, api, body, key):
    first = post(api, body, key)
    assert first.status == 201 and not is_replay(first)
    for _ in range(3):
        again = post(api, body, key)
        assert_replays(first, again)
        assert again.header("X-Request-ID") != first.header("X-Request-ID")
    assert len(customers(shared.directory, body)) == 1
    customer_id = first.json()["id"]
    for table in ("audit_log", "system_events"):
        assert engine.tuples(shared.directory, f"SELECT count(*) FROM {table} WHERE entity_id = '{customer_id}'") == [(1,)]


def test_records_leave_no_trail(shared, api, body, key):
    post(api, body, key)
    audited = engine.tuples(shared.directory, "SELECT DISTINCT entity_type FROM audit_log")
    assert ("idempotency_record",) not in audited and ("customer",) in audited


def test_without_the_header_it_is_another_request(api, body, key):
    assert post(api, body, key).status == 201
    assert_error(api.post("/v1/customers", body), 409, "already_exists", {"external_id"})


def test_with_another_key_it_is_another_request(api, body):
    assert post(api, body, "one").status == 201
    reply = post(api, body, "other")
    assert_error(reply, 409, "already_exists", {"external_id"})
    assert not is_replay(reply)


def test_the_reply_of_a_first_request_is_that_of_one_without_the_header(api, body, key):
    first = post(api, body, key).json()
    other = api.create({**body, "external_id": body["external_id"] + " other"})
    assert set(first) == set(other)


def test_it_outlives_the_server(initialised, start_server, body, key):
    directory, credentials = initialised
    replies = []
    for _ in range(2):
        server = start_server(directory)
        with shared_client(server, credentials.api_key) as client:
            replies.append(post(client, body, key))
        server.stop()
    assert_replays(*replies)


def shared_client(server, key):
    return Client(server.address, key)


def test_large_replies_are_replayed_whole(api, body, key):
    """More than a mebibyte is not kept, but no reply is as large yet (tests/unit/test_api_idempotency.c)."""
    body["metadata"] = {f"key {number}": "ä" * 8000 for number in range(3)}
    first = post(api, body, key)
    assert first.status == 201 and len(first.body) > 48_000
    assert_replays(first, post(api, body, key))


# ---- another request ----


@pytest.mark.parametrize("other", ["body", "a space in the body", "query"])
def test_another_request_with_the_same_key(shared, api, body, key, other):
    first = post(api, body, key)
    assert first.status == 201
    if other == "query":
        reply = post(api, body, key, path="/v1/customers?x=1")
    else:
        changed = {**body, "name": "Other"} if other == "body" else json.dumps(body).encode() + b" "
        reply = post(api, changed, key)
    assert_error(reply, 409, "already_exists", {"Idempotency-Key"})
    assert "Idempotency-Key" in reply.json()["message"]
    assert not is_replay(reply)
    assert len(customers(shared.directory, body)) == 1
    assert_replays(first, post(api, body, key))


def test_another_environment_has_keys_of_its_own(initialised, start_server, body, key):
    directory, credentials = initialised
    other = create_environment(directory, credentials.tenant_id, "Other")
    server = start_server(directory)
    replies = []
    for api_key in (credentials.api_key, other.api_key):
        with shared_client(server, api_key) as client:
            replies.append(post(client, body, key))
            assert_replays(replies[-1], post(client, body, key))
    first, second = (reply.json() for reply in replies)
    assert first["environment_id"] != second["environment_id"] and first["id"] != second["id"]
    assert len(customers(directory, body)) == 2


@pytest.mark.parametrize("path", ["/v1/environments", "/v1/users"])
def test_where_no_environment_matters_naming_one_makes_no_other_request(initialised, start_server, key, path):
    directory, _ = initialised
    bodies = {
        "/v1/environments": {"name": "Staging", "type": "development"},
        "/v1/users": {"type": "user", "email": "eve@acme.example", "roles": ["all_reader"]},
    }
    server = start_server(directory)
    with Client(server.address, key=None) as client:
        signed_up = client.post("/v1/auth/signup", {"email": "ada@example.com", "password": "correct horse"}).json()
        bearer = {"Authorization": "Bearer " + signed_up["token"], "Idempotency-Key": key}
        (environment,) = client.get("/v1/environments", headers=bearer).json()["environments"]
        first = client.post(path, bodies[path], headers=bearer)
        assert first.status == 201
        assert_replays(first, client.post(path, bodies[path], headers={**bearer, "X-Environment-ID": environment["id"]}))


def test_another_key_of_the_same_user_sends_the_same_request(shared, api, body, key):
    """A client that was given a new API key goes on where it was."""
    first = post(api, body, key)
    other, _ = create_key(shared.directory)
    assert_replays(first, post(api, body, key, key=other))


def test_another_user_sends_another_request(shared, api, body, key):
    """The reply says who created it, and may hold what is for that one alone."""
    output = run_ok(
        "user", "create", "--data", shared.directory, "--email", f"{uuid.uuid4()}@example.com", "--name", "U", "--json"
    )
    user_id = json.loads(output)["user"]["id"]
    output = run_ok("key", "create", "--data", shared.directory, "--name", "other", "--user", user_id, "--role", "all_writer")
    other = variables_of(output)["FARTHING_API_KEY"]
    first = post(api, body, key)
    assert first.status == 201
    reply = post(api, body, key, key=other)
    assert_error(reply, 409, "already_exists", {"Idempotency-Key"})
    assert_replays(first, post(api, body, key))


# ---- refusals ----


def test_a_refusal_of_the_use_case_is_replayed(api, body, key):
    api.create(body)
    first = post(api, body, key)
    assert_error(first, 409, "already_exists", {"external_id"})
    assert not is_replay(first)
    assert_replays(first, post(api, body, key))
    assert_error(post(api, {**body, "name": "Other"}, key), 409, "already_exists", {"Idempotency-Key"})


def test_a_refusal_stays_when_its_reason_has_gone(initialised, start_server, key):
    """What was told once is told again: the tenant exists by then."""
    name = "Late"
    request = admin_request("/admin/environments", {"tenant": name, "name": "E", "type": "production"}, key)
    with admin(start_server(initialised[0])) as connection:
        first = connection.exchange(request)
        assert first.status == 404 and not is_replay(first)
        assert connection.exchange(admin_request("/admin/tenants", {"name": name})).status == 201
        again = connection.exchange(request)
        assert (again.status, again.body) == (404, first.body) and is_replay(again)


@pytest.mark.parametrize("wrong", [{"name": ""}, {"email": "nobody@localhost"}], ids=str)
def test_a_request_that_is_not_valid_leaves_its_key_free(api, body, key, wrong):
    for _ in range(2):
        reply = post(api, {**body, **wrong}, key)
        assert_error(reply, 400, "validation_error")
        assert not is_replay(reply)
    assert_error(post(api, b"{", key), 400)
    first = post(api, body, key)
    assert first.status == 201
    assert_replays(first, post(api, body, key))


def test_what_is_about_the_caller_comes_first(shared, api, body, key):
    """A reply is replayed to nobody who would not be served."""
    gone, gone_id = create_key(shared.directory)
    first = post(api, body, key, key=gone)
    assert first.status == 201
    run_ok("key", "revoke", "--data", shared.directory, gone_id)
    for _ in range(2):
        assert_error(post(api, body, key, key=gone), 401)
    output = run_ok("key", "create", "--data", shared.directory, "--name", "reader", "--role", "all_reader")
    assert_error(post(api, body, key, key=variables_of(output)["FARTHING_API_KEY"]), 403)
    assert_error(post(api, body, "not\xa0valid", key="sk_bad"), 401)
    assert_replays(first, post(api, body, key))


# ---- the header ----


@pytest.mark.parametrize("value", ["x", "x" * 255, "!~", "\"quoted\"", "1,2;3", "8e03978e-40d5-43e8-bc93-6894a57f9324"])
def test_keys_that_are_taken(api, body, value):
    first = post(api, body, value)
    assert first.status == 201
    assert_replays(first, post(api, body, value))


@pytest.mark.parametrize("value", ["x" * 256, "x" * 7000, "two words", "a\tb", "caf\xe9", "\x80", "\xa0"], ids=lambda v: repr(v)[:12])
def test_keys_that_are_not(shared, api, body, value):
    reply = post(api, body, value)
    assert_error(reply, 400, "validation_error", {"Idempotency-Key"})
    assert "Idempotency-Key" in reply.json()["message"]
    assert customers(shared.directory, body) == []


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_key_is_none(api, body, value):
    assert post(api, body, value).status == 201
    assert_error(post(api, body, value), 409, "already_exists", {"external_id"})


def test_the_name_of_the_header_has_no_case(api, body, key):
    first = api.post("/v1/customers", body, headers={"idempotency-key": key})
    assert_replays(first, api.post("/v1/customers", body, headers={"IDEMPOTENCY-KEY": key}))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_no_post_ignores_it(shared, api, body, method):
    created = api.create(body)
    before = len(records(shared.directory))
    for value in ("one key", "one-key", "one-key"):
        reply = api.request(method, f"/v1/customers/{created['id']}", headers={"Idempotency-Key": value})
        assert reply.status == 200 and not is_replay(reply)
    assert len(records(shared.directory)) == before


def test_what_changes_nothing_ignores_it(shared, api, key):
    before = len(records(shared.directory))
    for body in ({}, {"limit": 1}):
        reply = post(api, body, key, path="/v1/users/search")
        assert reply.status == 200 and not is_replay(reply)
    assert len(records(shared.directory)) == before


# ---- signing up ----

SIGN_UP = {"email": "ada@acme.example", "password": "correct horse battery", "tenant_name": "Ada's"}


def test_a_sign_up_is_replayed_although_it_is_closed_by_then(initialised, start_server, key):
    """The work that goes before it, and the look whether it is open, are not done again."""
    directory, _ = initialised
    with shared_client(start_server(directory), None) as client:
        first = post(client, SIGN_UP, key, path="/v1/auth/signup")
        assert first.status == 200 and first.json()["token"]
        for _ in range(2):
            assert_replays(first, post(client, SIGN_UP, key, path="/v1/auth/signup"))
        assert_error(client.post("/v1/auth/signup", SIGN_UP), 403)
        assert_error(post(client, SIGN_UP, "other", path="/v1/auth/signup"), 403)
        changed = {**SIGN_UP, "password": "another one that is long"}
        assert_error(post(client, changed, key, path="/v1/auth/signup"), 409, "already_exists", {"Idempotency-Key"})
    stored = json.dumps(records(directory), default=str)
    assert first.json()["token"] not in stored and len(records(directory)) == 1


def test_twins_that_sign_up(initialised, start_server, key):
    """All of them begin while it is open, and one closes it."""
    directory, _ = initialised
    address = start_server(directory, "--login-failures-per-address", "0").address
    request = request_bytes("POST", "/v1/auth/signup", None, SIGN_UP, [("Idempotency-Key", key)])
    connections = [RawConnection(address) for _ in range(6)]
    for connection in connections:
        connection.send(request)
    replies = [connection.read_reply() for connection in connections]
    for connection in connections:
        connection.close()
    assert {reply.status for reply in replies} == {200} and len({reply.body for reply in replies}) == 1, replies
    assert sum(not is_replay(reply) for reply in replies) == 1
    assert engine.tuples(directory, "SELECT count(*) FROM auths") == [(1,)]


def test_an_invitation_is_replayed_with_its_password(shared, api, key):
    body = {"type": "user", "email": "bob@acme.example", "roles": ["all_reader"]}
    first = post(api, body, key, path="/v1/users")
    assert first.status == 201 and first.json()["password"], first
    assert_replays(first, post(api, body, key, path="/v1/users"))
    assert first.json()["password"] not in json.dumps(records(shared.directory), default=str)


# ---- what is stored ----


def admin(server):
    return UnixConnection(server.directory / "admin.sock")


def admin_request(path, body, key=None):
    return request_bytes("POST", path, body=body, headers=[("Idempotency-Key", key)] if key else [])


def test_a_secret_is_replayed_but_cannot_be_read_in_the_database(shared, key):
    """A new API key is told again to whoever has the Idempotency-Key, and to nobody who has the database."""
    environment_id = shared.credentials.environment_id
    request = admin_request("/admin/keys", {"name": "s", "type": "private_key", "environment": environment_id}, key)
    with admin(shared) as connection:
        first = connection.exchange(request)
        assert first.status == 201
        again = connection.exchange(request)
    assert (again.status, again.body) == (201, first.body) and is_replay(again)
    secret = first.json()["api_key"]
    with shared.client(secret) as client:
        assert client.get("/v1/customers/x").status == 404
    stored = json.dumps(records(shared.directory), default=str)
    for text in (secret, key, "api_key", first.json()["secret"]["id"], "secret"):
        assert text not in stored
    if not engine.ON_POSTGRES:
        for name in ("farthing.db", "farthing.db-wal"):
            content = (shared.directory / name).read_bytes()
            assert secret.encode() not in content and key.encode() not in content
    assert len(engine.tuples(shared.directory, f"SELECT id FROM secrets WHERE id = '{first.json()['secret']['id']}'")) == 1


def test_a_key_that_was_guessed_is_of_no_use_without_the_servers_secrets(initialised, start_server, body):
    """A reply is encrypted under the server's encryption key as well; one kept before a rotation is still replayed."""
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        first = post(client, body, "create-1")
        run_ok("secret", "rotate", "encryption", "--data", directory)
        assert_replays(first, post(client, body, "create-1"))
        second = post(client, {**body, "external_id": body["external_id"] + " 2"}, "create-2")
    server.stop()
    # Somebody who has the database, and another server's secrets.
    (directory / "secrets").unlink()
    run_ok("secret", "accept", "--data", directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert_error(post(client, body, "create-1"), 409, "already_exists")
        assert_error(post(client, {**body, "external_id": body["external_id"] + " 2"}, "create-2"), 409, "already_exists")
    assert first.status == second.status == 201
    assert len(customers(directory, body)) == 1, "nothing was done again"


def test_equal_replies_are_stored_as_different_texts(shared, api, body):
    before = len(records(shared.directory))
    api.create(body)
    for key in ("equal-1", "equal-2", "equal-3"):
        assert post(api, body, key).status == 409
    stored = records(shared.directory)
    assert len(stored) == before + 3
    for column in ("id", "request_hash", "reply"):
        assert len({row[column] for row in stored}) == len(stored)


def test_a_reply_that_was_altered_is_not_given(initialised, start_server, body, key):
    directory, credentials = initialised
    for statement in (
        "UPDATE idempotency_records SET status_code = 200",
        "UPDATE idempotency_records SET status_code = 201, reply = 'AAAA' || reply",
    ):
        server = start_server(directory)
        with shared_client(server, credentials.api_key) as client:
            first = post(client, body, key)
        server.stop()
        engine.change(directory, statement)
    assert first.status == 500
    server = start_server(directory)
    with shared_client(server, credentials.api_key) as client:
        assert_error(post(client, body, key), 500, "internal_error")
    assert len(customers(directory, body)) == 1


# ---- retention ----


def make_older(directory, hours):
    if engine.ON_POSTGRES:
        engine.change(directory, f"UPDATE idempotency_records SET created_at = created_at - interval '{hours} hours'")
    else:
        engine.change(directory, f"UPDATE idempotency_records SET created_at = created_at - {hours} * 3600000000")


@pytest.mark.parametrize("arguments, hours", [((), 24), (("--idempotency-retention-hours", "3"), 3)], ids=str)
def test_a_reply_is_kept_for_so_long(initialised, start_server, body, key, arguments, hours):
    """What is older counts as absent, cleaned up or not: the request is run again, and its new reply kept."""
    directory, credentials = initialised

    def send():
        server = start_server(directory, *arguments)
        with shared_client(server, credentials.api_key) as client:
            replies = [post(client, body, key) for _ in range(2)]
        server.stop()
        assert_replays(replies[0], replies[1])
        return replies[0]

    first = send()
    assert first.status == 201 and not is_replay(first)
    make_older(directory, hours - 1)
    assert_replays(first, send())
    make_older(directory, 2)
    later = send()
    assert_error(later, 409, "already_exists", {"external_id"})
    assert not is_replay(later)
    assert len(records(directory)) == 1


def test_old_records_are_cleaned_up(initialised, start_server, body):
    directory, credentials = initialised
    server = start_server(directory)
    with shared_client(server, credentials.api_key) as client:
        for number in range(250):
            assert post(client, body, f"old-{number}").status in (201, 409)
    server.stop()
    make_older(directory, 25)
    server = start_server(directory)
    wait_until(lambda: records(directory) == [], 30, "old records to be removed")
    server.stop()
    server = start_server(directory)
    with shared_client(server, credentials.api_key) as client:
        first = post(client, body, "young")
        assert_replays(first, post(client, body, "young"))
    assert len(records(directory)) == 1


# ---- twins ----


def create_bytes(shared, body, key):
    return request_bytes("POST", "/v1/customers", shared.key, body, [("Idempotency-Key", key)])


def assert_twins(replies):
    assert {reply.body for reply in replies} == {replies[0].body} and {reply.status for reply in replies} == {201}, replies
    assert sum(not is_replay(reply) for reply in replies) == 1


def test_twins_in_one_pipeline(shared, body):
    with RawConnection(shared.address) as connection:
        for number in range(ROUNDS):
            fresh = {**body, "external_id": f"{body['external_id']} {number}"}
            connection.send(create_bytes(shared, fresh, str(uuid.uuid4())) * CONTENDERS)
            assert_twins([connection.read_reply() for _ in range(CONTENDERS)])


def test_twins_on_many_connections(shared, body):
    """The second waits for the first, and gets its reply."""
    keys = [str(uuid.uuid4()) for _ in range(ROUNDS)]
    barrier = threading.Barrier(CONTENDERS)
    replies = {key: [] for key in keys}

    def contend():
        with RawConnection(shared.address) as connection:
            for number, key in enumerate(keys):
                fresh = {**body, "external_id": f"{body['external_id']} {number}"}
                barrier.wait(timeout=60)
                replies[key].append(connection.exchange(create_bytes(shared, fresh, key)))

    threads = [threading.Thread(target=contend) for _ in range(CONTENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in keys:
        assert len(replies[key]) == CONTENDERS
        assert_twins(replies[key])


def test_twins_among_requests_that_are_refused(shared, api, body):
    """A refusal amid a batch undoes the batch, and what runs again finds its twin or does the same again."""
    api.create(body)
    connections = [RawConnection(shared.address) for _ in range(CONTENDERS)]
    for number in range(ROUNDS):
        fresh = {**body, "external_id": f"{body['external_id']} {number}"}
        good, bad = str(uuid.uuid4()), str(uuid.uuid4())
        for index, connection in enumerate(connections):
            connection.send(create_bytes(shared, fresh, good) if index % 2 else create_bytes(shared, body, bad))
        replies = [connection.read_reply() for connection in connections]
        assert_twins(replies[1::2])
        refusals = replies[::2]
        assert {reply.status for reply in refusals} == {409} and len({reply.body for reply in refusals}) == 1
        assert all(set(reply.json()["details"]) == {"external_id"} for reply in refusals)
        assert sum(not is_replay(reply) for reply in refusals) == 1
    for connection in connections:
        connection.close()


def test_rivals_with_one_key(shared, body):
    """Different requests with the same key at once: one is done, the others are told."""
    connections = [RawConnection(shared.address) for _ in range(CONTENDERS)]
    for number in range(ROUNDS):
        key = str(uuid.uuid4())
        for index, connection in enumerate(connections):
            rival = {**body, "external_id": f"{body['external_id']} {number} {index}"}
            connection.send(create_bytes(shared, rival, key))
        replies = [connection.read_reply() for connection in connections]
        assert sorted(reply.status for reply in replies) == [201] + [409] * (CONTENDERS - 1)
        assert all(set(reply.json()["details"]) == {"Idempotency-Key"} for reply in replies if reply.status == 409)
        stored = engine.tuples(
            shared.directory, f"SELECT id FROM customers WHERE external_id LIKE '{body['external_id']} {number} %'"
        )
        assert len(stored) == 1
    for connection in connections:
        connection.close()


# ---- the description ----


def test_the_api_description_tells_of_it(api):
    document = api.get("/openapi.json").json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            names = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "header"}
            replayed = [status for status, reply in operation["responses"].items() if "Idempotent-Replayed" in reply.get("headers", {})]
            assert ("Idempotency-Key" in names) == bool(replayed), (method, path)
            assert not names or method == "post"
    create = document["paths"]["/v1/customers"]["post"]
    (parameter,) = [one for one in create["parameters"] if one["name"] == "Idempotency-Key"]
    assert parameter["in"] == "header" and parameter["required"] is False and parameter["description"]
    assert {"201", "409"} <= {status for status, reply in create["responses"].items() if "headers" in reply}
