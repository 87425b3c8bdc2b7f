"""Changes of customers that meet: whatever comes of them, some order of doing them one after the other gives it.

What the replies leave open the trail tells: it has every change that was done, in the order in which they were.
"""

import collections
import itertools
import os
import uuid
from urllib.parse import quote

import pytest

import engine
import sealed
from expectations import assert_error, instant
from farthing_server import SLOWDOWN
from http_client import RawConnection, request_bytes

CONNECTIONS = 8
ROUNDS = int(os.environ.get("FARTHING_TEST_ROUNDS", "0")) or max(6, int(25 / SLOWDOWN))


class Race:
    """Requests that are sent at once, each on a connection of its own."""

    def __init__(self, shared):
        self.shared = shared
        self.connections = [RawConnection(shared.address) for _ in range(CONNECTIONS)]
        self.turn = 0

    def request(self, method, path, body=None, headers=()):
        return request_bytes(method, path, self.shared.key, body, headers)

    def run(self, *requests):
        """The replies, in the order of the requests; who is sent first changes from race to race."""
        assert len(requests) <= CONNECTIONS
        self.turn += 1
        order = [(number + self.turn) % len(requests) for number in range(len(requests))]
        for number in order:
            self.connections[number].send(requests[number])
        return [connection.read_reply() for connection, _ in zip(self.connections, requests)]

    def one(self, method, path, body=None):
        return self.connections[0].exchange(self.request(method, path, body))

    def create(self, external_id):
        reply = self.one("POST", "/v1/customers", {"external_id": external_id, "name": "Acme"})
        assert reply.status == 201, reply
        return reply.json()

    def put(self, customer, **members):
        return self.request("PUT", path_of(customer), members)

    def get(self, customer):
        return self.one("GET", path_of(customer)).json()

    def owner(self, external_id):
        """The id of the customer that has it, or None."""
        reply = self.one("GET", "/v1/customers/external/" + quote(external_id))
        return reply.json()["id"] if reply.status == 200 else None

    def trail(self, customer):
        """(action, what was, what is then) of each change that was done; each begins where the one before has ended."""
        rows = sealed.changes_of(self.shared.directory, f"entity_id = '{customer['id']}'")
        changes = [change for _, change in rows]
        now = {}
        for change in changes:
            for name, value in change.get("before", {}).items():
                assert now.get(name, value) == value, f"{name} was lost: {changes}"
            now.update(change["after"])
        events = engine.tuples(
            self.shared.directory, f"SELECT event_name FROM system_events WHERE entity_id = '{customer['id']}' ORDER BY sequence"
        )
        names = {"created": "customer.created", "updated": "customer.updated", "archived": "customer.deleted"}
        assert [name for (name,) in events] == [names[action] for action, _ in rows]
        return [(action, change.get("before", {}), change["after"]) for (action, _), change in zip(rows, changes)]


def path_of(customer):
    return f"/v1/customers/{customer['id']}"


def statuses(replies):
    return collections.Counter(reply.status for reply in replies)


@pytest.fixture(scope="module")
def race(shared):
    race = Race(shared)
    yield race
    for connection in race.connections:
        connection.close()


FIELDS = ("name", "email", "contact", "address_line1", "address_line2", "address_city", "address_state", "address_postal_code")
VALUES = {"email": "a{}@b.co"}


def test_changes_of_different_members_all_stand(race, new_external_id):
    customer = race.create(new_external_id())
    for number in range(ROUNDS):
        given = {field: VALUES.get(field, "x{}").format(number) for field in FIELDS}
        replies = race.run(*(race.put(customer, **{field: value}) for field, value in given.items()))
        assert statuses(replies) == {200: len(FIELDS)}
        now = race.get(customer)
        assert {field: now[field] for field in FIELDS} == given
        # Each reply is the customer at its own moment: the last one has all of it.
        last = max((reply.json() for reply in replies), key=lambda told: instant(told["updated_at"]))
        assert {**last, "integrations": []} == now
        assert len({reply.json()["updated_at"] for reply in replies}) == len(replies)
    assert len(race.trail(customer)) == 1 + ROUNDS * len(FIELDS)


