"""docs/integrations.md: its commands do what it says, and its table is that of the providers."""

import json
import re

import pytest

import farthing_server
from expectations import assert_error
from farthing_server import REPOSITORY
from http_client import Client
from providers import SECRETS, connection_body

DOCUMENT = (REPOSITORY / "docs/integrations.md").read_text()
COMMAND = re.compile(r"http://127\.0\.0\.1:8080(\S+)[^']*-d '([^']*)'")
ROW = re.compile(r"\| `(\w+)` \| (.*) \| (.*) \|")
PROVIDERS = {name: [re.findall(r"`(\w+)`", cell) for cell in cells] for name, *cells in ROW.findall(DOCUMENT)}
PATH = "/v1/connections"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    directory = tmp_path_factory.mktemp("document") / "data"
    credentials = farthing_server.init(directory)
    server = farthing_server.Server(directory)
    with Client(server.address, credentials.api_key) as client:
        yield client
    server.stop()


def test_the_commands(client):
    create, connect, link = [(path, json.loads(body)) for path, body in COMMAND.findall(DOCUMENT)]
    created = client.post(*create)
    assert created.status == 201
    assert [entry["provider_entity_id"] for entry in created.json()["integrations"]] == ["cus_42"]
    path, body = link
    linking = {**body, "entity_id": created.json()["id"]}
    assert_error(client.post(path, linking), 400)
    assert client.post(*connect).status == 201
    assert client.post(path, linking).status == 200
    found = client.get(f"/v1/customers/{linking['entity_id']}").json()["integrations"]
    assert {entry["provider_entity_id"] for entry in found} == {"cus_42", "ctm_42"}


def test_the_table_has_every_provider():
    assert set(PROVIDERS) == set(SECRETS)


@pytest.mark.parametrize("provider", sorted(set(SECRETS) - {"flexprice"}))
def test_the_secrets_of_a_provider(client, provider):
    needed, allowed = PROVIDERS[provider]
    body = connection_body(provider, encrypted_secret_data={"nonsense": "x"})
    details = assert_error(client.post(PATH, body), 400)
    names = details["encrypted_secret_data.nonsense"].removeprefix(f"is no secret of {provider}, which has ").split(", ")
    assert sorted(names) == sorted(needed + allowed)
    missing = assert_error(client.post(PATH, {**body, "encrypted_secret_data": {}}), 400)
    assert set(missing) == {f"encrypted_secret_data.{name}" for name in needed}


def test_flexprice_has_any_secret(client):
    assert "| any |" in DOCUMENT
    assert client.post(PATH, connection_body("flexprice", encrypted_secret_data={"nonsense": "x"})).status == 201
