"""docs/compatibility.md: each difference in a status code is real, and each route beyond the contract is named."""

import hashlib
import itertools
import json
import re
from urllib.parse import quote, urlencode

import pytest

import farthing_server
from farthing_server import REPOSITORY, create_environment, create_tenant
from http_client import Client
from providers import connection_body
from tenancy import delete, make_caller, make_key, put
from test_api_coverage import CONTRACT
from unix_client import AdminClient

DOCUMENT = (REPOSITORY / "docs/compatibility.md").read_text()
ROW = re.compile(r"\| ([^|]+) \| ([^|]*) \|(?: ([^|]+) \|)?")
CUSTOMER = {"external_id": "x", "name": "X"}
PASSWORD = "correct horse battery"
NUMBERS = itertools.count(1)


def rows(title):
    """The rows of the table under a heading, without its head."""
    section = DOCUMENT.split(f"## {title}\n")[1].split("\n## ")[0]
    return [ROW.fullmatch(line).groups() for line in section.splitlines() if line.startswith("| ")][2:]


class World:
    def __init__(self, directory):
        self.directory = directory
        first = farthing_server.init(directory)
        self.environment_id, self.tenant_id = first.environment_id, first.tenant_id
        self.second = create_environment(directory, first.tenant_id, "second")
        self.other = create_tenant(directory, "Other")
        place = {"tenant_id": first.tenant_id, "environment_id": first.environment_id}
        _, self.reader = make_caller(directory, "all_reader", **place)
        _, self.ingestor = make_caller(directory, "event_ingestor", "service_account", **place)
        self.admin, _ = make_caller(directory, "super_admin", email="admin@compatible.test", **place)
        limited, self.limited = make_caller(directory, "super_admin", email="limited@compatible.test", **place)
        digest = hashlib.sha256(b"lost").hexdigest()
        self.server = farthing_server.Server(
            directory,
            FARTHING_STATIC_KEYS=json.dumps({digest: {"tenant_id": "tenant_lost", "user_id": "u", "is_active": True}}),
            FARTHING_ENVIRONMENT_ALLOW_LIST=json.dumps({first.tenant_id: {limited: [first.environment_id]}}),
        )
        self.client = Client(self.server.address, first.api_key)

    def stop(self):
        self.client.close()
        self.server.stop()

    def path(self, external_id="x"):
        reply = self.client.post("/v1/customers", {**CUSTOMER, "external_id": external_id})
        assert reply.status in (201, 409)
        return f"/v1/customers/external/{external_id}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("compatibility") / "data")
    yield world
    world.stop()


def post(path, body):
    return lambda world: world.client.post(path, body)


def conditions(*conditions):
    return post("/v1/customers/search", {"filters": conditions})


def escaped_slash(world):
    world.path("a/b")
    return world.client.get("/v1/customers/external/a%2Fb")


def deleted_key(world):
    made = world.client.post("/v1/secrets/api/keys", {"name": "x", "type": "private_key"}).json()
    assert delete(world.client, f"/v1/secrets/api/keys/{made['secret']['id']}").status == 204
    return world.client.get("/v1/users/me", key=made["api_key"])


def environments(world):
    replies = [world.client.post("/v1/environments", {"name": "x", "type": kind}) for kind in ["development"] * 2]
    assert {reply.status for reply in replies} == {201}
    return world.client.post("/v1/environments", {"name": "x", "type": "production"})


def archived_account(world):
    account = world.client.post("/v1/users", {"type": "service_account", "roles": ["event_reader"]}).json()["id"]
    assert delete(world.client, f"/v1/users/{account}").status == 204
    return world.client.post("/v1/secrets/api/keys", {"name": "x", "type": "private_key", "service_account_id": account})


def narrow_key(world):
    key = make_key(world.directory, world.admin, world.environment_id, "--role", "all_writer")
    return world.client.post("/v1/secrets/api/keys", {"name": "x", "type": "private_key"}, key=key)


def taken_email(world):
    return world.client.post("/v1/users", {"type": "user", "email": "admin@compatible.test"}, key=world.other.api_key)


def portal_link(world, key=...):
    return world.client.get(world.path("portal").replace("external", "portal"), key=key)


def portal_change(world):
    token = portal_link(world).json()["token"]
    return put(world.client, "/v1/customer/portal/info", {"name": "Y"}, key=None, headers={"X-Session-Token": token})


def change(**members):
    """A change of a customer that never had metadata."""
    return lambda world: put(world.client, f"/v1/customers/{new_customer(world)['id']}", members)


def new_customer(world):
    return world.client.create({**CUSTOMER, "external_id": f"new {next(NUMBERS)}"})


