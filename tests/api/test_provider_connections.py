"""/v1/connections (10-customers section 14, 70-webhooks section 3)."""

import json
import threading
import time
from urllib.parse import quote

import pytest

import engine
import farthing_server
from expectations import INSTANT_IN_SECONDS, ULID, assert_error
from farthing_server import create_environment, create_tenant, run_ok, wait_until
from http_client import Client
from providers import SECRETS, connect, connection_body, secrets_of
from tenancy import delete, put
from tokens import secrets_in

PATH = "/v1/connections"
KEYS = {
    *("id", "name", "provider_type", "environment_id", "tenant_id", "status", "sync_config"),
    *("created_at", "updated_at", "created_by", "updated_by"),
}
SUBJECTS = ("plan", "subscription", "invoice", "customer", "payment", "price", "deal", "quote")
ALL_OFF = {subject: {"inbound": False, "outbound": False} for subject in SUBJECTS}




class Place:
    def __init__(self, directory):
        self.directory = directory
        self.first = farthing_server.init(directory)
        self.foreign = create_tenant(directory, "Foreign")
        self.second = create_environment(directory, self.first.tenant_id, "second")
        self.listed = create_environment(directory, self.first.tenant_id, "listed")
        self.server = farthing_server.Server(directory)

    def client(self, key):
        return Client(self.server.address, key)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("connections") / "data")
    yield place
    place.server.stop()


@pytest.fixture
def api(place):
    """A client of an environment that has no connections."""
    with place.client(place.first.api_key) as client:
        yield client
        for entry in client.get(PATH).json()["connections"]:
            assert delete(client, f"{PATH}/{entry['id']}").status == 204


def refuse(client, provider, **changes):
    return assert_error(client.post(PATH, connection_body(provider, **changes)), 400, "validation_error")


# --- making ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", SECRETS)
def test_a_connection_to_each_provider(place, api, provider):
    made = connect(api, provider)
    assert set(made) == KEYS
    assert ULID.fullmatch(made["id"].removeprefix("conn_"))
    assert (made["name"], made["provider_type"], made["status"]) == (f"our {provider}", provider, "published")
    assert made["tenant_id"] == place.first.tenant_id and made["environment_id"] == place.first.environment_id
    assert INSTANT_IN_SECONDS.fullmatch(made["created_at"]) and made["created_at"] == made["updated_at"]
    assert made["created_by"] == made["updated_by"] and made["created_by"].startswith("user_")
    if provider != "aws_marketplace":
        assert made["sync_config"] == ALL_OFF
    assert api.get(f"{PATH}/{made['id']}").json() == made


@pytest.mark.parametrize(
    "provider, missing", [(provider, name) for provider, names in SECRETS.items() for name in names]
)
def test_each_secret_that_a_provider_needs(place, provider, missing):
    with place.client(place.foreign.api_key) as api:
        secrets = {name: value for name, value in secrets_of(provider).items() if name != missing}
        for given in (secrets, {**secrets, missing: ""}, {**secrets, missing: None}):
            assert set(refuse(api, provider, encrypted_secret_data=given)) == {f"encrypted_secret_data.{missing}"}
        without = connection_body(provider)
        del without["encrypted_secret_data"]
        details = assert_error(api.post(PATH, without), 400, "validation_error")
        assert set(details) == {f"encrypted_secret_data.{name}" for name in SECRETS[provider]}
        assert api.get(PATH).json()["total"] == 0


def test_what_must_be_given(api):
    assert set(assert_error(api.post(PATH, {}), 400)) == {"name", "provider_type"}
    for body in ({"name": ""}, {"name": None}, {"name": "x" * 256}, {"name": 1}):
        assert "name" in assert_error(api.post(PATH, {**connection_body("stripe"), **body}), 400, "validation_error")
    for provider in ("", "paypal", "Stripe", None, 1):
        reply = api.post(PATH, {**connection_body("stripe"), "provider_type": provider})
        assert "provider_type" in assert_error(reply, 400, "validation_error")
    assert connect(api, "stripe", name="ü" * 255)["name"] == "ü" * 255


