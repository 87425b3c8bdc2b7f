"""Servers that share a database, and what must be in it in the end."""

import contextlib
import subprocess
import time

from crash_checks import check
from farthing_server import Credentials, Server, run, run_ok, seconds, wait_until
from http_client import Client
from postgres_cluster import free_port

DATABASE = "farthing"
SETTLE_SECONDS_MAX = 30
REASONS = {
    "database_unavailable", "too_many_connections", "disk_full", "out_of_memory", "busy", "timeout", "read_only",
    "outcome_unknown",
}  # fmt: skip


# All servers of a database have the same secrets: by these, or by the same file in each data directory.
SECRETS = {
    "FARTHING_AUTH_SECRET": "what signs tokens at every node of a place",
    "FARTHING_ENCRYPTION_KEY": "what encrypts secrets at every node of a place",
}
SECRETS_IN_FILES = dict.fromkeys(SECRETS, "")


class Node:
    """A server with a data directory and a port of its own, which it keeps from start to start."""

    def __init__(self, directory, url, *flags, **variables):
        self.directory, self.flags = directory, flags
        self.variables = {"FARTHING_DATABASE": url, **SECRETS, **variables}
        self.address = ("127.0.0.1", free_port())
        self.server = None

    def start(self, wait=True):
        listen = "%s:%d" % self.address
        self.server = Server(self.directory, *self.flags, listen=listen, wait=wait, **self.variables)
        return self

    def stop(self):
        """A clean end; one that does not come is no reason to leave the process behind."""
        if not self.server or self.server.log_file.closed:
            return
        try:
            self.server.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        self.server.kill()

    def command(self, *arguments):
        return run_ok(*arguments, "--data", self.directory, **self.variables)

    def try_command(self, *arguments):
        return run(*arguments, "--data", self.directory, **self.variables)

    def client(self, key=None):
        return Client(self.address, key)

    def is_ready(self):
        with contextlib.suppress(OSError), self.client() as client:
            return client.get("/ready").status == 200
        return False

    def wait_until_ready(self, limit_seconds=30):
        wait_until(self.is_ready, limit_seconds, "the node to be ready again")

    @property
    def log(self):
        return self.server.log


class Place:
    """A database in a cluster, a first tenant in it, and nodes."""

    def __init__(self, folder, cluster, url=None, is_initialised=True):
        self.folder, self.cluster = folder, cluster
        own_url = cluster.create_database(DATABASE)
        self.url = url or own_url
        self.nodes = []
        self.credentials = self.initialise() if is_initialised else None

    def initialise(self):
        return Credentials(self.new_node().command("init"))

    @property
    def key(self):
        return self.credentials.api_key

    def new_node(self, *flags, url=None, **variables):
        directory = self.folder / f"node{len(self.nodes)}"
        self.nodes.append(Node(directory, url or self.url, *flags, **variables))
        return self.nodes[-1]

    def node(self, number=0):
        """A running node."""
        while len(self.nodes) <= number:
            self.new_node()
        node = self.nodes[number]
        return node if node.server else node.start()

    def client(self, number=0):
        return self.node(number).client(self.key)

    def stop(self):
        for node in self.nodes:
            node.stop()

    def print_logs(self):
        """For the report of a test that failed."""
        for node in self.nodes:
            if node.server:
                print(f"--- the log of {node.directory.name} ends with\n{node.log[-6000:]}")

    def rows(self, query):
        """The rows as tuples, from whichever cluster it is now."""
        return [tuple(value for _, value in row) for row in self.cluster.rows(query, DATABASE)]

    def backends(self, condition="true"):
        return self.cluster.backends(DATABASE, condition)

    def stored(self):
        """{external id: id} of what is in the database once nobody writes any more; it is looked through as after a crash."""
        self.stop()
        deadline = time.monotonic() + seconds(SETTLE_SECONDS_MAX)
        while self.backends():
            assert time.monotonic() < deadline, "sessions of servers that are gone stay"
            time.sleep(0.02)
        return check(self.rows)


def assert_refused(reply, *reasons):
    """503 for one of these reasons, in the form of every error."""
    assert reply.status == 503, reply
    body = reply.json()
    assert body["code"] == "service_unavailable", body
    assert body["details"]["reason"] in (reasons or REASONS), body
    return body["details"]["reason"]
