"""/v1/users (conventions section 22.5, 80-admin section 2)."""

import hashlib
import hmac
import itertools
import json
import re
import string
import threading
from concurrent.futures import ThreadPoolExecutor

import engine
import pytest

import farthing_server
from expectations import ULID, assert_error
from farthing_server import create_environment, create_tenant, wait_until
from http_client import Client, RawConnection, request_bytes
from tenancy import delete, make_caller, make_key, put

PATH = "/v1/users"
ME = "/v1/users/me"
CHAT_KEY = "00112233445566778899aabbccddeeff"


class Place:
    """Callers of every sort in one environment."""

    def __init__(self, directory, **settings):
        self.directory = directory
        first = farthing_server.init(directory)
        self.tenant_id, self.environment_id, self.api_key = first.tenant_id, first.environment_id, first.api_key
        self.second = create_environment(directory, first.tenant_id, "second")
        self.foreign = create_tenant(directory, "Foreign")
        place = {"tenant_id": self.tenant_id, "environment_id": self.environment_id}
        self.ada, self.ada_key = make_caller(directory, "super_admin", email="Ada@acme.test", name="Ada", **place)
        self.writer, self.writer_key = make_caller(directory, "all_writer", email="writer@acme.test", **place)
        self.reader, self.reader_key = make_caller(directory, "all_reader", email="reader@acme.test", **place)
        self.bot, self.bot_key = make_caller(directory, "super_admin", "service_account", name="bot", **place)
        self.ingestor, self.ingestor_key = make_caller(directory, "event_ingestor", "service_account", **place)
        self.server = farthing_server.Server(directory, FARTHING_USERS_PER_TENANT_MAX="100000", **settings)

    def client(self, key):
        return Client(self.server.address, key)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("users") / "data", FARTHING_CHAT_VERIFY_KEY=CHAT_KEY)
    yield place
    place.server.stop()


@pytest.fixture
def ada(place):
    with place.client(place.ada_key) as client:
        yield client