@pytest.mark.parametrize(
    "provider, given, named",
    [
        ("stripe", {"secret_keys": "x"}, ["secret_keys"]),
        ("stripe", {"secret_key": 1}, ["secret_key"]),
        ("stripe", {"secret_key": ["x"], "account_id": {}}, ["secret_key", "account_id"]),
        ("stripe", {"secret_key": "x" * 16385}, ["secret_key"]),
        ("stripe", {"stripe": {"secret_key": "x", "other": "y"}}, ["other"]),
        ("chargebee", {"site": "a.b"}, ["site"]),
        ("chargebee", {"site": "-a"}, ["site"]),
        ("chargebee", {"site": "a" * 64}, ["site"]),
        ("quickbooks", {"environment": "test"}, ["environment"]),
        ("zoho_books", {"accounts_server": "https://accounts.zoho.example"}, ["accounts_server"]),
        ("zoho_books", {"accounts_server": "http://accounts.zoho.com"}, ["accounts_server"]),
        ("zoho_books", {"accounts_server": "https://evilzoho.com"}, ["accounts_server"]),
        ("zoho_books", {"api_domain": "https://zoho.com@evil.example"}, ["api_domain"]),
        ("gcp_marketplace", {"credentials_json": "{"}, ["credentials_json"]),
        ("gcp_marketplace", {"credentials_json": '{"token_url":"https://evil.example"}'}, ["credentials_json"]),
    ],
)
def test_secrets_that_are_refused(api, provider, given, named):
    reply = api.post(PATH, connection_body(provider, encrypted_secret_data={**secrets_of(provider), **given}))
    if provider == "stripe" and "stripe" in given:
        reply = api.post(PATH, connection_body(provider, encrypted_secret_data=given))
    details = assert_error(reply, 400, "validation_error")
    assert {f"encrypted_secret_data.{name}" for name in named} <= set(details)
    # What is wrong with a secret is said without it.
    assert b"hush-" not in reply.body and b"evil" not in reply.body and b"xxxxx" not in reply.body


@pytest.mark.parametrize(
    "given, path, reason",
    [
        ({"secret_key": 5}, "encrypted_secret_data.secret_key", "must be a string, not number"),
        ("hush", "encrypted_secret_data", "must be an object of strings"),
    ],
    ids=str,
)
def test_one_wrong_secret_is_not_several(api, given, path, reason):
    reply = api.post(PATH, connection_body("stripe", encrypted_secret_data=given))
    assert assert_error(reply, 400, "validation_error") == {path: reason}
    assert reply.json()["message"] == f"{path} {reason}"


@pytest.mark.parametrize(
    "provider, given",
    [
        ("stripe", {"stripe": {"secret_key": "x"}}),
        ("stripe", {"provider_type": "stripe", "secret_key": "x"}),
        ("stripe", {"secret_key": "x", "webhook_secret": "", "account_id": None}),
        ("zoho_books", {**secrets_of("zoho_books"), "accounts_server": "https://accounts.zoho.eu"}),
        ("flexprice", {"anything": "x", "at all": "y"}),
    ],
)
def test_other_forms_of_secrets(api, provider, given):
    connect(api, provider, encrypted_secret_data=given)


def test_metadata(api):
    assert "metadata" in connect(api, "s3", metadata={"checkout_url": "https://x.example", "deep": [1.10, {"a": None}]})
    reply = api.post(PATH, connection_body("s3", metadata={"n": 1, "deep": [{"a": None}], "b": True}))
    assert reply.json()["metadata"] == {"n": 1, "deep": [{"a": None}], "b": True}
    assert api.get(f"{PATH}/{reply.json()['id']}").json() == reply.json()
    assert "metadata" not in connect(api, "s3", metadata={})
    for bad in ("x", [], {"": 1}, {"k" * 256: 1}, {str(n): n for n in range(257)}, {"k": "x" * 65536}):
        assert "metadata" in refuse(api, "s3", metadata=bad)


