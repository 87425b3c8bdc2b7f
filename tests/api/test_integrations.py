"""What providers call entities of ours: /v1/integrations, integration_entity_mapping (10-customers sections 4.5, 6.2,
9 and 13)."""

import itertools
import json
import threading
from urllib.parse import urlencode

import pytest

import engine
import farthing_server
from expectations import INSTANT_IN_SECONDS, assert_customer, assert_error, assert_mapping
from farthing_server import create_environment, create_tenant
from http_client import Client
from postgres_cluster import Session
from providers import LINKABLE, SECRETS, connect
from tenancy import put

LINK = "/v1/integrations/link"
MAPPINGS = "/v1/integrations/mappings"
CONFIG = "/v1/integrations/config"
ENTITY_TYPES = [
    *("customer", "plan", "invoice", "subscription", "payment", "credit_note", "addon", "item", "item_price", "price"),
    *("invoice_line_item", "subscription_line_item"),
]
VIA = "integrations_mapping_link_api"

_numbers = itertools.count(1)


class Place:
    """An environment that is connected to all providers, one that is connected to none, and another tenant."""

    def __init__(self, directory):
        self.directory = directory
        self.first = farthing_server.init(directory)
        self.second = create_environment(directory, self.first.tenant_id, "second")
        self.foreign = create_tenant(directory, "Foreign")
        with _Running(directory) as server, Client(server.address, self.first.api_key) as client:
            self.gone = client.create({"external_id": "gone", "name": "Gone"})
        farthing_server.fixture(directory, "customer", "archive", self.gone["id"])
        self.server = farthing_server.Server(directory)
        with self.client() as client:
            for provider in SECRETS:
                connect(client, provider)

    def client(self, key=None):
        return Client(self.server.address, key or self.first.api_key)


class _Running:
    def __init__(self, directory):
        self.server = farthing_server.Server(directory)

    def __enter__(self):
        return self.server

    def __exit__(self, *_):
        self.server.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("integrations") / "data")
    yield place
    place.server.stop()


@pytest.fixture
def api(place):
    with place.client() as client:
        yield client


def fresh():
    return f"cus_{next(_numbers)}"


def new_customer(client, **members):
    return client.create({"external_id": f"linked-{next(_numbers)}", "name": "Acme", **members})


@pytest.fixture
def customer(api):
    return new_customer(api)


def link_body(customer, provider="stripe", **changes):
    entity_id = customer["id"] if isinstance(customer, dict) else customer
    body = {"entity_type": "customer", "entity_id": entity_id, "provider_type": provider, "provider_entity_id": fresh()}
    return {**body, **changes}


def link(client, customer, provider="stripe", **changes):
    reply = client.post(LINK, link_body(customer, provider, **changes))
    assert reply.status == 200, reply
    assert set(reply.json()) == {"mapping"}
    return reply.json()["mapping"]


def integrations(client, customer, query=""):
    return client.get(f"/v1/customers/{customer['id']}{query}").json()["integrations"]


# --- linking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", LINKABLE)
def test_a_customer_is_linked(api, place, provider):
    customer = new_customer(api)
    mapping = link(api, customer, provider, provider_entity_id="cus_9")
    assert_mapping(mapping, customer)
    assert mapping["provider_type"] == provider and mapping["provider_entity_id"] == "cus_9"
    assert mapping["metadata"]["linked_via"] == VIA
    assert INSTANT_IN_SECONDS.fullmatch(mapping["metadata"]["linked_at"])
    assert mapping["created_at"] == mapping["updated_at"]
    for query in ("", "?expand=integrations"):
        assert integrations(api, customer, query) == [mapping]
    with place.client(place.second.api_key) as elsewhere:
        assert elsewhere.get(f"{MAPPINGS}?entity_type=customer&entity_id={customer['id']}").json()["items"] == []
    # A provider's id that was given to somebody is given to nobody else.
    reply = api.request("DELETE", LINK, body=link_body(customer, provider))
    assert reply.status == 200, reply


