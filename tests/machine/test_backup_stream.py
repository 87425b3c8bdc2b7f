"""The continuous backup while the disk of the data directory stalls, and while the clock steps."""

from datetime import datetime, timezone

import pytest

from failing import Shim
from farthing_server import run, run_ok, wait_until

pytestmark = pytest.mark.embedded("the continuous backup is that of the embedded database")

STALL_SECONDS = 1.5
DAY = 24 * 3600


def test_a_base_that_ends_while_a_segment_is_written(new_place, tmp_path):
    """The segment was cut before the base ended, and so does not lead up to its end."""
    shim, copies = Shim(tmp_path / "orders"), tmp_path / "copies"
    shim.slow_down_rewrites(STALL_SECONDS)
    place = new_place(tmp_path, "--backup-to", copies, "--backup-interval-ms", 100, variables=shim.variables)
    wait_until(lambda: list(copies.rglob("base/*/*.json")), 30, "a base")
    place.changes.wait_for_progress(20)
    shim.slow_down_rewrites(0)
    place.end()
    (base,) = copies.rglob("base/*/*.json")
    microseconds = int(base.stem.split("-")[-1])
    moment = datetime.fromtimestamp(microseconds // 1_000_000, timezone.utc)
    at = f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06}Z"
    run_ok("restore", copies, "--data", tmp_path / "restored", "--at", at)
    assert run("check", "--data", tmp_path / "restored").stdout.endswith(": all is well\n")


def test_a_clock_that_steps_costs_no_base(new_place, tmp_path):
    """A month ahead and back: what is old is not told by a jump, and the next base does not wait for the month to pass."""
    shim, copies = Shim(tmp_path / "orders"), tmp_path / "copies"
    place = new_place(tmp_path, "--backup-to", copies, variables=shim.variables)

    def bases():
        return set(copies.rglob("base/*/*.json"))

    for count, ahead in enumerate((0, 30 * DAY, 70 * DAY, 0), 1):
        before = bases()
        shim.set_clock(ahead)
        wait_until(lambda: len(bases()) > len(before) or not before <= bases(), 30, "another base")
        assert before <= bases() and len(bases()) == count
    place.changes.wait_for_progress(20)