# --- what is synchronized ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "subject, direction",
    [
        ("plan", "outbound"),
        ("subscription", "outbound"),
        ("invoice", "inbound"),
        ("deal", "inbound"),
        ("quote", "inbound"),
        ("price", "inbound"),
    ],
)
def test_synchronizations_that_there_are_not(api, subject, direction):
    switched = {subject: {direction: True}}
    assert set(refuse(api, "stripe", sync_config=switched)) == {f"sync_config.{subject}.{direction}"}
    made = connect(api, "stripe", sync_config={subject: {direction: False}})
    path = f"{PATH}/{made['id']}"
    assert_error(put(api, path, {"sync_config": switched}), 400, "validation_error")
    other = "inbound" if direction == "outbound" else "outbound"
    changed = put(api, path, {"sync_config": {subject: {other: True}}}).json()
    assert changed["sync_config"] == {subject: {direction: False, other: True}}


def test_what_is_switched_on_is_kept(api):
    config = {
        "customer": {"inbound": True, "outbound": True},
        "invoice": {"outbound": True},
        "payment": None,
        "unknown": {"inbound": True},
        "s3": {"bucket": "b", "region": "r"},
        "invoice_sync_settings": {"metadata_custom_fields": [{"source": "customer", "metadata_key": "k", "field": "f"}]},
    }
    made = connect(api, "stripe", sync_config=config)
    expected = {
        "customer": {"inbound": True, "outbound": True},
        "invoice": {"inbound": False, "outbound": True},
        "s3": {"bucket": "b", "region": "r"},
        "invoice_sync_settings": config["invoice_sync_settings"],
    }
    assert made["sync_config"] == expected
    assert api.get(f"{PATH}/{made['id']}").json() == made


@pytest.mark.parametrize(
    "config, path",
    [
        ("x", "sync_config"),
        ({"plan": True}, "sync_config.plan"),
        ({"plan": {"inbound": "true"}}, "sync_config.plan.inbound"),
        ({"s3": []}, "sync_config.s3"),
        ({"s3": {"bucket": 1}}, "sync_config.s3.bucket"),
        ({"s3": {"is_flexprice_managed": True}}, "sync_config.s3.is_flexprice_managed"),
        ({"aws_marketplace": {"region": 1}}, "sync_config.aws_marketplace.region"),
        (
            {"invoice_sync_settings": {"service_period_custom_fields": {"start_field_id": "a"}}},
            "sync_config.invoice_sync_settings.service_period_custom_fields",
        ),
        (
            {"invoice_sync_settings": {"metadata_custom_fields": [{"source": "plan", "metadata_key": "k", "field": "f"}]}},
            "sync_config.invoice_sync_settings.metadata_custom_fields[0].source",
        ),
        (
            {
                "invoice_sync_settings": {
                    "service_period_custom_fields": {"start_field_id": "a", "end_field_id": "b"},
                    "metadata_custom_fields": [{"source": "invoice", "metadata_key": "k", "field": "b"}],
                }
            },
            "sync_config.invoice_sync_settings.metadata_custom_fields[0].field",
        ),
        ({"invoice_sync_settings": {"metadata_custom_fields": [{}] * 51}}, "sync_config.invoice_sync_settings.metadata_custom_fields"),
    ],
)
def test_a_sync_config_that_is_refused(api, config, path):
    assert path in refuse(api, "stripe", sync_config=config)


def test_a_marketplace_of_amazon_has_a_region(api):
    for config in (None, {}, {"aws_marketplace": {}}):
        assert set(refuse(api, "aws_marketplace", sync_config=config)) == {"sync_config.aws_marketplace.region"}
    made = connect(api, "aws_marketplace")
    reply = put(api, f"{PATH}/{made['id']}", {"sync_config": {"customer": {"outbound": True}}})
    assert set(assert_error(reply, 400)) == {"sync_config.aws_marketplace.region"}


# --- one for each provider -----------------------------------------------------------------------------------------


def test_a_second_connection_to_a_provider(api, place):
    first = connect(api, "stripe")
    reply = api.post(PATH, connection_body("stripe"))
    assert_error(reply, 409, "already_exists", {"provider_type": "stripe", "existing_connection_id": first["id"]})
    connect(api, "razorpay")
    with place.client(place.second.api_key) as elsewhere:
        connect(elsewhere, "stripe")
    assert delete(api, f"{PATH}/{first['id']}").status == 204
    assert connect(api, "stripe")["id"] != first["id"]
    assert [connect(api, "s3")["id"] for _ in range(3)]


