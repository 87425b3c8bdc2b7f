"""A system of its own in which systemd runs, for packages to be installed into."""

import os
import subprocess
import time
from pathlib import Path

from farthing_server import seconds

BOOT = Path(__file__).parent / "boot_machine"
NAMESPACES = ("--mount", "--pid", "--net", "--cgroup", "--uts", "--ipc")
AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")
ENVIRONMENT = ("env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
               "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8")
# sudo is no part of a bare system; root's own way to be somebody else is.
SUDO = '#!/bin/sh\nif [ "$1" = -u ]; then\n    user=$2\n    shift 2\n    exec runuser -u "$user" -- "$@"\nfi\nexec "$@"\n'


class Machine:
    def __init__(self, folder):
        folder.mkdir()
        command = [*AS_ROOT, "unshare", "--fork", "--kill-child", *NAMESPACES, str(BOOT), str(folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.first = None
        deadline = time.monotonic() + seconds(60)
        while not self._is_up():
            assert self.process.poll() is None, f"it did not boot: {self.process.returncode}"
            assert time.monotonic() < deadline, "it does not boot"
            time.sleep(0.1)
        self.put("/usr/local/bin/sudo", SUDO, "755")

    def _is_up(self):
        """Its first process is the one whose name is systemd among the descendants of ours."""
        parents = [self.process.pid]
        while parents:
            parent = parents.pop()
            for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    self.first = child
                    return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")
                parents.append(int(child))
        return False

    def _within(self, *command):
        enter = [*AS_ROOT, "nsenter", f"--target={self.first}", *NAMESPACES, f"--root=/proc/{self.first}/root", "--wdns=/"]
        return [*enter, *ENVIRONMENT, *map(str, command)]

    def run(self, *command, stdin=None):
        return subprocess.run(self._within(*command), input=stdin, capture_output=True, text=True, timeout=seconds(120))

    def run_ok(self, *command, **options):
        process = self.run(*command, **options)
        assert process.returncode == 0, f"{command}: {process.stdout}{process.stderr}"
        return process.stdout

    def put(self, path, text, mode="644"):
        self.run_ok("sh", "-c", f'mkdir -p "$(dirname {path})" && cat >{path} && chmod {mode} {path}', stdin=text)

    def put_file(self, path, file):
        with open(file, "rb") as content:
            command = self._within("sh", "-c", f'mkdir -p "$(dirname {path})" && cat >{path}')
            subprocess.run(command, stdin=content, check=True)

    def end(self):
        subprocess.run([*AS_ROOT, "kill", "-KILL", self.first], check=True)
        self.process.wait(timeout=seconds(30))