@pytest.fixture
def callers(place):
    clients = {
        name: place.client(getattr(place, f"{name}_key")) for name in ("ada", "writer", "reader", "bot", "ingestor")
    }
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture
def unique(request):
    """An e-mail that only this test has."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    return lambda word="someone": f"{word}.{digest}@acme.test"


def invite(client, **members):
    reply = client.post(PATH, {"type": "user", **members})
    assert reply.status == 201, reply
    return reply.json()


def make_account(client, **members):
    reply = client.post(PATH, {"type": "service_account", "roles": ["event_ingestor"], **members})
    assert reply.status == 201, reply
    return reply.json()


def mint(client, account):
    reply = client.post("/v1/secrets/api/keys", {"name": "made", "type": "private_key", "service_account_id": account})
    assert reply.status == 201, reply
    return reply.json()["secret"]["id"]


# --- oneself ---------------------------------------------------------------------------------------------------


def test_me(place, callers):
    me = callers["ada"].get(ME).json()
    assert set(me) == {"id", "email", "name", "type", "roles", "tenant"}
    assert (me["id"], me["email"], me["name"]) == (place.ada, "ada@acme.test", "Ada")
    assert (me["type"], me["roles"]) == ("user", ["super_admin"])
    assert me["tenant"] == callers["ada"].get(f"/v1/tenants/{place.tenant_id}").json()
    bot = callers["bot"].get(ME).json()
    assert set(bot) == {"id", "name", "type", "roles", "tenant"} and bot["type"] == "service_account"
    nameless = callers["ingestor"].get(ME).json()
    assert set(nameless) == {"id", "type", "roles", "tenant"} and nameless["roles"] == ["event_ingestor"]


def test_changing_oneself(place, callers):
    client = callers["writer"]
    changed = put(client, ME, {"name": "Wilma", "metadata": {"a": "1", "b": "2"}}).json()
    assert (changed["name"], changed["metadata"]) == ("Wilma", {"a": "1", "b": "2"})
    for body in ({}, {"name": ""}, {"name": None, "metadata": None}):
        assert put(client, ME, body).json() == changed
    merged = put(client, ME, {"metadata": {"b": "3", "c": None}}).json()
    assert merged["metadata"] == {"a": "1", "b": "3", "c": ""} and merged["name"] == "Wilma"
    assert put(client, ME, {"metadata": {}}).json() == merged
    assert client.get(ME).json() == merged
    # What is not theirs to change is not looked at.
    assert put(client, ME, {"roles": ["super_admin"], "email": "x@y.test", "type": "service_account"}).json() == merged


@pytest.mark.parametrize(
    "body, details", [({"name": "x" * 256}, {"name"}), ({"metadata": {"a": 1}}, {"metadata.a", "field", "expected"})]
)
def test_a_bad_change_of_oneself(ada, body, details):
    assert_error(put(ada, ME, body), 400, "validation_error", details)


def test_metadata_grows_only_so_far(place):
    account, key = make_caller(
        place.directory, "super_admin", "service_account", tenant_id=place.tenant_id, environment_id=place.environment_id
    )
    with place.client(key) as client:
        assert put(client, ME, {"metadata": {f"a{number}": "" for number in range(200)}}).status == 200
        reply = put(client, ME, {"metadata": {f"b{number}": "" for number in range(57)}})
        assert_error(reply, 400, "validation_error", {"metadata": "must have at most 256 keys in all"})
        assert put(client, ME, {"metadata": {f"b{number}": "" for number in range(56)}}).status == 200
        reply = put(client, ME, {"metadata": {f"a{number}": "x" * 16000 for number in range(5)}})
        assert_error(reply, 400, "validation_error", {"metadata": "must be at most 65536 bytes long in all"})


# --- inviting --------------------------------------------------------------------------------------------------


def test_an_invited_user(place, ada, unique):
    made = invite(ada, email=unique("New.Person"), name="New")
    assert set(made) == {"id", "email", "name", "type", "roles", "tenant", "password"}
    assert ULID.fullmatch(made["id"].removeprefix("user_"))
    assert (made["email"], made["name"], made["type"]) == (unique("new.person"), "New", "user")
    # A user who is invited without roles may do everything, as clients expect.
    assert made["roles"] == ["super_admin"]
    assert made["tenant"]["id"] == place.tenant_id


def test_the_password_is_told_once_and_kept_as_a_hash(place, ada, unique):
    made = invite(ada, email=unique())
    password = made["password"]
    assert len(password) == 16
    assert sum(letter in string.digits for letter in password) == 4
    assert sum(letter not in string.ascii_letters + string.digits for letter in password) == 2
    assert any(letter in string.ascii_lowercase for letter in password)
    assert any(letter in string.ascii_uppercase for letter in password)
    with place.client(None) as client:
        login = client.post("/v1/auth/login", {"email": unique().upper(), "password": password})
        assert login.status == 200 and login.json()["user_id"] == made["id"]
    ((token,),) = engine.tuples(place.directory, f"SELECT token FROM auths WHERE user_id = '{made['id']}'")
    assert token.startswith("$argon2id$")
    for table in ("users", "auths", "audit_log"):
        assert password not in str(engine.tuples(place.directory, f"SELECT * FROM {table}"))


def test_a_service_account(ada):
    made = make_account(ada, name="worker", roles=["event_ingestor", "event_reader"])
    assert set(made) == {"id", "name", "type", "roles", "tenant"}
    assert (made["type"], made["roles"]) == ("service_account", ["event_ingestor", "event_reader"])
    assert set(make_account(ada)) == {"id", "type", "roles", "tenant"}
    assert make_account(ada, roles=["super_admin"])["roles"] == ["super_admin"]


@pytest.mark.parametrize(
    "body, details",
    [
        ({}, {"type": "is required"}),
        ({"type": "robot"}, {"type": "must be one of user, service_account"}),
        ({"type": "user"}, {"email": "is required for a user"}),
        ({"type": "user", "email": "nonsense"}, {"email"}),
        ({"type": "user", "email": "x" * 250 + "@acme.test"}, {"email"}),
        ({"type": "user", "email": "a@b.test", "name": "x" * 256}, {"name"}),
        ({"type": "user", "email": "a@b.test", "roles": ["emperor"]}, {"roles"}),
        ({"type": "user", "email": "a@b.test", "roles": [""]}, {"roles"}),
        ({"type": "user", "email": "a@b.test", "roles": ["event_ingestor"]}, {"roles"}),
        ({"type": "user", "email": "a@b.test", "roles": ["super_admin", "all_reader"]}, {"roles"}),
        ({"type": "user", "email": "a@b.test", "roles": "super_admin"}, {"roles", "field", "expected"}),
        ({"type": "service_account"}, {"roles": "must be given for a service account"}),
        ({"type": "service_account", "roles": []}, {"roles": "must be given for a service account"}),
        ({"type": "service_account", "roles": ["all_reader"]}, {"roles"}),
        ({"type": "service_account", "roles": ["super_admin", "event_reader"]}, {"roles"}),
        ({"type": "service_account", "roles": ["event_reader"], "email": "a@b.test"},
         {"email": "is not for a service account"}),
    ],
)
def test_a_user_that_cannot_be_made(ada, body, details):
    assert_error(ada.post(PATH, body), 400, "validation_error", details)


@pytest.mark.parametrize(
    "caller, body, status",
    [
        ("writer", {"type": "user", "email": "nobody@acme.test"}, 403),
        ("writer", {"type": "user", "email": "nobody@acme.test", "roles": ["all_reader"]}, 403),
        ("writer", {"type": "service_account", "roles": ["super_admin"]}, 403),
        ("writer", {"type": "service_account", "roles": ["event_ingestor", "event_reader"]}, 201),
        ("reader", {"type": "service_account", "roles": ["event_reader"]}, 403),
        ("ingestor", {"type": "service_account", "roles": ["event_ingestor"]}, 403),
        ("bot", {"type": "service_account", "roles": ["super_admin"]}, 201),
        # Section 22.5 asks for the role; of a person it speaks where it means one (22.4, PUT /users/{id}/roles).
        ("bot", {"type": "user", "email": "by.a.bot@acme.test", "roles": ["all_reader"]}, 201),
        ("bot", {"type": "user", "email": "by.a.bot.too@acme.test", "roles": ["super_admin"]}, 201),
    ],
)
def test_who_may_make_whom(callers, caller, body, status):
    reply = callers[caller].post(PATH, body)
    if status == 403:
        assert_error(reply, 403, "permission_denied")
    else:
        assert reply.status == status, reply


def test_an_email_is_one_users_in_all_tenants(place, ada, unique):
    invite(ada, email=unique())
    again = ada.post(PATH, {"type": "user", "email": unique().upper()})
    assert_error(again, 409, "already_exists", {"email": unique()})
    with place.client(place.foreign.api_key) as client:
        assert_error(client.post(PATH, {"type": "user", "email": unique()}), 409, "already_exists", {"email": unique()})
    # A password without a user would stay behind if it were not one transaction.
    assert engine.tuples(place.directory, "SELECT user_id FROM auths WHERE user_id NOT IN (SELECT id FROM users)") == []


def test_many_at_once_invite_the_same(place, unique):
    def attempt(_):
        with place.client(place.ada_key) as client:
            return client.post(PATH, {"type": "user", "email": unique()}).status

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(attempt, range(6))) == [201] + 5 * [409]


def test_one_tenants_invitations_do_not_keep_others_from_logging_in_or_inviting(place, ada, unique):
    """Passwords are made by two threads: a tenant that asks for very many is refused itself, and nobody else is."""
    password = invite(ada, email=unique("known"), roles=["all_reader"])["password"]
    number, refused = itertools.count(), []

    def flood_until_refused():
        connections = [RawConnection(place.server.address) for _ in range(60)]
        try:
            for connection in connections:
                body = {"type": "user", "email": unique(f"flood{next(number)}"), "roles": ["all_reader"]}
                connection.send(request_bytes("POST", PATH, place.foreign.api_key, body))
            with place.client(None) as anybody:
                login = anybody.post("/v1/auth/login", {"email": unique("known"), "password": password})
                assert login.status == 200, login
            invite(ada, email=unique(f"beside{next(number)}"), roles=["all_reader"])
            replies = [connection.read_reply() for connection in connections]
        finally:
            for connection in connections:
                connection.close()
        assert {reply.status for reply in replies} <= {201, 429}
        refused.extend(reply for reply in replies if reply.status == 429)
        return refused

    wait_until(flood_until_refused, 60, "the tenant that floods to be refused")
    assert_error(refused[0], 429, "too_many_requests")
    assert int(refused[0].header("Retry-After")) >= 1


def test_a_tenant_has_only_so_many_users(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)  # 10, the first one included

    def attempt(number):
        with Client(server.address, credentials.api_key) as client:
            kind = {"type": "user", "email": f"user{number}@acme.test"} if number % 2 else {
                "type": "service_account", "roles": ["event_reader"]}
            return client.post(PATH, kind)

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(attempt, range(14)))
    made = [reply.json()["id"] for reply in replies if reply.status == 201]
    assert len(made) == 9
    for reply in replies:
        if reply.status != 201:
            assert_error(reply, 400, "invalid_operation")
            assert "may have 10 users" in reply.json()["message"]
    with Client(server.address, credentials.api_key) as client:
        taken = next(reply.json()["email"] for reply in replies if reply.status == 201 and "email" in reply.json())
        assert_error(client.post(PATH, {"type": "user", "email": taken}), 409, "already_exists")
        accounts = client.post(f"{PATH}/search", {}).json()["items"]
        assert delete(client, f"{PATH}/{accounts[0]['id']}").status == 204
        assert attempt(100).status == 201  # one that is archived does not count
        assert attempt(102).status == 400


# --- renaming a service account --------------------------------------------------------------------------------


def test_renaming_a_service_account(ada):
    account = make_account(ada)
    renamed = put(ada, f"{PATH}/{account['id']}", {"name": "worker"})
    assert renamed.status == 200 and renamed.json() == {**account, "name": "worker"}


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"name": "x" * 256}])
def test_a_service_account_needs_a_name_by_then(ada, body):
    account = make_account(ada)
    assert_error(put(ada, f"{PATH}/{account['id']}", body), 400, "validation_error", {"name"})


def test_only_service_accounts_are_renamed(place, ada):
    for user in (place.writer, place.ada, "user_nobody"):
        assert_error(put(ada, f"{PATH}/{user}", {"name": "x"}), 404, "not_found", {"user_id": user})
    account = make_account(ada)
    assert delete(ada, f"{PATH}/{account['id']}").status == 204
    reply = put(ada, f"{PATH}/{account['id']}", {"name": "x"})
    assert_error(reply, 400, "invalid_operation", {"user_id": account["id"]})


# --- roles -----------------------------------------------------------------------------------------------------


def test_other_roles(place, ada, unique):
    user = invite(ada, email=unique())
    reply = put(ada, f"{PATH}/{user['id']}/roles", {"roles": ["all_reader", "all_writer"]})
    assert reply.status == 200
    assert reply.json() == {**{k: v for k, v in user.items() if k != "password"}, "roles": ["all_reader", "all_writer"]}
    found = ada.post(f"{PATH}/search", {"type": "user", "user_ids": [user["id"]]}).json()["items"]
    assert found == [reply.json()]


@pytest.mark.parametrize(
    "roles", [None, [], [""], ["emperor"], ["event_ingestor"], ["super_admin", "all_reader"], "all_reader", [1]]
)
def test_roles_that_cannot_be(place, ada, roles):
    assert_error(put(ada, f"{PATH}/{place.writer}/roles", {"roles": roles}), 400, "validation_error")


def test_whose_roles_cannot_be_changed(place, ada):
    roles = {"roles": ["all_reader"]}
    assert_error(put(ada, f"{PATH}/{place.ada}/roles", roles), 403, "permission_denied")
    assert_error(put(ada, f"{PATH}/{place.bot}/roles", roles), 400, "invalid_operation", {"user_id": place.bot})
    assert_error(put(ada, f"{PATH}/user_nobody/roles", roles), 404, "not_found", {"user_id": "user_nobody"})


@pytest.mark.parametrize("caller", ["writer", "bot"])
def test_only_a_person_with_super_admin_changes_roles(place, callers, caller):
    reply = put(callers[caller], f"{PATH}/{place.reader}/roles", {"roles": ["all_writer"]})
    assert_error(reply, 403, "permission_denied")


def test_keys_with_the_old_roles_are_in_the_way(place, ada, unique):
    user = invite(ada, email=unique(), roles=["all_writer"])
    keys = {}
    for environment in (place.environment_id, place.second.environment_id, place.second.environment_id):
        with place.client(make_key(place.directory, user["id"], environment)) as client:
            me = client.get("/v1/secrets/api/keys").json()["items"]
        keys[environment] = [{"id": item["id"], "key_name": item["name"]} for item in reversed(me)]
    expected = {
        "id": user["id"],
        "active_api_key_count": 3,
        "active_api_keys": {
            place.environment_id: {"env_name": "Sandbox", "api_keys": keys[place.environment_id]},
            place.second.environment_id: {"env_name": "second", "api_keys": keys[place.second.environment_id]},
        },
    }
    path = f"{PATH}/{user['id']}/roles"
    assert_error(put(ada, path, {"roles": ["all_reader"]}), 400, "invalid_operation", expected)
    with place.client(place.second.api_key) as client:
        for key in keys[place.second.environment_id]:
            assert delete(client, f"/v1/secrets/api/keys/{key['id']}").status == 204
    assert put(ada, path, {"roles": ["all_reader"]}).status == 400
    assert delete(ada, f"/v1/secrets/api/keys/{keys[place.environment_id][0]['id']}").status == 204
    assert put(ada, path, {"roles": ["all_reader"]}).json()["roles"] == ["all_reader"]


def test_a_key_and_other_roles_at_the_same_time(place, unique):
    """Whichever comes first: no key is left with roles that its owner has not any more."""
    with place.client(place.ada_key) as ada:
        for number in range(6):
            user = invite(ada, email=unique(f"race{number}"), roles=["all_writer"])
            with place.client(make_key(place.directory, user["id"], place.environment_id)) as own:
                first = own.get("/v1/secrets/api/keys").json()["items"][0]["id"]

                def change_roles(user=user, first=first):
                    with place.client(place.ada_key) as client:
                        delete(client, f"/v1/secrets/api/keys/{first}")
                        return put(client, f"{PATH}/{user['id']}/roles", {"roles": ["all_reader"]}).status

                def make(own=own):
                    return own.post("/v1/secrets/api/keys", {"name": "raced", "type": "private_key"}).status

                with ThreadPoolExecutor(2) as pool:
                    changed, made = [future.result() for future in (pool.submit(change_roles), pool.submit(make))]
            assert (changed, made) in {(200, 401), (400, 201), (200, 404), (200, 201)}
            for key in ada.get(f"/v1/secrets/api/keys?user_id={user['id']}").json()["items"]:
                expected = ["all_reader"] if changed == 200 else ["all_writer"]
                assert key["roles"] == expected, (changed, made)


def test_roles_that_were_taken_away_do_not_come_back_with_another_change(place, ada, unique):
    """What was changed before, by a request that is answered later, does not stand in for what is there now."""
    user = invite(ada, email=unique())
    login = ada.post("/v1/auth/login", {"email": user["email"], "password": user["password"]}, key=None)
    own = {"headers": {"Authorization": f"Bearer {login.json()['token']}"}, "key": None}
    is_over = threading.Event()

    def rename():
        with place.client(None) as client:
            number = 0
            while not is_over.is_set():
                number += 1
                assert put(client, ME, {"name": f"{threading.get_ident()} {number}"}, **own).status == 200

    with ThreadPoolExecutor(2) as pool, place.client(None) as client:
        renaming = [pool.submit(rename) for _ in range(2)]
        try:
            for _ in range(150):
                assert put(ada, f"{PATH}/{user['id']}/roles", {"roles": ["all_writer"]}).status == 200
                for _ in range(3):
                    reply = put(client, f"{PATH}/{place.reader}/roles", {"roles": ["all_reader"]}, **own)
                    assert_error(reply, 403, "permission_denied")
                assert put(ada, f"{PATH}/{user['id']}/roles", {"roles": ["super_admin"]}).status == 200
        finally:
            is_over.set()
    for future in renaming:
        future.result()


# --- archiving -------------------------------------------------------------------------------------------------


def test_archiving_a_service_account(ada):
    account = make_account(ada)
    reply = delete(ada, f"{PATH}/{account['id']}")
    assert reply.status == 204 and reply.body == b""
    assert_error(delete(ada, f"{PATH}/{account['id']}"), 404, "not_found", {"user_id": account["id"]})
    assert ada.post(f"{PATH}/search", {"user_ids": [account["id"]]}).json()["items"] == []


def test_only_service_accounts_without_keys_are_archived(place, ada):
    assert_error(delete(ada, f"{PATH}/{place.writer}"), 400, "invalid_operation", {"user_id": place.writer})
    assert_error(delete(ada, f"{PATH}/user_nobody"), 404, "not_found", {"user_id": "user_nobody"})
    account = make_account(ada)["id"]
    key = mint(ada, account)
    details = assert_error(delete(ada, f"{PATH}/{account}"), 400, "invalid_operation")
    assert details["active_api_key_count"] == 1
    assert details["active_api_keys"][place.environment_id]["api_keys"] == [{"id": key, "key_name": "made"}]
    assert delete(ada, f"/v1/secrets/api/keys/{key}").status == 204
    assert delete(ada, f"{PATH}/{account}").status == 204


# --- searching -------------------------------------------------------------------------------------------------


def search(client, **body):
    reply = client.post(f"{PATH}/search", body)
    assert reply.status == 200, reply
    assert set(reply.json()) == {"items", "pagination"}
    return reply.json()["items"], reply.json()["pagination"]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A tenant of its own with five users and three service accounts: (client, ids of each, oldest first)."""
    directory = tmp_path_factory.mktemp("crowd") / "data"
    credentials = farthing_server.init(directory)
    create_tenant(directory, "Foreign")
    server = farthing_server.Server(directory)
    with Client(server.address, credentials.api_key) as client:
        first = client.get(ME).json()["id"]  # who has no e-mail
        people = [first] + [invite(client, email=f"{letter}@crowd.test")["id"] for letter in "dbca"]
        accounts = [make_account(client, name=name)["id"] for name in ("one", "two", "three")]
        yield client, people, accounts
    server.stop()


