"""/v1/environments (conventions section 22.2, 80-admin section 5)."""

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from expectations import INSTANT_IN_SECONDS, ULID, assert_error
from farthing_server import create_environment, create_tenant
from http_client import Client
from tenancy import make_caller, put

PATH = "/v1/environments"


def make(client, name="Live", kind="production", status=201):
    reply = client.post(PATH, {"name": name, "type": kind})
    assert reply.status == status, reply
    return reply.json()


def assert_environment(environment):
    assert set(environment) == {"id", "name", "type", "created_at", "updated_at"}
    assert ULID.fullmatch(environment["id"].removeprefix("env_")), environment
    for key in ("created_at", "updated_at"):
        assert INSTANT_IN_SECONDS.fullmatch(environment[key]), environment


# --- create ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["development", "production"])
def test_what_is_made_is_what_is_read(api, kind):
    made = make(api, "Live", kind)
    assert_environment(made)
    assert (made["name"], made["type"]) == ("Live", kind)
    assert api.get(f"{PATH}/{made['id']}").json() == made


@pytest.mark.parametrize(
    "body, details",
    [
        ({}, {"name": "is required", "type": "is required"}),
        ({"name": "", "type": ""}, {"name": "must not be empty", "type": "must not be empty"}),
        ({"name": "x" * 51, "type": "production"}, {"name": "must be at most 50 characters long"}),
        ({"name": "x", "type": "staging"}, {"type": "must be one of development, production"}),
        ({"name": "x", "type": "Production"}, {"type": "must be one of development, production"}),
    ],
)
def test_a_bad_environment(api, body, details):
    assert_error(api.post(PATH, body), 400, "validation_error", details)


def test_a_name_of_fifty_characters(api):
    assert make(api, "ü" * 50)["name"] == "ü" * 50


def test_a_new_environment_can_be_used_at_once(initialised, start_server):
    directory, first = initialised
    server = start_server(directory, FARTHING_STATIC_KEYS=static_key(first.tenant_id))
    with Client(server.address, "static") as client:
        made = make(client)
        headers = {"X-Environment-ID": made["id"]}
        reply = client.post("/v1/customers", {"external_id": "a", "name": "A"}, headers=headers)
        assert reply.status == 201 and reply.json()["environment_id"] == made["id"]


def static_key(tenant_id):
    digest = hashlib.sha256(b"static").hexdigest()
    return json.dumps({digest: {"tenant_id": tenant_id, "user_id": "operator", "is_active": True}})


@pytest.mark.parametrize(
    "setting, kind", [("DEVELOPMENT", "development"), ("PRODUCTION", "production")], ids=lambda value: value
)
def test_a_limit_of_the_server_is_kept_by_many_at_once(initialised, start_server, setting, kind):
    directory, credentials = initialised
    limit = 3
    server = start_server(directory, **{f"FARTHING_{setting}_ENVIRONMENTS_MAX": str(limit)})

    def attempt(number):
        with Client(server.address, credentials.api_key) as client:
            return client.post(PATH, {"name": f"env {number}", "type": kind})

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(attempt, range(12)))
    already = 1 if kind == "development" else 0  # Sandbox
    made = [reply for reply in replies if reply.status == 201]
    assert len(made) == limit - already
    for reply in replies:
        if reply not in made:
            assert_error(reply, 400, "validation_error", {"type": kind})
            assert f"may have {limit} environments of type {kind}" in reply.json()["message"]
    with Client(server.address, credentials.api_key) as client:
        make(client, "other", "production" if kind == "development" else "development")


def test_none_may_be_as_many_as_a_tenant_may_have(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, FARTHING_PRODUCTION_ENVIRONMENTS_MAX="0")
    with Client(server.address, credentials.api_key) as client:
        assert_error(client.post(PATH, {"name": "x", "type": "production"}), 400, "validation_error")


# --- list ------------------------------------------------------------------------------------------------------