def test_what_a_client_says_of_the_link_itself_does_not_count(api, customer):
    metadata = {"linked_via": "me", "linked_at": "never", "deep": {"a": [1, None]}, "n": 1}
    mapping = link(api, customer, metadata=metadata)
    assert mapping["metadata"] == {
        **metadata,
        "linked_via": VIA,
        "linked_at": mapping["metadata"]["linked_at"],
    }
    assert INSTANT_IN_SECONDS.fullmatch(mapping["metadata"]["linked_at"])
    # The customer's own metadata has nothing of it, whatever the provider.
    link(api, customer, "razorpay")
    assert api.get(f"/v1/customers/{customer['id']}").json()["metadata"] is None


def test_a_second_link_takes_the_place_of_the_first(api, customer):
    first = link(api, customer, metadata={"a": 1})
    second = link(api, customer, metadata={"b": 2})
    assert second["id"] == first["id"] and second["created_at"] == first["created_at"]
    assert second["provider_entity_id"] != first["provider_entity_id"]
    assert set(second["metadata"]) == {"b", "linked_via", "linked_at"}
    assert second["updated_at"] == second["metadata"]["linked_at"]
    again = link(api, customer, provider_entity_id=second["provider_entity_id"])
    assert again["id"] == first["id"]
    assert [mapping["id"] for mapping in integrations(api, customer)] == [first["id"]]
    other = link(api, customer, "paddle")
    assert [mapping["id"] for mapping in integrations(api, customer)] == [other["id"], first["id"]]


@pytest.mark.parametrize("missing", ["entity_type", "entity_id", "provider_type", "provider_entity_id"])
def test_what_a_link_must_have(api, customer, missing):
    for value in (..., None, "", 1, "x" * 256):
        body = {**link_body(customer), missing: value}
        if value is ...:
            del body[missing]
        assert missing in assert_error(api.post(LINK, body), 400, "validation_error")
    assert set(assert_error(api.post(LINK, {}), 400)) >= {"entity_type", "entity_id", "provider_type", "provider_entity_id"}


@pytest.mark.parametrize(
    "changes",
    [
        {"entity_type": "wallet"},
        {"entity_type": "Customer"},
        {"provider_type": "paypal"},
        {"provider_type": "flexprice"},
        {"provider_type": "s3"},
        {"metadata": "x"},
        {"metadata": []},
    ],
)
def test_links_that_are_refused(api, customer, changes):
    (name,) = changes
    assert name in assert_error(api.post(LINK, link_body(customer, **changes)), 400, "validation_error")
    assert integrations(api, customer) == []


def test_a_provider_that_there_is_no_connection_to(place):
    with place.client(place.second.api_key) as api:
        customer = new_customer(api)
        for provider in LINKABLE:
            reply = api.post(LINK, link_body(customer, provider))
            assert_error(reply, 400, "invalid_operation", {"provider_type": provider})
        # Which comes before the question whether the entity exists.
        assert_error(api.post(LINK, link_body("cust_nobody")), 400, "invalid_operation", {"provider_type": "stripe"})
        made = connect(api, "stripe")
        link(api, customer)
        assert api.request("DELETE", f"/v1/connections/{made['id']}").status == 204
        # What was linked stays, and nothing more can be.
        assert len(integrations(api, customer)) == 1
        assert_error(api.post(LINK, link_body(customer)), 400, "invalid_operation", {"provider_type": "stripe"})


@pytest.mark.parametrize("entity_type", ENTITY_TYPES)
def test_entities_that_there_are_not(api, entity_type):
    reply = api.post(LINK, link_body("nobody", entity_type=entity_type))
    assert_error(reply, 404, "not_found", {"entity_type": entity_type, "entity_id": "nobody"})


