"""All kinds of rude clients at once, and polite ones among them, who must not notice.

A polite client keeps its connection and knows that the server may close one that has been idle: it asks again on a
new one when nothing of a reply has come, and only when the connection may have been idle for so long.

Twenty seconds, or an hour with --long; with the sanitizers this is where what one connection does to another's memory
would be found.
"""

import random
import threading
import time
from pathlib import Path

from abusers import ABUSERS, Abuse
from farthing_server import SLOWDOWN, Server, init, seconds, wait_until
from http_client import Client, RawConnection, request_bytes

ABUSER_THREADS, POLITE_THREADS = 10, 2
POLITE_SECONDS_MAX = 10  # for one reply; the machine is busy, too
MIB = 1024 * 1024
LASTING_BYTES_MAX = 128 * MIB  # of which the database may cache 32 in each of its connections
LIMITS = {
    "--header-timeout-ms": 1500,
    "--body-timeout-ms": 3000,
    "--write-timeout-ms": 1500,
    "--idle-timeout-ms": 2000,
    "--buffered-bytes-max": 16 * MIB,
}
# From a use of a connection to its end, when that is for idleness: less than the timeout, because the server's clock
# begins with what it last heard, and it looks at the clock once for many connections.
IDLE_SECONDS_MIN = LIMITS["--idle-timeout-ms"] / 1000 / 2


class PoliteClient:
    """One connection at a time. A request is sent at once, so that nothing of it can be late."""

    def __init__(self, address, key):
        self.address = address
        self.key = key
        self.reconnects = 0
        self._connect()

    def _connect(self):
        self.used = time.monotonic()
        self.connection = RawConnection(self.address)

    def ask(self, method, path, body=None):
        request = request_bytes(method, path, self.key, body)
        while True:
            used, self.used = self.used, time.monotonic()
            try:
                return self.connection.exchange(request)
            except (ConnectionError, EOFError):
                was_idle = time.monotonic() - used >= IDLE_SECONDS_MIN
                if self.connection.received or not was_idle:
                    raise
            self.connection.close()
            self.reconnects += 1
            self._connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class Crowd:
    """The threads, what they did, and what went wrong."""

    def __init__(self, server, key, seed):
        self.server = server
        self.key = key
        self.has_ended = threading.Event()
        self.done = {abuser.__name__: 0 for abuser in ABUSERS}
        self.served = 0
        self.reconnects = 0
        self.slowest_seconds = 0.0
        self.wrong = []
        targets = [self._abuse] * ABUSER_THREADS + [self._be_polite] * POLITE_THREADS
        self.threads = [
            threading.Thread(target=target, args=(random.Random(f"{seed} {number}"), number))
            for number, target in enumerate(targets)
        ]

    def run(self, duration_seconds):
        for thread in self.threads:
            thread.start()
        end = time.monotonic() + duration_seconds
        while time.monotonic() < end and not self.wrong and self.server.process.poll() is None:
            time.sleep(0.2)
        self.has_ended.set()
        for thread in self.threads:
            thread.join()

    def _abuse(self, random_, _):
        abuse = Abuse(self.server.address, self.key, random_, self.has_ended)
        while not self.has_ended.is_set():
            abuser = random_.choice(ABUSERS)
            try:
                abuser(abuse)
            except (OSError, EOFError):
                pass  # the server has had enough of it
            except Exception as error:
                self.wrong.append(error)
            self.done[abuser.__name__] += 1

    def _be_polite(self, _, number):
        count = 0
        while not self.has_ended.is_set():
            try:
                with PoliteClient(self.server.address, self.key) as client:
                    for _ in range(50):
                        count += 1
                        self._visit(client, f"polite-{number}-{count}")
                    self.reconnects += client.reconnects
            except Exception as error:  # whatever it is, it is what the test looks for
                self.wrong.append(error)
                return
            time.sleep(0.02)

    def _visit(self, client, external_id):
        start = time.monotonic()
        created = client.ask("POST", "/v1/customers", {"external_id": external_id, "name": external_id})
        assert created.status == 201, created
        reply = client.ask("GET", f"/v1/customers/{created.json()['id']}")
        assert reply.status == 200 and reply.json()["external_id"] == external_id, reply
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - start)
        self.served += 1


def test_the_polite_are_served_among_the_rude(tmp_path, duration_seconds, seed):
    key = init(tmp_path / "data").api_key
    server = Server(tmp_path / "data", *[text for pair in LIMITS.items() for text in pair])
    status = Path(f"/proc/{server.process.pid}/status")
    with Client(server.address, key) as client:
        metadata = {f"key{number}": "v" * 250 for number in range(200)}
        client.create({"external_id": "large", "name": "Acme", "metadata": metadata})
    crowd = Crowd(server, key, seed)
    crowd.run(duration_seconds)
    print(
        f"{crowd.done}, {crowd.served} polite visits with {crowd.reconnects} reconnects, "
        f"the slowest took {crowd.slowest_seconds:.3f} s"
    )
    assert crowd.wrong == []
    assert server.process.poll() is None, server.log[-4000:]
    assert crowd.served > duration_seconds / SLOWDOWN
    assert crowd.slowest_seconds < seconds(POLITE_SECONDS_MAX)

    def resident_bytes():
        return int(status.read_text().split("VmRSS:")[1].split()[0]) * 1024

    if SLOWDOWN == 1:  # a sanitizer has memory of its own
        wait_until(lambda: resident_bytes() < LASTING_BYTES_MAX, 15, "memory to go back")
    # Ends cleanly: what was left behind on connections is drained, and a sanitizer has nothing to say.
    server.stop()
