"""PUT /v1/customers (10-customers section 6): a change is partial, and says whose it is."""

from urllib.parse import quote, urlencode

import pytest

import engine
import sealed
from expectations import FULL_CUSTOMER, assert_customer, assert_error, instant
from farthing_server import create_environment, fixture, run_ok
from http_client import Client
from tenancy import delete, make_caller, put

FULL = {**FULL_CUSTOMER, "metadata": {"tier": "gold"}}
STAMPS = ("updated_at", "updated_by")


@pytest.fixture
def customer(api, new_external_id):
    return api.create({"external_id": new_external_id(), **FULL})


def path_of(customer):
    return f"/v1/customers/{customer['id']}"


def by(**query):
    return "/v1/customers?" + urlencode(query)


def change(api, customer, body):
    """A change that must be accepted: only what it says, and the stamps, may differ. Returns the customer as it is then."""
    reply = put(api, path_of(customer), body)
    assert reply.status == 200, reply
    changed = reply.json()
    assert api.get(path_of(customer)).json() == {**changed, "integrations": []}, "the reply is not what is stored"
    assert instant(changed["updated_at"]) > instant(customer["updated_at"])
    return changed


def refuse(api, customer, body, details):
    """A change that must be refused, and change nothing."""
    before = api.get(path_of(customer)).json()
    found = assert_error(put(api, path_of(customer), body), 400, "validation_error", details)
    assert api.get(path_of(customer)).json() == before
    return found


def without_stamps(customer):
    return {key: value for key, value in customer.items() if key not in STAMPS}


# --- which customer (6.1) --------------------------------------------------------------------------------------


def test_by_the_path(api, customer):
    assert put(api, path_of(customer), {"name": "Path"}).json()["name"] == "Path"


def test_by_the_query(api, customer):
    assert put(api, by(id=customer["id"]), {"name": "Query"}).json()["name"] == "Query"
    assert put(api, by(external_customer_id=customer["external_id"]), {"name": "External"}).json()["name"] == "External"
    assert api.get(path_of(customer)).json()["name"] == "External"


def test_by_an_external_id_of_any_form(api):
    customer = api.create({"external_id": "a/b c?d#e%2F&=+ü", "name": "Acme"})
    assert put(api, by(external_customer_id=customer["external_id"]), {"name": "X"}).json()["id"] == customer["id"]


def test_by_both_when_they_are_of_the_same_customer(api, customer):
    both = by(id=customer["id"], external_customer_id=customer["external_id"])
    assert put(api, both, {"name": "Both"}).json()["name"] == "Both"
    mixed = f"{path_of(customer)}?{urlencode({'external_customer_id': customer['external_id']})}"
    assert put(api, mixed, {"name": "Mixed"}).json()["name"] == "Mixed"


def test_two_customers_are_refused(api, customer, new_external_id):
    other = api.create({"external_id": new_external_id(), "name": "Other"})
    for path in (
        by(id=customer["id"], external_customer_id=other["external_id"]),
        f"{path_of(customer)}?{urlencode({'external_customer_id': other['external_id']})}",
        by(id="cust_nobody", external_customer_id=other["external_id"]),
    ):
        details = assert_error(put(api, path, {"name": "X"}), 400, "validation_error", {"id", "external_customer_id"})
        assert details["external_customer_id"] == other["external_id"]
    assert api.get(path_of(customer)).json() == {**customer, "integrations": []}
    assert api.get(path_of(other)).json() == {**other, "integrations": []}


def test_the_path_wins_over_the_query(api, customer, new_external_id):
    other = api.create({"external_id": new_external_id(), "name": "Other"})
    changed = put(api, f"{path_of(customer)}?id={other['id']}", {"name": "Path"}).json()
    assert (changed["id"], changed["name"]) == (customer["id"], "Path")
    assert api.get(path_of(other)).json()["name"] == "Other"


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/customers?", "/v1/customers?id=&external_customer_id=", "/v1/customers?x=y"])
def test_nobody_is_named(api, path):
    reply = put(api, path, {"name": "X"})
    assert_error(reply, 400, "validation_error")
    assert "`external_customer_id`" in reply.json()["message"]


