"""The customer object of create, get by id and get by external id."""

import time
from datetime import datetime, timedelta, timezone

import pytest

import farthing_server
from expectations import ADDRESS_KEYS, FULL_CUSTOMER, INSTANT, assert_common_headers, assert_customer
from http_client import Client

FULL = {**FULL_CUSTOMER, "metadata": {"tier": "gold", "größe": "XL", "empty": ""}}


def get_both_ways(api, customer):
    """The customer by id and by external id, which must be the same bytes."""
    by_id = api.get(f"/v1/customers/{customer['id']}")
    by_external_id = api.get(f"/v1/customers/external/{customer['external_id']}")
    by_lookup_key = api.get(f"/v1/customers/lookup/{customer['external_id']}")
    assert by_id.status == by_external_id.status == by_lookup_key.status == 200, by_id
    assert by_id.body == by_external_id.body == by_lookup_key.body
    return by_id.json()


def test_minimal_create(api, shared, new_external_id):
    external_id = new_external_id()
    reply = api.post("/v1/customers", {"external_id": external_id, "name": "Acme"})
    assert reply.status == 201
    assert_common_headers(reply)
    customer = reply.json()
    assert_customer(customer, integrations=False)
    assert customer["external_id"] == external_id
    assert customer["name"] == "Acme"
    assert customer["email"] == ""
    assert [customer[key] for key in sorted(ADDRESS_KEYS)] == [""] * 6
    assert customer["timezone"] == "UTC"
    assert customer["metadata"] is None
    assert customer["status"] == "published"
    assert customer["created_by"] == customer["updated_by"]
    assert customer["created_at"] == customer["updated_at"]
    assert customer["tenant_id"] == shared.credentials.tenant_id
    assert customer["environment_id"] == shared.credentials.environment_id


def test_get_is_what_create_said_plus_integrations(api, new_external_id):
    created = api.create({**FULL, "external_id": new_external_id()})
    assert_customer(created, contact=True, integrations=False)
    assert {key: created[key] for key in FULL} == FULL
    got = get_both_ways(api, created)
    assert_customer(got, contact=True, integrations=True)
    assert got.pop("integrations") == []
    assert got == created


def test_minimal_get(api, new_external_id):
    created = api.create({"external_id": new_external_id(), "name": "Acme"})
    got = get_both_ways(api, created)
    assert_customer(got, integrations=True)
    assert got == {**created, "integrations": []}


def test_get_repeats_itself(api, new_external_id):
    created = api.create({**FULL, "external_id": new_external_id()})
    bodies = {api.get(f"/v1/customers/{created['id']}").body for _ in range(20)}
    assert len(bodies) == 1


def test_timestamps_survive_byte_for_byte(api, new_external_id):
    """Enough creates that some instants end in a zero, which the wire form trims."""
    trimmed = 0
    for _ in range(60):
        created = api.create({"external_id": new_external_id(), "name": "Acme"})
        assert INSTANT.fullmatch(created["created_at"])
        got = api.get(f"/v1/customers/{created['id']}").json()
        assert (got["created_at"], got["updated_at"]) == (created["created_at"], created["updated_at"])
        trimmed += len(created["created_at"]) < len("2026-01-01T00:00:00.000001Z")
    assert trimmed < 60, "instants have microseconds"


def test_created_at_is_now(api, new_external_id):
    before = datetime.now(timezone.utc) - timedelta(milliseconds=50)
    created = api.create({"external_id": new_external_id(), "name": "Acme"})
    created_at = datetime.fromisoformat(created["created_at"])
    assert before <= created_at <= datetime.now(timezone.utc) + timedelta(milliseconds=50)


def test_ids_sort_by_creation(api, new_external_id):
    ids = [api.create({"external_id": new_external_id(), "name": "Acme"})["id"] for _ in range(50)]
    assert ids == sorted(set(ids))


def test_id_bears_its_time(api, new_external_id):
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    before = time.time() * 1000
    customer_id = api.create({"external_id": new_external_id(), "name": "Acme"})["id"]
    milliseconds = 0
    for character in customer_id.removeprefix("cust_")[:10]:
        milliseconds = milliseconds * 32 + digits.index(character)
    assert before - 1000 <= milliseconds <= time.time() * 1000 + 1000


@pytest.mark.parametrize("sent, stored", [({}, {}), (None, None), ({"a": None}, {"a": ""}), ({"a": "1"}, {"a": "1"})])
def test_metadata_null_and_empty_differ(api, new_external_id, sent, stored):
    created = api.create({"external_id": new_external_id(), "name": "Acme", "metadata": sent})
    assert created["metadata"] == stored
    assert get_both_ways(api, created)["metadata"] == stored


def test_null_is_absent(api, new_external_id):
    external_id = new_external_id()
    created = api.create({"external_id": external_id, **dict.fromkeys(FULL), "name": "Acme"})
    assert_customer(created, integrations=False)
    assert (created["email"], created["timezone"], created["metadata"]) == ("", "UTC", None)


