"""Tenants that are customers of one of them: the settings billing-tenant-id and billing-environment-id."""

import itertools
import json

import pytest

import engine
import farthing_server
from crash_checks import stored_customers
from expectations import assert_error
from farthing_server import create_environment, create_tenant, run, run_ok, wait_until
from http_client import Client
from tenancy import bare_tenants, delete, put
from test_openapi import operation_of, schema_of, violations

PATHS = ["/v1/tenants/billing", "/v1/tenant/billing"]
NOTHING = {"usage": None, "subscriptions": None}
OPEN = ("--signup", "open", "--login-failures-per-address", 0)
SOON_SECONDS = 10  # a tenth of a second as a rule, and far less than the minute after which it is looked for anyway
NUMBERS = itertools.count(1)


def billed_by(credentials):
    return ("--billing-tenant-id", credentials.tenant_id, "--billing-environment-id", credentials.environment_id)


class Biller:
    """A server whose first tenant bills the others."""

    def __init__(self, directory, start):
        self.directory, self.start_server = directory, start
        self.credentials = farthing_server.init(directory)
        self.server = None

    def start(self, *arguments):
        self.server = self.start_server(self.directory, *OPEN, *arguments)
        return self

    def start_billing(self):
        return self.start(*billed_by(self.credentials))

    def get(self, path, **options):
        with Client(self.server.address, self.credentials.api_key) as client:
            return client.get(path, **options)

    def put(self, path, body):
        with Client(self.server.address, self.credentials.api_key) as client:
            return put(client, path, body)

    def customer(self, tenant_id):
        """The customer that a tenant is; None: it is none."""
        reply = self.get(f"/v1/customers/external/{tenant_id}")
        assert reply.status in (200, 404), reply
        return reply.json() if reply.status == 200 else None

    def wait_for(self, tenant_id):
        wait_until(lambda: self.customer(tenant_id), SOON_SECONDS, "the tenant to be a customer")
        return self.customer(tenant_id)

    def customers(self):
        """The external ids of all of them, in any status."""
        found = [self.get(f"/v1/customers?limit=1000&status={status}").json() for status in ("published", "archived")]
        return sorted(customer["external_id"] for page in found for customer in page["items"])

    def sign_up(self, **members):
        """(the new tenant's id, the token of who opened it)"""
        body = {"email": f"ada{next(NUMBERS)}@acme.test", "password": "correct horse battery", **members}
        with Client(self.server.address) as client:
            reply = client.post("/v1/auth/signup", body)
        assert reply.status == 200, reply
        return reply.json()["tenant_id"], reply.json()["token"]

    def create_tenant(self, name):
        return json.loads(run_ok("tenant", "create", name, "--data", self.directory, "--json"))["tenant"]["id"]

    def operate(self, *arguments):
        run_ok(*arguments, "--data", self.directory)

    def billing(self, token, path=PATHS[0]):
        """As the tenant sees it."""
        with Client(self.server.address) as client:
            reply = client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert reply.status == 200, reply
        return reply.json()

    def wait_for_look(self):
        """Until the housekeeping has looked at the newest tenants after now: one that is opened now becomes a customer."""
        return self.wait_for(self.create_tenant(f"Marker {next(NUMBERS)}"))["external_id"]


@pytest.fixture
def biller(directory, start_server):
    return Biller(directory, start_server)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """One for the tests that leave the server as it is."""
    biller = Biller(tmp_path_factory.mktemp("billing") / "data", farthing_server.Server).start_billing()
    yield biller
    biller.server.stop()


# --- becoming a customer ---------------------------------------------------------------------------------------


def test_who_signs_up_becomes_a_customer(running):
    tenant_id, token = running.sign_up(email="Grace@Acme.test", tenant_name="Grace & söhne \"Ltd\"")
    customer = running.wait_for(tenant_id)
    assert (customer["name"], customer["email"]) == ('Grace & söhne "Ltd"', "grace@acme.test")
    assert customer["environment_id"] == running.credentials.environment_id
    assert customer["tenant_id"] == running.credentials.tenant_id
    assert (customer["status"], customer["timezone"], customer["metadata"]) == ("published", "UTC", None)
    assert customer["created_by"] == ""
    usage = {"customer_id": customer["id"], "features": [], "period": None}
    for path in PATHS:
        assert running.billing(token, path) == {"usage": usage, "subscriptions": []}