def test_changes_of_one_member_are_one_after_the_other(race, new_external_id):
    customer = race.create(new_external_id())
    for number in range(ROUNDS):
        replies = race.run(*(race.put(customer, metadata={"k": f"{number} {other}"}) for other in range(CONNECTIONS)))
        assert statuses(replies) == {200: CONNECTIONS}
    *_, (_, _, last) = race.trail(customer)
    assert race.get(customer)["metadata"] == last["metadata"]


def test_a_change_against_deleting(race, new_external_id):
    met = collections.Counter()
    for _ in range(ROUNDS):
        customer = race.create(new_external_id())
        changes = [race.put(customer, name=f"contender {number}") for number in range(CONNECTIONS - 3)]
        deletes = [race.request("DELETE", path_of(customer))] * 3
        replies = race.run(*changes[:2], *deletes, *changes[2:])
        changed, deleted = replies[:2] + replies[5:], replies[2:5]
        assert statuses(deleted) == {204: 1, 404: 2}
        for reply in changed:
            if reply.status != 200:
                assert_error(reply, 404, "not_found", {"customer_id": customer["id"]})
        done = statuses(changed)[200]
        trail = race.trail(customer)
        assert [action for action, _, _ in trail] == ["created"] + ["updated"] * done + ["archived"]
        now = race.get(customer)
        assert (now["status"], now["name"]) == ("archived", trail[done][2]["name"])
        met[done > 0, done < len(changed)] += 1
    assert sum(met.values()) == ROUNDS


def test_two_that_want_each_other_s_external_id(race, new_external_id):
    """Each is taken, whoever comes first: a swap needs a third id in between."""
    first, second = race.create(new_external_id()), race.create(new_external_id())
    for _ in range(ROUNDS):
        replies = race.run(
            race.put(first, external_id=second["external_id"]), race.put(second, external_id=first["external_id"])
        )
        for reply, wanted in zip(replies, (second, first)):
            assert_error(reply, 409, "already_exists", {"external_id": wanted["external_id"]})
    assert len(race.trail(first)) == len(race.trail(second)) == 1
    between = new_external_id()
    for customer, external_id in ((first, between), (second, first["external_id"]), (first, second["external_id"])):
        assert race.one("PUT", path_of(customer), {"external_id": external_id}).status == 200
    assert race.owner(first["external_id"]) == second["id"] and race.owner(second["external_id"]) == first["id"]


def test_a_swap_in_three_steps_against_who_waits_for_it(race, new_external_id):
    first, second, between = race.create(new_external_id()), race.create(new_external_id()), new_external_id()
    names = {first["id"]: first["external_id"], second["id"]: second["external_id"]}
    for _ in range(ROUNDS):
        is_free, is_taken = race.run(
            race.put(first, external_id=between), race.put(second, external_id=names[first["id"]])
        )
        assert is_free.status == 200
        if is_taken.status == 409:
            assert race.owner(names[first["id"]]) is None, "refused, so it came first, when the id was still taken"
            assert race.one("PUT", path_of(second), {"external_id": names[first["id"]]}).status == 200
        assert race.one("PUT", path_of(first), {"external_id": names[second["id"]]}).status == 200
        names = {first["id"]: names[second["id"]], second["id"]: names[first["id"]]}
        assert {race.owner(name): name for name in names.values()} == names


def test_renames_of_one_customer_all_leave_their_trace(race, new_external_id):
    customer = race.create(new_external_id())
    for _ in range(ROUNDS):
        given = [new_external_id() for _ in range(CONNECTIONS)]
        replies = race.run(*(race.put(customer, external_id=external_id) for external_id in given))
        assert statuses(replies) == {200: CONNECTIONS}
    ids = [after["external_id"] for _, _, after in race.trail(customer)]
    now = race.get(customer)
    told = now["metadata"]["old_external_ids"].split(",")  # with many rounds there is no room for all of them
    assert now["external_id"] == ids[-1] and told == ids[:-1][-len(told):]
    query = f"SELECT external_id, valid_from, valid_to FROM customer_aliases WHERE customer_id = '{customer['id']}' ORDER BY valid_to"
    aliases = engine.tuples(race.shared.directory, query)
    assert [external_id for external_id, _, _ in aliases] == ids[:-1]
    assert all(left[2] == right[1] for left, right in itertools.pairwise(aliases)), "no gap, and no overlap"


