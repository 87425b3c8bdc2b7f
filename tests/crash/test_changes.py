"""SIGKILL at any instant, amid creates, changes and deletes of all sorts that are sent again until they have an answer: none
that was acknowledged is lost, none is done twice."""

import random
import shutil
import time

import engine
from changes import Changes
from farthing_server import Server, init, run_ok

CHAPTER_ROUNDS = 25


def kill_in_a_chapter(directory, round_count, generator):
    """Returns the load, finished and looked through."""
    load = Changes(init(directory).api_key, generator.random())
    for _ in range(round_count):
        server = Server(directory)
        load.check_keys(server, 20)
        load.start([server])
        load.wait_for_progress(generator.randrange(1, 300))
        time.sleep(generator.uniform(0, 0.05))
        server.kill()
        load.stop()
        with engine.at_rest(directory) as look:
            load.check(look)
    server = Server(directory)
    load.finish(server)
    load.check_keys(server, 200)
    server.stop()
    with engine.at_rest(directory) as look:
        load.check_at_end(look)
    if not engine.ON_POSTGRES:
        run_ok("check", "--data", directory)
    return load


def test_kill_amid_changes(tmp_path, rounds, seed):
    generator = random.Random(seed)
    left = rounds(4, many=300)
    acknowledged = again = 0
    for chapter in range(0, left, CHAPTER_ROUNDS):
        directory = tmp_path / f"chapter{chapter}"
        load = kill_in_a_chapter(directory, min(CHAPTER_ROUNDS, left - chapter), generator)
        assert {kind for kind, _ in load.acknowledged} == {"Customer", "Key", "Connection"}
        acknowledged += load.acknowledged.total()
        again += load.again
        shutil.rmtree(directory)
    print(f"{left} rounds, {acknowledged} changes acknowledged, {again} of them sent more than once, 0 lost, 0 doubled")
    assert again, "nothing was cut short"
