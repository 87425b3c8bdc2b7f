"""Tenants that are customers of one of them, on several servers: each becomes one once, whichever server sees to it."""

import contextlib
import json

import pytest

from farthing_server import wait_until
from tenancy import bare_tenants

SOON_SECONDS = 10
TENANTS = 60  # more than are looked at at once


@pytest.fixture
def billed(place):
    """(place, two nodes that do not run yet, whose first tenant bills the others)"""
    own = place.credentials
    flags = ("--billing-tenant-id", own.tenant_id, "--billing-environment-id", own.environment_id, "--signup", "open")
    return place, *(place.new_node(*flags, "--metrics-listen", "127.0.0.1:0") for _ in range(2))


def create_tenant(node, name):
    return json.loads(node.command("tenant", "create", name, "--json"))["tenant"]["id"]


def customers(place):
    return [external_id for (external_id,) in place.rows("SELECT external_id FROM customers ORDER BY external_id")]


def wait_for(place, tenants):
    wait_until(lambda: set(tenants) <= set(customers(place)), SOON_SECONDS, "the tenants to be customers")
    assert customers(place) == sorted(tenants)


def failures(node):
    return node.metric("farthing_housekeeping_failures_total", job="tenant_customers")


def test_two_that_find_the_same_tenants_at_once(billed):
    place, one, other = billed
    tenants, statement = bare_tenants(place.credentials.tenant_id, TENANTS)
    place.sql(statement)
    with contextlib.closing(place.session()) as keeper:
        keeper.sql("BEGIN; LOCK TABLE customers IN EXCLUSIVE MODE")
        one.start()
        other.start()
        place.wait_for_blocked(2)
        keeper.sql("COMMIT")
    wait_for(place, tenants)
    more = [create_tenant(one, "One"), create_tenant(other, "Other")]
    wait_for(place, tenants + more)
    assert (failures(one), failures(other)) == (0, 0)
    assert set(place.stored()) == {*tenants, *more}


def test_a_tenant_that_is_opened_where_nobody_bills(billed):
    place, one, _ = billed
    place.node()
    one.start()
    wait_for(place, [create_tenant(place.node(), "Acme")])


def test_signing_up_does_not_fail_with_it(billed):
    place, one, _ = billed
    refusal = place.on_change("BEFORE INSERT ON customers", "RAISE EXCEPTION 'not now';")
    one.start()
    with one.client() as client:
        reply = client.post("/v1/auth/signup", {"email": "ada@acme.test", "password": "correct horse battery"})
    assert reply.status == 200
    wait_until(lambda: failures(one) > 0, SOON_SECONDS, "the customer to be refused")
    assert customers(place) == []
    place.sql(f"DROP FUNCTION {refusal} CASCADE")
    wait_for(place, [reply.json()["tenant_id"]])
