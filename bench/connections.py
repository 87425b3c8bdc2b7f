"""connections: ten thousand idle connections and a thousand active ones, beside the usual 64.

Gets at a fixed rate, a quarter of what the server can do, are timed on 64 connections; then as many gets of which the 64 ask half
and a thousand more connections the other half, each in its turn, while ten thousand hold a connection and say nothing. So both have
the same load, and what differs is the connections: in the first case as many rest with another server, because a machine has work
with open sockets whosever they are, and what looks at them all takes the processor for milliseconds. The rounds alternate, so that
a slow minute meets both.
"""

import contextlib
import resource
import socket
import time

import seed
from measure import Failure, figure, load, median, memory_kib, memory_text, note, ratio_text, undisturbed
from servers import Farthing

USUAL, ACTIVE, IDLE = 64, 1_000, 10_000
RESTING_CUSTOMERS = 1_000  # of the other server, whom nobody asks
IDLE_CLIENTS = 50  # addresses that they come from: no one client may have so many
DESCRIPTORS_BESIDE = 2_000
SETTLE_SECONDS = 2.5
SHARE_OF_MAXIMUM = 0.125


class Full:
    rounds, seconds, customers = 11, 4, 1_000_000


class Quick:
    rounds, seconds, customers = 4, 3, 100_000


def run(quick):
    plan = Quick if quick else Full
    allow_descriptors(IDLE + DESCRIPTORS_BESIDE)
    directory, api_key = seed.seeded(plan.customers)
    seed.warm(directory)
    resting, resting_key = seed.seeded(RESTING_CUSTOMERS)
    with Farthing("farthing", directory, api_key) as server, Farthing("resting", resting, resting_key) as elsewhere:
        rate = SHARE_OF_MAXIMUM * most_gets(server, plan)  # of each half
        alone, crowded = rounds(server, elsewhere, plan, rate)
        busy = memory_kib(server.pid)
    note(f"memory: {memory_text(busy)}")
    for which in ("p50_us", "p90_us", "p99_us"):
        note(f"{which[:3]} of {USUAL} connections alone {median(one[which] for one in alone):.0f} us, in the crowd "
             f"{median(one[which] for one in crowded):.0f} us")
    ratios = [b["p99_us"] / a["p99_us"] for a, b in zip(alone, crowded)]
    note(f"  crowded / alone: {ratio_text(ratios)}")
    figure("connections-memory-mb", busy["VmHWM"] / 1024, "<=256", 1)
    figure("connections-p99-crowded-vs-alone", median(ratios), "<=2.00")


def allow_descriptors(count):
    """For this process and, inherited, for the server."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        raise Failure(f"needs {count} descriptors a process, but the limit is {hard}; raise it (ulimit -n {count})")
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def most_gets(server, plan):
    sample = load(server, plan.seconds, f"get:connections={USUAL},rows={plan.customers}")
    note(f"{USUAL} connections, as fast as they can: {sample.text()}")
    return sample.per_second


def rounds(server, elsewhere, plan, rate):
    """What the client found on the usual connections, by round: (alone, crowded)."""
    all_of_it = f"get:connections={USUAL},rows={plan.customers},rate={2 * rate:.0f}"
    usual = f"get:connections={USUAL},rows={plan.customers},rate={rate:.0f}"
    active = f"get:connections={ACTIVE},rows={plan.customers},rate={rate:.0f},in-turn=1"
    alone, crowded = [], []
    for number in range(-1, plan.rounds):  # round -1 warms up and is not counted
        with idle_connections(elsewhere.port, IDLE + ACTIVE):
            by_itself = undisturbed(lambda: load(server, plan.seconds, all_of_it))
        with idle_connections(server.port, IDLE):
            in_crowd = undisturbed(lambda: load(server, plan.seconds, usual, active))
        if number < 0:
            continue
        require_rate(in_crowd, rate)
        alone.append(by_itself.streams[0])
        crowded.append(in_crowd.streams[0])
        note(f"alone p99 {by_itself.p99_us} us; with {IDLE:,} idle and {ACTIVE:,} active: p99 {in_crowd.p99_us} us, "
             f"theirs {in_crowd.streams[1]['p99_us']} us")
    return alone, crowded


def require_rate(sample, rate):
    for stream in sample.streams:
        if stream["per_second"] < 0.95 * rate:
            raise Failure(f"a stream kept only {stream['per_second']:.0f} of {rate:.0f} gets a second")


@contextlib.contextmanager
def idle_connections(port, count):
    """Connections that are there; half of them have been answered once before they fell silent."""
    connections = []
    try:
        for number in range(count):
            source = (f"127.0.1.{number % IDLE_CLIENTS + 1}", 0)
            connection = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=source)
            connections.append(connection)
            if number % 2:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
                reply = connection.recv(4096)
                if not reply.startswith(b"HTTP/1.1 200"):
                    raise Failure(f"connection {number} was not served: {reply[:200]!r}")
        time.sleep(SETTLE_SECONDS)
        yield
    finally:
        for connection in connections:
            connection.close()
        time.sleep(SETTLE_SECONDS)  # that the server has closed them too, and given their memory back