def test_an_environment_has_at_most_a_hundred_connections_to_a_provider(api):
    made = [connect(api, "s3")["id"] for _ in range(100)]
    assert refuse(api, "s3", name="one too many") == {"provider_type": "s3"}
    connect(api, "stripe")
    assert len(api.get("/v1/integrations/config").json()["integrations"]) == 1
    assert delete(api, f"{PATH}/{made[0]}").status == 204
    connect(api, "s3")


@pytest.mark.usefixtures("api")
def test_connections_that_are_made_at_once(place):
    barrier = threading.Barrier(8)
    replies = []

    def make():
        with place.client(place.first.api_key) as client:
            barrier.wait(timeout=60)
            replies.append(client.post(PATH, connection_body("paddle")))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [reply.json() for reply in replies if reply.status == 201]
    for reply in replies:
        if reply.status != 201:
            details = {"provider_type": "paddle", "existing_connection_id": winner["id"]}
            assert_error(reply, 409, "already_exists", details)


# --- getting, listing ----------------------------------------------------------------------------------------------


def test_what_others_have_is_not_found(api, place):
    made = connect(api, "stripe")
    path = f"{PATH}/{made['id']}"
    for key in (place.second.api_key, place.foreign.api_key):
        with place.client(key) as other:
            for reply in (other.get(path), put(other, path, {"name": "theirs"}), delete(other, path)):
                assert_error(reply, 404, "not_found", {"connection_id": made["id"]})
            assert made["id"] not in [entry["id"] for entry in other.get(f"{PATH}?connection_ids={made['id']}").json()["connections"]]
    assert api.get(path).json() == made
    assert_error(api.get(f"{PATH}/conn_nobody"), 404, "not_found", {"connection_id": "conn_nobody"})


def test_an_environment_without_connections(api):
    for reply in (api.get(PATH), api.post(f"{PATH}/search", {})):
        assert reply.json() == {"connections": [], "total": 0, "limit": 50, "offset": 0}


@pytest.fixture(scope="module")
def listed(place):
    """Six connections, in the order in which they were made."""
    with place.client(place.listed.api_key) as client:
        made = [connect(client, provider) for provider in ("s3", "stripe", "s3", "paddle", "whop")]
        gone = connect(client, "tabs")
        assert delete(client, f"{PATH}/{gone['id']}").status == 204
        yield client, [entry["id"] for entry in made], gone["id"]


def found(reply):
    assert reply.status == 200, reply
    return [entry["id"] for entry in reply.json()["connections"]]


def both(client, query, body):
    """A list and a search for the same, which must be the same."""
    one, other = client.get(f"{PATH}?{query}"), client.post(f"{PATH}/search", body)
    assert one.json() == other.json()
    return one


def test_the_newest_comes_first(listed):
    client, ids, gone = listed
    assert found(both(client, "", {})) == ids[::-1]
    assert found(both(client, "order=asc", {"order": "asc"})) == ids
    # What is archived cannot be asked for.
    assert found(both(client, "status=archived", {"status": "archived"})) == ids[::-1]
    assert found(both(client, f"connection_ids={gone}", {"connection_ids": [gone]})) == []


@pytest.mark.parametrize("limit, offset, expected", [(2, 0, [4, 3]), (2, 2, [2, 1]), (2, 4, [0]), (2, 9, []), (0, 1, [3, 2, 1, 0])])
def test_pages(listed, limit, offset, expected):
    client, ids, _ = listed
    reply = both(client, f"limit={limit}&offset={offset}", {"limit": limit, "offset": offset})
    assert found(reply) == [ids[index] for index in expected]
    page = reply.json()
    assert (page["total"], page["limit"], page["offset"]) == (5, limit or 50, offset)