@pytest.mark.parametrize(
    "body, expected",
    [
        ({}, "2 1 0"), ({"type": "service_account"}, "2 1 0"), ({"order": "asc"}, "0 1 2"), ({"limit": 2}, "2 1"),
        ({"limit": 2, "offset": 2}, "0"), ({"limit": 2, "offset": 4}, ""), ({"limit": 0}, "2 1 0"), ({"limit": None}, "2 1 0"),
        ({"user_ids": []}, "2 1 0"), ({"status": "archived"}, "2 1 0"), ({"roles": ["x"], "filters": [{}]}, "2 1 0"),
        ({"sort": []}, "2 1 0"), ({"sort": [{"field": "created_at", "direction": "asc"}]}, "0 1 2"),
        ({"sort": [{"field": "created_at"}]}, "0 1 2"), ({"sort": [{"field": "created_at", "direction": "down"}]}, "0 1 2"),
        ({"sort": [{"field": "created_at", "direction": "desc"}], "order": "asc"}, "2 1 0"),
        ({"sort": [{"field": "type"}]}, "2 1 0"),
    ],
)
def test_searching_service_accounts(crowd, body, expected):
    client, _, accounts = crowd
    items, pagination = search(client, **body)
    assert [accounts.index(item["id"]) for item in items] == [int(number) for number in expected.split()]
    limit = body.get("limit") or 50
    assert pagination == {"total": 3, "limit": limit, "offset": body.get("offset", 0) + limit}


