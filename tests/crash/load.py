"""Load for a server that is about to be killed: what was acknowledged, and what was only tried."""

import random
import threading
import time

from http_client import RawConnection, request_bytes


class Load:
    """Threads that create customers and read acknowledged ones back, until the server is gone.

    `acknowledged` maps an external id to the id that the server answered with; `tried` holds every external id that was
    ever sent; `wrong` collects replies that should not be.
    """

    def __init__(self, key, seed, body_bytes=0, writers=6, readers=2):
        self.key = key
        self.random = random.Random(seed)
        self.filler = {f"key{number}": "x" * 16000 for number in range(body_bytes // 16000)}
        self.writers = writers
        self.readers = readers
        self.acknowledged = {}
        self.tried = set()
        self.unanswered = []
        self.wrong = []
        self.lock = threading.Lock()
        self.count = 0
        self.threads = []

    def start(self, address):
        """Begins a round of load on a server."""
        retries, self.unanswered = self.unanswered, []
        self.random.shuffle(retries)
        # Some of what got no answer is sent again, blindly, as a client would; the rest is left as it is.
        shares = [retries[: len(retries) // 2][number :: self.writers] for number in range(self.writers)]
        targets = [(self._write, share) for share in shares] + [(self._read, None)] * self.readers
        self.threads = [threading.Thread(target=target, args=(address, share)) for target, share in targets]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()
        assert self.wrong == []

    def _next_external_id(self):
        with self.lock:
            self.count += 1
            return f"customer {self.count}"

    def _write(self, address, retries):
        depth = 4  # requests on the way at a time, so that a kill finds a batch half acknowledged
        external_ids = []
        try:
            with RawConnection(address) as connection:
                while True:
                    external_ids = [retries.pop() if retries else self._next_external_id() for _ in range(depth)]
                    self.tried.update(external_ids)
                    connection.send(b"".join(map(self._create, external_ids)))
                    while external_ids:
                        self._note(external_ids[0], connection.read_reply())
                        external_ids.pop(0)
        except (OSError, EOFError):
            self.unanswered += external_ids

    def _create(self, external_id):
        body = {"external_id": external_id, "name": external_id}
        if self.filler:
            body["metadata"] = self.filler
        return request_bytes("POST", "/v1/customers", self.key, body)

    def _note(self, external_id, reply):
        if reply.status == 201:
            if external_id in self.acknowledged:
                self.wrong.append(reply)
            self.acknowledged[external_id] = reply.json()["id"]
        elif reply.status != 409:
            # 409: a blind retry of a create that had been committed before the kill.
            self.wrong.append(reply)

    def _read(self, address, _):
        try:
            with RawConnection(address) as connection:
                while True:
                    known = list(self.acknowledged.items())[-500:]
                    if not known:
                        time.sleep(0.005)
                        continue
                    external_id, customer_id = self.random.choice(known)
                    reply = connection.exchange(request_bytes("GET", f"/v1/customers/{customer_id}", self.key))
                    if reply.status != 200 or reply.json()["external_id"] != external_id:
                        self.wrong.append((external_id, reply))
        except (OSError, EOFError):
            pass
