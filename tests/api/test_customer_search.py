"""Lists and searches of customers (conventions sections 16 to 18, 10-customers section 8): what is found, and what is refused in
which words. Random searches are in test_search_model.py."""

import json
import threading
from urllib.parse import quote

import pytest

import engine
import farthing_server
from expectations import assert_customer, assert_error
from farthing_server import create_environment, create_tenant, wait_until
from http_client import Client

START = "2026-01-31T00:00:00Z"
# Beyond what is asked of them here, customers are told apart by their external id.
PEOPLE = [
    {"external_id": "ada", "name": "Ada", "email": "Ada@Example.com", "contact": "+44", "metadata": {"plan": "pro", "ключ": "ä"}},
    {"external_id": "bob", "name": "bob", "email": "bob@example.com", "metadata": {"plan": "free", 'a"b\\c': "1"}},
    {"external_id": "cotton", "name": "100% Cotton", "address_city": "Köln", "metadata": {}},
    {"external_id": "linen", "name": "100 Cotton", "contact": "!", "address_city": "KÖLN"},
    {"external_id": "under_score", "name": "a_b\\c", "contact": "12", "metadata": {"plan": "pro"}},
]
EXTERNAL_IDS = [person["external_id"] for person in PEOPLE]


class World:
    """The people in one environment, created in their order; a customer who is called like one of them in two others."""

    def __init__(self, directory):
        self.credentials = farthing_server.init(directory)
        others = [create_environment(directory, self.credentials.tenant_id, "other"), create_tenant(directory, "Other")]
        self.server = farthing_server.Server(directory)
        self.client = Client(self.server.address, self.credentials.api_key)
        self.people = {person["external_id"]: self.client.create(person) for person in PEOPLE}
        self.strangers = [self.client.create(PEOPLE[0], key=other.api_key) for other in others]

    def stop(self):
        self.client.close()
        self.server.stop()

    def search(self, body):
        reply = self.client.post("/v1/customers/search", body)
        assert reply.status == 200, reply
        return reply.json()

    def list(self, query):
        reply = self.client.get(f"/v1/customers?{query}")
        assert reply.status == 200, reply
        return reply.json()

    def found(self, body):
        return external_ids(self.search(body))

    def listed(self, query):
        return external_ids(self.list(query))

    def refused(self, body):
        reply = self.client.post("/v1/customers/search", body)
        return assert_error(reply, 400, "validation_error"), reply.json()["message"]


def external_ids(page):
    return [item["external_id"] for item in page["items"]]


def condition(field, operator, **value):
    return {"field": field, "operator": operator, "value": value}


def where(field, operator, **value):
    return {"filters": [condition(field, operator, **value)], "order": "asc"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("search") / "data")
    yield world
    world.stop()


# ---- pages -----------------------------------------------------------------------------------------------------


def test_the_newest_of_one_s_own_environment_by_default(world):
    page = world.search({})
    assert page["items"] == [
        {key: value for key, value in world.people[external_id].items() if key != "integrations"}
        for external_id in EXTERNAL_IDS[::-1]
    ]
    assert page["pagination"] == {"total": 5, "limit": 50, "offset": 50}
    for item in page["items"]:
        assert_customer(item, contact="contact" in item, integrations=False)
    assert world.list("") == page
    assert world.search(b"null") == page


