"""API keys: which ones count, whom they act as, what their roles allow, and in which order things are checked."""

import time
from datetime import datetime, timedelta, timezone

import pytest

import farthing_server
from expectations import assert_error
from farthing_server import create_key, run, run_ok
from http_client import Client, RawConnection, request_bytes

BODY = {"name": "Acme"}
SOMEONE = "/v1/customers/someone"


@pytest.fixture(scope="module")
def customer_path(shared):
    with shared.client() as client:
        return "/v1/customers/" + client.create({"external_id": "someone", "name": "Someone"})["id"]


def requests(api, new_external_id, **options):
    """A read and a write."""
    yield api.get(SOMEONE, **options)
    yield api.post("/v1/customers", {"external_id": new_external_id(), **BODY}, **options)


BAD_KEYS = [
    None,
    "",
    "sk_",
    "sk_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "nonsense",
    "x" * 5000,
    "' OR 1=1 --",
]


@pytest.mark.parametrize("key", BAD_KEYS, ids=[repr(key)[:20] for key in BAD_KEYS])
def test_without_a_good_key(api, new_external_id, key):
    for reply in requests(api, new_external_id, key=key):
        assert_error(reply, 401, "permission_denied")


def test_a_key_is_compared_whole_and_with_case(api, shared, new_external_id):
    good = shared.key
    for key in (
        good[:-1],
        good + "A",
        good.lower(),
        good.upper(),
        good.replace("sk_", "pk_"),
        good.removeprefix("sk_"),
        f"{good},{good}",
    ):
        for reply in requests(api, new_external_id, key=key):
            assert_error(reply, 401, "permission_denied")


@pytest.mark.parametrize("name", ["x-api-key", "X-API-KEY", "X-Api-Key"])
def test_the_header_name_has_no_case(api, shared, customer_path, name):
    assert api.get(customer_path, key=None, headers={name: shared.key}).status == 200


def test_two_keys_that_differ_are_refused(shared, customer_path):
    """Whichever counted, somebody in between may have taken the other one to."""
    for keys, status in (((shared.key, "sk_other"), 400), (("sk_other", shared.key), 400), (("", shared.key), 400), ((shared.key,) * 3, 200)):
        with RawConnection(shared.address) as connection:
            reply = connection.exchange(request_bytes("GET", customer_path, headers=[("X-Api-Key", key) for key in keys]))
        assert reply.status == status, keys
        if status == 400:
            assert_error(reply, 400, "validation_error")
            assert "x-api-key" in reply.json()["message"]


def test_a_key_is_no_bearer_token(api, shared, new_external_id):
    for value in (f"Bearer {shared.key}", shared.key, "Bearer ", "Bearer x.y.z", f"bearer {shared.key}", "Basic eDp5"):
        for reply in requests(api, new_external_id, key=None, headers={"Authorization": value}):
            assert_error(reply, 401, "permission_denied")


def test_a_good_key_decides_whatever_authorization_says(api, customer_path):
    assert api.get(customer_path, headers={"Authorization": "Bearer nonsense"}).status == 200


def test_a_key_in_the_query_is_no_key(api, shared):
    assert_error(api.get(f"{SOMEONE}?x-api-key={shared.key}&api_key={shared.key}", key=None), 401)


def test_a_401_does_not_say_which_customers_exist(api, customer_path):
    replies = [api.get(path, key="sk_bad") for path in (customer_path, SOMEONE)]
    for reply in replies:
        body = assert_error(reply, 401)
        assert "customer" not in str(body)
    assert replies[0].body == replies[1].body


# --- lives of a key --------------------------------------------------------------------------------------------


def test_a_key_made_on_a_running_server_works_at_once(api, shared, customer_path):
    key, _ = create_key(shared.directory)
    assert key.startswith("sk_") and len(key) == 29
    assert api.get(customer_path, key=key).status == 200


def test_a_key_acts_as_its_user(api, shared, new_external_id):
    key, _ = create_key(shared.directory)
    with shared.client(key) as client:
        created = client.create({"external_id": new_external_id(), **BODY})
    assert created["tenant_id"] == shared.credentials.tenant_id
    assert created["environment_id"] == shared.credentials.environment_id
    assert created["created_by"].startswith("user_")


def test_a_revoked_key_is_refused_at_once(api, shared, new_external_id, customer_path):
    key, key_id = create_key(shared.directory)
    assert key_id.startswith("secret_")
    with shared.client(key) as client:
        assert client.get(customer_path).status == 200
        run_ok("key", "revoke", "--data", shared.directory, key_id)
        for reply in requests(client, new_external_id):
            assert_error(reply, 401, "permission_denied")
    assert api.get(customer_path).status == 200


def test_revoking_one_of_many_keys(shared, customer_path):
    keys = [create_key(shared.directory, name=f"key {number}") for number in range(20)]
    for _, key_id in keys[::2]:
        run_ok("key", "revoke", "--data", shared.directory, key_id)
    with shared.client() as client:
        statuses = [client.get(customer_path, key=key).status for key, _ in keys]
    assert statuses == [401, 200] * 10


def test_revocation_survives_a_restart(initialised, start_server):
    directory, credentials = initialised
    kept, _ = create_key(directory, name="kept")
    revoked, revoked_id = create_key(directory, name="revoked")
    run_ok("key", "revoke", "--data", directory, revoked_id)
    server = start_server(directory)
    with Client(server.address) as client:
        assert [client.get(SOMEONE, key=key).status for key in (credentials.api_key, kept, revoked)] == [404, 404, 401]


