"""SIGKILL of the server, of one of its sessions' processes or of PostgreSQL itself, amid creates, changes and deletes of all sorts
that are sent again until they have an answer: none that was acknowledged is lost, none is done twice."""

import contextlib
import os
import random
import signal
from pathlib import Path

from changes import Changes
from farthing_server import wait_until


def kill_node(place, _):
    place.node().kill()
    wait_until(lambda: not place.backends(), 30, "the sessions of a server that is gone to end")


def kill_session(place, generator):
    """PostgreSQL ends all others as well, and reads its log again."""
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(generator.choice(place.backends()), signal.SIGKILL)


def children_of(pid):
    return [int(number) for number in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def kill_all_of_postgres(place, _):
    """As a machine would that has no memory left: all of its processes at once, the first of them first."""
    cluster = place.cluster
    pids = [cluster.process.pid, *children_of(cluster.process.pid)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cluster.process.wait()
    wait_until(lambda: not any(map(is_alive, pids)), 30, "PostgreSQL's processes to end")
    cluster.start()


KILLS = (kill_node, kill_session, kill_all_of_postgres)


def test_kill_amid_changes(own_place, rounds, seed):
    generator = random.Random(seed)
    load = Changes(own_place.key, generator.random())
    count = rounds(len(KILLS), many=300)
    for number in range(count):
        kill = KILLS[number % len(KILLS)]
        node = own_place.node()
        load.start([node])
        load.wait_for_progress(generator.randrange(1, 100))
        kill(own_place, generator)
        if kill is kill_node:
            load.stop()
            node.start()
        else:
            load.wait_for_progress(20)
            load.stop()
        load.check(own_place.rows)
    own_place.node().wait_until_ready()
    load.finish(own_place.node())
    load.check_keys(own_place.node(), 200)
    own_place.stop()
    load.check_at_end(own_place.rows)
    print(
        f"{count} rounds, {load.acknowledged.total()} changes acknowledged, {load.again} of them sent more than once, "
        f"refused meanwhile {dict(load.refused)}, 0 lost, 0 doubled"
    )
    assert load.again, "nothing was cut short"
