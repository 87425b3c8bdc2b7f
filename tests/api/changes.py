"""Load of creates, changes and deletes of customers, API keys and connections, by clients that send whatever had no answer
again, blindly, whatever happens to the servers meanwhile; and a model that knows what must be in the database then.

Each record belongs to one client, which does one thing with it after the other, so that of each it is known which changes
were acknowledged and which one (at most) may have been done without its client knowing. A POST carries an Idempotency-Key
and is done once, and so is a DELETE; a PUT is done, audited and announced each time it is asked for, whether it changes
anything or not: once for each answer, and at most once for each try without one.
"""

import collections
import itertools
import json
import random
import threading
import time
import uuid
from datetime import datetime
from urllib.parse import quote

import audit_chains
import engine
from farthing_server import seconds, wait_until
from http_client import RawConnection, request_bytes
from providers import connection_body

DEPTH = 5  # requests on the way at a time, each about another record
RECORDS_MAX = 12  # that a client changes in turn; the oldest gives way to a new one
KEYS = "/v1/secrets/api/keys"
CONNECTIONS = "/v1/connections"
# An environment has one connection to a provider: each client has a provider of its own.
PROVIDERS = ("stripe", "hubspot", "razorpay", "nomod", "moyasar", "paddle")
FINISH_SECONDS_MAX = 60
PAUSE_SECONDS = 0.01  # before a server that is gone or refuses is asked again
RESENT = 3  # of so many first tries one is a twin: sent twice, before there is an answer


STATUSES = {"POST": 201, "PUT": 200, "DELETE": 204}
DELETED_BEFORE = 404  # what a second try of a DELETE is told when the first one was done


class Change:
    """Something that is to be done with a record, until there is an answer. `state` is what is stored then."""

    def __init__(self, request, state):
        self.request, self.state = request, state
        self.method = request.split(b" ", 1)[0].decode()
        self.tries = 0
        self.open_tries = 0  # without an answer, since the database was last looked through
        self.is_done = False  # as the database has shown, without an answer
        self.body = None  # the answer's

    @property
    def is_done_once(self):
        return self.method != "PUT"


class Record:
    """Something stored. `state` is what must be stored as far as is known, None: nothing; `count` how often it was changed,
    the create included, for certain; `open_count` how often it may have been besides."""

    table = None
    columns = ()
    has_events = False

    def __init__(self, name, load):
        self.name, self.load = name, load
        self.id, self.state, self.pending, self.updated_at = None, None, None, None
        self.count = self.open_count = 0

    def put(self, path, body, state):
        return Change(request_bytes("PUT", path, self.load.key, body), state)

    def post(self, path, body, state):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return Change(request_bytes("POST", path, self.load.key, body, list(key.items())), state)

    def delete(self, path):
        return Change(request_bytes("DELETE", path, self.load.key), {**self.state, "status": self.deleted})

    def next_change(self, generator):
        """What to do with it now; None when it is at its end."""
        if self.state is None:
            return self.create()
        if self.state["status"] != "published":
            return None
        return self.change(generator)

    def take_id(self, told):
        self.id = told["id"]

    def acknowledge(self):
        change, self.pending = self.pending, None
        self.state = change.state
        if not (change.is_done_once and change.is_done):
            self.count += 1
        if not change.is_done_once:
            self.open_count += change.open_tries
        if self.id is None:
            self.take_id(json.loads(change.body))

    def open_counts(self):
        """How many changes nobody knows about there may be at most: (behind acknowledged ones, of the one on the way)."""
        change = self.pending
        if not change:
            return self.open_count, 0
        return self.open_count, min(change.open_tries, 1 - change.is_done) if change.is_done_once else change.open_tries

    def learn(self, count):
        """The database has shown how often it was changed."""
        change = self.pending
        if change:
            change.is_done |= count > self.count + self.open_count
            change.open_tries = 0
        self.count, self.open_count = count, 0


class Customer(Record):
    table, columns, has_events, deleted = "customers", ("external_id", "name", "status"), True, "archived"

    def create(self):
        external_id = f"{self.name} of {self.load.number()}"
        return self.post("/v1/customers", {"external_id": external_id, "name": "new"}, self._state(external_id, "new"))

    @staticmethod
    def _state(external_id, name):
        return {"external_id": external_id, "name": name, "status": "published"}

    def change(self, generator):
        external_id, name = self.state["external_id"], f"change {self.load.number()}"
        by_id = f"/v1/customers/{self.id}"
        what = generator.random()
        if what < 0.1:
            return self.delete(by_id)
        if what < 0.2:
            other = f"{self.name} of {self.load.number()}"
            return self.put(by_id, {"external_id": other}, self._state(other, self.state["name"]))
        path = by_id if what < 0.6 else f"/v1/customers?external_customer_id={quote(external_id, safe='')}"
        return self.put(path, {"name": name}, self._state(external_id, name))


