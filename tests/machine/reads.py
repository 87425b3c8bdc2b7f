"""Reads that go on whatever happens to writes: each must be answered, and rightly."""

import threading
import time

from farthing_server import wait_until
from http_client import RawConnection, request_bytes

PAUSE_SECONDS = 0.002


class Reads:
    """A thread that asks for these customers on one connection, which it keeps, one after the other."""

    def __init__(self, address, key, customers):
        self.connection = RawConnection(address)
        self.key, self.customers = key, customers
        self.count = 0
        self.wrong = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self):
        try:
            while not self.is_over.is_set():
                for customer in self.customers:
                    self._ask(f"/v1/customers/{customer['id']}", customer)
                    self._ask(f"/v1/customers/external/{customer['external_id']}", customer)
                self._ask("/v1/customers?limit=1", None)
                time.sleep(PAUSE_SECONDS)
        except Exception as error:  # whatever it is, it is what the test looks for
            self.wrong.append(repr(error))

    def _ask(self, path, expected):
        reply = self.connection.exchange(request_bytes("GET", path, self.key))
        self.count += 1
        if reply.status != 200 or (expected and reply.json() != expected):
            self.wrong.append((path, reply))

    def assert_go_on(self, count=50):
        """Until so many more were answered."""
        reached = self.count
        wait_until(lambda: self.count >= reached + count or self.wrong, 20, f"{count} more reads")
        assert not self.wrong, self.wrong[:3]

    def stop(self):
        self.is_over.set()
        self.thread.join()
        self.connection.close()
        assert not self.wrong, self.wrong[:3]
