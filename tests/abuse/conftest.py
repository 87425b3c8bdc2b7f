"""The abuse tests use the harness of tests/api. `--long` goes on for an hour; so does FARTHING_TEST_LONG=1 with a build
that has sanitizers, which is the one that an hour is worth it for."""

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

import pytest  # noqa: E402

import suites  # noqa: E402
from farthing_server import SLOWDOWN  # noqa: E402
from suites import pytest_addoption, pytest_configure, seed  # noqa: E402

__all__ = ["pytest_addoption", "pytest_configure", "seed"]

SECONDS, LONG_SECONDS = 20, 3600
# A sanitizer has memory of its own: there is nothing to be said about ours.
collect_ignore = ["test_memory.py"] if SLOWDOWN != 1 else []


def pytest_sessionstart(session):
    suites.pytest_sessionstart(session)
    # Both ends of some thousand connections: the server inherits this.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture
def duration_seconds(request):
    long = os.environ.get("FARTHING_TEST_LONG") == "1" and SLOWDOWN != 1
    return LONG_SECONDS if long or request.config.getoption("--long", default=False) else SECONDS