class Key(Record):
    # The key that the load itself comes with has another name.
    table, columns, deleted = "secrets WHERE name LIKE 'key %'", ("name", "status"), "deleted"

    def __init__(self, name, load):
        super().__init__(name, load)
        self.key = None

    def create(self):
        return self.post(KEYS, {"name": self.name, "type": "private_key"}, {"name": self.name, "status": "published"})

    def change(self, _):
        return self.delete(f"{KEYS}/{self.id}")

    def take_id(self, told):
        self.id, self.key = told["secret"]["id"], told["api_key"]


class Connection(Record):
    table, columns, deleted = "connections", ("name", "status"), "archived"
    provider = None

    def create(self):
        return self.post(CONNECTIONS, connection_body(self.provider, name=self.name), {"name": self.name, "status": "published"})

    def change(self, generator):
        path = f"{CONNECTIONS}/{self.id}"
        if generator.random() < 0.3:
            return self.delete(path)
        name = f"{self.name} {self.load.number()}"
        return self.put(path, {"name": name}, {"name": name, "status": "published"})


class Client:
    """What one thread owns from start to start of its servers."""

    def __init__(self, number, load, generator):
        self.number, self.load, self.random = number, load, generator
        self.records = []  # that it changes
        self.connection = None  # the record that is its provider's

    def next_records(self):
        """Some records, each with something to be done: first what is without an answer."""
        chosen = [record for record in self.records if record.pending]
        for record in self.random.sample(self.records, len(self.records)):
            if len(chosen) < DEPTH and not record.pending:
                record.pending = record.next_change(self.random)
                if record.pending:
                    chosen.append(record)
                else:
                    self.records.remove(record)
        while len(chosen) < DEPTH:
            record = self._new_record()
            record.pending = record.next_change(self.random)
            self.records.append(record)
            chosen.append(record)
        for record in self.records[:-RECORDS_MAX]:
            if not record.pending:
                self.records.remove(record)
        return chosen[:DEPTH]

    def _new_record(self):
        kind = self.random.choices((Customer, Key, Connection), (6, 2, 2))[0]
        last = self.connection
        if kind is Connection and last in self.records:
            kind = Customer
        if kind is Connection and last and last.state and last.state["status"] == "published":
            return last  # its provider's place is taken until it is deleted
        record = kind(f"{kind.__name__.lower()} {self.load.number()}", self.load)
        if kind is Connection:
            record.provider = PROVIDERS[self.number % len(PROVIDERS)]
            self.connection = record
        self.load.records.append(record)
        return record