def test_the_trail_says_that_the_system_did_it(running):
    customer = running.wait_for(running.sign_up()[0])
    (row,) = running.get(f"/v1/activity?entity_type=customer&entity_id={customer['id']}").json()["items"]
    assert (row["action"], row["actor_id"]) == ("created", "")


def test_an_operator_s_tenant_becomes_one_too(running):
    tenant_id = running.create_tenant("Made by hand")
    customer = running.wait_for(tenant_id)
    assert (customer["name"], customer["email"]) == ("Made by hand", "")


def test_the_reply_is_as_it_is_described(running):
    tenant_id, token = running.sign_up()
    running.wait_for(tenant_id)
    document = running.get("/openapi.json").json()
    for operation_id, path in zip(["getTenantBillingUsageOfTenants", "getTenantBillingUsage"], PATHS):
        schema = schema_of(document, operation_of(document, operation_id)["responses"]["200"])
        of_customer, of_biller = running.billing(token, path), running.get(path).json()
        assert of_biller == NOTHING and of_customer["usage"]
        for body in (of_customer, of_biller):
            assert list(violations(document, schema, body)) == []
        assert list(violations(document, schema, {"usage": {"customer_id": None}, "subscriptions": 1})) != []


def test_a_change_of_the_tenant_is_not_one_of_the_customer(running):
    tenant_id, token = running.sign_up(tenant_name="Before")
    customer = running.wait_for(tenant_id)
    with Client(running.server.address) as client:
        changed = put(client, "/v1/tenants/update", {"name": "After"}, headers={"Authorization": f"Bearer {token}"})
    assert changed.status == 200
    running.wait_for_look()
    assert running.customer(tenant_id) == customer


def test_an_archived_customer_is_not_made_again(running):
    tenant_id, token = running.sign_up()
    customer = running.wait_for(tenant_id)
    with Client(running.server.address, running.credentials.api_key) as client:
        assert delete(client, f"/v1/customers/{customer['id']}").status == 204
    running.wait_for_look()
    assert running.customer(tenant_id) is None and running.customers().count(tenant_id) == 1
    assert running.billing(token) == NOTHING


def test_another_external_id_makes_no_other_customer(running):
    tenant_id, token = running.sign_up()
    customer = running.wait_for(tenant_id)
    assert running.put(f"/v1/customers/{customer['id']}", {"external_id": f"own of {tenant_id}"}).status == 200
    running.wait_for_look()
    assert running.customer(tenant_id) is None
    assert running.billing(token)["usage"]["customer_id"] == customer["id"]


def test_an_erased_customer_is_made_again_unless_the_tenant_is_suspended(running):
    kept, suspended = running.sign_up()[0], running.sign_up()[0]
    customers = [running.wait_for(tenant_id) for tenant_id in (kept, suspended)]
    running.operate("tenant", "suspend", suspended)
    for customer in customers:
        running.operate("customer", "erase", customer["id"], "--yes")
    running.wait_for_look()
    assert running.wait_for(kept)["id"] != customers[0]["id"]
    assert running.customer(suspended) is None


# --- tenants from before ---------------------------------------------------------------------------------------


def test_tenants_that_are_there_become_customers_once_it_is_asked_for(biller):
    own = biller.credentials.tenant_id
    tenants, statement = bare_tenants(own, 60)  # more than are looked at at once
    engine.change(biller.directory, statement)
    mine, suspended = tenants[3], tenants[4]
    biller.start()
    with Client(biller.server.address, biller.credentials.api_key) as client:
        own_customer = client.create({"external_id": mine, "name": "Known for long"})
    biller.operate("tenant", "suspend", suspended)
    assert biller.get(PATHS[0]).json() == NOTHING
    biller.server.stop()
    biller.start_billing()
    biller.wait_for(tenants[0])  # although nothing was heard of tenants since
    marker = biller.wait_for_look()
    expected = {*tenants, marker} - {suspended}
    assert biller.customers() == sorted(expected) and own not in expected
    assert {**biller.customer(mine), "integrations": []} == {**own_customer, "integrations": []}
    biller.operate("tenant", "resume", suspended)
    biller.wait_for(suspended)
    biller.server.stop()
    biller.start_billing()
    expected = {*tenants, marker, biller.wait_for_look()}
    assert biller.customers() == sorted(expected)


