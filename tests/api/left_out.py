"""Tests that this machine or this engine cannot run are left out by name. A plugin, for each conftest.py to register."""

import os
import subprocess
import sys
import tempfile

import pytest

from engine import ON_POSTGRES


def can_mount():
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


def can_mount_files():
    """With root, util-linux and e2fsprogs there may still be no loop devices, as in a container."""
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, "image")
        with open(image, "wb") as file:
            file.truncate(4 << 20)
        for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, folder], ["umount", folder]):
            try:
                if subprocess.run(command, capture_output=True, check=False).returncode != 0:
                    return False
            except FileNotFoundError:
                return False
        return True


# What a test may need of the machine, which no package brings: @pytest.mark.needs("root").
MACHINE = {
    "root": lambda: os.geteuid() == 0,
    "mount": can_mount,
    "disks in files": can_mount_files,
    "mounts of its own": lambda: subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True, check=False
    ).returncode == 0,
    "memory disk": lambda: os.access("/dev/shm", os.W_OK),
}


def register(config):
    """Once, however many suites are run together."""
    if not config.pluginmanager.has_plugin(__name__):
        config.pluginmanager.register(sys.modules[__name__], __name__)


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(what): leave the test out where the machine does not have it")
    config.addinivalue_line("markers", "embedded(why): leave the test out on PostgreSQL")
    config.addinivalue_line("markers", "shared(why): leave the test out on the embedded database")


def pytest_collection_modifyitems(config, items):
    wanted = {item: [mark.args[0] for mark in item.iter_markers("needs")] for item in items}
    has = {what: MACHINE[what]() for whats in wanted.values() for what in whats}
    leave_out(
        config, items, "this machine cannot do it",
        {item: "" for item in items if not all(has[what] for what in wanted[item])},
    )
    # Every mark is read on either engine, so that one without a reason is found at once.
    embedded, shared = (
        {item: reason_of(mark) for item in items for mark in item.iter_markers(name)} for name in ("embedded", "shared")
    )
    if ON_POSTGRES:
        leave_out(config, items, "they run on the embedded database alone", embedded)
    else:
        leave_out(config, items, "they run on PostgreSQL alone", shared)


def reason_of(mark):
    assert mark.args and mark.args[0], f"{mark.name}() takes the reason why"
    return f": {mark.args[0]}"


def leave_out(config, items, why, left_out):
    if left_out:
        names = [item.nodeid + word for item, word in left_out.items()]
        tell(config, "\n  ".join([f"left out, because {why}:", *names]))
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def tell(config, text):
    """What one of several processes prints (pytest-xdist) is not seen: the one that started it does."""
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = config.workeroutput.get("left_out", "") + text + "\n"
    else:
        print(text)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    if node.gateway.id == "gw0":  # all of them leave out the same
        print("\n" + getattr(node, "workeroutput", {}).get("left_out", ""), end="")