@pytest.mark.parametrize(
    "body, names, pagination",
    [
        ({"limit": 2}, EXTERNAL_IDS[:2:-1], (5, 2, 2)),
        ({"limit": 2, "offset": 2}, [EXTERNAL_IDS[2], EXTERNAL_IDS[1]], (5, 2, 4)),
        ({"limit": 2, "offset": 4}, [EXTERNAL_IDS[0]], (5, 2, 6)),
        ({"limit": 2, "offset": 5}, [], (5, 2, 7)),
        ({"limit": 2, "order": "asc"}, EXTERNAL_IDS[:2], (5, 2, 2)),
        ({"limit": 1000}, EXTERNAL_IDS[::-1], (5, 1000, 1000)),
        ({"limit": 0, "offset": 0}, EXTERNAL_IDS[::-1], (5, 50, 50)),
        ({"limit": None, "offset": None, "order": None, "sort": None, "status": None}, EXTERNAL_IDS[::-1], (5, 50, 50)),
        ({"order": "", "status": "", "expand": "", "external_id": "", "email": ""}, EXTERNAL_IDS[::-1], (5, 50, 50)),
        ({"offset": 9223372036854774807}, [], (5, 50, 9223372036854774857)),
        ({"external_id": "bob", "offset": 3}, [], (1, 50, 53)),
        ({"external_id": "nobody"}, [], (0, 50, 50)),
        ({"nobody's": "business"}, EXTERNAL_IDS[::-1], (5, 50, 50)),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_a_page_tells_the_next_offset_and_all_that_match(world, body, names, pagination):
    page = world.search(body)
    assert external_ids(page) == names
    assert page["pagination"] == dict(zip(("total", "limit", "offset"), pagination))
    simple = {key: value for key, value in body.items() if value not in (None, "") and "'" not in key}
    assert world.list("&".join(f"{key}={value}" for key, value in simple.items())) == page


RFC3339 = "must be an RFC 3339 timestamp such as 2026-01-02T03:04:05Z"
EMAIL = "must be one e-mail address such as name@example.com, without a display name"
INTEGER = "must be a whole number from -9223372036854775807 to 9223372036854775807, written in digits alone"
REFUSED = [
    ({"limit": 1001}, {"limit": "must be from 1 to 1000"}),
    ({"limit": -1}, {"limit": "must be from 1 to 1000"}),
    ({"limit": 1.5}, {"limit": INTEGER}),
    ({"limit": "10"}, {"limit": "must be an integer, not string", "field": "limit", "expected": "number"}),
    ({"offset": -1}, {"offset": "must not be negative"}),
    ({"offset": 9223372036854775807}, {"offset": "is too large"}),
    ({"offset": 9223372036854775808}, {"offset": INTEGER}),
    ({"offset": []}, {"offset": "must be an integer, not array", "field": "offset", "expected": "number"}),
    ({"order": "up"}, {"order": "must be one of asc, desc"}),
    ({"order": "ASC"}, {"order": "must be one of asc, desc"}),
    ({"order": 1}, {"order": "must be a string, not number", "field": "order", "expected": "string"}),
    ({"status": 1}, {"status": "must be a string, not number", "field": "status", "expected": "string"}),
    ({"sort": "name"}, {"sort": "must be an array, not string", "field": "sort", "expected": "array"}),
    ({"sort": [{"field": "name"}] * 9}, {"sort": "must have at most 8 entries"}),
    ({"sort": [{}]}, {"sort[0]": "must be an object with a field and a direction"}),
    ({"sort": [{"field": "name"}, None]}, {"sort[1]": "must be an object with a field and a direction"}),
    ({"sort": [{"field": "shoe_size"}]}, {"sort[0]", "field"}),
    ({"sort": [{"field": "name"}, {"field": "metadata"}]}, {"sort[1]", "field"}),
    ({"expand": "wallets"}, {"field": "wallets"}),
    ({"expand": "integrations,"}, {"field": ""}),
    ({"expand": "integrations.x"}, {"field": "x"}),
    ({"expand": ["integrations"]}, {"expand": "must be a string, not array", "field": "expand", "expected": "string"}),
    ({"start_time": "yesterday"}, {"start_time": RFC3339}),
    ({"start_time": ""}, {"start_time": RFC3339}),
    ({"end_time": 1}, {"end_time": "must be an RFC 3339 timestamp, not number", "field": "end_time", "expected": "string"}),
    ({"start_time": START, "end_time": "2026-01-30T23:59:59.999999Z"}, {"end_time": "must not be before start_time"}),
    ({"filters": {}}, {"filters": "must be an array, not object", "field": "filters", "expected": "array"}),
    ({"metadata": []}, {"metadata": "must be an object of strings, not array", "field": "metadata", "expected": "object"}),
    ({"metadata": {"a": 1}}, {"metadata.a": "must be a string, not number", "field": "metadata.a", "expected": "string"}),
    ({"metadata": {str(i): "" for i in range(257)}}, {"metadata": "must have at most 256 keys"}),
    ({"customer_ids": "x"}, {"customer_ids": "must be an array of strings, not string", "field": "customer_ids", "expected": "array"}),
    ({"customer_ids": [1]}, {"customer_ids[0]": "must be a string, not number", "field": "customer_ids[0]", "expected": "string"}),
    ({"customer_ids": ["x"] * 1001}, {"customer_ids": "must have at most 1000 elements"}),
    ({"external_ids": ["x"] * 1001}, {"external_ids": "must have at most 1000 elements"}),
    ({"external_id": 1}, {"external_id": "must be a string, not number", "field": "external_id", "expected": "string"}),
    ({"email": "x@localhost"}, {"email": EMAIL}),
    ({"email": "Ada <ada@example.com>"}, {"email": EMAIL}),
    ({"limit": 1001, "offset": -1, "email": "x"}, {"limit", "offset", "email"}),
    ({"order": "up", "filters": [condition("shoe_size", "eq", string="1")]}, {"order", "filters[0].field", "field"}),
]


@pytest.mark.parametrize("body, details", REFUSED, ids=[json.dumps(body)[:60] for body, _ in REFUSED])
def test_what_is_wrong_is_named(world, body, details):
    found, message = world.refused(body)
    assert (found if isinstance(details, dict) else set(found)) == details
    if len(found) == 1 and isinstance(details, dict) and "field" not in details:
        assert message == "{} {}".format(*next(iter(found.items())))


@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"{", b"{} {}", b"\xff"])
def test_a_search_needs_an_object(world, body):
    world.refused(body)


