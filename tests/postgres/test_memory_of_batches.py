"""What a batch of large rows costs while PostgreSQL takes its time: libpq never gives memory back."""

import contextlib
import re
import time
from pathlib import Path

from farthing_server import wait_until
from http_client import RawConnection, request_bytes
from test_refusals import copy_statement

MIB = 1024 * 1024
CLIENTS = 65  # the first is by itself; then there are as many as a batch takes
METADATA = {f"key{number}": "\n" * 250 for number in range(240)}  # each row, its trail and its event take 120 kB
GROWTH_MAX = 8 * MIB  # the allocator's, and that of the free lists; the batch is 21 MiB
TOKEN = "a-token-of-the-monitoring"


def large(name):
    return {"external_id": name, "name": "Acme", "metadata": METADATA}


def waiting_commands(node):
    with node.client() as client:
        text = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).body.decode()
    return int(re.search(r"^farthing_writer_commands_waiting (\d+)", text, re.MULTILINE).group(1))


def resident_bytes(node):
    status = Path(f"/proc/{node.server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def waits_for_a_row(place):
    return len(place.backends("wait_event_type = 'Lock'")) == 1


def test_what_the_server_has_not_taken_yet_is_not_kept(place):
    """The only writer waits for one row; then, amid a batch, for another, which has all the others waiting behind it."""
    node = place.new_node("--database-connections", 2, "--metrics-token", TOKEN).start()
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(node.client(place.key)).create(large("model"))
        before = resident_bytes(node)
        held = {name: stack.enter_context(place.session()) for name in ("first", "second")}
        for name, session in held.items():
            session.sql("BEGIN")
            session.sql(copy_statement(model["id"], name))
        connections = [stack.enter_context(RawConnection(node.address)) for _ in range(CLIENTS)]
        for count, connection in enumerate(connections, 1):
            name = ["first", "second"][count - 1] if count <= 2 else f"other {count}"
            connection.send(request_bytes("POST", "/v1/customers", place.key, large(name)))
            if count <= 2 or count == CLIENTS:
                wait_until(lambda: waiting_commands(node) == count, 30, f"the server to have {count} creates")
        wait_until(lambda: waits_for_a_row(place), 30, "the writer to wait for the first row")
        held["first"].sql("ROLLBACK")
        assert connections[0].read_reply().status == 201
        wait_until(lambda: waits_for_a_row(place), 30, "the writer to wait for the second row")
        time.sleep(0.3)  # for all to be sent that is
        held["second"].sql("ROLLBACK")
        for connection in connections[1:]:
            assert connection.read_reply().status == 201
    wait_until(lambda: resident_bytes(node) - before < GROWTH_MAX, 15, "memory to go back")
