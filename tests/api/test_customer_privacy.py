"""`farthing customer export` and `farthing customer erase`: what persons may ask for about themselves."""

import itertools
import json
import re
import threading
import time

import pytest

import engine
import sealed
from expectations import FULL_CUSTOMER, assert_error
from farthing_server import init, run, run_ok, wait_until
from http_client import Client
from providers import connect
from tenancy import delete, put

# Found nowhere but in what is told of the person.
PERSON = {
    **FULL_CUSTOMER,
    "external_id": "pers-external-1",
    "name": "Wilhelmine Zyx",
    "email": "wilhelmine@zyx.example",
    "contact": "+49-171-555-0199",
    "address_line1": "Hinterhof 99b",
    "address_line2": "Klingel Zyxmann",
    "address_city": "Oberzyxhausen",
    "address_state": "Zyxland",
    "address_postal_code": "ZX-98765",
    "address_country": "DE",
    "metadata": {"nickname": "Minchen-Zyx"},
}
TRACES = [
    "pers-external", "Wilhelmine", "wilhelmine", "171-555", "Hinterhof", "Klingel", "Oberzyx", "Zyxland", "ZX-98765", "Minchen",
    "cus_zyx", "mapping-note",
]


class Place:
    def __init__(self, directory, start_server):
        self.directory = directory
        self.start_server = start_server
        self.credentials = init(directory)
        self.start()

    def start(self):
        self.server = self.start_server(self.directory)
        self.client = Client(self.server.address, self.credentials.api_key)

    def stop(self):
        self.client.close()
        self.server.stop()

    def make_person(self, **changes):
        body = {**PERSON, **changes, "integration_entity_mapping": [
            {"provider_type": "stripe", "provider_entity_id": "cus_zyx", "metadata": {"note": "mapping-note"}}]}
        reply = self.client.post("/v1/customers", body, headers={"Idempotency-Key": "make-the-person"})
        assert reply.status == 201, reply.text
        customer = reply.json()
        changed = put(self.client, f"/v1/customers/{customer['id']}", {"external_id": "pers-external-2", "name": "Wilhelmine X. Zyx"})
        assert changed.status == 200
        return changed.json()

    def run(self, *arguments):
        return run("customer", *arguments, "--data", self.directory)

    def export(self, reference):
        return json.loads(run_ok("customer", "export", reference, "--data", self.directory))

    def erase(self, reference):
        return json.loads(run_ok("customer", "erase", reference, "--yes", "--json", "--data", self.directory))

    def activity(self, query=""):
        return self.client.get("/v1/activity?limit=1000" + query).json()["items"]


@pytest.fixture
def place(directory, start_server):
    return Place(directory, start_server)


def everything_in(directory):
    """All rows of all tables, as text."""
    if engine.ON_POSTGRES:
        names = "SELECT relname FROM pg_stat_user_tables ORDER BY relname"
    else:
        names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
    return "\n".join(f"{name}: {engine.tuples(directory, f'SELECT * FROM {name}')}" for (name,) in engine.tuples(directory, names))


# ---- telling ----


def test_everything_that_is_held_is_told(place):
    customer = place.make_person()
    other = place.client.create({"external_id": "other", "name": "Other"})
    export = place.export(customer["id"])
    assert set(export) == {"customer", "former_external_ids", "integrations", "activity", "events"}
    assert {**export["customer"], "integrations": []} == {**customer, "integrations": []}
    assert [alias["external_id"] for alias in export["former_external_ids"]] == ["pers-external-1"]
    (mapping,) = export["integrations"]
    assert (mapping["provider_entity_id"], mapping["metadata"]) == ("cus_zyx", {"note": "mapping-note"})
    assert [(item["entity_type"], item["action"]) for item in export["activity"]] == [
        ("entity_integration_mapping", "created"), ("customer", "created"), ("customer", "updated")]
    assert export["activity"][1]["changes"]["after"]["name"] == PERSON["name"]
    assert export["activity"][2]["changes"]["before"]["name"] == PERSON["name"]
    assert [(event["event_name"], event["payload"]["customer"]["name"]) for event in export["events"]] == [
        ("customer.created", PERSON["name"]), ("customer.updated", "Wilhelmine X. Zyx")]
    assert other["id"] not in json.dumps(export)


def test_a_delinked_mapping_is_told_as_well(place):
    customer = place.make_person()
    query = f"entity_type=customer&entity_id={customer['id']}&provider_type=stripe"
    assert delete(place.client, f"/v1/integrations/link?{query}").status in (200, 204)
    (told,) = place.export(customer["id"])["integrations"]
    assert (told["status"], told["provider_entity_id"]) == ("archived", "cus_zyx")


