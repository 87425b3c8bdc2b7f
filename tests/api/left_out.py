"""Tests that this machine or this engine cannot run are left out by name. The hooks are for conftest.py to import."""

import os
import subprocess
import tempfile

from engine import ON_POSTGRES


def can_mount():
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


# What a test may need of the machine, which no package brings: @pytest.mark.needs("root").
MACHINE = {
    "root": lambda: os.geteuid() == 0,
    "mount": can_mount,
    "memory disk": lambda: os.access("/dev/shm", os.W_OK),
}


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(what): leave the test out where the machine does not have it")
    config.addinivalue_line("markers", "embedded(why): leave the test out on PostgreSQL")


def pytest_collection_modifyitems(config, items):
    wanted = {item: [mark.args[0] for mark in item.iter_markers("needs")] for item in items}
    has = {what: MACHINE[what]() for whats in wanted.values() for what in whats}
    leave_out(
        config, items, "this machine cannot do it",
        {item: "" for item in items if not all(has[what] for what in wanted[item])},
    )
    # Every mark is read on either engine, so that one without a reason is found at once.
    embedded = {item: reason_of(mark) for item in items for mark in item.iter_markers("embedded")}
    if ON_POSTGRES:
        leave_out(config, items, "they are about the embedded database", embedded)


def reason_of(mark):
    assert mark.args and mark.args[0], "embedded() takes the reason why"
    return f": {mark.args[0]}"


def leave_out(config, items, why, left_out):
    if left_out:
        print(f"left out, because {why}:", *(item.nodeid + word for item, word in left_out.items()), sep="\n  ")
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
