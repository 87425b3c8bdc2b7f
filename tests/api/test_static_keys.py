"""Keys and an allow-list that come from the configuration (conventions sections 3.3, 4 and 6.4)."""

import hashlib
import json

import pytest

import farthing_server
from expectations import assert_error
from farthing_server import create_environment, create_key, create_tenant, run
from http_client import Client

KEY = "a-key-that-stands-in-the-configuration"


def static_key(tenant_id, key=KEY, **members):
    return {hashlib.sha256(key.encode()).hexdigest(): {"tenant_id": tenant_id, "user_id": "operator", **members}}


def make_place(directory):
    """A tenant with two environments, and another tenant."""
    first = farthing_server.init(directory)
    second = create_environment(directory, first.tenant_id, "second")
    other = create_tenant(directory, "Other")
    return directory, first, second, other


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("static") / "data")


@pytest.fixture(scope="module")
def served(place):
    directory, first, *_ = place
    keys = static_key(first.tenant_id, is_active=True)
    keys |= static_key(first.tenant_id, "inactive", is_active=False) | static_key(first.tenant_id, "unsaid")
    keys |= static_key("tenant_of_nobody", "lost", is_active=True)
    server = farthing_server.Server(directory, FARTHING_STATIC_KEYS=json.dumps(keys))
    yield server
    server.stop()


def body(new_external_id):
    return {"external_id": new_external_id(), "name": "Acme"}


def test_the_environment_is_the_headers(served, place, new_external_id):
    _, first, second, _ = place
    with Client(served.address, KEY) as client:
        for environment in (first.environment_id, second.environment_id):
            created = client.post("/v1/customers", body(new_external_id), headers={"X-Environment-ID": environment})
            assert created.status == 201
            assert created.json()["environment_id"] == environment
            assert created.json()["created_by"] == "operator"


@pytest.mark.parametrize("environment", [None, "", "env_of_nobody"])
def test_without_an_environment_of_the_tenant(served, new_external_id, environment):
    headers = {} if environment is None else {"X-Environment-ID": environment}
    with Client(served.address, KEY) as client:
        assert_error(client.post("/v1/customers", body(new_external_id), headers=headers), 403, "permission_denied")


def test_another_tenants_environment_is_as_good_as_unknown(served, place):
    *_, other = place
    with Client(served.address, KEY) as client:
        foreign = client.get("/v1/customers/x", headers={"X-Environment-ID": other.environment_id})
        unknown = client.get("/v1/customers/x", headers={"X-Environment-ID": "env_of_nobody"})
    assert_error(foreign, 403, "permission_denied")
    assert foreign.body == unknown.body


@pytest.mark.parametrize("key", ["inactive", "unsaid", hashlib.sha256(KEY.encode()).hexdigest()])
def test_what_is_not_active_is_no_key(served, key):
    with Client(served.address, key) as client:
        assert_error(client.get("/v1/customers/x"), 401, "permission_denied")


def test_a_tenant_that_does_not_exist(served, place):
    _, first, *_ = place
    with Client(served.address, "lost") as client:
        assert_error(client.get("/v1/customers/x", headers={"X-Environment-ID": first.environment_id}), 403)


def test_a_bad_key_beats_a_bad_environment_beats_a_malformed_body(served):
    headers = {"X-Environment-ID": "env_of_nobody"}
    for key, status in (("sk_bad", 401), (KEY, 403)):
        with Client(served.address, key) as client:
            assert_error(client.post("/v1/customers", b"{", headers=headers), status, "permission_denied")


@pytest.mark.parametrize(
    "keys",
    ["7", "[]", "{", '{"abc": {"tenant_id": "t"}}', json.dumps({"0" * 64: {"is_active": True}}), json.dumps({"0" * 64: 1})],
)
def test_a_configuration_that_means_nothing_stops_the_start(tmp_path, keys):
    said = run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--static-keys", keys)
    assert said.returncode == 2
    assert len(said.stderr.splitlines()) == 1
    assert "static-keys" in said.stderr and "must " in said.stderr


def test_users_are_limited_to_their_environments(directory, start_server):
    _, first, second, _ = make_place(directory)
    allowed, _ = create_key(directory, "--environment", first.environment_id)
    refused, _ = create_key(directory, "--environment", second.environment_id)
    users = json.loads(farthing_server.run_ok("user", "list", "--data", directory, "--json"))["items"]
    user_id = next(user["id"] for user in users if user["tenant_id"] == first.tenant_id)
    limits = {first.tenant_id: {user_id: [first.environment_id]}}
    server = start_server(directory, "--environment-allow-list", json.dumps(limits))
    with Client(server.address, allowed) as client:
        assert_error(client.get("/v1/customers/x"), 404, "not_found")
    with Client(server.address, refused) as client:
        assert_error(client.get("/v1/customers/x"), 403, "permission_denied")


def test_reads_may_be_open_to_every_caller(directory, start_server, new_external_id):
    _, first, *_ = make_place(directory)
    key, _ = create_key(directory, "--environment", first.environment_id, "--role", "event_ingestor")
    for setting, status in (("false", 404), ("true", 403)):
        server = start_server(directory, f"--rbac-enforce-reads={setting}")
        with Client(server.address, key) as client:
            assert_error(client.get("/v1/customers/x"), status)
            assert_error(client.post("/v1/customers", body(new_external_id)), 403, "permission_denied")
        server.stop()