@pytest.mark.parametrize(
    "body, expected",
    [
        ({}, "4 3 2 1 0"),
        ({"sort": [{"field": "email", "direction": "asc"}]}, "4 2 3 1 0"),  # without one: last
        ({"sort": [{"field": "email", "direction": "desc"}]}, "0 1 3 2 4"),
        ({"sort": [{"field": "type", "direction": "asc"}, {"field": "email", "direction": "asc"}]}, "4 2 3 1 0"),
        ({"sort": [{"field": "email", "direction": "asc"}, {"field": "email", "direction": "desc"}]}, "4 2 3 1 0"),
        ({"sort": [{"field": "email", "direction": "asc"}], "limit": 2, "offset": 1}, "2 3"),
    ],
)
def test_searching_people(crowd, body, expected):
    client, people, _ = crowd
    items, pagination = search(client, type="user", **body)
    assert [people.index(item["id"]) for item in items] == [int(number) for number in expected.split()]
    assert pagination["total"] == 5
    assert all("password" not in item and item["tenant"]["id"] for item in items)


def test_searching_by_ids(crowd):
    client, people, accounts = crowd
    assert {item["id"] for item in search(client, user_ids=accounts[:2] + people)[0]} == set(accounts[:2])
    assert {item["id"] for item in search(client, type="user", user_ids=[people[1], "user_nobody", ""])[0]} == {people[1]}
    assert search(client, user_ids=["user_nobody"])[1]["total"] == 0