def test_every_delinked_mapping_is_told_and_what_became_of_it(place):
    """The API shows the newest hundred."""
    customer = place.client.create({"external_id": "often", "name": "Often"})
    connect(place.client, "stripe")
    for number in range(102):
        link = {"entity_type": "customer", "entity_id": customer["id"], "provider_type": "stripe", "provider_entity_id": f"cus_{number}"}
        assert place.client.post("/v1/integrations/link", link).status == 200
        assert place.client.request("DELETE", "/v1/integrations/link", body=link).status == 200
    export = place.export(customer["id"])
    assert [mapping["provider_entity_id"] for mapping in export["integrations"]] == [f"cus_{number}" for number in reversed(range(102))]
    assert len([item for item in export["activity"] if item["entity_type"] == "entity_integration_mapping"]) == 204


@pytest.mark.parametrize("command", ["export", "erase"])
def test_a_customer_that_there_is_not(place, command):
    done = place.run(command, "nobody", *(["--yes"] if command == "erase" else []))
    assert done.returncode == 1
    assert "no customer of this environment has this id or external id" in done.stderr


# ---- forgetting ----


def test_an_erased_customer_is_archived_and_empty(place):
    customer = place.make_person()
    assert place.erase(customer["id"]) == {
        "id": customer["id"], "was_erased_before": False, "integrations": 1, "plain_activity": 0}
    erased = place.client.get(f"/v1/customers/{customer['id']}").json()
    assert erased == {
        **{key: value for key, value in customer.items() if key != "contact"},
        "external_id": customer["id"], "name": "(erased)", "email": "", "metadata": None, "status": "archived",
        **{f"address_{part}": "" for part in ("line1", "line2", "city", "state", "postal_code")},
        "address_country": "DE", "updated_at": erased["updated_at"], "updated_by": "", "integrations": [],
    }
    assert erased["updated_at"] > customer["updated_at"]