def test_the_list(initialised, start_server):
    directory, credentials = initialised
    create_tenant(directory, "Other")
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        sandbox = client.get(PATH).json()
        assert (sandbox["total"], sandbox["offset"], sandbox["limit"]) == (1, 0, 50)
        assert set(sandbox) == {"environments", "total", "offset", "limit"}
        assert [(entry["name"], entry["type"]) for entry in sandbox["environments"]] == [("Sandbox", "development")]
        made = [make(client, f"env {number}") for number in range(4)]
        newest_first = [entry["id"] for entry in reversed(made)] + [credentials.environment_id]
        for query, first, count in [
            ("", 0, 5), ("?limit=2", 0, 2), ("?limit=2&offset=4", 4, 1), ("?limit=2&offset=10", 10, 0), ("?limit=0", 0, 5),
            ("?offset=3", 3, 2), ("?limit=&offset=", 0, 5), ("?limit=1000", 0, 5), ("?unknown=1", 0, 5),
        ]:
            page = client.get(PATH + query).json()
            assert [entry["id"] for entry in page["environments"]] == newest_first[first : first + count], query
            assert page["total"] == count and page["offset"] == first, query
            for entry in page["environments"]:
                assert_environment(entry)


@pytest.mark.parametrize(
    "query, details",
    [
        ("limit=1001", {"limit"}), ("limit=-1", {"limit"}), ("offset=-1", {"offset"}),
        ("limit=1001&offset=-1", {"limit", "offset"}),
        ("limit=abc", {"limit", "field", "expected"}), ("limit=1.5", {"limit", "field", "expected"}),
        ("offset=1e3", {"offset", "field", "expected"}), ("offset=99999999999999999999", {"offset", "field", "expected"}),
        ("offset=9223372036854775807", {"offset"}),
    ],
)
def test_a_page_that_cannot_be(api, query, details):
    assert_error(api.get(f"{PATH}?{query}"), 400, "validation_error", details)


# --- get and update --------------------------------------------------------------------------------------------


def test_an_environment_that_is_not_there(api):
    for reply in (api.get(f"{PATH}/env_nobody"), put(api, f"{PATH}/env_nobody", {})):
        assert_error(reply, 404, "not_found", {"environment_id": "env_nobody"})


def test_renaming(api):
    made = make(api, "before")
    renamed = put(api, f"{PATH}/{made['id']}", {"name": "after", "type": made["type"]})
    assert renamed.status == 200
    assert renamed.json() == {**made, "name": "after", "updated_at": renamed.json()["updated_at"]}
    assert api.get(f"{PATH}/{made['id']}").json() == renamed.json()


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"type": ""}, {"type": "production"}])
def test_what_is_not_given_stays(api, body):
    made = make(api, "stays")
    reply = put(api, f"{PATH}/{made['id']}", body)
    assert reply.status == 200 and (reply.json()["name"], reply.json()["type"]) == ("stays", "production")


@pytest.mark.parametrize(
    "body, details", [({"type": "development"}, {"type"}), ({"type": "other"}, {"type"}), ({"name": "x" * 51}, {"name"})]
)
def test_what_cannot_be_changed(api, body, details):
    made = make(api)
    assert_error(put(api, f"{PATH}/{made['id']}", body), 400, "validation_error", details)
    assert api.get(f"{PATH}/{made['id']}").json() == made


# --- the allow-list --------------------------------------------------------------------------------------------


