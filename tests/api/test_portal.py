"""Links to the customer portal, and what customers do there (conventions section 3.5, 10-customers section 12)."""

import base64
import json
import time
from datetime import datetime
from urllib.parse import quote

import pytest

import farthing_server
from expectations import CUSTOMER_KEYS, INSTANT_IN_SECONDS, assert_error
from farthing_server import create_tenant, run_ok
from http_client import Client
from tenancy import put

INFO = "/v1/customer/portal/info"
BODY = {"name": "Acme", "email": "a@acme.test", "metadata": {"a": "b"}}


def link_path(customer):
    return "/v1/customers/portal/" + quote(customer["external_id"], safe="")


def link(client, customer, method="GET"):
    reply = client.request(method, link_path(customer))
    assert reply.status == 200, reply
    return reply.json()


def session(token):
    return {"key": None, "headers": {"X-Session-Token": token}}


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.fixture
def customer(api, new_external_id):
    return api.create({"external_id": new_external_id(), **BODY})


# --- a link ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link(api, customer, method):
    before = int(time.time())
    made = link(api, customer, method)
    assert set(made) == {"url", "token", "expires_at"}
    assert made["url"] == f"http://localhost:3000?token={made['token']}"
    assert INSTANT_IN_SECONDS.fullmatch(made["expires_at"])
    expires_at = datetime.fromisoformat(made["expires_at"].replace("Z", "+00:00")).timestamp()
    assert before + 3600 <= expires_at <= time.time() + 3600
    said = claims(made["token"])
    assert said["exp"] == expires_at and said["exp"] - said["iat"] == 3600
    assert {said["typ"], said["aud"]} == {"portal"}
    named = {"customer_id": "id", "external_customer_id": "external_id", "tenant_id": "tenant_id",
             "environment_id": "environment_id"}
    assert {claim: said[claim] for claim in named} == {claim: customer[member] for claim, member in named.items()}


def test_an_external_id_of_any_form(api):
    customer = api.create({"external_id": "a/b c?d#e%2F", "name": "Acme"})
    assert claims(link(api, customer)["token"])["external_customer_id"] == customer["external_id"]


def test_a_customer_that_is_not_there(api):
    for method in ("GET", "POST"):
        reply = api.request(method, "/v1/customers/portal/nobody")
        assert_error(reply, 404, "not_found", {"lookup_key": "nobody"})


def test_where_the_portal_is_and_for_how_long(initialised, start_server):
    directory, credentials = initialised
    server = start_server(
        directory, "--portal-url", "https://portal.acme.test/app", "--portal-token-hours", 48, "--portal-token-in-fragment"
    )
    with Client(server.address, credentials.api_key) as client:
        made = link(client, client.create({"external_id": "a", "name": "A"}))
    assert made["url"] == f"https://portal.acme.test/app#token={made['token']}"
    assert claims(made["token"])["exp"] - claims(made["token"])["iat"] == 48 * 3600