def test_filters(listed):
    client, ids, _ = listed
    assert found(both(client, "provider_type=s3", {"provider_type": "s3"})) == [ids[2], ids[0]]
    assert found(both(client, "provider_type=&connection_ids=", {"provider_type": "", "connection_ids": []})) == ids[::-1]
    some = {"connection_ids": [ids[1], ids[4], "conn_nobody"]}
    assert found(both(client, f"connection_ids={ids[1]},{ids[4]},conn_nobody", some)) == [ids[4], ids[1]]
    assert found(both(client, f"connection_ids={ids[1]}&connection_ids={ids[4]}", some)) == [ids[4], ids[1]]
    past, future = "2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"
    assert found(both(client, f"start_time={past}&end_time={future}", {"start_time": past, "end_time": future})) == ids[::-1]
    assert found(both(client, f"start_time={future}", {"start_time": future})) == []
    assert found(both(client, f"end_time={past}", {"end_time": past})) == []
    conditions = [{"field": "provider_type", "operator": "in", "value": {"array": ["stripe", "whop"]}}]
    assert len(found(both(client, "filters=" + quote(json.dumps(conditions)), {"filters": conditions}))) == 2
    assert found(both(client, "status=archived", {"status": "archived"})) == ids[::-1]  # not to be widened, nor to be left
    by_name = client.post(f"{PATH}/search", {"sort": [{"field": "provider_type", "direction": "asc"}]})
    assert [entry["provider_type"] for entry in by_name.json()["connections"]] == ["paddle", "s3", "s3", "stripe", "whop"]


@pytest.mark.parametrize(
    "query, body, named",
    [
        ("limit=1001", {"limit": 1001}, "limit"),
        ("offset=-1", {"offset": -1}, "offset"),
        ("order=up", {"order": "up"}, "order"),
        ("provider_type=paypal", {"provider_type": "paypal"}, "provider_type"),
        ("connection_ids=" + ",".join("x" * 1001), {"connection_ids": ["x"] * 1001}, "connection_ids"),
        (None, {"filters": [{"field": "name"}]}, "filters[0].operator"),
        (None, {"filters": [{"field": "encrypted_secret_data", "operator": "contains", "value": {"string": "s"}}]}, "field"),
        (None, {"expand": "integrations"}, "field"),
        (None, {"sort": [{"field": "encrypted_secret_data"}]}, "field"),
    ],
)
def test_lists_that_are_refused(listed, query, body, named):
    client, *_ = listed
    if query:
        assert named in assert_error(client.get(f"{PATH}?{query}"), 400, "validation_error")
    assert named in assert_error(client.post(f"{PATH}/search", body), 400, "validation_error")


# --- changing --------------------------------------------------------------------------------------------------------


def test_a_change(api):
    made = connect(api, "stripe", metadata={"a": 1}, sync_config={"customer": {"outbound": True}})
    path = f"{PATH}/{made['id']}"
    for nothing in ({}, {"name": ""}, {"name": None, "metadata": None, "sync_config": None, "encrypted_secret_data": None}):
        changed = put(api, path, nothing).json()
        assert {**changed, "updated_at": made["updated_at"]} == made
    changed = put(api, path, {"name": "renamed", "metadata": {"b": [2]}, "provider_type": "s3", "id": "x"}).json()
    assert {**made, "name": "renamed", "metadata": {"b": [2]}, "updated_at": changed["updated_at"]} == changed
    assert "metadata" not in put(api, path, {"metadata": {}}).json()
    changed = put(api, path, {"sync_config": {"invoice": {"outbound": True}}}).json()
    assert changed["sync_config"] == {"invoice": {"inbound": False, "outbound": True}}
    assert api.get(path).json() == changed
    assert "name" in assert_error(put(api, path, {"name": "x" * 256}), 400, "validation_error")


def test_an_update_has_its_own_time(api):
    made = connect(api, "s3")
    changed = None

    def is_later():
        nonlocal changed
        changed = put(api, f"{PATH}/{made['id']}", {"name": "later"}).json()
        return changed["updated_at"] > made["updated_at"]

    wait_until(is_later, 30, "an updated_at that is a second later")
    assert api.get(f"{PATH}/{made['id']}").json() == changed