def test_whom_the_configuration_limits_to_some(initialised, start_server):
    directory, first = initialised
    second = create_environment(directory, first.tenant_id, "second")
    third = create_environment(directory, first.tenant_id, "third")
    place = {"tenant_id": first.tenant_id, "environment_id": first.environment_id}
    limited, key = make_caller(directory, "super_admin", email="limited@env.test", **place)
    allowed = [first.environment_id, third.environment_id]
    server = start_server(
        directory, FARTHING_ENVIRONMENT_ALLOW_LIST=json.dumps({first.tenant_id: {limited: allowed}})
    )
    with Client(server.address, key) as client:
        listed = client.get(PATH).json()
        assert {entry["id"] for entry in listed["environments"]} == set(allowed) and listed["total"] == 2
        pages = [client.get(f"{PATH}?limit=1&offset={offset}").json()["environments"] for offset in range(3)]
        assert [len(page) for page in pages] == [1, 1, 0]
        assert [page[0]["id"] for page in pages[:2]] == [entry["id"] for entry in listed["environments"]]
        assert client.get(f"{PATH}/{third.environment_id}").status == 200
        path = f"{PATH}/{second.environment_id}"
        for reply in (
            client.get(path),
            put(client, path, {"name": "x"}),
            client.post(f"{path}/clone", {"target_environment_id": third.environment_id}),
            client.post(f"{PATH}/{third.environment_id}/clone", {"target_environment_id": second.environment_id}),
        ):
            assert_error(reply, 403, "permission_denied")
    with Client(server.address, first.api_key) as client:
        assert client.get(PATH).json()["total"] == 3


# --- cloning ---------------------------------------------------------------------------------------------------


def assert_clone(reply, source):
    assert reply.status == 202, reply
    clone = reply.json()
    assert set(clone) == {"message", "workflow_id", "run_id"} and clone["message"]
    assert re.fullmatch(rf"wf_EnvironmentCloneWorkflow_{source}_{ULID.pattern}", clone["workflow_id"])
    assert ULID.fullmatch(clone["run_id"].removeprefix("run_")), clone


def test_cloning_into_one_that_is_there(api):
    source, target = make(api, "source"), make(api, "target")
    path = f"{PATH}/{source['id']}/clone"
    assert_clone(api.post(path, {"target_environment_id": target["id"]}), source["id"])
    # With a target, what a new one would need is not looked at.
    assert_clone(api.post(path, {"target_environment_id": target["id"], "name": "", "type": "x"}), source["id"])


def test_cloning_into_a_new_one(api):
    source = make(api, "source")
    assert_clone(api.post(f"{PATH}/{source['id']}/clone", {"name": "copy of it", "type": "development"}), source["id"])
    newest = api.get(f"{PATH}?limit=1").json()["environments"][0]
    assert (newest["name"], newest["type"]) == ("copy of it", "development")


@pytest.mark.parametrize(
    "body, details",
    [
        ({}, {"target_environment_id"}),
        ({"target_environment_id": ""}, {"target_environment_id"}),
        ({"target_environment_id": 7}, {"target_environment_id", "field", "expected"}),
        ({"name": "x"}, {"type"}),
        ({"type": "production"}, {"name"}),
        ({"name": "x", "type": "staging"}, {"type"}),
    ],
)
def test_a_bad_clone(api, body, details):
    source = make(api)
    count = api.get(f"{PATH}?limit=1000").json()["total"]
    assert_error(api.post(f"{PATH}/{source['id']}/clone", body), 400, "validation_error", details)
    assert api.get(f"{PATH}?limit=1000").json()["total"] == count


def test_cloning_into_itself_or_nobody(api):
    source = make(api)
    path = f"{PATH}/{source['id']}/clone"
    assert_error(api.post(path, {"target_environment_id": source["id"]}), 400, "validation_error", {"target_environment_id"})
    missing = api.post(path, {"target_environment_id": "env_nobody"})
    assert_error(missing, 404, "not_found", {"environment_id": "env_nobody"})
    lost = api.post(f"{PATH}/env_lost/clone", {"name": "x", "type": "production"})
    assert_error(lost, 404, "not_found", {"environment_id": "env_lost"})


def test_a_clone_keeps_the_limits(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory, FARTHING_PRODUCTION_ENVIRONMENTS_MAX="1")
    path = f"{PATH}/{credentials.environment_id}/clone"
    with Client(server.address, credentials.api_key) as client:
        assert client.post(path, {"name": "one", "type": "production"}).status == 202
        assert_error(client.post(path, {"name": "two", "type": "production"}), 400, "validation_error", {"type"})
