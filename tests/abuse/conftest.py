"""The abuse tests use the harness of tests/api. `--long` goes on for an hour; so does FARTHING_TEST_LONG=1 with a build
that has sanitizers, which is the one that an hour is worth it for."""

import os
import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

import pytest  # noqa: E402

import left_out  # noqa: E402
from farthing_server import BINARY, SLOWDOWN  # noqa: E402

SECONDS, LONG_SECONDS = 20, 3600
# A sanitizer has memory of its own: there is nothing to be said about ours.
collect_ignore = ["test_memory.py"] if SLOWDOWN != 1 else []


def pytest_configure(config):
    left_out.register(config)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="an hour")
    parser.addoption("--seed", type=int, default=None, help="repeat a run's random choices")


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"there is no binary at {BINARY}; build it or set FARTHING_BINARY", returncode=3)
    # Both ends of some thousand connections: the server inherits this.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture
def duration_seconds(request):
    long = os.environ.get("FARTHING_TEST_LONG") == "1" and SLOWDOWN != 1
    return LONG_SECONDS if long or request.config.getoption("--long", default=False) else SECONDS


@pytest.fixture
def seed(request):
    """Printed when a test fails, so that its choices (not the machine's timing) can be repeated."""
    given = request.config.getoption("--seed", default=None)
    chosen = given if given is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {chosen}")
    return chosen