def test_deleting(api):
    made = connect(api, "stripe")
    path = f"{PATH}/{made['id']}"
    reply = delete(api, path)
    assert reply.status == 204 and not reply.body
    for again in (delete(api, path), api.get(path), put(api, path, {"name": "x"})):
        assert_error(again, 404, "not_found", {"connection_id": made["id"]})


@pytest.mark.parametrize("provider", [provider for provider in SECRETS if provider != "flexprice"])
def test_every_secret_can_be_changed(place, api, provider):
    """Not only those that the peer lets be changed."""
    made = connect(api, provider)
    path = f"{PATH}/{made['id']}"
    before = stored(place, made["id"])
    pair = {"webhook_username": "new-user", "webhook_password": "new-password"} if provider == "chargebee" else {}
    for name in SECRETS[provider]:
        value = secrets_of(provider)[name] if name == "credentials_json" else f"new-{name.replace('_', '-')}"
        changed = {**pair, name: value} if name in pair else {name: value}
        assert put(api, path, {"encrypted_secret_data": changed}).status == 200
        assert put(api, path, {"encrypted_secret_data": {provider: changed}}).status == 200
        details = assert_error(put(api, path, {"encrypted_secret_data": {**changed, name: ""}}), 400)
        assert set(details) == {f"encrypted_secret_data.{name}"}
    details = assert_error(put(api, path, {"encrypted_secret_data": {"no_such": "x"}}), 400)
    assert set(details) == {"encrypted_secret_data.no_such"}
    assert stored(place, made["id"]) != before


def test_the_two_that_chargebee_knows_us_by(api):
    made = connect(api, "chargebee")
    for given, missing in (("webhook_username", "webhook_password"), ("webhook_password", "webhook_username")):
        reply = put(api, f"{PATH}/{made['id']}", {"encrypted_secret_data": {given: "x"}})
        assert set(assert_error(reply, 400)) == {f"encrypted_secret_data.{missing}"}


# --- secrets are kept to ourselves -----------------------------------------------------------------------------------


def stored(place_or_directory, connection_id):
    directory = getattr(place_or_directory, "directory", place_or_directory)
    (row,) = engine.rows(directory, f"SELECT encrypted_secret_data FROM connections WHERE id = '{connection_id}'")
    return row["encrypted_secret_data"]


def test_secrets_are_nowhere_in_plain_text(directory, start_server):
    """Not in a reply, the audit trail, the outbox, the log, nor anywhere in the files of the database."""
    credentials = farthing_server.init(directory)
    log = directory.parent / "access.log"
    server = start_server(directory, FARTHING_LOG_LEVEL="debug", FARTHING_ACCESS_LOG=str(log))
    replies = []
    with Client(server.address, credentials.api_key) as api:
        for provider in ("stripe", "chargebee", "s3"):
            headers = {"Idempotency-Key": f"guess-{provider}"}
            for _ in range(2):
                replies.append(api.post(PATH, connection_body(provider), headers=headers))
        made = [reply.json() for reply in replies[::2]]
        replies.append(put(api, f"{PATH}/{made[0]['id']}", {"encrypted_secret_data": {"secret_key": "hush-new"}}))
        replies.append(api.post(PATH, connection_body("stripe")))
        bad = {"secret_key": "hush-bad", "account_id": 1}
        replies.append(put(api, f"{PATH}/{made[0]['id']}", {"encrypted_secret_data": bad}))
        replies += [api.get(PATH), api.post(f"{PATH}/search", {}), api.get("/v1/activity?limit=1000")]
        replies += [api.get(f"{PATH}/{entry['id']}") for entry in made]
        replies.append(api.get("/v1/integrations/config"))
    for reply in replies:
        assert b"hush" not in reply.body, reply
    changes = [json.dumps(row["changes"]) for row in engine.rows(directory, "SELECT changes FROM audit_log")]
    assert any("(secret)" in change for change in changes)
    assert not any("hush" in change for change in changes)
    assert engine.rows(directory, "SELECT * FROM system_events") == []
    for entry in made:
        secret = stored(directory, entry["id"])
        key_id, sealed = secret.split(":")
        assert key_id == secrets_in(directory)[1].id
        assert "hush" not in sealed
    server.stop()
    assert "hush" not in server.log
    for path in [*directory.rglob("*"), log]:
        if path.is_file() and path.name != "secrets":
            assert b"hush" not in path.read_bytes(), path