def test_customers_that_cannot_be_linked(api, place):
    with place.client(place.second.api_key) as elsewhere, place.client(place.foreign.api_key) as foreign:
        for customer in (place.gone, new_customer(elsewhere), new_customer(foreign)):
            reply = api.post(LINK, link_body(customer))
            assert_error(reply, 404, "not_found", {"entity_type": "customer", "entity_id": customer["id"]})


def test_two_customers_are_not_one_at_a_provider(api):
    one, other = new_customer(api), new_customer(api)
    mapping = link(api, one)
    taken = {"provider_type": "stripe", "provider_entity_id": mapping["provider_entity_id"], "entity_id": one["id"]}
    reply = api.post(LINK, link_body(other, provider_entity_id=mapping["provider_entity_id"]))
    assert_error(reply, 409, "already_exists", taken)
    # It is another thing at another provider, and free again when it is delinked or changed.
    link(api, other, "paddle", provider_entity_id=mapping["provider_entity_id"])
    link(api, one)
    link(api, other, provider_entity_id=mapping["provider_entity_id"])
    reply = api.post(LINK, link_body(one, provider_entity_id=mapping["provider_entity_id"]))
    assert_error(reply, 409, "already_exists", {**taken, "entity_id": other["id"]})


def test_an_archived_customer_gives_way(tmp_path):
    directory = tmp_path / "data"
    credentials = farthing_server.init(directory)
    with _Running(directory) as server, Client(server.address, credentials.api_key) as api:
        connect(api, "stripe")
        gone, other = new_customer(api), new_customer(api)
        link(api, gone, provider_entity_id="cus_shared")
    farthing_server.fixture(directory, "customer", "archive", gone["id"])
    with _Running(directory) as server, Client(server.address, credentials.api_key) as api:
        assert [mapping["provider_entity_id"] for mapping in integrations(api, gone)] == ["cus_shared"]
        link(api, other, provider_entity_id="cus_shared")
        assert integrations(api, gone) == []
        (archived,) = integrations(api, gone, "?integration_status=all")
        assert archived["status"] == "archived"


# --- delinking -----------------------------------------------------------------------------------------------------


def naming(customer, provider="stripe"):
    return {"entity_type": "customer", "entity_id": customer["id"], "provider_type": provider}


def by_body(client, named):
    return client.request("DELETE", LINK, body=named)


def by_query(client, named):
    return client.request("DELETE", f"{LINK}?{urlencode(named)}")


def by_both(client, named):
    body = {**named, "provider_type": None}
    return client.request("DELETE", f"{LINK}?{urlencode({**named, 'entity_id': 'nobody'})}", body=body)


@pytest.mark.parametrize("delink", [by_body, by_query, by_both])
def test_delinking(api, customer, delink):
    mapping = link(api, customer)
    kept = link(api, customer, "paddle")
    reply = delink(api, naming(customer))
    assert reply.status == 200 and set(reply.json()) == {"message"}
    assert integrations(api, customer) == [kept]
    assert_error(delink(api, naming(customer)), 404, "not_found", naming(customer))
    # An archived one is never revived.
    again = link(api, customer, provider_entity_id=mapping["provider_entity_id"])
    assert again["id"] != mapping["id"]
    found = integrations(api, customer, "?integration_status=all")
    assert {(entry["id"], entry["status"]) for entry in found} == {
        (mapping["id"], "archived"),
        (kept["id"], "published"),
        (again["id"], "published"),
    }
    (archived,) = [entry for entry in found if entry["id"] == mapping["id"]]
    assert archived["updated_by"] == mapping["created_by"]


@pytest.mark.parametrize("missing", ["entity_type", "entity_id", "provider_type"])
def test_what_must_be_named_to_delink(api, customer, missing):
    link(api, customer)
    named = naming(customer)
    del named[missing]
    for delink in (by_body, by_query):
        assert set(assert_error(delink(api, named), 400, "validation_error")) == {missing}
        bad = {**named, missing: "x" * 256}
        assert missing in assert_error(delink(api, bad), 400, "validation_error")
    assert len(integrations(api, customer)) == 1