def test_a_search_by_ids_takes_as_many_as_every_list_of_a_filter_may_have(crowd):
    client, _, accounts = crowd
    many = [f"user_{number}" for number in range(1000 - len(accounts))] + accounts
    assert search(client, user_ids=many)[1]["total"] == 3
    reply = client.post(f"{PATH}/search", {"user_ids": [*many, "user_nobody"]})
    assert_error(reply, 400, "validation_error", {"user_ids": "must name at most 1000 users"})


@pytest.mark.parametrize(
    "body, details",
    [
        ({"limit": 1001}, {"limit"}), ({"limit": -1}, {"limit"}), ({"offset": -1}, {"offset"}),
        ({"limit": 1001, "offset": -1, "type": "robot"}, {"limit", "offset", "type"}),
        ({"limit": "5"}, {"limit", "field", "expected"}), ({"limit": 1.5}, {"limit"}), ({"offset": 1e300}, {"offset"}),
        ({"order": "up"}, {"order"}), ({"type": "robot"}, {"type"}), ({"user_ids": "x"}, {"user_ids", "field", "expected"}),
        ({"user_ids": [1]}, {"user_ids[0]", "field", "expected"}), ({"user_ids": ["user_nobody"] * 1001}, {"user_ids"}),
        ({"sort": "email"}, {"sort", "field", "expected"}),
        ({"sort": [{"field": "password"}]}, {"sort[0]", "field"}),
        ({"sort": [{"field": "roles; DROP TABLE users"}]}, {"sort[0]", "field"}),
        ({"sort": [{"field": "created_at"}] * 9}, {"sort"}),
        ({"start_time": "2026-01-02T00:00:00Z", "end_time": "2026-01-01T00:00:00Z"}, {"end_time"}),
    ],
)
def test_a_search_that_cannot_be(crowd, body, details):
    assert_error(crowd[0].post(f"{PATH}/search", body), 400, "validation_error", details)