def test_the_body_comes_before_the_identifiers(api):
    assert "not valid JSON" in put(api, "/v1/customers", b"{").json()["message"]
    assert_error(put(api, "/v1/customers", {"name": ""}), 400, "validation_error", {"name"})
    assert_error(put(api, "/v1/customers/cust_nobody", {"name": ""}), 400, "validation_error", {"name"})


def test_an_unknown_customer(api):
    assert_error(put(api, "/v1/customers/cust_nobody", {}), 404, "not_found", {"customer_id": "cust_nobody"})
    assert_error(put(api, by(id="cust_nobody"), {}), 404, "not_found", {"customer_id": "cust_nobody"})
    assert_error(put(api, by(external_customer_id="nobody"), {}), 404, "not_found", {"external_customer_id": "nobody"})


def test_a_deleted_customer(api, customer):
    assert delete(api, path_of(customer)).status == 204
    for path in (path_of(customer), by(id=customer["id"])):
        assert_error(put(api, path, {"name": "X"}), 404, "not_found", {"customer_id": customer["id"]})
    by_external_id = by(external_customer_id=customer["external_id"])
    assert_error(put(api, by_external_id, {}), 404, "not_found", {"external_customer_id": customer["external_id"]})


def test_an_external_id_of_another_environment(initialised, start_server):
    directory, credentials = initialised
    second = create_environment(directory, credentials.tenant_id, "second")
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as first, Client(server.address, second.api_key) as other:
        mine, theirs = (client.create({"external_id": "acme", "name": "Acme"}) for client in (first, other))
        assert put(first, by(external_customer_id="acme"), {"name": "Mine"}).json()["id"] == mine["id"]
        assert_error(put(first, path_of(theirs), {"name": "X"}), 404, "not_found")
        assert_error(put(first, by(id=theirs["id"], external_customer_id="acme"), {"name": "X"}), 400, "validation_error")
        assert other.get(path_of(theirs)).json() == {**theirs, "integrations": []}


# --- what (6.2) ------------------------------------------------------------------------------------------------

FIELDS = [*FULL, "external_id"]
# field -> what "" does: the value that it becomes, or the reason why it is refused.
EMPTIED = {
    "external_id": "must not be empty", "name": "must not be empty", "timezone": "must not be empty",
    "email": None, "contact": None, "address_line1": None, "address_line2": None, "address_city": None,
    "address_state": None, "address_postal_code": None, "address_country": None,
}
VALUES = {
    "name": ["x" * 255, " ", "日本"], "email": ["a@b.co", "ü@bücher.example"], "contact": ["1" * 20, "+1"],
    "address_line1": ["é" * 255], "address_line2": ["é" * 255], "address_city": ["é" * 100], "address_state": ["é" * 100],
    "address_postal_code": ["é" * 20], "address_country": ["FR", "XK"], "timezone": ["Asia/Kolkata", "UTC", "EST"],
    "metadata": [{"a": "1", "b": ""}, {}],
}
WRONG = {
    "external_id": ["x" * 256, 7, {}], "name": ["x" * 256, 7, []], "email": ["a@localhost", "Bob <a@b.co>", "a@b." + "c" * 255, 7],
    "contact": ["1" * 21, 7], "address_line1": ["é" * 256, 7], "address_line2": ["é" * 256, 7], "address_city": ["é" * 101, 7],
    "address_state": ["é" * 101, 7], "address_postal_code": ["é" * 21, 7], "address_country": ["us", "UK", "USA", 7],
    "timezone": ["utc", "Local", "+05:30", "Mars/Base", "x" * 51, 7],
    "metadata": [7, [], "x", {"a": 1}, {"a": {}}, {"": "x"}, {"k" * 256: "x"}, {"a": "x" * 16385}, {str(n): "" for n in range(257)}],
}