def test_others_cannot_delink(api, place, customer):
    link(api, customer)
    for key in (place.second.api_key, place.foreign.api_key):
        with place.client(key) as other:
            assert_error(by_body(other, naming(customer)), 404, "not_found", naming(customer))
    assert len(integrations(api, customer)) == 1


# --- the mappings of an entity -------------------------------------------------------------------------------------


def test_the_mappings_of_an_entity(api, customer):
    path = f"{MAPPINGS}?entity_type=customer&entity_id={customer['id']}"
    empty = {"items": [], "pagination": {"total": 0, "limit": 0, "offset": 0}}
    assert api.get(path).json() == empty
    made = [link(api, customer, provider) for provider in ("stripe", "paddle", "tabs")]
    assert api.get(path).json() == {
        "items": made[::-1],
        "pagination": {"total": 3, "limit": 0, "offset": 0},
    }
    by_body(api, naming(customer, "paddle"))
    assert api.get(path).json()["items"] == [made[2], made[0]]
    for entity_type in ENTITY_TYPES:
        assert api.get(f"{MAPPINGS}?entity_type={entity_type}&entity_id=nobody").json() == empty


@pytest.mark.parametrize(
    "query, named",
    [
        ("", {"entity_type", "entity_id"}),
        ("entity_type=customer", {"entity_id"}),
        ("entity_id=x&entity_type=", {"entity_type"}),
        ("entity_type=wallet&entity_id=x", {"entity_type"}),
    ],
)
def test_mappings_of_nothing(api, query, named):
    assert set(assert_error(api.get(f"{MAPPINGS}?{query}"), 400, "validation_error")) == named


@pytest.mark.parametrize("route", ["{id}", "external/{external_id}", "lookup/{external_id}"])
def test_integrations_of_a_status(api, customer, route):
    path = "/v1/customers/" + route.format(**customer)
    mapping = link(api, customer)
    by_body(api, naming(customer))
    for query in ("", "?integration_status=", "?integration_status=published"):
        assert api.get(path + query).json()["integrations"] == []
    (archived,) = api.get(path + "?integration_status=all").json()["integrations"]
    assert (archived["id"], archived["status"]) == (mapping["id"], "archived")
    for bad in ("archived", "ALL", "x"):
        details = assert_error(api.get(f"{path}?integration_status={bad}"), 400, "validation_error")
        assert set(details) == {"integration_status"}


def test_of_delinked_mappings_the_newest_hundred_are_shown(api, customer):
    kept = link(api, customer, "paddle")
    delinked = []
    for _ in range(103):
        delinked.insert(0, link(api, customer)["id"])
        assert by_body(api, naming(customer)).status == 200
    shown = integrations(api, customer, "?integration_status=all")
    assert [entry["id"] for entry in shown] == [*delinked[:100], kept["id"]]
    assert integrations(api, customer) == [kept]


# --- what can be synchronized ---------------------------------------------------------------------------------------

SHOWN = ("plan", "subscription", "invoice", "customer", "payment", "deal", "quote")
OFF = {"inbound": False, "outbound": False}
IN, OUT, BOTH = {"inbound": True, "outbound": False}, {"inbound": False, "outbound": True}, {"inbound": True, "outbound": True}
BASE = {
    "stripe": {"customer": BOTH, "invoice": OUT},
    "hubspot": {"customer": IN, "invoice": OUT},
    **{name: {"customer": OUT, "invoice": OUT} for name in ("razorpay", "chargebee", "quickbooks", "nomod", "whop", "tabs")},
    "zoho_books": {"invoice": OUT},
    "moyasar": {"invoice": OUT},
    "paddle": {"customer": BOTH, "invoice": BOTH},
}