def test_nothing_of_an_erased_customer_is_left_in_the_database(place):
    customer = place.make_person()
    assert all(trace in everything_in(place.directory) for trace in ["Wilhelmine", "cus_zyx", "pers-external-1"])
    place.erase(customer["id"])
    place.stop()
    place.start()  # also what the index of searches holds is renewed by then, or a moment later
    place.client.post("/v1/customers/search", {"filters": [
        {"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "Wilhelmine"}}]})
    wait_until_nothing_is_left(place)
    assert run_ok("audit", "verify", "--data", place.directory).endswith("the trail is whole\n")


def wait_until_nothing_is_left(place):
    def left():
        held = everything_in(place.directory)
        return [trace for trace in TRACES if trace in held]

    wait_until(lambda: not left(), 20, "the index to forget")


@pytest.mark.embedded("it is about what the file holds beside the rows")
def test_nothing_of_an_erased_customer_is_left_in_the_file(place):
    customer = place.make_person()
    place.erase(customer["id"])
    wait_until_nothing_is_left(place)
    place.stop()
    held = b"".join(path.read_bytes() for path in place.directory.iterdir() if path.is_file())
    assert not [trace for trace in TRACES if trace.encode() in held]


def test_the_trail_and_the_outbox_cannot_tell_of_an_erased_customer(place):
    customer = place.make_person()
    before = place.activity()
    place.erase(customer["id"])
    items = {item["id"]: item for item in place.activity()}
    for item in before:
        personal = item["entity_type"] in ("customer", "entity_integration_mapping")
        assert items.pop(item["id"]) == {**item, "changes": {"erased": True} if personal else item["changes"]}
    assert sorted((item["entity_type"], item["action"]) for item in items.values()) == [
        ("customer", "erased"), ("entity_integration_mapping", "erased")]
    (erasure,) = place.activity("&action=erased&entity_type=customer")
    assert "before" not in erasure["changes"] and erasure["changes"]["after"]["name"] == "(erased)"
    assert place.client.get(f"/v1/activity/{before[-1]['id']}").json() == before[-1]
    payloads = [event["payload"] for event in place.export(customer["id"])["events"]]
    assert payloads[:2] == [{"erased": True}] * 2
    assert payloads[2]["event_type"] == "customer.deleted"
    assert payloads[2]["customer"]["name"] == "(erased)"
    listed = json.loads(run_ok("outbox", "list", "--json", "--data", place.directory))["items"]
    assert [event["payload"] for event in reversed(listed)] == payloads


def test_a_kept_reply_that_tells_of_an_erased_customer_is_not_given_again(place):
    customer = place.make_person()
    body = {**PERSON, "integration_entity_mapping": [
        {"provider_type": "stripe", "provider_entity_id": "cus_zyx", "metadata": {"note": "mapping-note"}}]}

    def send():
        return place.client.post("/v1/customers", body, headers={"Idempotency-Key": "make-the-person"})

    assert send().status == 201
    place.erase(customer["id"])
    reply = send()
    assert_error(reply, 409, "already_exists", {"customer_id": customer["id"]})
    assert "was erased since" in reply.json()["message"]
    assert len(place.activity("&action=created&entity_type=customer")) == 1


@pytest.mark.parametrize("erased", ["linked", "former"])
def test_a_kept_reply_belongs_to_the_customer_that_it_tells_of(place, erased):
    """A link that takes a provider's id over from an archived customer writes of both."""
    mapping = {"provider_type": "stripe", "provider_entity_id": "cus_1"}
    former = place.client.create({"external_id": "former", "name": "F", "integration_entity_mapping": [mapping]})
    assert delete(place.client, f"/v1/customers/{former['id']}").status == 204
    linked = place.client.create({"external_id": "linked", "name": "L"})
    connect(place.client, "stripe")

    def send():
        body = {"entity_type": "customer", "entity_id": linked["id"], **mapping}
        return place.client.post("/v1/integrations/link", body, headers={"Idempotency-Key": "link"})

    first = send()
    assert first.status == 200
    place.erase({"linked": linked, "former": former}[erased]["id"])
    again = send()
    if erased == "linked":
        assert_error(again, 409, "already_exists", {"customer_id": linked["id"]})
    else:
        assert (again.status, again.json()) == (200, first.json())


def in_the_files(place, texts):
    held = b"".join(path.read_bytes() for path in place.directory.glob("farthing.db*"))
    return [text for text in texts if text.encode() in held]


@pytest.mark.embedded("it is about what the log of the file holds")
@pytest.mark.parametrize("then", ["goes on", "rests", "is killed"])
def test_the_log_forgets_an_erased_customer(place, then):
    """A checkpoint leaves it as it was; and the customer's key, with which all that is sealed can be read, is in it."""
    is_slow, is_over = threading.Event(), threading.Event()

    def create():
        with Client(place.server.address, place.credentials.api_key) as client:
            for number in itertools.count():
                if is_over.is_set():
                    return
                client.create({"external_id": f"other-{number}", "name": "Other"})
                if is_slow.is_set():  # or what the log holds would soon be overwritten by chance
                    time.sleep(1)

    others = threading.Thread(target=create)
    others.start()
    try:
        time.sleep(0.5)
        customer = place.make_person()
        ((secret,),) = engine.tuples(place.directory, f"SELECT secret FROM customer_keys WHERE id = '{customer['id']}'")
        assert in_the_files(place, [secret]) == [secret]
        is_slow.set()
        if then != "goes on":
            is_over.set()
            others.join()
        place.erase(customer["id"])
        if then == "is killed":
            place.server.kill()
            place.start()
        wait_until(lambda: not in_the_files(place, [secret, *TRACES]), 30, "the log to be emptied")
    finally:
        is_over.set()
        others.join()
    assert place.client.get("/v1/customers/external/other-1").status == 200


def test_others_are_left_alone(place):
    customer = place.make_person()
    other = place.client.create({**FULL_CUSTOMER, "external_id": "other"})
    place.erase(customer["id"])
    assert place.client.get(f"/v1/customers/{other['id']}").json() == {**other, "integrations": []}
    (item,) = place.activity(f"&entity_id={other['id']}")
    assert item["changes"]["after"]["name"] == other["name"]


def test_the_external_id_of_an_erased_customer_is_free(place):
    customer = place.make_person()
    place.erase(customer["id"])
    again = place.client.create({**PERSON, "external_id": "pers-external-2"})
    assert again["id"] != customer["id"]
    assert place.export(again["id"])["customer"]["name"] == PERSON["name"]


def test_an_erased_customer_stays_as_it_is(place):
    customer = place.make_person()
    place.erase(customer["id"])
    before = everything_in(place.directory)
    assert place.erase(customer["id"])["was_erased_before"] is True
    assert place.run("erase", customer["id"], "--yes").stdout == f"{customer['id']} was erased before\n"
    assert everything_in(place.directory) == before
    assert put(place.client, f"/v1/customers/{customer['id']}", {"name": "Back"}).status == 404
    assert delete(place.client, f"/v1/customers/{customer['id']}").status == 404


@pytest.mark.parametrize("is_archived", [False, True], ids=["published", "archived"])
def test_a_customer_that_only_looks_erased_is_erased(place, is_archived):
    """Name and external id can be set to what erasing makes of them."""
    customer = place.make_person()
    disguised = {"name": "(erased)", "external_id": customer["id"]}
    assert put(place.client, f"/v1/customers/{customer['id']}", disguised).status == 200
    if is_archived:
        assert delete(place.client, f"/v1/customers/{customer['id']}").status == 204
    assert place.erase(customer["id"])["was_erased_before"] is False
    erased = place.client.get(f"/v1/customers/{customer['id']}").json()
    assert erased["status"] == "archived" and erased["email"] == "" and erased["metadata"] is None
    wait_until_nothing_is_left(place)
    assert place.erase(customer["id"])["was_erased_before"] is True


def test_by_an_external_id_of_now_or_before_and_when_archived(place):
    customer = place.make_person()
    assert place.erase("pers-external-1")["id"] == customer["id"]
    archived = place.client.create({"external_id": "gone", "name": "Gone Zyx"})
    assert delete(place.client, f"/v1/customers/{archived['id']}").status == 204
    place.erase(archived["id"])
    assert place.client.get(f"/v1/customers/{archived['id']}").json()["name"] == "(erased)"
    events = engine.tuples(place.directory, f"SELECT event_name FROM system_events WHERE entity_id = '{archived['id']}' ORDER BY sequence")
    assert [name for (name,) in events] == ["customer.created", "customer.deleted", "customer.updated"]


def test_it_is_asked_whether_it_is_meant(place):
    customer = place.make_person()
    done = place.run("erase", customer["id"])
    assert done.returncode == 2 and "--yes" in done.stderr
    assert place.client.get(f"/v1/customers/{customer['id']}").json()["name"] == "Wilhelmine X. Zyx"
    told = place.run("erase", customer["id"], "--yes").stdout
    assert re.fullmatch(rf"erased {customer['id']}; backups made before keep it \(docs/privacy.md\)\n", told)


# ---- keys ----


def test_rows_tell_of_a_customer_only_with_its_key(place):
    customer = place.make_person()
    texts = engine.tuples(place.directory, "SELECT changes FROM audit_log") + engine.tuples(place.directory, "SELECT payload FROM system_events")
    assert not [trace for trace in TRACES if trace in str(texts)]
    key = engine.tuples(place.directory, "SELECT id, secret FROM customer_keys")
    assert [id for id, _ in key] == [customer["id"]] and len(key[0][1]) == 64


def test_every_customer_has_a_key_of_its_own(place):
    for number in range(20):
        place.client.create({"external_id": f"c{number}", "name": "C"})
    keys = engine.tuples(place.directory, "SELECT id, secret FROM customer_keys")
    assert len({id for id, _ in keys}) == len({secret for _, secret in keys}) == 20


def test_a_customer_from_before_there_were_keys_gets_one(place):
    customer = place.make_person()
    place.stop()
    engine.change(place.directory, "DELETE FROM customer_keys")
    place.start()
    assert put(place.client, f"/v1/customers/{customer['id']}", {"name": "Wilhelmine again"}).status == 200
    (*_, last) = place.export(customer["id"])["activity"]
    assert last["changes"]["after"] == {"name": "Wilhelmine again"}


def test_what_was_written_plain_before_there_were_keys(place):
    """Events are rewritten; of the trail, which is never changed, it is told that it stays."""
    customer = place.make_person()
    place.stop()
    plain = json.dumps({"event_type": "customer.created", "customer": {"name": "Wilhelmine"}})
    engine.change(place.directory, f"UPDATE system_events SET payload = '{plain}' WHERE event_name = 'customer.created'")
    trigger = " ON audit_log" if engine.ON_POSTGRES else ""
    engine.change(place.directory, f"DROP TRIGGER audit_log_is_never_changed{trigger}")
    engine.change(place.directory, f"UPDATE audit_log SET changes = '{plain}' WHERE entity_type = 'customer' AND action = 'created'")
    place.start()
    assert place.export(customer["id"])["events"][0]["payload"]["customer"]["name"] == "Wilhelmine"
    done = place.run("erase", customer["id"], "--yes")
    assert "1 rows of the audit trail are from before customers had keys" in done.stdout
    assert place.export(customer["id"])["events"][0]["payload"] == {"erased": True}


def test_an_altered_text_is_not_taken_for_an_erased_one(place):
    customer = place.make_person()
    place.stop()
    payloads = engine.tuples(place.directory, "SELECT id, payload FROM system_events ORDER BY sequence")
    (first, _), (second, other) = payloads
    other = other if isinstance(other, str) else json.dumps(other)
    engine.change(place.directory, f"UPDATE system_events SET payload = '{other}' WHERE id = '{first}'")
    place.start()
    events = place.export(customer["id"])["events"]
    assert [event["payload"] for event in events][0] == {"unreadable": True}
    assert events[1]["id"] == second and events[1]["payload"]["event_type"] == "customer.updated"
    assert sealed.payloads_of(place.directory, f"id = '{first}'") == [None]