def test_empty_optional_text_is_absent(api, new_external_id):
    empty = dict.fromkeys(set(FULL) - {"metadata", "contact"}, "")
    created = api.create({**empty, "external_id": new_external_id(), "name": "Acme"})
    assert_customer(created, integrations=False)
    assert [created[key] for key in sorted(ADDRESS_KEYS | {"email"})] == [""] * 7
    assert created["timezone"] == "UTC"


def test_contact_is_omitted_until_set(api, new_external_id):
    for contact, shown in (({}, False), ({"contact": None}, False), ({"contact": "1"}, True)):
        created = api.create({"external_id": new_external_id(), "name": "Acme", **contact})
        assert ("contact" in created) == shown
        assert ("contact" in get_both_ways(api, created)) == shown


def test_empty_contact_is_absent(api, new_external_id):
    created = api.create({"external_id": new_external_id(), "name": "Acme", "contact": ""})
    assert "contact" not in created
    assert "contact" not in get_both_ways(api, created)


TEXTS = [
    'quote " backslash \\ slash /',
    "\b\f\n\r\t\x01\x1f\x7f",
    "<script>&amp;'",
    "\u2028\u2029\ufeff\ufffd\uffff",
    "日本語 العربية 😀 e\u0301",
    "  kept  ",
    " ",
    "null",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives(api, new_external_id, text):
    body = {
        "external_id": new_external_id(),
        "name": text,
        "address_line1": text,
        "address_city": text,
        "metadata": {text: text},
    }
    created = api.create(body)
    got = api.get(f"/v1/customers/{created['id']}").json()
    for customer in (created, got):
        assert {key: customer[key] for key in body} == body


def test_escaped_and_raw_text_are_the_same(api, new_external_id):
    external_id = new_external_id()
    body = b'{"external_id":"%s","n\\u0061me":"\\u00e4\\ud83d\\ude00\\/\\n"}' % external_id.encode()
    assert api.create(body)["name"] == "ä😀/\n"


@pytest.fixture(scope="module")
def integrated(tmp_path_factory):
    """A server over a directory with mappings: (client, customers by name, mapping ids in order of creation)."""
    directory = tmp_path_factory.mktemp("integrated") / "data"
    credentials = farthing_server.init(directory)
    server = farthing_server.Server(directory)
    with Client(server.address, credentials.api_key) as client:
        customers = {
            name: client.create({"external_id": name, "name": name}) for name in ("mapped", "other", "delinked")
        }
    server.stop()
    mapped = customers["mapped"]["id"]

    def map_customer(customer_id, *arguments):
        return farthing_server.fixture(directory, "mapping", "create", customer_id, *arguments).split()[-1]

    ids = [
        map_customer(mapped, "stripe", "cus_9", '{"linked_via":"test","count":3,"nested":{"a":[1,2.50,null,true]}}'),
        map_customer(mapped, "hubspot", "hs/1 ü", "{}"),
        map_customer(mapped, "razorpay", "rz_1"),
        map_customer(mapped, "chargebee", "cb_1"),
    ]
    farthing_server.fixture(directory, "mapping", "archive", ids[3])
    delinked = map_customer(customers["delinked"]["id"], "stripe", "cus_10")
    farthing_server.fixture(directory, "mapping", "archive", delinked)
    server = farthing_server.Server(directory)
    with Client(server.address, credentials.api_key) as client:
        yield client, customers, ids
    server.stop()


@pytest.mark.parametrize("query", ["", "?expand=integrations"])
@pytest.mark.parametrize("route", ["id", "external", "lookup"])
def test_integrations_are_published_mappings_newest_first(integrated, route, query):
    client, customers, ids = integrated
    last = customers["mapped"]["id"] if route == "id" else f"{route}/mapped"
    reply = client.get(f"/v1/customers/{last}{query}")
    assert reply.status == 200
    customer = reply.json()
    assert_customer(customer, integrations=True)
    mappings = customer["integrations"]
    assert [mapping["id"] for mapping in mappings] == [ids[2], ids[1], ids[0]]
    assert [mapping["provider_type"] for mapping in mappings] == ["razorpay", "hubspot", "stripe"]
    assert [mapping["provider_entity_id"] for mapping in mappings] == ["rz_1", "hs/1 ü", "cus_9"]
    assert [mapping.get("metadata") for mapping in mappings] == [
        None,
        None,
        {"linked_via": "test", "count": 3, "nested": {"a": [1, 2.50, None, True]}},
    ]


@pytest.mark.parametrize("name", ["other", "delinked"])
@pytest.mark.parametrize("query", ["", "?expand=integrations"])
def test_integrations_are_empty_without_a_published_mapping(integrated, name, query):
    client, customers, _ = integrated
    for last in (customers[name]["id"], f"external/{name}"):
        assert client.get(f"/v1/customers/{last}{query}").json()["integrations"] == []


def test_mapping_numbers_keep_their_digits(integrated):
    client, customers, _ = integrated
    assert b"2.50" in client.get(f"/v1/customers/{customers['mapped']['id']}").body