def test_the_configuration_of_each_provider(api):
    reply = api.get(CONFIG)
    assert reply.status == 200 and set(reply.json()) == {"integrations"}
    entries = {entry["provider"]: entry for entry in reply.json()["integrations"]}
    assert set(entries) == set(BASE) and len(reply.json()["integrations"]) == len(BASE)
    for provider, base in BASE.items():
        assert set(entries[provider]) == {"provider", "base_config", "current_config"}
        assert entries[provider]["base_config"] == {**{subject: OFF for subject in (*SHOWN, "price")}, **base}
        assert entries[provider]["current_config"] == {subject: OFF for subject in SHOWN}


def test_the_configuration_of_an_environment(tmp_path):
    directory = tmp_path / "data"
    credentials = farthing_server.init(directory)
    with _Running(directory) as server, Client(server.address, credentials.api_key) as api:
        assert api.get(CONFIG).json() == {"integrations": []}
        connect(api, "s3")
        assert api.get(CONFIG).json() == {"integrations": []}
        made = connect(api, "stripe", sync_config={"customer": {"outbound": True}, "price": {"outbound": True}})
        (entry,) = api.get(CONFIG).json()["integrations"]
        assert entry["current_config"] == {"customer": OUT}
        connect(api, "paddle")
        assert [entry["provider"] for entry in api.get(CONFIG).json()["integrations"]] == ["paddle", "stripe"]
        api.request("DELETE", f"/v1/connections/{made['id']}")
        assert [entry["provider"] for entry in api.get(CONFIG).json()["integrations"]] == ["paddle"]


def test_nothing_is_synchronized_yet(api, customer):
    reply = api.post("/v1/integrations/sync", {"entity_type": "customer", "entity_id": customer["id"]})
    assert_error(reply, 404, "not_found")
    assert "no endpoint" in reply.json()["message"]


# --- mappings that come along with a customer -----------------------------------------------------------------------


def element(provider="stripe", **changes):
    return {"provider_type": provider, "provider_entity_id": fresh(), **changes}


def test_a_customer_with_mappings(api, place):
    given = [element("stripe", metadata={"deep": [1, {"a": None}]}), element("paddle", entity_id="x", entity_type="plan")]
    created = new_customer(api, integration_entity_mapping=given)
    assert_customer(created, integrations=True)
    found = {entry["provider_type"]: entry for entry in created["integrations"]}
    assert set(found) == {"stripe", "paddle"}
    assert found["stripe"]["metadata"] == given[0]["metadata"] and "metadata" not in found["paddle"]
    for entry in given:
        assert found[entry["provider_type"]]["provider_entity_id"] == entry["provider_entity_id"]
    assert api.get(f"/v1/customers/{created['id']}").json() == created
    # No connection is needed: it may be older than ours.
    with place.client(place.second.api_key) as elsewhere:
        assert len(new_customer(elsewhere, integration_entity_mapping=[element("tabs")])["integrations"]) == 1


def test_a_customer_with_mappings_in_their_older_form(api):
    """`provider` and `id`, as the published SDKs send them; the newer names win."""
    given, newer = {"provider": "stripe", "id": fresh()}, element("paddle")
    elements = [given, {**newer, "provider": "tabs", "id": "x"}, {**element("tabs"), "provider_type": None, "provider": "tabs"}]
    found = integrations(api, new_customer(api, integration_entity_mapping=elements))
    told = {(entry["provider_type"], entry["provider_entity_id"]) for entry in found}
    third = elements[2]["provider_entity_id"]
    assert told == {("stripe", given["id"]), ("paddle", newer["provider_entity_id"]), ("tabs", third)}
    customer = new_customer(api)
    path, changed = f"/v1/customers/{customer['id']}", {"provider": "stripe", "id": fresh()}
    reply = api.request("PUT", path, body={"integration_entity_mapping": [changed]})
    assert reply.status == 200 and reply.json()["integrations"][0]["provider_entity_id"] == changed["id"]


@pytest.mark.parametrize("nothing", [[], None])
def test_a_customer_without_mappings_shows_none(api, nothing):
    assert "integrations" not in new_customer(api, integration_entity_mapping=nothing)