def test_another_environment_has_customers_of_its_own(biller):
    tenant_id = create_tenant(biller.directory, "Acme").tenant_id
    second = create_environment(biller.directory, biller.credentials.tenant_id, "second")
    biller.start_billing()
    biller.wait_for(tenant_id)
    biller.server.stop()
    first, biller.credentials = biller.credentials, second
    second.tenant_id = first.tenant_id
    biller.start_billing()
    assert biller.wait_for(tenant_id)["environment_id"] == second.environment_id
    with Client(biller.server.address, first.api_key) as client:
        assert client.get("/v1/customers").json()["pagination"]["total"] == 1


# --- a crash in between ----------------------------------------------------------------------------------------


def test_a_kill_behind_the_sign_up_loses_no_customer(biller):
    tenants = []
    for is_billed in (False, True, True, False, True):
        biller.start_billing() if is_billed else biller.start()
        tenants += [biller.sign_up()[0] for _ in range(2)]
        biller.server.kill()
    biller.start_billing()
    for tenant_id in tenants:
        biller.wait_for(tenant_id)
    expected = sorted([*tenants, biller.wait_for_look()])
    assert biller.customers() == expected
    biller.server.stop()
    assert sorted(stored_customers(biller.directory)) == expected


# --- the settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given, missing", [("billing-tenant-id", "billing-environment-id"), ("billing-environment-id", "billing-tenant-id")])
def test_one_setting_needs_the_other(directory, given, missing):
    process = run("serve", "--data", directory, f"--{given}", "x")
    assert process.returncode == 2
    assert process.stderr == f"farthing: {given} (flag) needs {missing} as well\n"
    assert not directory.exists()


def test_the_settings_have_the_peer_s_names_as_well():
    process = run("config", "show", "--json", FLEXPRICE_BILLING_TENANT_ID="t", FLEXPRICE_BILLING_ENVIRONMENT_ID="e")
    shown = {setting["name"]: setting["value"] for setting in json.loads(process.stdout)["settings"]}
    assert (shown["billing-tenant-id"], shown["billing-environment-id"]) == ("t", "e")


def test_an_environment_that_is_not_there_stops_the_start(biller):
    other = create_tenant(biller.directory, "Other")
    own = biller.credentials
    for tenant_id, environment_id in [
        (own.tenant_id, "env_nobody"),
        ("tenant_nobody", own.environment_id),
        (own.tenant_id, other.environment_id),
        (own.environment_id, own.tenant_id),
    ]:
        process = run(
            "serve", "--data", biller.directory, "--listen", "127.0.0.1:0",
            "--billing-tenant-id", tenant_id, "--billing-environment-id", environment_id,
        )  # fmt: skip
        assert process.returncode == 2, process
        said = [line for line in process.stderr.splitlines() if line.startswith("farthing: ")]
        assert said == [
            f"farthing: the setting billing-environment-id: the tenant {tenant_id} has no environment {environment_id}; "
            "`farthing environment list` shows which there are"
        ]


def test_nobody_else_sees_the_customers(running):
    tenant_id, token = running.sign_up()
    customer = running.wait_for(tenant_id)
    other_id, other_token = running.sign_up()
    running.wait_for(other_id)
    assert running.billing(other_token)["usage"]["customer_id"] != customer["id"]
    with Client(running.server.address) as client:
        environments = client.get("/v1/environments", headers={"Authorization": f"Bearer {token}"}).json()
        headers = {"Authorization": f"Bearer {token}", "X-Environment-ID": environments["environments"][0]["id"]}
        assert_error(client.get(f"/v1/customers/{customer['id']}", headers=headers), 404, "not_found")