@pytest.mark.parametrize("kind", ["user", "service_account"])
def test_a_user_with_more_roles_than_there_are_is_refused(place, ada, unique, kind):
    """It would be as large as a body, in every reply that shows it and in every key of it."""
    role, of_kind = ("all_reader", {"email": unique()}) if kind == "user" else ("event_reader", {})
    body = {"type": kind, "roles": [role] * 6, **of_kind}
    assert_error(ada.post(PATH, body), 400, "validation_error", {"roles"})


@pytest.mark.parametrize("entry", [{}, [], 1, {"field": 1}, {"direction": "asc"}])
def test_a_sort_that_is_none(crowd, entry):
    assert_error(crowd[0].post(f"{PATH}/search", {"sort": [entry]}), 400, "validation_error")


# --- support chat ----------------------------------------------------------------------------------------------


def test_who_one_is_for_a_support_chat(ada):
    reply = ada.post(f"{PATH}/chat/verify", None)
    token = hmac.new(bytes.fromhex(CHAT_KEY), b"ada@acme.test", hashlib.sha256).hexdigest()
    assert token == "8891add817c87a1439ba8ba339a0fbeb6604b46378879b7ad57de5bbe9e51a54"
    assert reply.status == 200 and reply.json() == {"token": token, "expires_at": ""}


