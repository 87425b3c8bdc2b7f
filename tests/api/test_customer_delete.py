"""DELETE /v1/customers/{id} (10-customers section 7): a customer is archived, and its external id is free again."""

import pytest

from expectations import assert_common_headers, assert_error, instant
from farthing_server import fixture
from http_client import Client
from tenancy import delete, put
from test_customer_update import events_of, path_of, payloads_of, without_stamps
from test_portal import INFO, link, session


@pytest.fixture
def customer(api, new_external_id):
    return api.create({"external_id": new_external_id(), "name": "Acme", "metadata": {"a": "b"}})


def removed(api, customer):
    reply = delete(api, path_of(customer))
    assert reply.status == 204 and reply.body == b"", reply
    assert_common_headers(reply)
    return api.get(path_of(customer)).json()


def test_example_8(api):
    customer = api.create({"external_id": "acme", "name": "Acme"})
    archived = removed(api, customer)
    assert archived["status"] == "archived"
    assert without_stamps(archived) == without_stamps({**customer, "status": "archived", "integrations": []})
    assert instant(archived["updated_at"]) > instant(customer["updated_at"])
    assert_error(api.get("/v1/customers/external/acme"), 404, "not_found", {"lookup_key": "acme"})
    assert_error(delete(api, path_of(customer)), 404, "not_found", {"customer_id": customer["id"]})
    again = api.create({"external_id": "acme", "name": "Acme"})
    assert again["id"] != customer["id"]
    assert api.get("/v1/customers/external/acme").json()["id"] == again["id"]


def test_a_second_delete_changes_nothing(shared, api, customer):
    archived = removed(api, customer)
    reply = delete(api, path_of(customer))
    assert_error(reply, 404, "not_found", {"customer_id": customer["id"]})
    assert "archived" in reply.json()["message"]
    assert api.get(path_of(customer)).json() == archived
    assert events_of(shared.directory, customer) == ["customer.created", "customer.deleted"]


def test_an_unknown_customer(api):
    assert_error(delete(api, "/v1/customers/cust_nobody"), 404, "not_found", {"customer_id": "cust_nobody"})


def test_an_external_id_is_no_id(api, customer):
    assert_error(delete(api, f"/v1/customers/{customer['external_id']}"), 404, "not_found")
    assert api.get(path_of(customer)).json()["status"] == "published"


def test_the_event(shared, api, customer):
    put(api, path_of(customer), {"name": "Other"})
    archived = removed(api, customer)
    assert events_of(shared.directory, customer) == ["customer.created", "customer.updated", "customer.deleted"]
    payload = payloads_of(shared.directory, customer)[-1]
    assert payload == {
        "event_type": "customer.deleted",
        "customer": {
            "id": customer["id"], "external_id": customer["external_id"], "environment_id": customer["environment_id"],
            "name": "Other", "timezone": "UTC", "metadata": {"a": "b"}, "status": "archived", "updated_at": archived["updated_at"],
        },
    }


def test_the_trail(api, customer):
    archived = removed(api, customer)
    entry = api.get(f"/v1/activity?entity_id={customer['id']}").json()["items"][0]
    assert (entry["action"], entry["actor_id"]) == ("archived", archived["updated_by"])
    assert entry["changes"] == {"before": {"status": "published"}, "after": {"status": "archived"}}


def test_mappings_are_left_as_they_are(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        customer = client.create({"external_id": "acme", "name": "Acme"})
    server.stop()
    fixture(directory, "mapping", "create", customer["id"], "stripe", "cus_9")
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        (mapping,) = removed(client, customer)["integrations"]
        assert (mapping["provider_entity_id"], mapping["status"]) == ("cus_9", "published")


def test_a_session_ends_with_its_customer(api, customer):
    options = session(link(api, customer)["token"])
    assert api.get(INFO, **options).status == 200
    archived = removed(api, customer)
    for reply in (api.get(INFO, **options), put(api, INFO, {"name": "X"}, **options)):
        assert_error(reply, 401, "permission_denied")
        assert "deleted" in reply.json()["message"]
    assert_error(api.get(f"/v1/customers/portal/{customer['external_id']}"), 404, "not_found")
    assert api.get(path_of(customer)).json() == archived


def test_a_session_is_of_the_customer_not_of_its_external_id(api, customer):
    options = session(link(api, customer)["token"])
    removed(api, customer)
    other = api.create({"external_id": customer["external_id"], "name": "Other"})
    assert_error(api.get(INFO, **options), 401, "permission_denied")
    options = session(link(api, other)["token"])
    assert api.get(INFO, **options).json()["id"] == other["id"]
    renamed = put(api, path_of(other), {"external_id": other["external_id"] + " renamed"}).json()
    assert api.get(INFO, **options).json() == renamed
