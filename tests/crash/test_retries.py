"""SIGKILL at any instant, while each request is sent several times with its Idempotency-Key: nothing is done twice, nothing
is lost, and all replies to a request are the same."""

import random
import time

import engine
from crash_checks import check
from farthing_server import Server, init
from retries import Retries

CHAPTER_ROUNDS = 25


def kill_in_a_chapter(directory, round_count, generator):
    """Returns how many replies there were."""
    retries = Retries(init(directory), generator.random())
    for _ in range(round_count):
        server = Server(directory)
        retries.start([server])
        retries.wait_for_progress(generator.randrange(1, 400))
        time.sleep(generator.uniform(0, 0.05))
        server.kill()
        retries.stop()
    server = Server(directory)
    retries.finish([server])
    server.stop()
    with engine.at_rest(directory) as look:
        check(look)
        retries.check(look)
    return retries.replies


def test_kill_amid_retries(tmp_path, rounds, seed):
    generator = random.Random(seed)
    left = rounds(12)
    for chapter in range(0, left, CHAPTER_ROUNDS):
        replies = kill_in_a_chapter(tmp_path / f"chapter{chapter}", min(CHAPTER_ROUNDS, left - chapter), generator)
        print(replies)
        assert replies[201] and replies[404] and replies[409], replies