def test_who_has_no_email_is_unknown_to_a_support_chat(callers):
    assert_error(callers["bot"].post(f"{PATH}/chat/verify", {}), 400, "validation_error")


def test_without_a_support_chat(api):
    reply = api.post(f"{PATH}/chat/verify", {})
    assert_error(reply, 500, "internal_error")
    assert "chat-verify-key" in reply.json()["message"]


@pytest.mark.parametrize("key", ["0", "001", "xy", "00 11", "00" * 129])
def test_a_chat_key_that_is_none(tmp_path, key):
    said = farthing_server.run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", "--chat-verify-key", key)
    assert said.returncode == 2 and "--chat-verify-key must be" in said.stderr


# --- the trail -------------------------------------------------------------------------------------------------


def test_every_change_is_in_the_audit_log(place, ada, unique):
    user = invite(ada, email=unique(), roles=["all_reader"])
    put(ada, f"{PATH}/{user['id']}/roles", {"roles": ["all_writer"]})
    query = f"SELECT action, actor_id, changes FROM audit_log WHERE entity_id = '{user['id']}' ORDER BY sequence"
    (created, by, _), (updated, again_by, changes) = engine.tuples(place.directory, query)
    assert (created, updated) == ("created", "updated") and by == again_by == place.ada
    changes = changes if isinstance(changes, dict) else json.loads(changes)
    assert changes == {"before": {"roles": ["all_reader"]}, "after": {"roles": ["all_writer"]}}
    assert not re.search("argon2id", str(engine.tuples(place.directory, "SELECT changes FROM audit_log")))
