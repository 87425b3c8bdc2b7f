"""docs/operations.md: its commands are run in order, against a real server. Only the service manager is not real here, and the
paths of the system are in a folder; test_installed.py runs the same under systemd."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import operations
from farthing_server import BINARY, REPOSITORY, environment, run_ok, seconds

STAND_INS = Path(__file__).parent / "stand_ins"
SYSTEM_PATHS = re.compile(r"(?<![\w/])/(var/lib|var/backups|etc/farthing|usr/bin/farthing)\b")


def free_ports(count):
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Place:
    """A folder that has the system's paths in it, as the package leaves them."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = free_ports(2)
        self.data = folder / "var/lib/farthing"
        self.data.mkdir(parents=True, mode=0o700)
        (folder / "etc/farthing").mkdir(parents=True)
        (folder / "var/backups/farthing").mkdir(parents=True)
        (folder / "usr/bin").mkdir(parents=True)
        (folder / "usr/bin/farthing").symlink_to(BINARY)
        settings = folder / "etc/farthing/farthing.conf"
        settings.write_text(run_ok("config", "example") + f"\nlisten = 127.0.0.1:{self.ports[0]}\n")
        (self.data / "farthing.conf").symlink_to(settings)
        unit = folder / "farthing.service"
        unit.write_text(self.moved((REPOSITORY / "packaging/farthing.service").read_text()))

    def moved(self, text):
        text = SYSTEM_PATHS.sub(lambda match: f"{self.folder}{match[0]}", text)
        return text.replace("127.0.0.1:8080", f"127.0.0.1:{self.ports[0]}").replace(":9464", f":{self.ports[1]}")

    def run(self, script):
        path = f"{STAND_INS}:{self.folder / 'usr/bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-c", self.moved(script)], capture_output=True, text=True, cwd=self.folder, timeout=seconds(60),
            env=environment("serve", PATH=path, PLACE=str(self.folder), UNIT=str(self.folder / "farthing.service")),
        )

    def end(self):
        pid = self.folder / "pid"
        if pid.exists():
            os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.end()


def test_every_command_of_the_document(place):
    process = place.run(operations.script(with_installation=False))
    assert process.returncode == 0, process.stderr[-4000:] + process.stdout[-2000:]
    # What they were there for.
    assert '{"status":"ok"' in process.stdout and "farthing_database_up 1" in process.stdout
    assert "nightly-report" in process.stdout
    assert re.search(rf"^700 \w+ {place.data}$", process.stdout, re.M)
    (backup,) = (place.folder / "var/backups/farthing").iterdir()
    assert {"farthing.db", "secrets", "backup.json"} == {path.name for path in backup.iterdir()}
    assert (place.data / "farthing.conf").is_symlink()
    assert place.run("systemctl stop farthing").returncode == 0
    assert "idle-timeout-ms = 60000" in (place.folder / "etc/farthing/farthing.conf").read_text()
    assert len(list(place.data.glob("replaced-*/farthing.db"))) == 1, "what was before the restoring is kept"
    shutil.rmtree(place.folder, ignore_errors=True)


def test_a_command_that_fails_would_be_seen(place):
    """The script stops at the first one."""
    process = place.run(operations.script(with_installation=False).replace("farthing init\n", "farthing key revoke nothing\n"))
    assert process.returncode != 0
