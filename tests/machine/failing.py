"""What the tests of failing machines have in common: a server under load that is looked through in the end."""

import contextlib
import resource as resource_module
import struct

import engine
from changes import Changes
from farthing_server import BINARY, Server, init, run_ok, wait_until
from http_client import Client
from reads import Reads

SHIM = BINARY.parent / "tests/support/machine-shim.so"


class Shim:
    """Orders for tests/support/machine_shim.c."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(24))
        self.variables = {"LD_PRELOAD": str(SHIM), "MACHINE_SHIM": str(path)}

    def set_clock(self, ahead_seconds):
        self._write(0, int(ahead_seconds * 1e6))

    @contextlib.contextmanager
    def failing_writes(self, error):
        self._write(8, error)
        try:
            yield
        finally:
            self._write(8, 0)

    def slow_down_rewrites(self, seconds):
        """Each file that is written anew is opened that much later."""
        self._write(16, int(seconds * 1e6))

    def _write(self, offset, number):
        with open(self.path, "r+b", buffering=0) as file:
            file.seek(offset)
            file.write(struct.pack("q", number))


class Place:
    """A data directory with a server, load that changes and load that reads."""

    def __init__(self, directory, seed, *flags, launcher=(), variables=None):
        self.directory, self.has_ended = directory, False
        self.key = init(directory).api_key
        self.server = Server(directory, *flags, launcher=launcher, **(variables or {}))
        with self.client() as client:
            self.known = [client.create({"external_id": f"known-{number}", "name": "Known"}) for number in range(10)]
        self.changes = Changes(self.key, seed, others=self.known)
        self.changes.start([self.server])
        self.reads = Reads(self.server.address, self.key, [{**one, "integrations": []} for one in self.known])
        self.changes.wait_for_progress(20)

    def client(self, key=None):
        return Client(self.server.address, key or self.key)

    @property
    def pid(self):
        return self.server.process.pid

    @contextlib.contextmanager
    def limit(self, resource, value):
        """Sets a soft limit of the running server."""
        _, hard = resource_module.prlimit(self.pid, resource)
        before = resource_module.prlimit(self.pid, resource, (value, hard))
        try:
            yield
        finally:
            if self.server.process.poll() is None:
                resource_module.prlimit(self.pid, resource, before)

    def assert_writes_are_refused(self, *reasons):
        """Until one is, for one of these reasons, while reads go on."""
        before = self.changes.refused.total()
        wait_until(lambda: self.changes.refused.total() > before or self._is_wrong(), 30, "a write to be refused")
        assert self.server.process.poll() is None, f"the server ended with {self.server.process.returncode}"
        assert set(self.changes.refused) <= set(reasons), self.changes.refused
        self.reads.assert_go_on()

    def _is_wrong(self):
        return self.changes.wrong or self.server.process.poll() is not None

    def assert_all_is_well_again(self):
        self.changes.wait_for_progress(20)
        self.reads.assert_go_on()
        with self.client() as client:
            wait_until(lambda: client.get("/ready").status == 200, 10, "the server to be ready again")

    def end(self):
        """Stops everything, and looks through what is stored. Once."""
        if self.has_ended:
            return
        self.has_ended = True
        self.changes.stop()
        self.reads.stop()
        if self.server.process.poll() is not None:
            self.server.wait()  # tells how it ended
            return
        self.changes.finish(self.server)
        self.server.stop()
        with engine.at_rest(self.directory) as look:
            self.changes.check(look)
        if not engine.ON_POSTGRES:
            run_ok("check", "--data", self.directory)