def test_a_deleted_connection_has_no_secrets(place, api):
    made = connect(api, "stripe")
    assert stored(place, made["id"])
    assert delete(api, f"{PATH}/{made['id']}").status == 204
    assert stored(place, made["id"]) is None


def test_equal_secrets_are_not_seen_to_be_equal(place, api):
    one, other = connect(api, "s3"), connect(api, "s3")
    assert stored(place, one["id"]) != stored(place, other["id"])


class Alone:
    """A server of a test's own, with a connection to stripe, to be stopped and started."""

    def __init__(self, directory, start_server):
        self.directory, self.start_server = directory, start_server
        self.credentials = farthing_server.init(directory)
        self.start()
        with self.client() as api:
            self.id = connect(api, "stripe")["id"]

    def start(self, **variables):
        self.server = self.start_server(self.directory, **variables)
        return self

    def client(self):
        return Client(self.server.address, self.credentials.api_key)

    def rotate_secret(self, **secrets):
        """A change that must read what is stored."""
        with self.client() as api:
            return put(api, f"{PATH}/{self.id}", {"encrypted_secret_data": secrets})

    def key_ids(self):
        return [secret.id for secret in secrets_in(self.directory) if secret.purpose == "encryption"]

    def wait_for_key(self, key_id):
        wait_until(lambda: stored(self.directory, self.id).startswith(key_id + ":"), 60, "a connection's new encryption")


@pytest.fixture
def alone(directory, start_server):
    return Alone(directory, start_server)


@pytest.mark.parametrize("grace", [[], ["--grace-hours", "0"]])
def test_a_new_encryption_key_leaves_connections_readable(alone, grace):
    before = stored(alone.directory, alone.id)
    said = run_ok("secret", "rotate", "encryption", "--data", alone.directory, *grace)
    assert "connections" in said and ("Idempotency-Key" in said) == bool(grace)
    assert len(alone.key_ids()) == 2
    # At once, and also with a key that is not honoured any more.
    assert alone.rotate_secret(webhook_secret="hush-two").status == 200
    assert stored(alone.directory, alone.id).split(":")[0] == alone.key_ids()[0] != before.split(":")[0]


def test_connections_are_encrypted_anew_by_themselves(alone):
    old = alone.key_ids()[0]
    updated_at = engine.rows(alone.directory, "SELECT updated_at FROM connections")
    trail = len(engine.rows(alone.directory, "SELECT sequence FROM audit_log WHERE entity_type = 'connection'"))

    def under():
        listed = json.loads(run_ok("secret", "list", "--json", "--data", alone.directory))["items"]
        assert all("connections" not in item for item in listed if item["purpose"] == "signing")
        return {item["id"]: item["connections"] for item in listed if item["purpose"] == "encryption"}

    assert under() == {old: 1}
    run_ok("secret", "rotate", "encryption", "--grace-hours", "0", "--data", alone.directory)
    new = alone.key_ids()[0]
    assert new != old
    alone.wait_for_key(new)
    assert under() == {new: 1, old: 0}
    finished = f'message="no connection has secrets under an older encryption key any more" present_key={new}'
    wait_until(lambda: finished in alone.server.log, 60, "a word that the older key is not used any more")
    table = run_ok("secret", "list", "--data", alone.directory).splitlines()
    assert "CONNECTIONS" in table[0] and table[0].index("CONNECTIONS") == next(
        line.rindex("1") for line in table if line.startswith(new)
    )
    # Nothing of the connection has changed in the eyes of anybody.
    assert engine.rows(alone.directory, "SELECT updated_at FROM connections") == updated_at
    assert len(engine.rows(alone.directory, "SELECT sequence FROM audit_log WHERE entity_type = 'connection'")) == trail
    assert alone.rotate_secret(account_id="acct").status == 200