def deleted_customer(world):
    customer = new_customer(world)
    token = world.client.get(f"/v1/customers/portal/{quote(customer['external_id'])}").json()["token"]
    assert delete(world.client, f"/v1/customers/{customer['id']}").status == 204
    return customer, token


def change_of_deleted(world):
    customer, _ = deleted_customer(world)
    return put(world.client, f"/v1/customers/{customer['id']}", {"name": "Y"})


def session_of_deleted(world):
    _, token = deleted_customer(world)
    return world.client.get("/v1/customer/portal/info", key=None, headers={"X-Session-Token": token})


def sign_up(**members):
    return lambda world: world.client.post("/v1/auth/signup", {"email": "a@signup.test", **members}, key=None)


def second_sign_up(world):
    assert world.client.post("/v1/users", {"type": "user", "email": "has.password@signup.test"}).status in (201, 409)
    return sign_up(password=PASSWORD)(world)


def stripe(world, **changes):
    return world.client.post("/v1/connections", connection_body("stripe", **changes))


def linked(world, external_id, provider="chargebee", provider_entity_id=None):
    """Links a customer, through a connection that is made when there is none."""
    world.client.post("/v1/connections", connection_body(provider))
    customer = world.client.get(world.path(external_id)).json()
    naming = {"entity_type": "customer", "entity_id": customer["id"], "provider_type": provider}
    ours = provider_entity_id or external_id
    return naming, world.client.post("/v1/integrations/link", {**naming, "provider_entity_id": ours})


def second_owner(world):
    linked(world, "owner", provider_entity_id="shared")
    return linked(world, "rival", provider_entity_id="shared")[1]


def link_of_nobody(world):
    naming, _ = linked(world, "owner")
    return world.client.post("/v1/integrations/link", {**naming, "entity_id": "cust_nobody", "provider_entity_id": "x"})


def delink_by_query(world):
    naming, _ = linked(world, "delinked")
    return delete(world.client, f"/v1/integrations/link?{urlencode(naming)}")


