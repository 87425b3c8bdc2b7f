"""The Debian package as Debian's own checks see it."""

import os
import subprocess

from farthing_server import seconds

# Debian itself has left other init systems to packages of their own.
KNOWN = {"package-supports-alternative-init-but-no-init.d-script"}


def test_lintian_finds_nothing(package):
    unprivileged = ["--allow-root"] if os.geteuid() == 0 else []
    process = subprocess.run(
        ["lintian", "--display-info", "--tag-display-limit", "0", *unprivileged, package], capture_output=True, text=True, timeout=seconds(120)
    )
    tags = [line for line in process.stdout.splitlines() if line[:2] in ("E:", "W:", "I:") and not KNOWN & set(line.split())]
    assert tags == [] and process.returncode == 0, process.stdout + process.stderr