class Changes:
    """`others` are customers that somebody else has made."""

    def __init__(self, key, seed, clients=len(PROVIDERS), others=()):
        assert clients <= len(PROVIDERS)
        self.key = key
        self.others = {one["id"] for one in others}
        self.random = random.Random(seed)
        self.numbers = itertools.count(1)
        self.clients = [Client(number, self, random.Random(f"{seed} {number}")) for number in range(clients)]
        self.records = []
        self.acknowledged = collections.Counter()  # by kind and method
        self.again = 0  # changes that needed more than one try
        self.refused = collections.Counter()
        self.wrong = []
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.threads = []

    def number(self):
        return next(self.numbers)

    # ---- from outside ----

    def start(self, servers):
        """Begins load on these servers (each has `address`)."""
        self.is_over.clear()
        self.threads = [threading.Thread(target=self._work, args=(client, servers), daemon=True) for client in self.clients]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]

    def wait_for_progress(self, count, limit_seconds=45):
        """Until so many more changes are acknowledged."""
        reached = self.acknowledged.total()
        wait_until(
            lambda: self.acknowledged.total() >= reached + count or self.wrong, limit_seconds,
            f"{count} more changes to be acknowledged; so far {self.acknowledged}, refused {self.refused}",
        )
        assert not self.wrong, self.wrong[:3]

    def finish(self, server):
        """Sends what has no answer until it has one."""
        deadline = time.monotonic() + seconds(FINISH_SECONDS_MAX)
        with RawConnection(server.address) as connection:
            for record in self.records:
                while record.pending:
                    assert time.monotonic() < deadline, f"no answer for {record.pending.request}; refused: {self.refused}"
                    self._send(connection, [record])
        assert not self.wrong, self.wrong[:3]

    # ---- the threads ----

    def _work(self, client, servers):
        while not self.is_over.is_set():
            try:
                with RawConnection(client.random.choice(servers).address) as connection:
                    while not self.is_over.is_set():
                        refused = self.refused.total()
                        self._send(connection, client.next_records())
                        if self.refused.total() > refused:
                            time.sleep(PAUSE_SECONDS)
            except (OSError, EOFError):
                time.sleep(PAUSE_SECONDS)
            except Exception as error:  # whatever it is, it is what the test looks for
                self.wrong.append(repr(error))
                return

    def _send(self, connection, records):
        requests = []
        for record in records:
            is_twin = record.pending.method == "POST" and self.random.randrange(RESENT) == 0
            requests += [(record, record.pending)] * (1 + is_twin)
        for _, change in requests:
            change.tries += 1
            change.open_tries += 1
        connection.send(b"".join(change.request for _, change in requests))
        for record, change in requests:
            self._note(record, change, connection.read_reply(change.method))

    def _note(self, record, change, reply):
        with self.lock:
            reason = reply.json().get("details", {}).get("reason") if reply.status == 503 else None
            change.open_tries -= reason != "outcome_unknown"
            is_done_before = change.method == "DELETE" and reply.status == DELETED_BEFORE and change.tries > 1
            if reply.status == 503:
                self.refused[reason] += 1
            elif reply.status != STATUSES[change.method] and not is_done_before:
                self.wrong.append((change.request, change.tries, reply))
            elif change is not record.pending:  # the twin's
                if reply.body != change.body:
                    self.wrong.append((change.request, change.body, reply))
            else:
                change.body = reply.body
                self._look_at_time(record, reply)
                self.again += change.tries > 1
                self.acknowledged[type(record).__name__, change.method] += 1
                record.acknowledge()

    def _look_at_time(self, record, reply):
        """A change is later than the one before, whatever the clock says."""
        told = (json.loads(reply.body) if reply.status in (200, 201) else {}).get("updated_at")
        updated_at = told and datetime.fromisoformat(told)
        is_coarse = isinstance(record, Connection)  # told in seconds
        if updated_at and record.updated_at and (updated_at < record.updated_at or (updated_at == record.updated_at and not is_coarse)):
            self.wrong.append((record.name, record.updated_at, reply))
        record.updated_at = updated_at or record.updated_at

    # ---- what must be stored ----

    def check(self, look):
        """Of a database at rest (`look` runs a query and gives tuples): each acknowledged change is there, once, with one
        row of the trail and one event; what had no answer is there once or not at all; nothing else is."""
        engine.assert_sound(look)
        audit_chains.assert_whole(look)
        trail = collections.Counter(row[0] for row in look("SELECT entity_id FROM audit_log"))
        events = collections.Counter(row[0] for row in look("SELECT entity_id FROM system_events WHERE entity_type = 'customer'"))
        for kind in (Customer, Key, Connection):
            self._check_kind(kind, look, trail, events)

    def _check_kind(self, kind, look, trail, events):
        rows = look(f"SELECT id, {', '.join(kind.columns)} FROM {kind.table}")
        assert len({row[0] for row in rows}) == len(rows), "an id is there twice"
        found = {row[0]: dict(zip(kind.columns, row[1:])) for row in rows if row[0] not in self.others}
        records = [record for record in self.records if type(record) is kind]
        lost = [record.name for record in records if record.id and record.id not in found]
        assert lost == [], f"{len(lost)} acknowledged {kind.__name__}s are lost, such as {lost[:3]}"
        for record in records:
            stored = {record.id: found.pop(record.id)} if record.id else self._made_untold(kind, record, found)
            for id, state in stored.items():
                self._check_record(kind, record, id, state, trail[id], events[id])
        assert not found, f"nobody has made {found}"

    @staticmethod
    def _made_untold(kind, record, found):
        """What was made, without its client being told, is taken out of `found`."""
        name = record.pending.state[kind.columns[0]] if record.pending else None
        ids = [id for id, state in found.items() if state[kind.columns[0]] == name]
        assert len(ids) <= 1, f"{record.name} was made {len(ids)} times"
        return {id: found.pop(id) for id in ids}

    @staticmethod
    def _check_record(kind, record, id, stored, rows, events):
        behind, on_the_way = record.open_counts()
        assert record.count <= rows <= record.count + behind + on_the_way, (
            f"{record.name} was changed {record.count} times, and perhaps {behind} and {on_the_way} times more, "
            f"but has {rows} rows in the audit trail"
        )
        assert events == (rows if kind.has_events else 0), f"{record.name} has {rows} rows in the audit trail and {events} events"
        record.learn(rows)
        change = record.pending
        allowed = [change.state if change and change.is_done else record.state]
        if change and behind:  # which of the two it was that is not known
            allowed.append(change.state)
        assert stored in allowed, f"{record.name}: stored {stored}, which may be {allowed}"

    def check_at_end(self, look):
        """The same, when everything has an answer."""
        self.check(look)
        posts = sum(number for (_, method), number in self.acknowledged.items() if method == "POST")
        assert look("SELECT count(*) FROM idempotency_records") == [(posts,)]

    def check_keys(self, server, count):
        """Of a running server: some of the last keys, which are let in or not as was acknowledged."""
        keys = [record for record in self.records if isinstance(record, Key) and record.key and not record.pending][-count:]
        with RawConnection(server.address) as connection:
            for record in keys:
                reply = connection.exchange(request_bytes("GET", "/v1/customers/nobody", record.key))
                assert reply.status == (404 if record.state["status"] == "published" else 401), (record.name, reply)