def test_keys_that_are_given_by_settings(directory, start_server):
    old, new = "the first one, of 32 bytes or more", "the second one, of 32 bytes or more"
    settings = {"FARTHING_AUTH_SECRET": "what signs tokens, of 32 bytes or more"}
    credentials = farthing_server.Credentials(
        run_ok("init", "--data", directory, **settings, FARTHING_ENCRYPTION_KEY=old)
    )
    server = start_server(directory, **settings, FARTHING_ENCRYPTION_KEY=old)
    with Client(server.address, credentials.api_key) as api:
        made = connect(api, "stripe")
    server.stop()
    before = stored(directory, made["id"]).split(":")[0]
    server = start_server(
        directory, **settings, FARTHING_ENCRYPTION_KEY=new, FARTHING_ENCRYPTION_KEY_PREVIOUS=old
    )
    wait_until(lambda: not stored(directory, made["id"]).startswith(before), 60, "a connection's new encryption")
    server.stop()
    # The former one is not needed any more.
    server = start_server(directory, **settings, FARTHING_ENCRYPTION_KEY=new)
    with Client(server.address, credentials.api_key) as api:
        assert put(api, f"{PATH}/{made['id']}", {"encrypted_secret_data": {"account_id": "a"}}).status == 200


def test_a_key_that_is_lost_is_told_and_not_silent(alone):
    """The connection says what is missing, the log says so at the start, and so does the doctor."""
    lost = alone.key_ids()[0]
    alone.server.stop()
    file = alone.directory / "secrets"
    kept = file.read_text()
    file.unlink()
    run_ok("secret", "accept", "--data", alone.directory)
    process = farthing_server.run("doctor", "--data", alone.directory)
    assert lost in process.stdout
    alone.start()
    wait_until(lambda: lost in alone.server.log, 30, "a word about the key in the log")
    reply = alone.rotate_secret(secret_key="hush-three")
    assert_error(reply, 500, "internal_error", {"connection_id": alone.id})
    assert lost in reply.json()["message"]
    # It can still be seen, renamed, and deleted.
    with alone.client() as api:
        assert put(api, f"{PATH}/{alone.id}", {"name": "renamed"}).status == 200
        assert stored(alone.directory, alone.id).startswith(lost)
    alone.server.stop()
    # With the key, all is as before.
    file.write_text(kept)
    run_ok("secret", "accept", "--data", alone.directory)
    alone.start()
    assert alone.rotate_secret(secret_key="hush-three").status == 200


def test_secrets_of_one_row_are_of_no_use_in_another(directory, start_server):
    credentials = farthing_server.init(directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as api:
        one, other = connect(api, "s3"), connect(api, "s3")
    server.stop()
    engine.change(
        directory,
        f"UPDATE connections SET encrypted_secret_data = '{stored(directory, one['id'])}' WHERE id = '{other['id']}'",
    )
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as api:
        secrets = {"encrypted_secret_data": {"aws_session_token": "x"}}
        assert put(api, f"{PATH}/{one['id']}", secrets).status == 200
        reply = put(api, f"{PATH}/{other['id']}", secrets)
        assert_error(reply, 500, "internal_error", {"connection_id": other["id"]})
        assert "altered" in reply.json()["message"]


def test_a_key_that_is_needed_is_not_dropped(alone):
    """The list of keys has room for eight; the ninth pushes one out, unless connections are still under it."""
    oldest = alone.key_ids()[0]
    for _ in range(7):
        run_ok("secret", "rotate", "encryption", "--grace-hours", "0", "--data", alone.directory)
    assert len(alone.key_ids()) == 8 and alone.key_ids()[-1] == oldest
    limit = time.monotonic() + farthing_server.seconds(60)
    while True:
        under = stored(alone.directory, alone.id).split(":")[0]
        process = farthing_server.run("secret", "rotate", "encryption", "--grace-hours", "0", "--data", alone.directory)
        if process.returncode == 0:
            break
        assert oldest in process.stderr and under == oldest, process
        assert time.monotonic() < limit
    assert oldest not in alone.key_ids()
    assert alone.rotate_secret(secret_key="hush-four").status == 200
