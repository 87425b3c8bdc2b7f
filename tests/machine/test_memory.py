"""The system gives the process no more memory while it serves: writes are refused with the reason, reads go on, and all is well
again without a restart when there is some."""

import contextlib
import json
import resource

from farthing_server import wait_until
from http_client import RawConnection, request_bytes

MIB = 1 << 20
CROWD = 10
# The C library sets 64 MiB of addresses aside for each thread, which the limit would have to be used up behind.
ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}


def virtual_bytes(place):
    with open(f"/proc/{place.pid}/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def large_body():
    """What takes memory until it is refused for what it says."""
    return json.dumps({"external_id": "x", "name": "x" * MIB}).encode()


def take_all_there_is(place, stack):
    """Clients that send large bodies, all but their end, until there is no memory left."""
    request = request_bytes("POST", "/v1/customers", place.key, large_body())
    for _ in range(CROWD):
        connection = stack.enter_context(RawConnection(place.server.address))
        connection.send_tolerant(request[:-1])
    wait_until(lambda: "the system gives no memory" in place.server.log, 10, "the server to use its reserve")


# The limit is below what the process has: it gets no more, and its reserve of 32 MiB, once it is used, is not set aside again.
def test_writes_are_refused_until_there_is_memory_again(new_place):
    place = new_place(variables=ONE_HEAP)
    with place.client() as client:
        for _ in range(2):
            with contextlib.ExitStack() as stack, place.limit(resource.RLIMIT_AS, virtual_bytes(place) - 8 * MIB):
                take_all_there_is(place, stack)
                place.assert_writes_are_refused("out_of_memory", "overloaded")
                ready = client.get("/ready")
                assert (ready.status, ready.json()["checks"]["server"]) == (503, "out_of_memory")
            place.assert_all_is_well_again()
