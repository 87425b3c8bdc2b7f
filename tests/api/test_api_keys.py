"""/v1/secrets/api/keys (conventions sections 3.2 and 22.4)."""

import contextlib
import re
from datetime import datetime, timedelta, timezone

import engine
import pytest

import farthing_server
from expectations import INSTANT, ULID, assert_error
from farthing_server import create_environment, create_tenant, run_ok, wait_until
from http_client import Client
from tenancy import delete, make_caller, make_key

PATH = "/v1/secrets/api/keys"
MEMBERS = {"id", "name", "type", "provider", "display_id", "roles", "user_type", "user_id", "status", "created_at", "updated_at"}


class Place:
    """Callers of every sort in one environment, and another environment of the same tenant."""

    def __init__(self, directory):
        self.directory = directory
        first = farthing_server.init(directory)
        self.tenant_id, self.environment_id, self.api_key = first.tenant_id, first.environment_id, first.api_key
        self.second = create_environment(directory, first.tenant_id, "second")
        self.foreign = create_tenant(directory, "Foreign")
        place = {"tenant_id": self.tenant_id, "environment_id": self.environment_id}
        self.writer, self.writer_key = make_caller(directory, "all_writer", **place)
        self.bot, self.bot_key = make_caller(directory, "super_admin", "service_account", name="bot", **place)
        self.ingestor, _ = make_caller(directory, "event_ingestor", "service_account", name="ingestor", **place)
        self.nameless, _ = make_caller(directory, "event_reader", "service_account", **place)
        self.server = farthing_server.Server(directory)

    def client(self, key=None):
        return Client(self.server.address, key or self.api_key)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("keys") / "data")
    yield place
    place.server.stop()


@pytest.fixture
def admin(place):
    with place.client() as client:
        yield client


@pytest.fixture
def writer(place):
    with place.client(place.writer_key) as client:
        yield client


@pytest.fixture
def bot(place):
    with place.client(place.bot_key) as client:
        yield client


def mint(client, **members):
    reply = client.post(PATH, {"name": "made", "type": "private_key", **members})
    assert reply.status == 201, reply
    assert set(reply.json()) == {"secret", "api_key"}
    return reply.json()["secret"], reply.json()["api_key"]


def in_hours(count):
    return (datetime.now(timezone.utc) + timedelta(hours=count)).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- create ----------------------------------------------------------------------------------------------------


def test_a_key_as_it_is_made(place, admin):
    secret, key = mint(admin, name="first", expires_at=in_hours(1))
    assert set(secret) == MEMBERS | {"expires_at"}
    assert ULID.fullmatch(secret["id"].removeprefix("secret_"))
    assert re.fullmatch(r"sk_[0-9A-HJKMNP-TV-Z]{26}", key)
    assert secret["display_id"] == f"{key[:5]}***{key[-2:]}"
    expected = {"name": "first", "type": "private_key", "provider": "flexprice", "roles": ["super_admin"],
                "user_type": "user", "status": "published"}
    assert {name: secret[name] for name in expected} == expected
    assert secret["created_at"] == secret["updated_at"] and INSTANT.fullmatch(secret["created_at"])
    with place.client(key) as client:
        assert client.get("/v1/users/me").json()["id"] == secret["user_id"]


def test_the_key_itself_is_nowhere_else(place, admin):
    secret, key = mint(admin)
    assert key not in admin.get(f"{PATH}?limit=1000").body.decode()
    for table in ("secrets", "audit_log"):
        assert key not in str(engine.tuples(place.directory, f"SELECT * FROM {table}"))


def test_a_key_has_the_owners_roles_and_no_others(writer, place):
    secret, key = mint(writer)
    assert secret["roles"] == ["all_writer"] and secret["user_id"] == place.writer
    with place.client(key) as client:
        assert_error(client.request("PUT", f"/v1/users/{place.bot}/roles", {"roles": ["all_reader"]}), 403)