@pytest.mark.parametrize(
    "elements, path",
    [
        ([{}], "[0].provider_type"),
        (["x"], "[0]"),
        ([element(), {"provider_type": "paddle"}], "[1].provider_entity_id"),
        ([element(provider_entity_id="")], "[0].provider_entity_id"),
        ([element(provider_entity_id="x" * 256)], "[0].provider_entity_id"),
        ([element("paypal")], "[0].provider_type"),
        ([{"provider": "paypal", "id": "x"}], "[0].provider_type"),
        ([{"provider": "stripe", "id": ""}], "[0].provider_entity_id"),
        ([{**element("paypal"), "provider": "stripe"}], "[0].provider_type"),
        ([element("s3")], "[0].provider_type"),
        ([element("flexprice")], "[0].provider_type"),
        ([element("stripe"), element("tabs"), element("stripe")], "[2].provider_type"),
        ([element(metadata="x")], "[0].metadata"),
        ([element()] * 17, ""),
    ],
)
def test_mappings_that_are_refused(api, elements, path):
    body = {"external_id": f"refused-{next(_numbers)}", "name": "Acme", "integration_entity_mapping": elements}
    details = assert_error(api.post("/v1/customers", body), 400, "validation_error")
    assert f"integration_entity_mapping{path}" in details
    assert_error(api.get(f"/v1/customers/external/{body['external_id']}"), 404)


def mapping_with_metadata(metadata):
    """As bytes, so that its numbers are sent as they are written."""
    mapping = '{"provider_type":"stripe","provider_entity_id":"%s","metadata":%s}' % (fresh(), metadata)
    return b'{"integration_entity_mapping":[%s]}' % mapping.encode()


@pytest.mark.parametrize(
    "metadata, reason",
    [
        ('{"n":1e131071}', "has a number of more than 1000 digits, its exponent written out"),
        ('{"n":1e131072}', "has a number of more than 1000 digits, its exponent written out"),
        ('{"n":{"m":[1e-20000]}}', "has a number of more than 1000 digits, its exponent written out"),
        ('{"n":0.%s1}' % ("0" * 20000), "has a number of more than 1000 digits, its exponent written out"),
        ('{"n":[%s1]}' % ("1e300," * 300), "must be at most 65536 bytes long in all, its numbers without exponents"),
    ],
    ids=["large", "too large for one engine", "small", "long", "many"],
)
def test_numbers_of_metadata_that_a_database_would_write_out(api, customer, metadata, reason):
    """PostgreSQL did: a request of 200 bytes became megabytes, which ended the server when they were to be sealed."""
    reply = put(api, f"/v1/customers/{customer['id']}", mapping_with_metadata(metadata))
    assert_error(reply, 400, "validation_error", {"integration_entity_mapping[0].metadata": reason})
    body = '{"name":"x","provider_type":"paddle","encrypted_secret_data":{},"metadata":%s}' % metadata
    assert "metadata" in assert_error(api.post("/v1/connections", body.encode()), 400, "validation_error")


def test_numbers_of_metadata_that_are_kept(api, customer):
    numbers = "[1e308,5e-324,-1.5e-7,12345678901234567890.123]"
    reply = put(api, f"/v1/customers/{customer['id']}", mapping_with_metadata('{"n":%s}' % numbers))
    assert reply.status == 200, reply
    (shown,) = integrations(api, customer)
    assert [float(number) for number in shown["metadata"]["n"]] == json.loads(numbers)


def test_the_first_group_that_fails_decides(api):
    """Fields, then taxes, then mappings, then reserved metadata (section 4.6)."""
    body = {"external_id": "groups", "name": "", "integration_entity_mapping": [{}], "metadata": {"hsn_sac": "x"}}
    assert set(assert_error(api.post("/v1/customers", body), 400)) == {"name"}
    body["name"] = "Acme"
    details = assert_error(api.post("/v1/customers", body), 400)
    assert set(details) == {f"integration_entity_mapping[0].{name}" for name in ("provider_type", "provider_entity_id")}


