"""Load of clients that send each request several times, at once and again, whatever happens to the servers meanwhile, and of
which each holds an Idempotency-Key: in the end every request was done once, and all its replies are the same.

Half of them create customers, whose external ids are unique, so that the database itself would refuse a second one; some
of these contend for the same external id, so that all but one are refused. The others make API keys over the admin socket,
where nothing but the Idempotency-Key keeps the server from making two, or ask for what is not there.
"""

import collections
import json
import random
import threading
import time
import uuid

from farthing_server import seconds, wait_until
from http_client import RawConnection, request_bytes
from test_listeners import UnixConnection

DEPTH = 6  # requests on the way at a time, twins among them
RECENT = 40
CONTENDERS = 3
FINISH_SECONDS_MAX = 60
PAUSE_SECONDS = 0.01  # before a server that is gone is asked again


class Request:
    """One request, however often it is sent. `answer` is (status, body), once there was one."""

    def __init__(self, kind, name, path, body, api_key):
        self.kind, self.name = kind, name
        self.bytes = request_bytes("POST", path, api_key, body, [("Idempotency-Key", str(uuid.uuid4()))])
        self.answer = None
        self.first_answers = 0  # those that were not marked as replayed

    @property
    def is_for_admin(self):
        return self.kind in ("key", "nowhere")

    @property
    def id_told(self):
        told = json.loads(self.answer[1])
        return told["secret"]["id"] if self.kind == "key" else told["id"]


class Retries:
    def __init__(self, credentials, seed, workers=5, admins=2):
        self.credentials = credentials
        self.random = random.Random(seed)
        self.workers, self.admins = workers, admins
        self.requests = []
        self.recent = {is_for_admin: collections.deque(maxlen=RECENT) for is_for_admin in (False, True)}
        self.replies = collections.Counter()
        self.wrong = []
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.threads = []

    # ---- from outside ----

    def start(self, servers):
        """Begins load on these servers (each has `address` and `directory`)."""
        self.is_over.clear()
        kinds = [False] * self.workers + [True] * self.admins
        self.threads = [threading.Thread(target=self._work, args=(servers, is_for_admin)) for is_for_admin in kinds]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong[:3]

    def wait_for_progress(self, count, limit_seconds=45):
        """Until so many more replies have come."""
        reached = self.replies.total()
        wait_until(
            lambda: self.replies.total() >= reached + count or self.wrong, limit_seconds, f"{count} more replies to {self.replies}"
        )
        assert not self.wrong, self.wrong[:3]

    def finish(self, servers):
        """Sends what has no answer until it has one, and some of the rest once more."""
        deadline = time.monotonic() + seconds(FINISH_SECONDS_MAX)
        again = self.random.sample(self.requests, min(300, len(self.requests)))
        for is_for_admin in (False, True):
            left = [one for one in self.requests if one.is_for_admin == is_for_admin and not one.answer]
            left += [one for one in again if one.is_for_admin == is_for_admin]
            with self._connect(self.random.choice(servers), is_for_admin) as connection:
                for request in left:
                    answered = self.replies.total()
                    while self.replies.total() == answered:
                        assert time.monotonic() < deadline, f"no answer for {request.bytes}; so far {self.replies}"
                        self._note(request, connection.exchange(request.bytes))
        assert not self.wrong, self.wrong[:3]

    def check(self, look):
        """Of a database at rest, after everything has an answer: `look` runs a query and gives tuples."""
        done = [one for one in self.requests if one.answer[0] == 201]
        told = {one.name: one.id_told for one in done if one.kind != "key"}
        assert dict(look("SELECT external_id, id FROM customers")) == told
        keys = {one.name: one.id_told for one in done if one.kind == "key"}
        stored = look("SELECT name, id FROM secrets WHERE name LIKE 'request %'")
        assert len(stored) == len(keys), "a key was made twice, or not at all"
        assert dict(stored) == keys
        for name, group in self._contested().items():
            assert sorted(one.answer[0] for one in group) == [201] + [409] * (len(group) - 1), name
        assert {one.answer[0] for one in self.requests if one.kind == "nowhere"} <= {404}
        assert look("SELECT count(*) FROM idempotency_records") == [(len(self.requests),)]

    def _contested(self):
        groups = collections.defaultdict(list)
        for request in self.requests:
            if request.kind == "contested":
                groups[request.name].append(request)
        return groups

    # ---- the threads ----

    def _work(self, servers, is_for_admin):
        while not self.is_over.is_set():
            try:
                with self._connect(self.random.choice(servers), is_for_admin) as connection:
                    while not self.is_over.is_set():
                        batch = [self._next(is_for_admin) for _ in range(DEPTH)]
                        connection.send(b"".join(request.bytes for request in batch))
                        for request in batch:
                            self._note(request, connection.read_reply())
            except (OSError, EOFError):
                time.sleep(PAUSE_SECONDS)
            except Exception as error:  # whatever it is, it is what the test looks for
                self.wrong.append(repr(error))
                return

    @staticmethod
    def _connect(server, is_for_admin):
        return UnixConnection(server.directory / "admin.sock") if is_for_admin else RawConnection(server.address)

    def _next(self, is_for_admin):
        """A new request, or more often one that others send, have sent or were about to send when their server died."""
        recent = self.recent[is_for_admin]
        with self.lock:
            if recent and self.random.random() < 0.6:
                return self.random.choice(recent)
            new = self._new_for_admin() if is_for_admin else self._new_customers()
            self.requests += new
            recent.extend(new)
            return new[0]

    def _new_customers(self):
        name = f"request {len(self.requests)}"
        is_contested = self.random.random() < 0.2
        return [
            Request("contested" if is_contested else "customer", name, "/v1/customers",
                    {"external_id": name, "name": f"contender {number}"}, self.credentials.api_key)
            for number in range(CONTENDERS if is_contested else 1)
        ]

    def _new_for_admin(self):
        name = f"request {len(self.requests)}"
        is_somewhere = self.random.random() < 0.8
        body = {"name": name, "type": "private_key",
                "environment": self.credentials.environment_id if is_somewhere else "env_nowhere"}
        return [Request("key" if is_somewhere else "nowhere", name, "/admin/keys", body, None)]

    def _note(self, request, reply):
        if reply.status == 503:
            return
        answer = (reply.status, reply.body)
        with self.lock:
            request.answer = request.answer or answer
            request.first_answers += reply.header("Idempotent-Replayed") is None
            self.replies[reply.status] += 1
            if request.answer != answer or request.first_answers > 1 or reply.status not in (201, 404, 409):
                self.wrong.append((request.bytes, request.answer, request.first_answers, reply))

