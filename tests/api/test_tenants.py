"""/v1/tenants (conventions section 22.3)."""

import pytest

from expectations import INSTANT_IN_SECONDS, assert_error
from http_client import Client
from tenancy import put

UPDATE = "/v1/tenants/update"
ADDRESS = {
    "address_line1": "1 Main Street",
    "address_line2": "Floor 2",
    "address_city": "Berlin",
    "address_state": "BE",
    "address_postal_code": "10115",
    "address_country": "DE",
}
NO_ADDRESS = dict.fromkeys(ADDRESS, "")


@pytest.fixture
def path(shared):
    return f"/v1/tenants/{shared.credentials.tenant_id}"


def changed(api, body):
    reply = put(api, UPDATE, body)
    assert reply.status == 200, reply
    return reply.json()


def test_how_a_tenant_looks(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        tenant = client.get(f"/v1/tenants/{credentials.tenant_id}").json()
    assert set(tenant) == {"id", "name", "billing_details", "status", "created_at", "updated_at", "metadata"}
    assert tenant["id"] == credentials.tenant_id and tenant["name"] == "Farthing" and tenant["status"] == "published"
    assert tenant["metadata"] is None and tenant["billing_details"] == {"address": NO_ADDRESS}
    for key in ("created_at", "updated_at"):
        assert INSTANT_IN_SECONDS.fullmatch(tenant[key])


def test_only_ones_own(api, shared):
    for tenant_id in ("tenant_nobody", shared.credentials.tenant_id + "x", "billing2"):
        assert_error(api.get(f"/v1/tenants/{tenant_id}"), 403, "permission_denied")


def test_all_of_it(api, path):
    details = {"email": "bills@acme.test", "help_email": "help@acme.test", "phone": "+49 30 1", "address": ADDRESS}
    tenant = changed(api, {"name": "Acme", "metadata": {"a": "b"}, "billing_details": details})
    assert (tenant["name"], tenant["metadata"], tenant["billing_details"]) == ("Acme", {"a": "b"}, details)
    assert api.get(path).json() == tenant


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"metadata": None}])
def test_what_is_not_given_stays(api, body):
    details = {"email": "a@b.test", "address": ADDRESS}
    before = changed(api, {"name": "Stays", "metadata": {"k": "v"}, "billing_details": details})
    after = changed(api, body)
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}


def test_metadata_is_replaced(api):
    changed(api, {"metadata": {"a": "1", "b": "2"}})
    assert changed(api, {"metadata": {"c": None}})["metadata"] == {"c": ""}
    assert changed(api, {"metadata": {}})["metadata"] == {}


def test_billing_details_are_replaced_as_a_whole(api):
    changed(api, {"billing_details": {"email": "a@b.test", "phone": "1", "address": ADDRESS}})
    after = changed(api, {"billing_details": {"phone": "2"}})
    assert after["billing_details"] == {"phone": "2", "address": NO_ADDRESS}
    after = changed(api, {"billing_details": {"address": {"address_city": "Bonn"}}})
    assert after["billing_details"] == {"address": {**NO_ADDRESS, "address_city": "Bonn"}}


@pytest.mark.parametrize("cleared", [None, {}, {"address": None}])
def test_billing_details_can_be_cleared(api, cleared):
    changed(api, {"billing_details": {"email": "a@b.test", "address": ADDRESS}})
    assert changed(api, {"billing_details": cleared})["billing_details"] == {"address": NO_ADDRESS}


@pytest.mark.parametrize(
    "body, path, reason",
    [
        ({"name": "x" * 101}, "name", "must be at most 100 characters long"),
        ({"metadata": {"a": 1}}, "metadata.a", "must be a string, not number"),
        ({"billing_details": []}, "billing_details", "must be an object, not array"),
        ({"billing_details": {"address": 1}}, "billing_details.address", "must be an object, not number"),
        *[
            ({"billing_details": {"address": {name: "x" * (length + 1)}}}, f"billing_details.address.{name}",
             f"must be at most {length} characters long")
            for name, length in [("address_line1", 255), ("address_line2", 255), ("address_city", 100),
                                 ("address_state", 100), ("address_postal_code", 20)]
        ],
        ({"billing_details": {"address": {"address_country": "XX"}}}, "billing_details.address.address_country", "must be"),
        ({"billing_details": {"address": {"address_country": "de"}}}, "billing_details.address.address_country", "must be"),
        ({"billing_details": {"address": {"address_country": "DEU"}}}, "billing_details.address.address_country", "must be"),
    ],
)
def test_a_bad_change(api, path, body, reason):
    own = api.get("/v1/users/me").json()["tenant"]
    details = assert_error(put(api, UPDATE, body), 400, "validation_error")
    assert details[path].startswith(reason), details
    assert api.get("/v1/users/me").json()["tenant"] == own


def test_all_that_is_wrong_is_told_at_once(api):
    body = {"name": 7, "billing_details": {"email": 1, "address": {"address_city": 2, "address_country": "XX"}}}
    details = assert_error(put(api, UPDATE, body), 400, "validation_error")
    assert {"name", "billing_details.email", "billing_details.address.address_city",
            "billing_details.address.address_country"} <= set(details)


@pytest.mark.parametrize("path", ["/v1/tenants/billing", "/v1/tenant/billing"])
def test_nobody_bills_the_tenants(api, path):
    reply = api.get(path)
    assert reply.status == 200 and reply.json() == {"usage": None, "subscriptions": None}