def in_seconds(count):
    return (datetime.now(timezone.utc) + timedelta(seconds=count)).isoformat().replace("+00:00", "Z")


def test_a_key_expires(api, shared, new_external_id, customer_path):
    lifetime_seconds = farthing_server.seconds(1.5)
    expires_at = time.time() + lifetime_seconds
    key, _ = create_key(shared.directory, "--expires-at", in_seconds(lifetime_seconds))
    assert api.get(customer_path, key=key).status == 200
    time.sleep(max(0, expires_at - time.time()) + 0.1)
    for reply in requests(api, new_external_id, key=key):
        assert_error(reply, 401, "permission_denied")


def test_an_expiry_far_away_and_with_an_offset(api, shared, customer_path):
    for expires_at in ("9999-12-31T23:59:59Z", "2999-01-01T00:00:00.5+05:30"):
        key, _ = create_key(shared.directory, "--expires-at", expires_at)
        assert api.get(customer_path, key=key).status == 200


def test_a_publishable_key_is_refused_everywhere(api, shared, new_external_id):
    key, _ = create_key(shared.directory, "--type", "publishable_key")
    assert key.startswith("pk_")
    for reply in requests(api, new_external_id, key=key):
        assert_error(reply, 401, "permission_denied")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--expires-at", "2020-01-01T00:00:00Z"],
        ["--expires-at", "tomorrow"],
        ["--expires-at", "2999-01-01"],
        ["--type", "integration"],
        ["--role", "emperor"],
        ["--environment", "env_nonsense"],
    ],
)
def test_a_key_that_cannot_be_made(shared, arguments):
    process = run("key", "create", "--data", shared.directory, "--name", "bad", *arguments)
    assert process.returncode in (1, 2)
    assert process.stdout == ""
    assert len(process.stderr.splitlines()) == 1, process.stderr


# --- roles -----------------------------------------------------------------------------------------------------

ROLES = {
    # role: may read customers, may write them
    "super_admin": (True, True),
    "all_reader": (True, False),
    "all_writer": (True, True),
    "event_ingestor": (False, False),
    "event_reader": (False, False),
}


@pytest.fixture(scope="module")
def role_keys(shared):
    return {role: create_key(shared.directory, "--role", role)[0] for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_allows(api, role_keys, new_external_id, customer_path, role):
    may_read, may_write = ROLES[role]
    for path in (customer_path, "/v1/customers/external/someone", "/v1/customers/lookup/someone"):
        reply = api.get(path, key=role_keys[role])
        if may_read:
            assert reply.status == 200
        else:
            assert_error(reply, 403, "permission_denied")
    reply = api.post("/v1/customers", {"external_id": new_external_id(), **BODY}, key=role_keys[role])
    if may_write:
        assert reply.status == 201
    else:
        assert_error(reply, 403, "permission_denied")


def test_roles_add_up(api, shared, customer_path, new_external_id):
    key, _ = create_key(shared.directory, "--role", "all_reader", "--role", "event_ingestor")
    assert api.get(customer_path, key=key).status == 200
    assert api.post("/v1/customers", {"external_id": new_external_id(), **BODY}, key=key).status == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"external_id":1}'])
def test_a_missing_role_beats_a_bad_body(api, role_keys, body):
    assert_error(api.post("/v1/customers", body, key=role_keys["all_reader"]), 403, "permission_denied")


def test_a_missing_role_beats_a_bad_query_and_an_unknown_customer(api, role_keys):
    for path in (SOMEONE, f"{SOMEONE}?expand=foo", "/v1/customers/external/nobody"):
        assert_error(api.get(path, key=role_keys["event_ingestor"]), 403, "permission_denied")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_a_bad_key_beats_a_bad_body(api, body):
    for key in (None, "sk_bad"):
        assert_error(api.post("/v1/customers", body, key=key), 401, "permission_denied")


def test_an_unknown_route_beats_a_bad_key(api):
    for key in (None, "sk_bad"):
        assert_error(api.get("/v1/no-such-thing", key=key), 404, "not_found")


# --- environments and tenants ----------------------------------------------------------------------------------


def test_a_key_of_another_environment_by_command(initialised, start_server):
    directory, first = initialised
    second = farthing_server.create_environment(directory, first.tenant_id, "Other")
    server = start_server(directory)
    key, _ = create_key(directory, "--environment", second.environment_id)
    with Client(server.address, key) as client:
        assert client.create({"external_id": "acme", "name": "Acme"})["environment_id"] == second.environment_id
    with Client(server.address, first.api_key) as client:
        assert_error(client.get("/v1/customers/external/acme"), 404, "not_found")


def test_a_suspended_tenant_reads_but_does_not_write(initialised, start_server):
    directory, credentials = initialised
    foreign = farthing_server.create_tenant(directory, "Foreign")
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        path = "/v1/customers/" + client.create({"external_id": "acme", "name": "Acme"})["id"]
    server.stop()
    farthing_server.fixture(directory, "tenant", "suspend", credentials.tenant_id)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert client.get(path).status == 200
        assert client.get("/v1/customers/external/acme").status == 200
        for body in ({"external_id": "new", "name": "New"}, b"{", {}):
            assert_error(client.post("/v1/customers", body), 403, "permission_denied")
        assert_error(client.post("/v1/customers", {}, key="sk_bad"), 401)
        assert client.post("/v1/customers", {"external_id": "new", "name": "New"}, key=foreign.api_key).status == 201
