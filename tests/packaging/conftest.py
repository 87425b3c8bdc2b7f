"""Tests of what is around the binary: completions in the shells, the manual page, the Debian package and its unit, alerts and
dashboard, the operator's document. They use the harness of tests/api. With FARTHING_TEST_LONG=1 also those that need more
packages, and the package is installed into a system of its own in which systemd runs (root, or sudo without a password)."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

import pytest  # noqa: E402

import suites  # noqa: E402
from farthing_server import BINARY, REPOSITORY, run_ok, seconds  # noqa: E402
from suites import pytest_addoption, pytest_configure, pytest_sessionstart  # noqa: E402

__all__ = ["pytest_addoption", "pytest_configure", "pytest_sessionstart", "suites"]

if os.environ.get("FARTHING_TEST_LONG") != "1":
    collect_ignore = ["test_installed.py", "test_lintian.py", "test_promtool.py"]


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The path of the Debian package."""
    directory = tmp_path_factory.mktemp("package")
    process = subprocess.run(
        [REPOSITORY / "packaging/debian/make-package", BINARY, directory],
        capture_output=True, text=True, timeout=seconds(60),
        env={**os.environ, "DEBFULLNAME": "Farthing", "DEBEMAIL": "farthing@debian.org"},
    )
    assert process.returncode == 0, process.stderr
    return Path(process.stdout.strip())


@pytest.fixture(scope="session")
def scripts(tmp_path_factory):
    """A directory with the completion script of each shell under its name, and the binary as `farthing`."""
    directory = tmp_path_factory.mktemp("scripts")
    for shell in ("bash", "zsh", "fish"):
        (directory / shell).write_text(run_ok("completion", shell))
    (directory / "farthing").symlink_to(BINARY)
    return directory