@pytest.mark.parametrize(
    "arguments",
    [
        ["--portal-url", "portal.acme.test"], ["--portal-url", "https://acme.test/?a"], ["--portal-url", "https://acme.test/#a"],
        ["--portal-url", "https://acme.test/a b"], ["--portal-token-hours", "0"], ["--portal-token-hours", "9000"],
    ],
)
def test_settings_that_cannot_be(tmp_path, arguments):
    said = farthing_server.run("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *arguments)
    assert said.returncode == 2 and f"{arguments[0]} must be" in said.stderr


# --- the customer ----------------------------------------------------------------------------------------------


def test_who_one_is(api, customer):
    reply = api.get(INFO, **session(link(api, customer)["token"]))
    assert reply.status == 200 and reply.json() == customer
    assert set(reply.json()) == CUSTOMER_KEYS


def test_what_customers_change_of_themselves(api, customer):
    options = session(link(api, customer)["token"])
    change = {
        "name": "Other", "email": "other@acme.test", "contact": "+49 30 1", "timezone": "Europe/Berlin",
        "address_line1": "1", "address_line2": "2", "address_city": "3", "address_state": "4", "address_postal_code": "5",
        "address_country": "DE",
    }
    changed = put(api, INFO, change, **options)
    assert changed.status == 200
    assert changed.json() == {**customer, **change, "updated_at": changed.json()["updated_at"], "updated_by": customer["id"]}
    assert api.get(INFO, **options).json() == changed.json()
    assert api.get(f"/v1/customers/{customer['id']}").json() == {**changed.json(), "integrations": []}


@pytest.mark.parametrize(
    "body",
    [
        {"external_id": "stolen"}, {"metadata": {"a": "c"}}, {"external_id": 7, "metadata": 7, "status": "archived"},
        {"tenant_id": "x", "environment_id": "x", "id": "x", "integration_entity_mapping": [{}]},
    ],
)
def test_what_is_not_theirs_to_change_is_not_looked_at(api, customer, body):
    options = session(link(api, customer)["token"])
    reply = put(api, INFO, {**body, "name": "Other"}, **options)
    assert reply.status == 200 and reply.json()["name"] == "Other"
    for member in ("external_id", "metadata", "status", "id", "tenant_id", "environment_id"):
        assert reply.json()[member] == customer[member]


@pytest.mark.parametrize(
    "body, details",
    [
        ({"name": ""}, {"name"}), ({"name": "x" * 256}, {"name"}), ({"email": "nonsense"}, {"email"}),
        ({"contact": "x" * 21}, {"contact"}), ({"timezone": "Mars"}, {"timezone"}), ({"timezone": ""}, {"timezone"}),
        ({"address_country": "XX", "address_line1": "x" * 256}, {"address_country", "address_line1"}),
        ({"name": 1}, {"name", "field", "expected"}),
    ],
)
def test_a_bad_change(api, customer, body, details):
    options = session(link(api, customer)["token"])
    assert_error(put(api, INFO, body, **options), 400, "validation_error", details)
    assert api.get(INFO, **options).json() == customer


def test_one_customer_is_not_another(api, customer, new_external_id):
    other = api.create({"external_id": new_external_id(), "name": "Other"})
    token = link(api, customer)["token"]
    assert api.get(INFO, **session(token)).json()["id"] == customer["id"]
    assert api.get(INFO, **session(link(api, other)["token"])).json()["id"] == other["id"]


# --- sessions that are none ------------------------------------------------------------------------------------


def test_a_token_of_another_server(api, customer, tmp_path, start_server):
    directory = tmp_path / "data"
    credentials = farthing_server.init(directory)
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        token = link(client, client.create({"external_id": "a", "name": "A"}))["token"]
        assert client.get(INFO, **session(token)).status == 200
    assert_error(api.get(INFO, **session(token)), 401, "permission_denied")


def test_a_login_is_no_session(initialised, start_server):
    directory, _ = initialised
    server = start_server(directory)
    with Client(server.address) as client:
        body = {"email": "first@portal.test", "password": "a long password"}
        token = client.post("/v1/auth/signup", body).json()["token"]
        assert_error(client.get(INFO, **session(token)), 401, "permission_denied")
        assert_error(client.get(INFO, key=None, headers={"Authorization": f"Bearer {token}"}), 401, "permission_denied")


def test_a_suspended_tenants_customers_read_and_do_not_write(initialised, start_server):
    directory, _ = initialised
    tenant = create_tenant(directory, "Acme")
    server = start_server(directory)
    with Client(server.address, tenant.api_key) as client:
        customer = client.create({"external_id": "a", "name": "A"})
        options = session(link(client, customer)["token"])
        run_ok("tenant", "suspend", "--data", directory, "Acme")
        assert client.get(INFO, **options).json() == customer
        for body in ({"name": "B"}, b"{"):
            assert_error(put(client, INFO, body, **options), 403, "permission_denied")
        # A link is an act for the customer: reading alone does not make one.
        assert_error(client.get(link_path(customer)), 403, "permission_denied")
        run_ok("tenant", "resume", "--data", directory, "Acme")
        assert put(client, INFO, {"name": "B"}, **options).json()["name"] == "B"
