"""GET of one customer: by id, by external id, and its alias by lookup key."""

from urllib.parse import quote

import pytest

import farthing_server
from expectations import assert_customer, assert_error
from http_client import Client, RawConnection, request_bytes

UNKNOWN_ID = "cust_01KDVDNA00QX7M3T9B2E5H8JZK"


@pytest.mark.parametrize(
    "customer_id",
    [
        UNKNOWN_ID,
        "nonsense",
        "0",
        "cust_",
        "00000000-0000-0000-0000-000000000000",
        "x" * 10_000,
        "search",
        "lookup",
        "external",
    ],
)
def test_unknown_id(api, customer_id):
    details = assert_error(api.get(f"/v1/customers/{customer_id}"), 404, "not_found", {"customer_id"})
    assert details["customer_id"] == customer_id or len(customer_id) > 255


@pytest.mark.parametrize("route", ["external", "lookup"])
def test_unknown_external_id(api, route):
    assert_error(api.get(f"/v1/customers/{route}/nobody"), 404, "not_found", {"lookup_key": "nobody"})


def test_ids_are_case_sensitive(api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    assert_error(api.get(f"/v1/customers/{customer['id'].lower()}"), 404, "not_found")
    assert_error(api.get(f"/v1/customers/external/{customer['external_id'].upper()}"), 404, "not_found")


def test_an_id_is_no_external_id_and_the_other_way_round(api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    assert_error(api.get(f"/v1/customers/{customer['external_id']}"), 404, "not_found")
    assert_error(api.get(f"/v1/customers/external/{customer['id']}"), 404, "not_found")


EXTERNAL_IDS = [
    "a/b",
    "/",
    "a//b/",
    "with space",
    " ",
    "ünï 日本 😀",
    "a+b",
    "%2F",
    "100%",
    "%zz",
    "a?b=c",
    "a#b",
    "..",
    "../x",
    ".",
    "a;b,c&d=e",
    "\"quoted\" 'single' <b>",
    "back\\slash",
    "tab\tnewline\n",
    "{id}",
    "x" * 255,
    "😀" * 255,
]


@pytest.mark.parametrize("external_id", EXTERNAL_IDS, ids=[repr(text[:12]) for text in EXTERNAL_IDS])
@pytest.mark.parametrize("route", ["external", "lookup"])
def test_any_external_id_is_reachable(api, external_id, route):
    external_id = external_id if len(external_id) == 255 else f"{external_id}{route}"
    reply = api.post("/v1/customers", {"external_id": external_id, "name": "Acme"})
    assert reply.status in (201, 409), reply
    got = api.get(f"/v1/customers/{route}/{quote(external_id, safe='')}")
    assert got.status == 200, got
    assert got.json()["external_id"] == external_id


def test_an_external_id_that_is_a_dot_or_two(api):
    """Not normalised away as a path would be."""
    for external_id in (".", ".."):
        created = api.create({"external_id": external_id, "name": "Acme"})
        path = "/v1/customers/external/" + external_id.replace(".", "%2E")
        assert api.get(path).json()["id"] == created["id"]


def test_plus_in_a_path_is_a_plus(api):
    plus = api.create({"external_id": "c++", "name": "Plus"})
    space = api.create({"external_id": "c  ", "name": "Space"})
    assert api.get("/v1/customers/external/c++").json()["id"] == plus["id"]
    assert api.get("/v1/customers/external/c%2B%2b").json()["id"] == plus["id"]
    assert api.get("/v1/customers/external/c%20%20").json()["id"] == space["id"]


def test_an_id_may_be_escaped(api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    escaped = "".join(f"%{ord(character):02x}" for character in customer["id"])
    assert api.get(f"/v1/customers/{escaped}").json()["id"] == customer["id"]


@pytest.mark.parametrize("escape", ["%", "%2", "%zz", "%2g", "a%", "%%", "%u00e4", "% 2F".replace(" ", "+")])
@pytest.mark.parametrize("prefix", ["/v1/customers/", "/v1/customers/external/", "/v1/customers/lookup/"])
def test_bad_escape_is_refused(api, prefix, escape):
    assert_error(api.get(prefix + escape), 400, "validation_error")


@pytest.mark.parametrize("escape", ["%ff", "%c0%af", "%ed%a0%80", "%00", "a%00b"])
@pytest.mark.parametrize("prefix", ["/v1/customers/", "/v1/customers/external/"])
def test_text_that_no_customer_can_have(api, prefix, escape):
    """Not UTF-8, or NUL: refused or not found, never a failure of ours."""
    reply = api.get(prefix + escape)
    assert reply.status in (400, 404), reply
    assert_error(reply, reply.status)


def test_trailing_slash_is_as_good_as_absent(api, new_external_id):
    reply = api.post("/v1/customers/", {"external_id": new_external_id(), "name": "Acme"})
    assert reply.status == 201
    customer = reply.json()
    for path in (customer["id"], f"external/{customer['external_id']}", f"lookup/{customer['external_id']}"):
        assert api.get(f"/v1/customers/{path}/").json()["id"] == customer["id"]
        assert api.get(f"/v1/customers/{path}/?expand=integrations").status == 200


# --- expand ----------------------------------------------------------------------------------------------------

EXPAND_OK = [
    "integrations",
    "integrations,integrations",
    "%20integrations%20",
    "integrations%20,%20integrations",
    "%69ntegrations",
]
EXPAND_BAD = [
    ("foo", "foo"),
    ("wallets", "wallets"),
    ("integrations,", ""),
    (",integrations", ""),
    (",", ""),
    ("integrations,,integrations", ""),
    ("integrations.x", "x"),
    ("integrations,foo", "foo"),
    ("foo,bar", "foo"),
    ("Integrations", "Integrations"),
    ("integrations%2Cfoo", "foo"),
    ("f%C3%B6%C3%B6", "föö"),
]


@pytest.fixture(scope="module")
def customer(shared):
    with shared.client() as client:
        return client.create({"external_id": "expand", "name": "Acme"})


@pytest.mark.parametrize("expand", EXPAND_OK)
@pytest.mark.parametrize("route", ["", "external/", "lookup/"])
def test_expand_integrations(api, customer, route, expand):
    last = customer["external_id"] if route else customer["id"]
    reply = api.get(f"/v1/customers/{route}{last}?expand={expand}")
    assert reply.status == 200, reply
    assert_customer(reply.json(), integrations=True)


@pytest.mark.parametrize("expand, field", EXPAND_BAD)
@pytest.mark.parametrize("route", ["", "external/", "lookup/"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_anything_else_to_expand_is_refused_before_the_lookup(api, customer, route, expand, field, known):
    last = (customer["external_id"] if route else customer["id"]) if known else UNKNOWN_ID
    reply = api.get(f"/v1/customers/{route}{last}?expand={expand}")
    assert_error(reply, 400, "validation_error", {"field": field})
    assert reply.json()["message"] == "expand may name integrations"


def test_expand_is_read_after_the_key(api):
    assert_error(api.get(f"/v1/customers/{UNKNOWN_ID}?expand=foo", key=None), 401)


@pytest.mark.parametrize(
    "query, status",
    [
        ("expand=integrations&expand=foo", 200),
        ("expand=foo&expand=integrations", 400),
        ("a=b&expand=foo", 400),
        ("a&&=&expand=integrations", 200),
        ("Expand=foo", 200),
        ("expanded=foo", 200),
        ("unknown=1&%E4%B8%96=%25", 200),
        ("%65xpand=foo", 400),
        ("", 200),
    ],
)
def test_query_forms(api, customer, query, status):
    """The first of a repeated parameter wins; unknown ones are ignored; names are decoded, too."""
    assert api.get(f"/v1/customers/{customer['id']}?{query}").status == status


# --- scope and archive -----------------------------------------------------------------------------------------


class Scoped:
    """Two tenants, the first with two environments, each with a customer named `twin`, one of them archived."""

    def __init__(self, directory):
        self.directory = directory
        self.first = farthing_server.init(directory)
        self.second = farthing_server.create_environment(directory, self.first.tenant_id, "Other")
        self.foreign = farthing_server.create_tenant(directory, "Foreign")
        server = farthing_server.Server(directory)
        self.customers = {}
        for name in ("first", "second", "foreign"):
            with Client(server.address, getattr(self, name).api_key) as client:
                self.customers[name] = client.create({"external_id": "twin", "name": name})
        with Client(server.address, self.first.api_key) as client:
            self.archived = client.create({"external_id": "gone", "name": "Gone"})
        server.stop()
        farthing_server.fixture(directory, "customer", "archive", self.archived["id"])
        self.server = farthing_server.Server(directory)

    def client(self, name):
        return Client(self.server.address, getattr(self, name).api_key)


@pytest.fixture(scope="module")
def scoped(tmp_path_factory):
    scoped = Scoped(tmp_path_factory.mktemp("scoped") / "data")
    yield scoped
    scoped.server.stop()


def test_one_external_id_in_each_environment(scoped):
    assert len({customer["id"] for customer in scoped.customers.values()}) == 3
    for name, customer in scoped.customers.items():
        with scoped.client(name) as client:
            assert client.get("/v1/customers/external/twin").json() == {**customer, "integrations": []}


@pytest.mark.parametrize("reader", ["first", "second", "foreign"])
@pytest.mark.parametrize("owner", ["first", "second", "foreign"])
def test_a_customer_exists_only_in_its_environment(scoped, reader, owner):
    customer_id = scoped.customers[owner]["id"]
    with scoped.client(reader) as client:
        reply = client.get(f"/v1/customers/{customer_id}")
        if reader == owner:
            assert reply.json()["name"] == owner
        else:
            assert_error(reply, 404, "not_found", {"customer_id": customer_id})


@pytest.mark.parametrize("header", ["second", "foreign", "nonsense", "empty"])
def test_the_environment_header_does_not_move_a_key(scoped, header):
    value = {"nonsense": "env_nonsense", "empty": ""}.get(header) or getattr(
        scoped, header, scoped.first
    ).environment_id
    with scoped.client("first") as client:
        headers = {"X-Environment-ID": "" if header == "empty" else value}
        reply = client.get("/v1/customers/external/twin", headers=headers)
        assert reply.json()["id"] == scoped.customers["first"]["id"]
        created = client.create({"external_id": f"header {header}", "name": "Acme"}, headers=headers)
        assert created["environment_id"] == scoped.first.environment_id


def test_the_environment_header_does_not_reach_a_foreign_customer(scoped):
    with scoped.client("first") as client:
        headers = {"X-Environment-ID": scoped.foreign.environment_id}
        path = f"/v1/customers/{scoped.customers['foreign']['id']}"
        assert_error(client.get(path, headers=headers), 404, "not_found")


def test_archived_customer_by_id(scoped):
    with scoped.client("first") as client:
        reply = client.get(f"/v1/customers/{scoped.archived['id']}")
        assert reply.status == 200
        customer = reply.json()
        assert_customer(customer, integrations=True)
        assert customer["status"] == "archived"
        assert customer["created_at"] == scoped.archived["created_at"]
        assert customer["updated_at"] > scoped.archived["updated_at"]


@pytest.mark.parametrize("route", ["external", "lookup"])
def test_archived_customer_by_external_id(scoped, route):
    with scoped.client("first") as client:
        assert_error(client.get(f"/v1/customers/{route}/gone"), 404, "not_found", {"lookup_key": "gone"})


def test_external_id_of_an_archived_customer_can_be_used_again(tmp_path):
    scoped = Scoped(tmp_path / "data")
    with scoped.client("first") as client:
        assert_error(client.get("/v1/customers/external/gone"), 404, "not_found", {"lookup_key": "gone"})
        again = client.create({"external_id": "gone", "name": "Again"})
        assert again["id"] != scoped.archived["id"]
        assert client.get("/v1/customers/external/gone").json()["id"] == again["id"]
        assert client.get(f"/v1/customers/{scoped.archived['id']}").json()["status"] == "archived"
    scoped.server.stop()


def test_a_get_with_a_body_is_a_get(shared, customer):
    with RawConnection(shared.address) as connection:
        request = request_bytes("GET", f"/v1/customers/{customer['id']}", shared.key, b'{"a":1}')
        for _ in range(2):
            assert connection.exchange(request).json()["id"] == customer["id"]