def test_a_mapping_that_another_customer_has_undoes_the_customer(api):
    taken = element()
    owner = new_customer(api, integration_entity_mapping=[taken])
    body = {"external_id": "undone", "name": "Acme", "integration_entity_mapping": [element("paddle"), taken]}
    assert_error(
        api.post("/v1/customers", body),
        409,
        "already_exists",
        {**taken, "entity_id": owner["id"]},
    )
    assert_error(api.get("/v1/customers/external/undone"), 404)
    body["integration_entity_mapping"][1] = element()
    assert api.post("/v1/customers", body).status == 201


def test_a_customer_with_mappings_that_is_sent_again(api):
    body = {"external_id": "again", "name": "Acme", "integration_entity_mapping": [element()]}
    headers = {"Idempotency-Key": "customer-with-mappings"}
    first, second = (api.post("/v1/customers", body, headers=headers) for _ in range(2))
    assert first.status == second.status == 201 and first.body == second.body
    assert len(integrations(api, first.json())) == 1


def test_a_change_puts_mappings(api):
    """One for each provider that is named; the others stay (section 6.2)."""
    customer = new_customer(api, integration_entity_mapping=[element("stripe", metadata={"a": 1}), element("tabs")])
    path, before = f"/v1/customers/{customer['id']}", {entry["provider_type"]: entry for entry in customer["integrations"]}
    changed = api.request("PUT", path, body={"integration_entity_mapping": [element("stripe"), element("paddle")]})
    assert changed.status == 200, changed
    after = {entry["provider_type"]: entry for entry in changed.json()["integrations"]}
    assert set(after) == {"stripe", "tabs", "paddle"} and after["tabs"] == before["tabs"]
    assert after["stripe"]["id"] == before["stripe"]["id"] and "metadata" not in after["stripe"]
    assert after["stripe"]["provider_entity_id"] != before["stripe"]["provider_entity_id"]
    assert api.get(path).json() == changed.json()
    for nothing in ({"name": "renamed"}, {"integration_entity_mapping": []}, {"integration_entity_mapping": None}):
        assert "integrations" not in api.request("PUT", path, body=nothing).json()
    taken = {"integration_entity_mapping": [element("whop"), {**element("stripe"), "provider_entity_id": "cus_taken"}]}
    owner = new_customer(api, integration_entity_mapping=[taken["integration_entity_mapping"][1]])
    reply = api.request("PUT", path, body={"name": "not kept", **taken})
    named = {"provider_type": "stripe", "provider_entity_id": "cus_taken", "entity_id": owner["id"]}
    assert_error(reply, 409, "already_exists", named)
    assert api.get(path).json()["name"] == "renamed" and len(integrations(api, customer)) == 3
    bad = {"integration_entity_mapping": [{}]}
    assert "integration_entity_mapping[0].provider_type" in assert_error(api.request("PUT", path, body=bad), 400)


# --- at once ---------------------------------------------------------------------------------------------------------