@pytest.mark.parametrize(
    "query, details",
    [
        ("limit=x", {"limit": INTEGER, "field": "limit", "expected": "number"}),
        ("limit=1.5", {"limit": INTEGER, "field": "limit", "expected": "number"}),
        ("limit=1e2", {"limit": INTEGER, "field": "limit", "expected": "number"}),
        ("limit=1001", {"limit"}),
        ("limit=99999999999999999999", {"limit": INTEGER, "field": "limit", "expected": "number"}),
        ("offset=9223372036854775808", {"offset": INTEGER, "field": "offset", "expected": "number"}),
        ("offset=-1", {"offset"}),
        ("order=up", {"order"}),
        ("sort=shoe_size", {"sort[0]", "field"}),
        ("sort=name,", {"sort[1]", "field"}),
        ("sort=:asc", {"sort[0]", "field"}),
        ("sort=" + "name," * 8 + "id", {"sort"}),
        ("expand=wallets", {"field"}),
        ("start_time=x", {"start_time"}),
        ("start_time=2026-01-31T00:00:00Z&end_time=2026-01-30T00:00:00Z", {"end_time"}),
        ("email=x", {"email"}),
        ("metadata=x", {"metadata", "field", "expected"}),
        ("metadata=[]", {"metadata", "field", "expected"}),
        ("metadata={%22a%22:1}", {"metadata.a", "field", "expected"}),
        ("filters=x", {"filters", "field", "expected"}),
        ("filters=[{}]", {"filters[0].field"}),
        ("customer_ids=" + "x," * 1001, {"customer_ids"}),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_query_is_refused_for_the_same_reasons(world, query, details):
    assert_error(world.client.get(f"/v1/customers?{query}"), 400, "validation_error", details)


@pytest.mark.parametrize("query", ["limit=%zz", "metadata=" + "[" * 64 + "]" * 64, "email=%ff", "status=%00"])
def test_a_query_that_cannot_be_read(world, query):
    assert_error(world.client.get(f"/v1/customers?{query}"), 400, "validation_error")


# ---- sorting ---------------------------------------------------------------------------------------------------


def by(*entries):
    return {"sort": [dict(zip(("field", "direction"), entry.split())) for entry in entries]}


@pytest.mark.parametrize(
    "body, names",
    [
        # Texts by their code points: capitals before small letters.
        (by("name asc"), ["linen", "cotton", "ada", "under_score", "bob"]),
        (by("name desc"), ["bob", "under_score", "ada", "cotton", "linen"]),
        (by("name"), ["linen", "cotton", "ada", "under_score", "bob"]),
        (by("name DESC"), ["linen", "cotton", "ada", "under_score", "bob"]),
        # What is unset counts as the largest; the newest first among equals.
        (by("contact asc"), ["linen", "ada", "under_score", "cotton", "bob"]),
        (by("contact desc"), ["cotton", "bob", "under_score", "ada", "linen"]),
        ({**by("contact desc"), "order": "asc"}, ["bob", "cotton", "under_score", "ada", "linen"]),
        (by("timezone asc", "external_id desc"), EXTERNAL_IDS[::-1]),
        (by("timezone asc", "external_id asc"), EXTERNAL_IDS),
        (by("created_at asc"), EXTERNAL_IDS),
        (by("name asc", "name desc"), ["linen", "cotton", "ada", "under_score", "bob"]),
        (by("tenant_id desc", "environment_id asc", "id asc"), EXTERNAL_IDS),
        ({"sort": []}, EXTERNAL_IDS[::-1]),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else "",
)
def test_sorted(world, body, names):
    assert world.found(body) == names


# In the order of a customer's members.
FIELDS = (
    "id, external_id, name, email, contact, address_line1, address_line2, address_city, address_state, address_postal_code, "
    "address_country, timezone, environment_id, tenant_id, status, created_at, updated_at, created_by, updated_by"
)
SORTABLE = sorted(
    "id tenant_id status created_at updated_at created_by updated_by environment_id external_id name email contact address_line1 "
    "address_line2 address_city address_state address_postal_code address_country timezone".split()
)


@pytest.mark.parametrize("field", SORTABLE)
def test_every_column_but_metadata_sorts(world, field):
    for direction in ("asc", "desc"):
        page = world.search(by(f"{field} {direction}"))
        values = [item.get(field) for item in page["items"]]
        present = [value for value in values if value is not None]
        assert present == sorted(present, key=str.encode, reverse=direction == "desc")
        unset = len(values) - len(present)
        assert values == (present + [None] * unset if direction == "asc" else [None] * unset + present)
        assert world.list(f"sort={field}:{direction}") == page


@pytest.mark.parametrize(
    "query, body",
    [
        ("sort=name", by("name asc")),
        ("sort=name&order=desc", {**by("name desc"), "order": "desc"}),
        ("sort=name&order=asc", {**by("name asc"), "order": "asc"}),
        ("sort=name:", by("name asc")),
        ("sort=contact:desc,created_at:asc", by("contact desc", "created_at asc")),
        ("sort=contact%3Adesc%2Cname", by("contact desc", "name asc")),
        ("sort=", {}),
        ("sort=name&sort=id", by("name asc")),
    ],
)
def test_a_query_sorts(world, query, body):
    assert world.list(query) == world.search(body)


UNKNOWN_SORT = f"sort[1] must be one of {FIELDS}"
SIGNED_SORT = (
    "sort[1] must be a field without a sign; the descending order of name is `name:desc` in a query string, "
    '{"field": "name", "direction": "desc"} in a body'
)


@pytest.mark.parametrize(
    "field, reason",
    [("shoe_size", UNKNOWN_SORT), ("metadata", UNKNOWN_SORT), ("", UNKNOWN_SORT), ("-", UNKNOWN_SORT), ("-shoe_size", UNKNOWN_SORT),
     ("-metadata", UNKNOWN_SORT), ("--name", UNKNOWN_SORT), ("-name", SIGNED_SORT)],
)
def test_a_sort_that_is_wrong_says_what_would_be_right(world, field, reason):
    details, message = world.refused({"sort": [{"field": "name"}, {"field": field}]})
    assert details == {"sort[1]": reason.removeprefix("sort[1] "), "field": field} and message == reason
    reply = world.client.get(f"/v1/customers?sort=name,{field}")
    assert assert_error(reply, 400) == details and reply.json()["message"] == reason


def test_pages_of_rows_of_one_instant_have_each_of_them_once(directory, start_server):
    key = farthing_server.init(directory).api_key
    server = start_server(directory)
    with Client(server.address, key) as client:
        ids = {client.create({"external_id": f"c{number}", "name": "Same"})["id"] for number in range(23)}
    server.stop()
    instant = "'2026-01-31T00:00:00Z'" if engine.ON_POSTGRES else "1769817600000000"
    engine.change(directory, f"UPDATE customers SET created_at = {instant}")
    server = start_server(directory)
    with Client(server.address, key) as client:
        for body in ({}, {"order": "asc"}, by("name asc"), where("name", "contains", string="sam")):
            pages = [
                client.post("/v1/customers/search", {**body, "limit": 5, "offset": offset}).json()["items"]
                for offset in range(0, 25, 5)
            ]
            found = [item["id"] for page in pages for item in page]
            assert len(found) == 23 and set(found) == ids
            assert found == sorted(found, reverse=found[0] > found[-1])
    server.stop()


def test_a_page_among_many_large_rows_of_one_instant_is_not_too_much(directory, start_server):
    """All of them together are more than a reply may take."""
    key = farthing_server.init(directory).api_key
    server = start_server(directory)
    with Client(server.address, key) as client:
        ids = [client.create({"external_id": f"c{number}", "name": "Same"})["id"] for number in range(220)]
    server.stop()
    instant = "'2026-01-31T00:00:00Z'" if engine.ON_POSTGRES else "1769817600000000"
    metadata = json.dumps({"text": "x" * 100_000})
    engine.change(directory, f"UPDATE customers SET created_at = {instant}, metadata = '{metadata}'")
    server = start_server(directory)
    with Client(server.address, key) as client:
        for offset in (0, 100, 218):
            reply = client.post("/v1/customers/search", {**where("name", "contains", string="sam"), "limit": 2, "offset": offset})
            assert reply.status == 200, reply
            assert [item["id"] for item in reply.json()["items"]] == sorted(ids)[offset : offset + 2]
    server.stop()


@pytest.mark.embedded("the index of searches is its own")
def test_segments_of_the_index_stay_few_while_others_write(directory, start_server):
    """What merging leaves behind is removed as fast as it comes, and does not keep merging from going on."""
    key = farthing_server.init(directory).api_key
    server = start_server(directory)
    with Client(server.address, key) as client:
        for number in range(4000):
            client.create({"external_id": f"c{number}", "name": "Same"})
    ((count,),) = engine.tuples(directory, "SELECT count(*) FROM customers_search_segments")
    server.stop()
    assert count < 30


# ---- conditions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body, names",
    [
        (where("name", "eq", string="bob"), ["bob"]),
        (where("name", "eq", string="Bob"), []),
        (where("name", "neq", string="bob"), ["ada", "cotton", "linen", "under_score"]),
        (where("contact", "neq", string="12"), ["ada", "linen"]),
        (where("contact", "eq", string="!"), ["linen"]),
        (where("name", "contains", string="COTTON"), ["cotton", "linen"]),
        (where("name", "contains", string="0%"), ["cotton"]),
        (where("name", "contains", string="_"), ["under_score"]),
        (where("name", "contains", string="B\\C"), ["under_score"]),
        (where("name", "contains", string="%"), ["cotton"]),
        (where("name", "contains", string=""), EXTERNAL_IDS),
        (where("contact", "contains", string=""), ["ada", "linen", "under_score"]),
        (where("address_city", "contains", string="öl"), ["cotton", "linen"]),
        (where("name", "not_contains", string="cotton"), ["ada", "bob", "under_score"]),
        (where("contact", "not_contains", string="4"), ["linen", "under_score"]),
        (where("contact", "not_contains", string=""), []),
        (where("email", "starts_with", string="ADA@"), ["ada"]),
        (where("external_id", "starts_with", string="under_"), ["under_score"]),
        (where("name", "ends_with", string="B"), ["bob"]),
        (where("email", "ends_with", string=".COM"), ["ada", "bob"]),
        (where("external_id", "in", array=["ada", "ADA", "linen", "linen"]), ["ada", "linen"]),
        (where("contact", "not_in", array=["12", "x"]), ["ada", "linen"]),
        (where("external_id", "in", array=["x"] * 999 + ["bob"]), ["bob"]),
        # A picker that was cleared.
        (where("name", "in", array=[]), EXTERNAL_IDS),
        (where("name", "not_in", array=[]), EXTERNAL_IDS),
        (where("name", "in", array=None), EXTERNAL_IDS),
        (where("created_at", "after", date="2020-01-01T00:00:00Z"), EXTERNAL_IDS),
        (where("created_at", "before", date="2020-01-01T00:00:00Z"), []),
        (where("status", "eq", string="archived"), []),
        (where("status", "neq", string="archived"), EXTERNAL_IDS),
        (where("tenant_id", "starts_with", string="TENANT_"), EXTERNAL_IDS),
        (where("environment_id", "eq", string="env_other"), []),
        (where("timezone", "contains", string="utc"), EXTERNAL_IDS),
        ({"filters": [condition("name", "contains", string="cotton"), condition("name", "contains", string="%")]}, ["cotton"]),
        ({"filters": [condition("name", "eq", string="bob"), condition("name", "eq", string="Ada")]}, []),
        ({"filters": []}, EXTERNAL_IDS[::-1]),
        ({"filters": None}, EXTERNAL_IDS[::-1]),
        # The first member that the operator can be used with; others may be there.
        (where("name", "eq", string="bob", number=None, array=["Ada"]), ["bob"]),
        (where("name", "in", string="bob", array=["Ada"]), ["ada"]),
        ({"filters": [{**condition("name", "eq", string="bob"), "data_type": "string"}]}, ["bob"]),
        ({"filters": [{**condition("name", "eq", string="bob"), "data_type": ""}]}, ["bob"]),
        ({"filters": [{**condition("name", "eq", string="bob"), "data_type": None, "shoe_size": 1}]}, ["bob"]),
        ({"filters": [{**condition("name", "in", array=["bob"]), "data_type": "array"}]}, ["bob"]),
    ],
    ids=lambda value: json.dumps(value, ensure_ascii=False)[:90] if isinstance(value, dict) else "",
)
def test_conditions(world, body, names):
    assert world.found(body) == names
    if "order" in body:
        assert world.listed(f"order=asc&filters={quote(json.dumps(body['filters']))}") == names


@pytest.mark.parametrize(
    "operator, before, itself, behind",
    [
        ("eq", False, True, False), ("neq", True, False, True), ("lt", True, False, False), ("before", True, False, False),
        ("lte", True, True, False), ("gt", False, False, True), ("after", False, False, True), ("gte", False, True, True),
    ],
)
def test_conditions_of_instants(world, operator, before, itself, behind):
    cotton = world.people["cotton"]["created_at"]
    expected = ["ada", "bob"] * before + ["cotton"] * itself + ["linen", "under_score"] * behind
    assert world.found(where("created_at", operator, date=cotton)) == expected


def test_case_is_that_of_unicode(api, new_external_id):
    """A code point for a code point: ß is no ss, and a letter with a mark is not the two together."""
    names = ["STRASSE", "Straße", "STRAẞE", "ΣΊΣΥΦΟΣ", "σίσυφος", "İzmir", "izmir", "Ⱥx", "Kelvin", "\u212aelvin", "é", "e\u0301", "ſet"]
    for name in names:
        api.create({"external_id": new_external_id(), "name": f"<{name}>"})

    def found(needle):
        body = where("name", "contains", string=f"<{needle}>")
        return [item["name"][1:-1] for item in api.post("/v1/customers/search", body).json()["items"]]

    assert found("strasse") == ["STRASSE"]
    assert found("straße") == found("STRAẞE") == ["Straße", "STRAẞE"]
    assert found("σίσυφοσ") == ["ΣΊΣΥΦΟΣ", "σίσυφος"]
    assert found("İzmir") == ["İzmir"] and found("IZMIR") == ["izmir"]
    assert found("ⱥX") == ["Ⱥx"]
    assert found("kelvin") == ["Kelvin", "\u212aelvin"]
    assert found("É") == ["é"] and found("E\u0301") == ["e\u0301"]
    assert found("SET") == ["ſet"]


def fits(*members):
    return "must have the member that the field and the operator go with: " + ", ".join(members)


TEXT_OPERATORS = "must be one of eq, neq, contains, not_contains, starts_with, ends_with, in, not_in"
INSTANT_OPERATORS = "must be one of eq, neq, gt, lt, gte, lte, before, after"
OBJECT = 'must be an object, as {"string": "text"}'
DATE = "must be an instant like 2026-01-31T00:00:00Z"
UNKNOWN_FIELD = f"must be one of {FIELDS}"
METADATA = 'must not be metadata, which is searched by the request\'s own member `metadata`: {"key": "value"}'
DATA_TYPES = "must be one of string, number, date, array"
UNFIT = "does not fit the field and the operator"


@pytest.mark.parametrize(
    "given, member, reason",
    [
        (None, "", "must be an object with field, operator and value"),
        ("name", "", "must be an object with field, operator and value"),
        ({}, ".field", "must be the name of a field"),
        ({"field": 1, "operator": "eq", "value": {"string": "x"}}, ".field", "must be the name of a field"),
        (condition("shoe_size", "eq", string="1"), ".field", UNKNOWN_FIELD),
        (condition("scope", "eq", number=1), ".field", UNKNOWN_FIELD),
        (condition("name; --", "eq", string="1"), ".field", UNKNOWN_FIELD),
        (condition("metadata", "contains", string="x"), ".field", METADATA),
        (condition("metadata.tier", "eq", string="x"), ".field", METADATA),
        (condition("metadatatier", "eq", string="x"), ".field", UNKNOWN_FIELD),
        ({"field": "name", "value": {"string": "x"}}, ".operator", TEXT_OPERATORS),
        (condition("name", "like", string="x"), ".operator", TEXT_OPERATORS),
        (condition("name", "EQ", string="x"), ".operator", TEXT_OPERATORS),
        (condition("name", None, string="x"), ".operator", TEXT_OPERATORS),
        (condition("name", "gt", number=1), ".operator", TEXT_OPERATORS),
        (condition("name", "before", date=START), ".operator", TEXT_OPERATORS),
        (condition("created_at", "contains", string="2026"), ".operator", INSTANT_OPERATORS),
        (condition("created_at", "in", array=[START]), ".operator", INSTANT_OPERATORS),
        ({"field": "name", "operator": "eq"}, ".value", OBJECT),
        ({"field": "name", "operator": "eq", "value": "x"}, ".value", OBJECT),
        ({"field": "name", "operator": "eq", "value": None}, ".value", OBJECT),
        (condition("name", "eq"), ".value", fits("string")),
        (condition("name", "eq", string=None), ".value", fits("string")),
        (condition("name", "eq", number=1), ".value", fits("string")),
        (condition("name", "eq", boolean=True), ".value", fits("string")),
        (condition("name", "eq", array=["x"]), ".value", fits("string")),
        (condition("name", "in", string="x"), ".value", fits("array")),
        (condition("created_at", "eq", string=START), ".value", fits("date")),
        (condition("created_at", "gt", number=1), ".value", fits("date")),
        (condition("name", "eq", string=1), ".value.string", "must be a string"),
        (condition("name", "in", array="x"), ".value.array", "must be an array of strings"),
        (condition("name", "in", array=[1]), ".value.array", "must be an array of strings"),
        (condition("name", "in", array=["x", None]), ".value.array", "must be an array of strings"),
        (condition("name", "in", array=["x"] * 1001), ".value.array", "must have at most 1000 elements"),
        (condition("created_at", "eq", date="yesterday"), ".value.date", DATE),
        (condition("created_at", "eq", date=1), ".value.date", DATE),
        ({**condition("name", "eq", string="x"), "data_type": "float"}, ".data_type", DATA_TYPES),
        ({**condition("name", "eq", string="x"), "data_type": 1}, ".data_type", DATA_TYPES),
        ({**condition("name", "eq", string="x"), "data_type": "number"}, ".data_type", UNFIT),
        ({**condition("name", "in", array=["x"]), "data_type": "string"}, ".data_type", UNFIT),
    ],
    ids=lambda value: json.dumps(value)[:70] if isinstance(value, dict) else "",
)
def test_a_condition_that_is_wrong_is_named(world, given, member, reason):
    details, message = world.refused({"filters": [condition("name", "eq", string="fine"), given]})
    assert details.pop(f"filters[1]{member}") == reason
    if reason in (UNKNOWN_FIELD, METADATA):
        assert details == {"field": given["field"]}
    else:
        assert details == {} and message == f"filters[1]{member} {reason}"


def test_what_is_wrong_with_several_conditions_is_told_at_once(world):
    details, _ = world.refused({"filters": [{}, condition("name", "like"), condition("name", "eq", string="x"), 1]})
    assert set(details) == {"filters[0].field", "filters[1].operator", "filters[3]"}


@pytest.mark.parametrize("field, found", [("name", 5), ("tenant_id", 5), ("environment_id", 5), ("contact", 2)])
def test_fifty_conditions_are_the_most(world, field, found):
    """Whatever they are about: a tenant's id takes more parameters than a column."""
    body = {"filters": [condition(field, "neq", string=str(number)) for number in range(50)]}
    more = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z", "external_ids": EXTERNAL_IDS}
    for asked in (body, {**body, **more, "sort": [{"field": field} for field in SORTABLE[:8]]}):
        assert len(world.found(asked)) == found
    details, message = world.refused({"filters": body["filters"] + body["filters"][:1]})
    assert details == {"filters": "must have at most 50 conditions"} and message == "filters must have at most 50 conditions"


# ---- the fields of customers -----------------------------------------------------------------------------------


def metadata(value):
    return {"metadata": value, "order": "asc"}


@pytest.mark.parametrize(
    "body, names",
    [
        (metadata({"plan": "pro"}), ["ada", "under_score"]),
        (metadata({"plan": "pro", "ключ": "ä"}), ["ada"]),
        (metadata({"plan": "Pro"}), []),
        (metadata({"Plan": "pro"}), []),
        (metadata({"plan": "pr"}), []),
        (metadata({"ключ": "a\u0308"}), []),
        (metadata({'a"b\\c': "1"}), ["bob"]),
        (metadata({"plan": None}), []),
        (metadata({}), EXTERNAL_IDS),
        (metadata(None), EXTERNAL_IDS),
        (metadata({"plan": "pro", "other": ""}), []),
    ],
    ids=lambda value: json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else "",
)
def test_metadata_has_all_of_the_entries(world, body, names):
    assert world.found(body) == names
    if body["metadata"] is not None:
        assert world.listed(f"order=asc&metadata={quote(json.dumps(body['metadata']))}") == names


def test_ids(world):
    ids = {name: customer["id"] for name, customer in world.people.items()}
    strangers = [stranger["id"] for stranger in world.strangers]
    assert world.found({"customer_ids": [ids["ada"], ids["linen"]]}) == ["linen", "ada"]
    assert world.found({"customer_ids": [ids["ada"]] * 1000}) == ["ada"]
    assert world.search({"customer_ids": [ids["ada"], "nobody", "", "cust_", "x" * 10_000]})["pagination"]["total"] == 1
    assert world.found({"customer_ids": strangers}) == []
    assert world.found({"customer_ids": [*strangers, ids["bob"]], "sort": [{"field": "name"}]}) == ["bob"]
    assert world.found({"customer_ids": [ids["ada"].upper()]}) == []
    assert world.found({"customer_ids": [""]}) == []
    for empty in ([], None):
        assert len(world.found({"customer_ids": empty, "external_ids": empty})) == 5
    assert world.found({"external_ids": ["ada", "ada", "bob", "ADA"]}) == ["bob", "ada"]
    assert world.found({"external_ids": ["ada", "bob"], "customer_ids": [ids["bob"], ids["linen"]]}) == ["bob"]
    assert world.found({"external_ids": ["ada"], "external_id": "bob"}) == []
    assert world.found({"external_id": "under_score"}) == ["under_score"]
    assert world.found({"customer_ids": [ids["ada"], ids["bob"]], **where("id", "in", array=[ids["bob"]])}) == ["bob"]
    assert world.found({"customer_ids": [ids["ada"]], **where("name", "contains", string="ADA")}) == ["ada"]
    assert world.search({"customer_ids": list(ids.values()), "limit": 2})["pagination"] == {"total": 5, "limit": 2, "offset": 2}


def test_ids_in_a_query_are_repeated_or_joined(world):
    ids = {name: customer["id"] for name, customer in world.people.items()}
    both = ["bob", "ada"]
    assert world.listed(f"customer_ids={ids['ada']}&customer_ids={ids['bob']}") == both
    assert world.listed(f"customer_ids={ids['ada']},{ids['bob']}") == both
    assert world.listed(f"customer_ids={ids['ada']}%2C{ids['bob']},&customer_ids=,,nobody&customer_ids=") == both
    assert world.listed("external_ids=ada,bob&external_ids=ada") == both
    assert world.listed("external_id=ada&external_id=bob") == ["ada"]
    assert len(world.listed("customer_ids=&external_ids=,&external_id=")) == 5
    assert world.listed("customer_ids=" + ",".join(stranger["id"] for stranger in world.strangers)) == []


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", "Ada@Example.com"])
def test_email_without_regard_to_case(world, email):
    assert world.found({"email": email}) == ["ada"]
    assert world.listed(f"email={quote(email)}") == ["ada"]
    assert world.found({"email": "da@example.com"}) == []
    assert world.found({"email": "ad_@example.com"}) == []


def test_start_and_end_are_both_within(world):
    bob, linen = (world.people[name]["created_at"] for name in ("bob", "linen"))
    assert world.found({"start_time": bob, "end_time": linen}) == ["linen", "cotton", "bob"]
    assert world.found({"start_time": linen}) == ["under_score", "linen"]
    assert world.found({"end_time": bob}) == ["bob", "ada"]
    assert world.found({"start_time": bob, "end_time": bob}) == ["bob"]
    assert world.listed(f"start_time={bob}&end_time={linen}") == ["linen", "cotton", "bob"]
    berlin = "2000-01-01T00:00:00+01:00"
    assert world.found({"end_time": berlin}) == [] and len(world.found({"start_time": berlin})) == 5
    assert len(world.listed(f"start_time={quote(berlin)}")) == 5


# ---- what changes ----------------------------------------------------------------------------------------------


def test_status(directory, start_server):
    credentials = farthing_server.init(directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        gone = client.create({"external_id": "acme", "name": "Gone"})
    server.stop()
    farthing_server.fixture(directory, "customer", "archive", gone["id"])
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:

        def found(body):
            page = client.post("/v1/customers/search", body).json()
            assert page["pagination"]["total"] == len(page["items"])
            return [item["name"] for item in page["items"]]

        assert found({}) == found({"status": "published"}) == []
        assert found({"status": "archived"}) == ["Gone"]
        client.create({"external_id": "acme", "name": "Here"})
        assert found({}) == found({"status": "published"}) == ["Here"]
        assert found({"status": "archived"}) == found({"status": "archived", "external_id": "acme"}) == ["Gone"]
        for unknown in ("deleted", "all", "Published", "published'--"):
            assert found({"status": unknown}) == []
        assert found({**where("name", "contains", string="e"), "status": "archived"}) == ["Gone"]
        assert found(where("status", "eq", string="archived")) == []
        assert found({"customer_ids": [gone["id"]]}) == []
        assert client.get("/v1/customers?status=archived").json()["items"][0]["id"] == gone["id"]
    server.stop()


def test_integrations_of_a_page(directory, start_server):
    credentials = farthing_server.init(directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        ids = [client.create({"external_id": f"c{number}", "name": "C"})["id"] for number in range(4)]
    server.stop()
    for customer_id, provider_id in ((ids[0], "cus_1"), (ids[2], "cus_2"), (ids[0], "cus_3"), (ids[3], "cus_4")):
        made = farthing_server.fixture(directory, "mapping", "create", customer_id, f"provider {provider_id}", provider_id)
    farthing_server.fixture(directory, "mapping", "archive", made.split()[-1])
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        for page in (
            client.post("/v1/customers/search", {"expand": " integrations "}).json(),
            client.get("/v1/customers?expand=integrations").json(),
        ):
            assert [item["id"] for item in page["items"]] == ids[::-1]
            for item in page["items"]:
                mapped = item["id"] in (ids[0], ids[2])
                assert_customer(item, integrations=mapped)
                if mapped:  # as a get of the customer has them
                    assert item["integrations"] == client.get(f"/v1/customers/{item['id']}").json()["integrations"]
        assert len(page["items"][3]["integrations"]) == 2
        for item in client.post("/v1/customers/search", {}).json()["items"]:
            assert_customer(item, integrations=False)
        nobody = client.post("/v1/customers/search", {"expand": "integrations", "external_id": "nobody"})
        assert nobody.json()["items"] == []
    server.stop()


def test_a_search_finds_what_was_written_before_it(api, new_external_id):
    """Also before the index has taken it in."""
    for number in range(60):
        name = f"Fresh water {number} {new_external_id()}"
        customer = api.create({"external_id": new_external_id(), "name": name})
        found = api.post("/v1/customers/search", where("name", "contains", string=name.upper()[6:])).json()
        assert [item["id"] for item in found["items"]] == [customer["id"]]
        assert api.get(f"/v1/customers?external_ids={customer['external_id']}").json()["pagination"]["total"] == 1
        assert api.get("/v1/customers?limit=1").json()["items"][0]["id"] == customer["id"]


def test_a_search_finds_the_new_name_and_not_the_old(shared, api):
    customer = api.create({"external_id": "renamed", "name": "Violetta Ancient"})
    if not engine.ON_POSTGRES:
        noted = "SELECT count(*) FROM customers_unindexed"
        wait_until(lambda: engine.tuples(shared.directory, noted) == [(0,)], 30, "the index to have the old name")
    link = api.post("/v1/customers/portal/renamed", {}).json()
    for name in ("Rosalinde Newly", "Tertia Newest"):
        reply = api.request("PUT", "/v1/customer/portal/info", {"name": name}, headers={"X-Session-Token": link["token"]}, key=None)
        assert reply.status == 200, reply
        for sought, ids in ((name, [customer["id"]]), ("violetta", []), ("ancient", [])):
            found = api.post("/v1/customers/search", where("name", "contains", string=sought.lower())).json()
            assert [item["id"] for item in found["items"]] == ids, sought


def test_total_and_page_are_of_one_moment(shared, api):
    """While others are created, a page of all of them has as many as its total says."""
    total = api.get("/v1/customers?limit=1").json()["pagination"]["total"]
    stop = threading.Event()

    def create(worker):
        with shared.client() as client:
            number = 0
            while not stop.is_set() and number < 150:
                client.create({"external_id": f"moment-{worker}-{number}", "name": "Moment"})
                number += 1

    workers = [threading.Thread(target=create, args=(worker,)) for worker in range(2)]
    for worker in workers:
        worker.start()
    try:
        for turn in range(60):
            body = [{"limit": 1000}, {"limit": 1000, **where("name", "contains", string="")}][turn % 2]
            page = api.post("/v1/customers/search", body).json()
            assert page["pagination"]["total"] == len(page["items"])
            assert len(page["items"]) >= total, "a later answer knows less than one before"
            total = len(page["items"])
    finally:
        stop.set()
        for worker in workers:
            worker.join()


# ---- others ----------------------------------------------------------------------------------------------------


def test_others_customers_are_never_found(world):
    for stranger in world.strangers:
        for body in (
            {"customer_ids": [stranger["id"]]},
            where("id", "eq", string=stranger["id"]),
            where("id", "in", array=[stranger["id"]]),
            where("environment_id", "eq", string=stranger["environment_id"]),
            where("environment_id", "in", array=[stranger["environment_id"], "env_x"]),
            where("created_by", "eq", string=stranger["created_by"] if stranger["tenant_id"] != world.credentials.tenant_id else "-"),
        ):
            assert world.search(body) == {"items": [], "pagination": {"total": 0, "limit": 50, "offset": 50}}
    assert world.found(where("tenant_id", "neq", string=world.credentials.tenant_id)) == []
    for name in ("ada", "AD", "a"):
        assert world.strangers[0]["id"] not in [item["id"] for item in world.search(where("name", "contains", string=name))["items"]]


def test_a_caller_without_a_key_is_refused_before_the_body(world):
    assert_error(world.client.post("/v1/customers/search", b"{", key=None), 401)
    assert_error(world.client.get("/v1/customers?limit=x", key=None), 401)