@pytest.mark.parametrize("field", FIELDS)
def test_absent_and_null_leave_a_field(api, customer, field):
    others = {name: value for name, value in FULL.items() if name != field}
    changed = change(api, customer, {**others, "name": "Other"} if field != "name" else others)
    assert changed[field] == customer[field]
    assert change(api, changed, {field: None})[field] == customer[field]


@pytest.mark.parametrize("field", EMPTIED)
def test_an_empty_text(api, customer, field):
    if EMPTIED[field]:
        refuse(api, customer, {field: ""}, {field: EMPTIED[field]})
    else:
        changed = change(api, customer, {field: ""})
        assert changed[field] == "" and without_stamps(changed) == without_stamps({**customer, field: ""})


@pytest.mark.parametrize("field", VALUES)
def test_a_value(api, customer, field):
    for value in VALUES[field]:
        changed = change(api, customer, {field: value})
        assert without_stamps(changed) == without_stamps({**customer, field: value})


@pytest.mark.parametrize("field", WRONG)
def test_a_wrong_value(api, customer, field):
    for value in WRONG[field]:
        details = refuse(api, customer, {field: value}, None)
        assert any(name.startswith(field) for name in details), details


def test_all_that_is_wrong_is_told_at_once(api, customer):
    wrong = {"external_id": "", "name": "", "email": "x@localhost", "address_country": "us", "contact": "1" * 21, "timezone": "utc"}
    refuse(api, customer, wrong, set(wrong))


def test_a_contact_once_set_stays_to_be_seen(api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    assert "contact" not in customer and "contact" not in change(api, customer, {"name": "X"})
    changed = change(api, customer, {"contact": ""})
    assert_customer(changed, contact=True, integrations=False)
    assert changed["contact"] == ""


def test_metadata_is_replaced_as_a_whole(api, customer):
    assert change(api, customer, {"metadata": {"other": "x"}})["metadata"] == {"other": "x"}
    assert change(api, customer, {"metadata": {"a": None}})["metadata"] == {"a": ""}
    assert change(api, customer, {"metadata": {}})["metadata"] == {}


def test_metadata_that_was_never_set_can_be(api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    assert change(api, customer, {"name": "X"})["metadata"] is None
    assert change(api, customer, {"metadata": {}})["metadata"] == {}


def test_reserved_metadata(api, customer):
    refuse(api, customer, {"metadata": {"gstin": "x"}}, {"metadata.gstin"})
    mismatch = {"gstin": "29QWERT1234P1Z5", "pan": "ZXCVB1234P"}
    found = refuse(api, customer, {"metadata": mismatch}, {"metadata.pan", "pan_from_gstin"})
    assert found["pan_from_gstin"] == "QWERT1234P"
    # What is declared comes first, alone.
    refuse(api, customer, {"metadata": mismatch, "name": ""}, {"name"})
    good = {**mismatch, "pan": "qwert1234p"}
    assert change(api, customer, {"metadata": good})["metadata"] == good


def test_what_only_a_create_has_is_not_looked_at(api, customer):
    body = {
        "tax_rate_overrides": 7, "skip_onboarding_workflow": "x", "onboarding_workflow_name": 7, "id": "x", "status": "archived",
        "created_at": 7, "created_by": "x", "updated_by": "x", "tenant_id": "x", "environment_id": "x", "unknown": {},
        "parent_customer_id": "x", "integrations": 7, "integration_entity_mapping": [],
    }
    assert without_stamps(change(api, customer, body)) == without_stamps(customer)


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"name":null}'])
def test_nothing_is_a_change_too(shared, api, customer, body):
    changed = change(api, customer, body)
    assert without_stamps(changed) == without_stamps(customer)
    assert events_of(shared.directory, customer) == ["customer.created", "customer.updated"]


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"{} x", b'{"name":"\xff"}', b'{"name":"a\\u0000b"}'])
def test_a_body_that_is_none(api, customer, body):
    assert_error(put(api, path_of(customer), body), 400, "validation_error")