def test_several_that_want_one_external_id(race, new_external_id):
    customers = [race.create(new_external_id()) for _ in range(CONNECTIONS)]
    for _ in range(ROUNDS):
        wanted = new_external_id()
        replies = race.run(*(race.put(customer, external_id=wanted) for customer in customers))
        assert statuses(replies) == {200: 1, 409: CONNECTIONS - 1}
        (winner,) = [customer["id"] for customer, reply in zip(customers, replies) if reply.status == 200]
        assert race.owner(wanted) == winner


def test_a_change_by_an_external_id_that_is_given_up(race, new_external_id):
    customer = race.create(new_external_id())
    for number in range(ROUNDS):
        old, new = customer["external_id"], new_external_id()
        by_old = race.request("PUT", f"/v1/customers?external_customer_id={quote(old)}", {"name": f"round {number}"})
        replies = race.run(by_old, race.put(customer, external_id=new), by_old, by_old)
        assert replies.pop(1).status == 200
        for reply in replies:
            if reply.status != 200:
                assert_error(reply, 404, "not_found", {"external_customer_id": old})
            else:
                assert reply.json()["external_id"] == old, "found by an id that it no longer had"
        customer["external_id"] = new
    assert race.owner(customer["external_id"]) == customer["id"]


def test_deleting_against_creates_of_the_same_external_id(race, new_external_id):
    for _ in range(ROUNDS):
        external_id = new_external_id()
        customer = race.create(external_id)
        create = race.request("POST", "/v1/customers", {"external_id": external_id, "name": "Next"})
        deleted, *created = race.run(race.request("DELETE", path_of(customer)), *[create] * (CONNECTIONS - 1))
        assert deleted.status == 204
        winners = [reply.json()["id"] for reply in created if reply.status == 201]
        assert statuses(created) == ({201: 1, 409: len(created) - 1} if winners else {409: len(created)})
        assert len(winners) <= 1 and race.owner(external_id) == (winners[0] if winners else None)
        assert race.get(customer)["status"] == "archived"


def test_deleting_against_who_takes_the_external_id(race, new_external_id):
    other = race.create(new_external_id())
    for _ in range(ROUNDS):
        customer = race.create(new_external_id())
        deleted, renamed = race.run(
            race.request("DELETE", path_of(customer)), race.put(other, external_id=customer["external_id"])
        )
        assert deleted.status == 204 and renamed.status in (200, 409)
        assert race.owner(customer["external_id"]) == (other["id"] if renamed.status == 200 else None)


def test_twins_of_a_create_against_another_one_of_the_same_external_id(race, new_external_id):
    """Requests with one Idempotency-Key are one request, and so have one answer."""
    for _ in range(ROUNDS):
        body = {"external_id": new_external_id(), "name": "Acme"}
        twin = race.request("POST", "/v1/customers", body, [("Idempotency-Key", str(uuid.uuid4()))])
        stranger, *twins = race.run(race.request("POST", "/v1/customers", body), *[twin] * (CONNECTIONS - 1))
        assert {stranger.status, twins[0].status} == {201, 409}
        assert len({(reply.status, reply.body) for reply in twins}) == 1
        assert sum(reply.header("Idempotent-Replayed") is None for reply in twins) == 1
        made = stranger if stranger.status == 201 else twins[0]
        assert race.owner(body["external_id"]) == made.json()["id"]


def test_twins_of_a_create_against_deleting_what_it_made(race, new_external_id):
    """The answer stays the first one, and the customer stays deleted: a request that is sent again does nothing."""
    for _ in range(ROUNDS):
        body = {"external_id": new_external_id(), "name": "Acme"}
        twin = race.request("POST", "/v1/customers", body, [("Idempotency-Key", str(uuid.uuid4()))])
        first = race.connections[0].exchange(twin)
        assert first.status == 201
        deleted, *twins = race.run(race.request("DELETE", path_of(first.json())), *[twin] * 4)
        assert deleted.status == 204 and {(reply.status, reply.body) for reply in twins} == {(201, first.body)}
        assert race.owner(body["external_id"]) is None