@pytest.mark.parametrize("roles", [None, [], ["all_writer"], ["all_writer", "all_writer"]], ids=str)
def test_roles_that_are_the_owners_may_be_said(writer, roles):
    assert mint(writer, roles=roles)[0]["roles"] == ["all_writer"]


@pytest.mark.parametrize("roles", [["all_reader"], ["super_admin"], ["all_writer", "all_reader"], ["king"]], ids=str)
def test_roles_of_its_own_are_refused_and_no_key_is_made(writer, roles):
    """Rather than a key that may do more than was asked for."""
    before = writer.get(PATH).json()["pagination"]["total"]
    reply = writer.post(PATH, {"name": "narrow", "type": "private_key", "roles": roles})
    assert_error(reply, 400, "validation_error", {"roles"})
    assert "the roles of its user" in reply.json()["message"] and "`farthing key create --role`" in reply.json()["message"]
    assert writer.get(PATH).json()["pagination"]["total"] == before


def test_roles_of_a_service_accounts_key(place, admin):
    asked = {"name": "made", "type": "private_key", "service_account_id": place.ingestor}
    assert admin.post(PATH, {**asked, "roles": ["event_ingestor"]}).status == 201
    for roles in (["event_reader"], ["super_admin"], ["event_ingestor", "event_reader"]):
        assert_error(admin.post(PATH, {**asked, "roles": roles}), 400, "validation_error", {"roles"})
    assert_error(admin.post(PATH, {"name": "x", "type": "private_key", "roles": "event_ingestor"}), 400, "validation_error")


def test_a_key_with_fewer_roles_than_its_owner_makes_none_that_has_them(place):
    narrow = make_key(place.directory, place.bot, place.environment_id, "--role", "event_ingestor")
    with place.client(narrow) as client:
        assert_error(client.post(PATH, {"name": "wide", "type": "private_key"}), 403, "permission_denied")