def test_example_6(api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme", "metadata": {"a": "1"}})
    changed = change(api, customer, {"address_city": "Pune", "name": None})
    assert (changed["address_city"], changed["name"]) == ("Pune", "Acme")
    assert change(api, customer, {"metadata": {}})["metadata"] == {}
    assert change(api, customer, {"metadata": None})["metadata"] == {}


# --- another external id (6.3) ---------------------------------------------------------------------------------


def test_example_7(api):
    customer = api.create({"external_id": "acme", "name": "Acme"})
    assert change(api, customer, {"external_id": "acme-2"})["metadata"] == {"old_external_ids": "acme"}
    assert change(api, customer, {"external_id": "acme-3"})["metadata"] == {"old_external_ids": "acme,acme-2"}
    assert_error(api.get("/v1/customers/external/acme"), 404, "not_found", {"lookup_key": "acme"})
    assert api.get("/v1/customers/external/acme-3").json()["id"] == customer["id"]


def test_the_list_of_former_ids(api):
    customer = api.create({"external_id": "list-1", "name": "Acme", "metadata": {"k": "v"}})
    assert change(api, customer, {"external_id": "list-1"})["metadata"] == {"k": "v"}, "unchanged: nothing to remember"
    assert change(api, customer, {"external_id": "list-2"})["metadata"] == {"k": "v", "old_external_ids": "list-1"}
    # With metadata in the same request: the stored list is carried over, unless the request has one itself.
    changed = change(api, customer, {"external_id": "list-3", "metadata": {"x": "y"}})
    assert changed["metadata"] == {"x": "y", "old_external_ids": "list-1,list-2"}
    changed = change(api, customer, {"external_id": "list-4", "metadata": {"old_external_ids": "mine"}})
    assert changed["metadata"] == {"old_external_ids": "mine,list-3"}
    changed = change(api, customer, {"external_id": "list-5", "metadata": {}})
    assert changed["metadata"] == {"old_external_ids": "mine,list-3,list-4"}
    # Metadata alone is what it says.
    assert change(api, customer, {"metadata": {}})["metadata"] == {}
    assert change(api, customer, {"external_id": "list-6"})["metadata"] == {"old_external_ids": "list-5"}


def test_the_list_stays_within_what_metadata_may_be(api, customer):
    """Otherwise a client that sends back what it has read would be refused."""
    metadata = {"old_external_ids": "a" * 16000 + "," + "b" * 380}
    changed = change(api, customer, {"external_id": "long" + "x" * 200, "metadata": metadata})
    assert changed["metadata"] == {"old_external_ids": "b" * 380 + "," + customer["external_id"]}
    assert change(api, customer, {"metadata": changed["metadata"]})["metadata"] == changed["metadata"]


def test_a_taken_external_id(shared, api, customer, new_external_id):
    other = api.create({"external_id": new_external_id(), "name": "Other"})
    body = {"external_id": other["external_id"], "name": "X"}
    assert_error(put(api, path_of(customer), body), 409, "already_exists", {"external_id": other["external_id"]})
    assert api.get(path_of(customer)).json() == {**customer, "integrations": []}
    assert aliases(shared.directory, customer) == []
    assert events_of(shared.directory, customer) == ["customer.created"]
    # Whoever gives it up leaves it to others, and a deleted customer does so, too.
    change(api, other, {"external_id": new_external_id()})
    assert change(api, customer, {"external_id": other["external_id"]})["external_id"] == other["external_id"]


def test_the_external_id_of_a_deleted_customer_can_be_taken(api, customer, new_external_id):
    other = api.create({"external_id": new_external_id(), "name": "Other"})
    assert delete(api, path_of(other)).status == 204
    assert change(api, customer, {"external_id": other["external_id"]})["external_id"] == other["external_id"]


def aliases(directory, customer):
    """(external id, since the beginning or the one before, until the next change) of each former external id."""
    query = f"SELECT * FROM customer_aliases WHERE customer_id = '{customer['id']}' ORDER BY valid_to, id"
    return [(row["external_id"], row["valid_from"], row["valid_to"]) for row in engine.rows(directory, query)]


def test_former_ids_are_kept_with_their_time(shared, api):
    customer = api.create({"external_id": "time-1", "name": "Acme"})
    for external_id in ("time-2", "time-1", "time-3"):
        change(api, customer, {"external_id": external_id})
    change(api, customer, {"name": "X", "external_id": "time-3"})
    kept = aliases(shared.directory, customer)
    assert [external_id for external_id, _, _ in kept] == ["time-1", "time-2", "time-1"]
    (created_at,) = engine.tuples(shared.directory, f"SELECT created_at FROM customers WHERE id = '{customer['id']}'")[0]
    edges = [created_at, *(valid_to for _, _, valid_to in kept)]
    assert [valid_from for _, valid_from, _ in kept] == edges[:-1], "one time ends where the next one begins"
    assert edges == sorted(set(edges)), "none of them is empty"


# --- what is left behind (6.4, 15) -----------------------------------------------------------------------------


def events_of(directory, customer):
    query = f"SELECT event_name FROM system_events WHERE entity_id = '{customer['id']}' ORDER BY sequence"
    return [name for (name,) in engine.tuples(directory, query)]


def payloads_of(directory, customer):
    return sealed.payloads_of(directory, f"entity_id = '{customer['id']}'")


def test_the_event_is_the_customer_as_it_was_committed(shared, api, new_external_id):
    customer = api.create({"external_id": new_external_id(), "name": "Acme"})
    replies = [change(api, customer, {"address_city": city, "contact": "1"}) for city in ("Pune", "Berlin")]
    created, *updated = payloads_of(shared.directory, customer)
    assert created["event_type"] == "customer.created"
    for payload, reply in zip(updated, replies):
        assert payload["event_type"] == "customer.updated"
        # What is empty is left out, what is not the receiver's as well.
        assert set(payload["customer"]) == {
            "id", "external_id", "environment_id", "name", "address_city", "contact", "timezone", "status", "updated_at"
        }
        assert payload["customer"].items() <= reply.items()


def test_the_trail_names_what_was_changed_and_by_whom(shared, api, customer):
    changed = change(api, customer, {"address_city": "Pune", "name": FULL["name"], "metadata": {}})
    (entry, _) = api.get(f"/v1/activity?entity_id={customer['id']}").json()["items"]
    assert (entry["action"], entry["actor_id"]) == ("updated", changed["updated_by"])
    assert entry["changes"] == {
        "before": {"address_city": "Berlin", "metadata": {"tier": "gold"}}, "after": {"address_city": "Pune", "metadata": {}}
    }


def test_who_changed_it_is_told(shared, api, customer):
    user_id, key = make_caller(
        shared.directory, "all_writer", tenant_id=customer["tenant_id"], environment_id=customer["environment_id"]
    )
    changed = put(api, path_of(customer), {"name": "X"}, key=key).json()
    assert (changed["updated_by"], changed["created_by"]) == (user_id, customer["created_by"])
    assert changed["created_at"] == customer["created_at"]
    assert instant(changed["updated_at"]) > instant(changed["created_at"])


def test_updated_at_only_grows(api, customer):
    stamps = [instant(put(api, path_of(customer), {}).json()["updated_at"]) for _ in range(20)]
    assert stamps == sorted(set(stamps))


def test_mappings_are_not_shown_by_a_change_and_not_lost(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        customer = client.create({"external_id": "acme", "name": "Acme"})
    server.stop()
    fixture(directory, "mapping", "create", customer["id"], "stripe", "cus_9")
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        assert_customer(put(client, path_of(customer), {"name": "X"}).json(), integrations=False)
        (mapping,) = client.get(path_of(customer)).json()["integrations"]
        assert mapping["provider_entity_id"] == "cus_9"


def test_a_suspended_tenant_changes_nothing(initialised, start_server):
    directory, credentials = initialised
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        customer = client.create({"external_id": quote("acme"), "name": "Acme"})
        run_ok("tenant", "suspend", "--data", directory, credentials.tenant_id)
        assert_error(put(client, path_of(customer), {"name": "X"}), 403, "permission_denied")
        assert_error(delete(client, path_of(customer)), 403, "permission_denied")
        assert client.get(path_of(customer)).json() == {**customer, "integrations": []}