def at_once(place, requests):
    """The replies of requests, each on a connection of its own: functions of a client."""
    barrier = threading.Barrier(len(requests))
    replies = [None] * len(requests)

    def send(number, request):
        with place.client() as client:
            barrier.wait(timeout=60)
            replies[number] = request(client)

    threads = [threading.Thread(target=send, args=entry) for entry in enumerate(requests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_customers_that_are_linked_to_one_id_at_once(api, place):
    for _ in range(5):
        customers = [new_customer(api) for _ in range(6)]
        wanted = fresh()
        bodies = [link_body(customer, provider_entity_id=wanted) for customer in customers]
        replies = at_once(place, [lambda client, body=body: client.post(LINK, body) for body in bodies])
        (winner,) = [reply.json()["mapping"]["entity_id"] for reply in replies if reply.status == 200]
        for reply in replies:
            if reply.status != 200:
                details = {"provider_type": "stripe", "provider_entity_id": wanted, "entity_id": winner}
                assert_error(reply, 409, "already_exists", details)
        assert [bool(integrations(api, customer)) for customer in customers].count(True) == 1


def test_links_of_one_customer_at_once(api, place):
    """Each takes the place of the one before: at the end there is one mapping, and it is one of those given."""
    for _ in range(5):
        customer = new_customer(api)
        bodies = [link_body(customer) for _ in range(6)]
        replies = at_once(place, [lambda client, body=body: client.post(LINK, body) for body in bodies])
        assert {reply.status for reply in replies} == {200}
        (mapping,) = integrations(api, customer)
        assert {reply.json()["mapping"]["id"] for reply in replies} == {mapping["id"]}
        assert mapping["provider_entity_id"] in {body["provider_entity_id"] for body in bodies}


def test_a_link_and_a_delink_at_once(api, place):
    for _ in range(5):
        customer = new_customer(api)
        link(api, customer)
        linked, delinked = at_once(
            place,
            [lambda client: client.post(LINK, link_body(customer)), lambda client: by_body(client, naming(customer))],
        )
        assert (linked.status, delinked.status) == (200, 200)
        assert len(integrations(api, customer)) in (0, 1)
        assert len(integrations(api, customer, "?integration_status=all")) in (1, 2)


def test_a_link_and_a_delete_at_once(api, place):
    """Linked and then deleted, or deleted and then not found: nothing else."""
    for _ in range(10):
        customer = new_customer(api)
        path, body = f"/v1/customers/{customer['id']}", link_body(customer)
        linked, deleted = at_once(
            place, [lambda client: client.post(LINK, body), lambda client: client.request("DELETE", path)]
        )
        assert deleted.status == 204, deleted
        assert len(integrations(api, customer)) == (1 if linked.status == 200 else 0)
        if linked.status != 200:
            assert_error(linked, 404, "not_found", {"entity_type": "customer", "entity_id": customer["id"]})


@pytest.mark.shared("waits for a row that another session has locked, which the embedded database has not")
def test_a_link_waits_for_the_customer_that_is_being_archived(api, place, customer):
    held = engine.databases()
    session = Session(held.cluster, held.name(place.directory))
    reply = []
    try:
        session.sql("BEGIN")
        session.sql(f"UPDATE customers SET status = 'archived' WHERE id = '{customer['id']}'")

        def send():
            with place.client() as client:
                reply.append(client.post(LINK, link_body(customer)))

        thread = threading.Thread(target=send)
        thread.start()
        farthing_server.wait_until(
            lambda: held.cluster.rows(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'", held.name(place.directory)
            ),
            30,
            "the link to wait for the customer",
        )
        session.sql("COMMIT")
        thread.join()
    finally:
        session.close()
    assert_error(reply[0], 404, "not_found", {"entity_type": "customer", "entity_id": customer["id"]})


def test_an_import_brings_mappings(tmp_path):
    directory = tmp_path / "data"
    credentials = farthing_server.init(directory)
    mapping = element()
    rows = [
        {"external_id": "one", "name": "One", "integration_entity_mapping": [mapping]},
        {"external_id": "two", "name": "Two", "integration_entity_mapping": [mapping]},
        {"external_id": "three", "name": "Three", "integration_entity_mapping": [{}]},
    ]
    file = tmp_path / "customers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for _ in range(2):  # the second time, what is there already is left as it is
        process = farthing_server.run("import", "customers", file, "--data", directory)
        assert process.returncode == 1, process
    with _Running(directory) as server, Client(server.address, credentials.api_key) as api:
        customer = api.get("/v1/customers/external/one").json()
        assert [entry["provider_entity_id"] for entry in customer["integrations"]] == [mapping["provider_entity_id"]]
        assert customer["created_at"] == customer["updated_at"]
        for external_id in ("two", "three"):
            assert_error(api.get(f"/v1/customers/external/{external_id}"), 404)