@pytest.mark.parametrize(
    "body, details",
    [
        ({}, {"name": "is required", "type": "is required"}),
        ({"name": "", "type": "private_key"}, {"name": "must not be empty"}),
        ({"name": "x" * 256, "type": "private_key"}, {"name": "must be at most 255 characters long"}),
        ({"name": "x", "type": "integration"}, {"type": "must be one of private_key, publishable_key"}),
        ({"name": "x", "type": "secret"}, {"type": "must be one of private_key, publishable_key"}),
        ({"name": "x", "type": "private_key", "expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "must lie in the future"}),
        ({"name": "x", "type": "private_key", "expires_at": "tomorrow"},
         {"expires_at": "must be an RFC 3339 timestamp such as 2026-01-02T03:04:05Z"}),
    ],
)
def test_a_bad_key(admin, body, details):
    assert_error(admin.post(PATH, body), 400, "validation_error", details)


def test_names_need_not_be_unique(admin):
    assert mint(admin, name="twice")[0]["id"] != mint(admin, name="twice")[0]["id"]


def test_a_publishable_key_opens_nothing_and_is_not_listed(place, admin):
    secret, key = mint(admin, type="publishable_key")
    assert key.startswith("pk_") and secret["type"] == "publishable_key"
    with place.client(key) as client:
        assert_error(client.get(PATH), 401, "permission_denied")
    assert secret["id"] not in {item["id"] for item in admin.get(f"{PATH}?limit=1000").json()["items"]}
    assert delete(admin, f"{PATH}/{secret['id']}").status == 204


def test_a_key_for_a_service_account(place, admin):
    secret, key = mint(admin, service_account_id=place.ingestor)
    assert (secret["user_id"], secret["user_type"]) == (place.ingestor, "service_account")
    assert secret["roles"] == ["event_ingestor"] and "service_account_name" not in secret
    with place.client(key) as client:
        assert client.get("/v1/users/me").json()["id"] == place.ingestor
        assert_error(client.get(PATH), 403, "permission_denied")


def test_who_may_make_a_key_for_a_service_account(place, admin, writer, bot):
    body = {"name": "x", "type": "private_key", "service_account_id": place.ingestor}
    for client in (writer, bot):
        assert_error(client.post(PATH, body), 403, "permission_denied")
        assert_error(client.post(PATH, {**body, "service_account_id": "user_nobody"}), 403, "permission_denied")
    missing = admin.post(PATH, {**body, "service_account_id": "user_nobody"})
    assert_error(missing, 404, "not_found", {"service_account_id": "user_nobody"})
    person = admin.post(PATH, {**body, "service_account_id": place.writer})
    assert_error(person, 400, "validation_error", {"service_account_id": place.writer})


def test_an_archived_service_account_gets_no_key(admin):
    account = admin.post("/v1/users", {"type": "service_account", "roles": ["event_reader"]}).json()["id"]
    assert delete(admin, f"/v1/users/{account}").status == 204
    reply = admin.post(PATH, {"name": "x", "type": "private_key", "service_account_id": account})
    assert_error(reply, 400, "invalid_operation", {"service_account_id": account})


# --- list ------------------------------------------------------------------------------------------------------


def listed(client, query=""):
    reply = client.get(PATH + query)
    assert reply.status == 200, reply
    assert set(reply.json()) == {"items", "pagination"}
    return reply.json()["items"], reply.json()["pagination"]


def test_pages(place):
    _, key = make_caller(place.directory, "all_writer", email="pages@keys.test", tenant_id=place.tenant_id,
                         environment_id=place.environment_id)
    with place.client(key) as client:
        made = [mint(client, name=f"key {number}")[0]["id"] for number in range(4)]
        newest_first = [item["id"] for item in listed(client)[0]]
        assert newest_first[:4] == made[::-1] and len(newest_first) == 5
        for query, first, last, pagination in [
            ("", 0, 5, (5, 50, 50)), ("?limit=2", 0, 2, (5, 2, 2)), ("?limit=2&offset=4", 4, 5, (5, 2, 6)),
            ("?limit=2&offset=10", 5, 5, (5, 2, 12)), ("?limit=0&offset=3", 3, 5, (5, 50, 53)),
            ("?limit=1000", 0, 5, (5, 1000, 1000)),
        ]:
            items, found = listed(client, query)
            assert [item["id"] for item in items] == newest_first[first:last], query
            assert (found["total"], found["limit"], found["offset"]) == pagination, query
        assert [item["id"] for item in listed(client, "?order=asc")[0]] == newest_first[::-1]
        instants = [item["created_at"] for item in listed(client, "?order=asc")[0]]
        between = f"?start_time={instants[1]}&end_time={instants[3]}"
        assert [item["created_at"] for item in listed(client, between)[0]] == instants[3:0:-1]
        assert listed(client, f"?start_time={instants[2]}&end_time={instants[2]}")[1]["total"] == 1


@pytest.mark.parametrize(
    "query, details",
    [
        ("limit=1001", {"limit"}), ("limit=-1", {"limit"}), ("offset=-1", {"offset"}),
        ("order=up", {"order"}), ("start_time=2026-01-01", {"start_time"}),
        ("start_time=2026-01-02T00:00:00Z&end_time=2026-01-01T00:00:00Z", {"end_time"}),
    ],
)
def test_a_list_that_cannot_be(admin, query, details):
    assert_error(admin.get(f"{PATH}?{query}"), 400, "validation_error", details)


def test_who_sees_whose(place, admin, writer, bot):
    mint(writer)
    everybody = {item["user_id"] for item in listed(admin, "?limit=1000")[0]}
    assert {place.writer, place.bot} < everybody
    assert {item["user_id"] for item in listed(admin, f"?user_id={place.writer}")[0]} == {place.writer}
    assert listed(admin, "?user_id=user_nobody")[0] == []
    for client, own in ((writer, place.writer), (bot, place.bot)):
        for query in ("", f"?user_id={own}", "?user_id=user_nobody", "?limit=1000"):
            assert {item["user_id"] for item in listed(client, query)[0]} == {own}, query


def test_the_name_of_a_service_account_stands_in_the_list(place, admin):
    mint(admin, service_account_id=place.ingestor)
    mint(admin, service_account_id=place.nameless)
    for item in listed(admin, "?limit=1000")[0]:
        assert set(item) - {"expires_at", "last_used_at", "service_account_name"} == MEMBERS
        expected = {place.ingestor: "ingestor", place.bot: "bot"}.get(item["user_id"])
        assert item.get("service_account_name") == expected


def test_keys_of_other_environments_are_not_listed(place, admin):
    with place.client(place.second.api_key) as client:
        secret, _ = mint(client)
        assert secret["id"] in {item["id"] for item in listed(client)[0]}
    assert secret["id"] not in {item["id"] for item in listed(admin, "?limit=1000")[0]}


@contextlib.contextmanager
def stopped(place):
    """The place's server is not running meanwhile."""
    place.server.stop()
    yield
    place.server = farthing_server.Server(place.directory)


def test_an_expired_key_is_listed(place, admin):
    secret, _ = mint(admin, expires_at=in_hours(1))
    with stopped(place):
        past = "1" if not engine.ON_POSTGRES else "timestamptz '2020-01-01 00:00:00+00'"
        engine.change(place.directory, f"UPDATE secrets SET expires_at = {past} WHERE id = '{secret['id']}'")
    with place.client() as client:
        assert secret["id"] in {item["id"] for item in listed(client, "?limit=1000")[0]}


# --- delete ----------------------------------------------------------------------------------------------------


def test_a_deleted_key_is_refused_at_once_and_can_be_deleted_again(place, admin):
    secret, key = mint(admin)
    with place.client(key) as client:
        assert client.get(PATH).status == 200
        reply = delete(admin, f"{PATH}/{secret['id']}")
        assert reply.status == 204 and reply.body == b"" and reply.header("Content-Type") is None
        assert_error(client.get(PATH), 401, "permission_denied")
    assert delete(admin, f"{PATH}/{secret['id']}").status == 204
    assert secret["id"] not in {item["id"] for item in listed(admin, "?limit=1000")[0]}


def test_a_key_that_deletes_itself(place, admin):
    secret, key = mint(admin)
    with place.client(key) as client:
        assert delete(client, f"{PATH}/{secret['id']}").status == 204
        assert_error(delete(client, f"{PATH}/{secret['id']}"), 401, "permission_denied")


def test_who_may_delete_whose(place, admin, writer, bot):
    of_admin, of_writer = mint(admin)[0]["id"], mint(writer)[0]["id"]
    for client in (writer, bot):
        assert_error(delete(client, f"{PATH}/{of_admin}"), 403, "permission_denied")
    assert_error(delete(bot, f"{PATH}/{of_writer}"), 403, "permission_denied")
    assert delete(writer, f"{PATH}/{of_writer}").status == 204
    assert delete(admin, f"{PATH}/{of_writer}").status == 204
    assert_error(delete(writer, f"{PATH}/secret_nobody"), 404, "not_found", {"id": "secret_nobody"})


# --- last use --------------------------------------------------------------------------------------------------


def test_a_key_that_was_never_used_has_no_last_use(admin):
    secret, _ = mint(admin)
    (item,) = [item for item in listed(admin, "?limit=1000")[0] if item["id"] == secret["id"]]
    assert "last_used_at" not in item


def test_the_last_use_is_noted_behind_the_requests(place, admin):
    secret, key = mint(admin)
    with Client(place.server.address, key) as client:
        assert client.get("/v1/users/me").status == 200

    def noted():
        return [item for item in listed(admin, "?limit=1000")[0] if item["id"] == secret["id"]][0].get("last_used_at")

    wait_until(noted, 20, "the use to be noted")
    assert noted() >= secret["created_at"]


def test_the_operators_list_and_this_one_are_of_the_same_keys(place, admin):
    secret, _ = mint(admin, name="seen by both")
    assert secret["id"] in run_ok("key", "list", "--data", place.directory)
