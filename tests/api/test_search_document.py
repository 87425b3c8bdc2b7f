"""docs/search.md says what can be asked: its examples are sent, and its tables are held against what is served."""

import json
import re

import pytest

import farthing_server
from expectations import assert_error
from farthing_server import REPOSITORY
from http_client import Client
from providers import connect
from test_openapi import operation_of, resolve, schema_of

DOCUMENT = (REPOSITORY / "docs/search.md").read_text()
SEARCH = "/v1/customers/search"
# ```json [POST PATH] [STATUS]: a body.
BODY = re.compile(r"^```json(?: POST (\S+))?(?: (\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUERIES = re.compile(r"^```http\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUERY = re.compile(r"GET (\S+)(?: -> (\d+))?")
BODIES = [(path or SEARCH, int(status or 200), json.loads(text)) for path, status, text in BODY.findall(DOCUMENT)]
LINES = [QUERY.fullmatch(line).groups() for block in QUERIES.findall(DOCUMENT) for line in block.splitlines()]

EUROPE = {"metadata": {"tier": "gold", "region": "EU"}, "address_country": "DE", "address_city": "Berlin"}
ACME = {"external_id": "acme", "name": "Acme GmbH", "email": "AP@acme.example", **EUROPE}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """What every example finds something of."""
    directory = tmp_path_factory.mktemp("document") / "data"
    credentials = farthing_server.init(directory)
    server = farthing_server.Server(directory)
    with Client(server.address, credentials.api_key) as client:
        client.directory = directory
        client.create(ACME)
        client.create({"external_id": "globex", "name": "Globex", "contact": "+1 555"})
        connect(client, "stripe")
        assert client.post("/v1/users", {"type": "service_account", "roles": ["event_reader"]}).status == 201
        yield client
    server.stop()


def assert_found(reply, status):
    if status != 200:
        assert_error(reply, status, "validation_error")
        return
    assert reply.status == 200, reply
    page = reply.json()
    assert page.get("pagination", page)["total"] > 0, "an example that finds nothing shows nothing"


@pytest.mark.parametrize("path, status, body", BODIES, ids=lambda value: json.dumps(value)[:60])
def test_a_body(client, path, status, body):
    assert_found(client.post(path, body), status)


@pytest.mark.parametrize("path, status", LINES)
def test_a_query(client, path, status):
    assert_found(client.get(path), int(status or 200))


def table(head):
    """The rows of the table whose first column has that title."""
    rows = DOCUMENT.split(f"\n| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return [row.strip("| ").split(" | ") for row in rows]


def words(cell):
    return re.findall(r"`(\w+)`", cell)


def told(client, field, operator="?"):
    """The operators that the server names for a field; the fields, for one that there is not."""
    body = {"filters": [{"field": field, "operator": operator, "value": {}}]}
    (reason,) = [reason for name, reason in client.post(SEARCH, body).json()["details"].items() if name.startswith("filters")]
    return reason.split("must be one of ")[-1].split(", ")


def test_a_field_that_there_is_not_is_told_all_that_there_are(client):
    """bug: environment_id and tenant_id, which are taken, were not among them."""
    fields = {name for names, _ in table("field") for name in words(names)}
    assert set(told(client, "shoe_size")) == fields
    said = client.post(SEARCH, {"sort": [{"field": "shoe_size"}]}).json()["details"]["sort[0]"]
    assert set(said.removeprefix("must be one of ").split(", ")) == fields
    refused = farthing_server.run("customer", "search", "shoe_size eq x", "--data", client.directory)
    assert set(refused.stderr.strip().split("which are ")[1].split(", ")) == fields


def test_the_examples_are_of_every_operator_and_member(client):
    document = client.get("/openapi.json", key=None).json()
    body = schema_of(document, operation_of(document, "queryCustomer")["requestBody"])
    condition = resolve(document, body["properties"]["filters"]["items"])
    used = {entry["operator"] for _, status, body in BODIES if status == 200 for entry in body.get("filters", [])}
    assert used == set(condition["properties"]["operator"]["enum"])
    members = {name for row in table("member") for name in words(row[0])}
    assert members == set(body["properties"])
    parameters = {entry["name"] for entry in operation_of(document, "listCustomers")["parameters"]}
    assert members == parameters


def test_the_operators_of_each_type(client):
    of_type = {}
    for kind, operators, _ in table("type of the field"):
        of_type.setdefault(kind, []).extend(words(operators))
    fields = {name: kind for names, kind in table("field") for name in words(names)}
    for field, kind in fields.items():
        assert sorted(told(client, field)) == sorted(of_type[kind]), field


@pytest.mark.parametrize("direction", ["asc", "ASC", "down", "DESC", "", None])
def test_any_other_word_is_ascending(client, direction):
    body = {"sort": [{"field": "name", "direction": direction}]}
    assert [item["name"] for item in client.post(SEARCH, body).json()["items"]] == ["Acme GmbH", "Globex"]


def test_which_offset_comes_back(client):
    """The next one, but for connections and environments."""
    page = "limit=1&offset=2"
    for path in ("/v1/customers", "/v1/secrets/api/keys", "/v1/activity"):
        assert client.get(f"{path}?{page}").json()["pagination"]["offset"] == 3
    assert client.post("/v1/users/search", {"limit": 1, "offset": 2}).json()["pagination"]["offset"] == 3
    for path in ("/v1/connections", "/v1/environments"):
        assert client.get(f"{path}?{page}").json()["offset"] == 2