# The beginning of a row -> (what is sent, the status here).
DIFFERENCES = {
    "a path with a slash at its end": (lambda world: world.client.get(world.path() + "/"), 200),
    "`HEAD` of what can be got": (lambda world: world.client.request("HEAD", world.path()), 200),
    "a path whose parameter has an escaped slash": (escaped_slash, 200),
    "JSON with something behind it": (post("/v1/customers", b'{"external_id":"y","name":"Y"} x'), 400),
    "JSON that is not UTF-8": (post("/v1/customers", b'{"external_id":"y","name":"\xff"}'), 400),
    "a text with U+0000": (post("/v1/customers", {**CUSTOMER, "name": "a\0b"}), 400),
    "JSON nested deeper": (post("/v1/customers", b'{"external_id":"y","name":"Y","x":' + b"[" * 70 + b"]" * 70 + b"}"), 400),
    "a body larger than 10 MiB": (post("/v1/customers", b" " * (10 << 20) + b"{}"), 413),
    "headers larger than 32 KiB": (lambda world: world.client.get(world.path(), headers={"X-Long": "x" * (40 << 10)}), 431),
    "a URL longer than 16 KiB": (lambda world: world.client.get("/v1/customers/" + "x" * (17 << 10)), 414),
    "metadata of more than 256 keys": (post("/v1/customers", {**CUSTOMER, "metadata": {str(n): "" for n in range(257)}}), 400),
    "a read with a key whose roles": (lambda world: world.client.get(world.path(), key=world.ingestor), 403),
    "a key that was deleted a moment ago": (deleted_key, 401),
    "a key from the configuration whose tenant": (lambda world: world.client.get("/v1/users/me", key="lost"), 401),
    "a customer with `tax_rate_overrides`": (post("/v1/customers", {**CUSTOMER, "tax_rate_overrides": [{}]}), 400),
    "a change that empties a customer's `name`": (change(name="", external_id=""), 400),
    "a change that empties a customer's `email`": (change(email="", address_country=""), 200),
    "a change of a customer that was deleted": (change_of_deleted, 404),
    "a new `external_id`": (change(external_id="another"), 200),
    "a portal session of a customer": (session_of_deleted, 401),
    "a connection without a name": (lambda world: stripe(world, name=""), 400),
    "a connection to Stripe without": (lambda world: stripe(world, encrypted_secret_data={"account_id": "x"}), 400),
    "a connection with a secret that its": (
        lambda world: stripe(world, encrypted_secret_data={"secret_key": "x", "secret": "y"}), 400),
    "a list of connections with a `limit`": (lambda world: world.client.get("/v1/connections?limit=1001"), 400),
    "an id at a provider that another": (second_owner, 409),
    "a link of a customer that does not": (link_of_nobody, 404),
    "a link to a provider that the peer": (lambda world: linked(world, "linked")[1], 200),
    "delinking with query parameters": (delink_by_query, 200),
    "mappings of an entity with a key": (
        lambda world: world.client.get("/v1/integrations/mappings?entity_type=customer&entity_id=x", key=world.ingestor), 403),
    "an environment of another type": (post("/v1/environments", {"name": "x", "type": "staging"}), 400),
    "a first `production` environment": (environments, 201),
    "a list of environments with a negative": (lambda world: world.client.get("/v1/environments?limit=-1"), 400),
    "an environment that the allow-list keeps": (
        lambda world: world.client.get(f"/v1/environments/{world.second.environment_id}", key=world.limited), 403),
    "a key that expires in the past": (
        post("/v1/secrets/api/keys", {"name": "x", "type": "private_key", "expires_at": "2020-01-01T00:00:00Z"}), 400),
    "a key for an archived service account": (archived_account, 400),
    "a key made with a key that has fewer roles": (narrow_key, 403),
    "a list of keys with a `limit` outside": (lambda world: world.client.get("/v1/secrets/api/keys?limit=1001"), 400),
    "a search for users without any paging": (post("/v1/users/search", {}), 200),
    "a search for users sorted by": (post("/v1/users/search", {"sort": [{"field": "name"}]}), 400),
    "a list with `sort`": (lambda world: world.client.get("/v1/customers?sort=name"), 200),
    "a search for customers by the e-mail": (post("/v1/customers/search", {"email": "a@b.c"}), 200),
    "a condition whose `operator` there is not": (conditions({"field": "name", "operator": "like", "value": {"string": "x"}}), 400),
    "a condition without a `value`": (conditions({"field": "name", "operator": "eq"}), 400),
    "a condition whose `value` does not fit": (conditions({"field": "name", "operator": "contains", "value": {"number": 1}}), 400),
    "a condition whose operator does not fit": (
        conditions({"field": "created_at", "operator": "contains", "value": {"string": "2026"}}), 400),
    "a condition about a field that": (conditions({"field": "shoe_size", "operator": "eq", "value": {"string": "1"}}), 400),
    "a condition about `metadata`": (post("/v1/customers/search", {"sort": [{"field": "metadata"}]}), 400),
    "a search with more than 50 conditions": (
        conditions(*[{"field": "name", "operator": "eq", "value": {"string": "x"}}] * 51), 400),
    "a search with more than 8 fields": (post("/v1/customers/search", {"sort": [{"field": "name"}] * 9}), 400),
    "a user with an e-mail that another": (taken_email, 409),
    "a link to the portal with a key": (lambda world: portal_link(world, world.reader), 403),
    "a customer's own change": (portal_change, 200),
    "a login with an unknown e-mail": (
        lambda world: world.client.post("/v1/auth/login", {"email": "no@body.test", "password": PASSWORD}, key=None), 403),
    "a signup without a password": (sign_up(), 400),
    "a signup with a password of more": (sign_up(password="x" * 73), 400),
    "a signup when somebody has": (second_sign_up, 403),
}


def row_of(beginning):
    found = [row for row in rows("Status codes that differ") if row[0].startswith(beginning)]
    assert len(found) == 1, f"{beginning!r} is the beginning of {len(found)} rows"
    return found[0]


def test_every_row_is_tried():
    assert {row_of(beginning)[0] for beginning in DIFFERENCES} == {row[0] for row in rows("Status codes that differ")}


@pytest.mark.parametrize("beginning", DIFFERENCES)
def test_what_differs(world, beginning):
    send, status = DIFFERENCES[beginning]
    _, there, here = row_of(beginning)
    try:
        reply = send(world)
    except (BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
        reply = None
        assert status == 413
    finally:
        world.client.close()
    assert reply is None or reply.status == status, reply
    said = re.findall(r"\b[2-5]\d\d\b", here)
    assert said == [str(status)] or not said, "the document says otherwise"
    assert [str(status)] != re.findall(r"\b[2-5]\d\d\b", there), "that is no difference"


def test_every_route_beyond_the_contract_is_named(world):
    with AdminClient(world.directory) as admin:
        routes = admin.get("/admin/routes").json()["items"]
    served = {(route["method"], route["path"]) for route in routes if route["access"] in ("key", "portal", "public")}
    named = {tuple(route.strip("`").split(" ")) for route, *_ in rows("Routes that the contract does not have")}
    assert named == served - {(method, path) for method, path, _, _ in CONTRACT}
