"""Load that goes on whatever happens to the database or the servers, and knows what must be stored in the end."""

import collections
import contextlib
import itertools
import random
import threading
import time
from http.client import HTTPException

from farthing_server import seconds, wait_until
from http_client import Client
from nodes import REASONS

REPLY_SECONDS_MAX = 60
PAUSE_SECONDS = 0.003  # between two writes of a writer: the machine has others to serve
RETRY_SECONDS = 0.05


class SteadyLoad:
    """Threads that create customers, each until it is there, and read them back, through any of the nodes.

    Every attempt at a create ends in one of four ways: acknowledged (201), refused for certain (503), with an outcome that
    nobody can tell (503 with outcome_unknown, or no answer), or wrong. A conflict (409) is right only behind an attempt whose
    outcome could not be told, and means that it had succeeded.
    """

    def __init__(self, key, nodes, writers=4, readers=2, seed=0):
        self.key, self.nodes = key, nodes
        self.acknowledged = {}  # external id -> id
        self.found = set()  # there, as a conflict behind an unknown outcome has shown
        self.uncertain = set()  # perhaps there
        self.refused = set()  # certainly not there
        self.reasons = collections.Counter()
        self.statuses = collections.Counter()
        self.wrong = []
        self.slowest_seconds = 0.0
        self.is_over = threading.Event()
        targets = [self._write] * writers + [self._read] * readers
        self.threads = [
            threading.Thread(target=self._work, args=(target, number, random.Random(f"{seed} {number}")))
            for number, target in enumerate(targets)
        ]

    # ---- from outside ----

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def wait_for_progress(self, count=50, limit_seconds=45):
        """Until so many more are acknowledged than now."""
        reached = len(self.acknowledged)
        wait_until(
            lambda: len(self.acknowledged) >= reached + count or self.wrong, limit_seconds,
            f"{count} more creates to be acknowledged; replies so far: {self.statuses}, {self.reasons}",
        )
        assert not self.wrong, self.wrong[:3]

    def wait_for_reason(self, *reasons, limit_seconds=30):
        """Until a request is refused for one of these."""
        before = sum(self.reasons[reason] for reason in reasons)
        wait_until(
            lambda: sum(self.reasons[reason] for reason in reasons) > before, limit_seconds,
            f"a refusal for {' or '.join(reasons)}; there were {self.reasons}",
        )

    def assert_kept(self, stored):
        """Each acknowledged write is there, once (see crash_checks), under the id that was told; nothing else is."""
        assert not self.wrong, self.wrong[:3]
        lost = {one: id for one, id in self.acknowledged.items() if stored.get(one) != id}
        assert lost == {}, f"{len(lost)} of {len(self.acknowledged)} acknowledged creates are lost"
        assert self.found <= set(stored), "what was in the way of a retry is gone"
        assert not self.refused & set(stored), "refused as unchanged, and stored all the same"
        assert set(stored) <= set(self.acknowledged) | self.found | self.uncertain, "nobody knows of these"

    # ---- the threads ----

    def _work(self, target, number, generator):
        try:
            target(number, generator)
        except Exception as error:  # whatever it is, it is what the test looks for
            self.wrong.append(repr(error))

    def _write(self, number, generator):
        for count in itertools.count():
            if self.is_over.is_set():
                return
            self._create(f"customer {number}-{count}", generator)
            time.sleep(PAUSE_SECONDS)

    def _create(self, external_id, generator):
        """Tries until it is there or the load is over."""
        perhaps_there = False
        while True:
            reply = self._ask(generator, "POST", "/v1/customers", {"external_id": external_id, "name": external_id})
            if reply is None or self._reason(reply) == "outcome_unknown":
                perhaps_there = True
            elif reply.status == 201:
                self.acknowledged[external_id] = reply.json()["id"]
                return
            elif reply.status == 409 and perhaps_there:
                self.found.add(external_id)
                return
            elif reply.status != 503:
                self.wrong.append((external_id, perhaps_there, reply))
                return
            if self.is_over.is_set():
                (self.uncertain if perhaps_there else self.refused).add(external_id)
                return
            time.sleep(RETRY_SECONDS)

    def _read(self, _, generator):
        while not self.is_over.is_set():
            known = list(self.acknowledged.items())[-500:]
            if known:
                self._look(*generator.choice(known), generator)
            time.sleep(PAUSE_SECONDS)

    def _look(self, external_id, customer_id, generator):
        reply = self._ask(generator, "GET", f"/v1/customers/{customer_id}")
        if reply is None or reply.status == 503:
            time.sleep(RETRY_SECONDS)
        elif reply.status != 200 or reply.json()["external_id"] != external_id:
            self.wrong.append((external_id, reply))

    def _ask(self, generator, method, path, body=None):
        """A reply, or None when there was none, on a connection of its own: nodes come and go."""
        begun = time.monotonic()
        with contextlib.suppress(OSError, HTTPException), Client(generator.choice(self.nodes).address, self.key) as client:
            client.connection.timeout = seconds(REPLY_SECONDS_MAX)
            reply = client.request(method, path, body=body)
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - begun)
            self.statuses[reply.status] += 1
            self._reason(reply, count=True)
            return reply
        return None

    def _reason(self, reply, count=False):
        """Why a request was refused; None when it was not, or because too many wait."""
        if reply.status != 503:
            return None
        reason = reply.json().get("details", {}).get("reason")
        if reason is not None and reason not in REASONS:
            self.wrong.append(reply)
        self.reasons[reason] += count
        return reason
