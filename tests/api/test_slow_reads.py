"""Searches, deep lists and long trails: whoever asks for many keeps nobody else from theirs, and nothing is done for whoever
has left."""

import re
import select
import socket
import struct

import pytest

from farthing_server import create_tenant, init, run_ok, wait_until
from http_client import Client, RawConnection, request_bytes
from unix_client import AdminClient

CUSTOMERS = 10_000
FLOOD = 80
WAITING_MAX = 32  # of one tenant
RUNNING_MAX = 2  # of all, on the embedded database; on PostgreSQL half of the readers of 8 connections
PATH = "/v1/customers/search"


def slow_search(number=0):
    """Takes some tenths of a second over all the customers."""
    conditions = [
        {"field": "name", "operator": "not_contains", "data_type": "string", "value": {"string": f"~{number}~{i}"}}
        for i in range(50)
    ]
    return {"filters": conditions, "sort": [{"field": "name", "direction": "desc"}], "limit": 1, "offset": CUSTOMERS - 1}


QUICK_SEARCH = {"filters": [{"field": "name", "operator": "eq", "data_type": "string", "value": {"string": "Acme"}}]}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A data directory with many customers of one tenant, and the credentials of that one and of another."""
    folder = tmp_path_factory.mktemp("crowded")
    directory = folder / "data"
    credentials = init(directory)
    rows = folder / "customers.csv"
    filler = " lorem ipsum dolor sit amet" * 8
    rows.write_text(
        "external_id,name\n" + "".join(f"c{number},{number}{filler}\n" for number in range(CUSTOMERS)), encoding="ascii"
    )
    run_ok("import", "customers", rows, "--data", directory)
    return directory, credentials, create_tenant(directory, "Other")


class Flood:
    """Connections that each have sent a slow search; at the end those that wait have left."""

    def __init__(self, server, key, count=FLOOD):
        self.server = server
        self.key = key
        self.connections = []
        self.send(count)

    def send(self, count):
        """As many slow searches more, each on a connection of its own."""
        for _ in range(count):
            connection = RawConnection(self.server.address)
            self.connections.append(connection)
            connection.send(request_bytes("POST", PATH, self.key, slow_search(len(self.connections))))

    def answered(self):
        """The connections on which a reply has come."""
        ready = select.select([one.socket for one in self.connections], [], [], 0)[0]
        return [one for one in self.connections if one.socket in ready]

    def wait_for_refusals(self):
        """Then as many wait as may."""
        wait_until(lambda: len(self.answered()) >= FLOOD - WAITING_MAX - 2 * RUNNING_MAX, 20, "searches to be refused")

    def sees_refused(self, ask):
        """Whether what `ask` asks for is refused for as many wait as may: of searches that ended meanwhile others take the
        place."""
        for _ in range(10):
            if ask().status == 429:
                return True
            self.send(FLOOD - WAITING_MAX)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


def count_of(server, status):
    """How many searches were answered so, as the server itself tells."""
    with AdminClient(server.directory) as client:
        metrics = client.get("/metrics").body.decode()
    series = re.findall(r"^farthing_http_requests_total\{(.*)\} (\d+)$", metrics, re.MULTILINE)
    return sum(int(count) for labels, count in series if f'route="{PATH}"' in labels and f'status="{status}"' in labels)


def test_one_tenant_shuts_no_other_out_of_searches(crowded, start_server):
    """However many searches of a tenant wait, another one's comes behind those under way; the tenant's own are refused
    beyond a few."""
    directory, credentials, other = crowded
    server = start_server(directory)
    with Client(server.address, other.api_key) as client, Flood(server, credentials.api_key) as flood:
        flood.wait_for_refusals()
        before = len(flood.answered())
        assert client.post(PATH, QUICK_SEARCH).status == 200
        assert len(flood.answered()) - before <= 2 * RUNNING_MAX
        replies = [connection.read_reply() for connection in flood.answered()]
        assert {reply.status for reply in replies} <= {200, 429}
        refused = [reply for reply in replies if reply.status == 429]
        assert len(refused) >= FLOOD - WAITING_MAX - 4 * RUNNING_MAX
        assert all(reply.header("Retry-After") == "1" for reply in refused)


def test_searches_of_connections_wait_with_the_others(crowded, start_server):
    """They may take as long, and so are no work for a loop."""
    directory, credentials, _ = crowded
    server = start_server(directory)
    search = {"filters": [{"field": "name", "operator": "contains", "data_type": "string", "value": {"string": "x"}}]}
    with Client(server.address, credentials.api_key) as client:
        with Flood(server, credentials.api_key) as flood:
            flood.wait_for_refusals()
            assert flood.sees_refused(lambda: client.post("/v1/connections/search", search))
            assert flood.sees_refused(lambda: client.get("/v1/connections?offset=501"))
            assert client.get("/v1/connections").status == 200
            assert client.get("/v1/connections?connection_ids=conn_1").status == 200
        wait_until(lambda: client.post("/v1/connections/search", search).status == 200, 20, "room for a search")


def test_searches_of_whoever_has_left_are_not_made(crowded, start_server):
    """They make room at once, and none of those that waited is made."""
    directory, credentials, _ = crowded
    server = start_server(directory)
    with Client(server.address, credentials.api_key) as client:
        with Flood(server, credentials.api_key) as flood:
            flood.wait_for_refusals()
            assert flood.sees_refused(lambda: client.post(PATH, QUICK_SEARCH))
        wait_until(lambda: client.post(PATH, QUICK_SEARCH).status == 200, 20, "room for a search")
        wait_until(lambda: count_of(server, 400) >= WAITING_MAX - 2 * RUNNING_MAX, 20, "what waited to be given up")


def test_who_shuts_the_sending_side_gets_the_search(crowded, start_server):
    directory, credentials, _ = crowded
    server = start_server(directory)
    with Flood(server, credentials.api_key, RUNNING_MAX) as flood:
        for connection in flood.connections:
            connection.socket.shutdown(socket.SHUT_WR)
        assert [connection.read_reply().status for connection in flood.connections] == [200] * RUNNING_MAX


def test_searches_that_wait_do_not_keep_the_server_from_ending(crowded, start_server):
    """Past the drain, what waits is refused and what runs is interrupted; the process ends."""
    directory, credentials, _ = crowded
    server = start_server(directory, "--drain-timeout-ms", 100)
    with Flood(server, credentials.api_key) as flood:
        flood.wait_for_refusals()
        server.stop()
