"""What the suites beside this one share with it: options, and fixtures that no other file needs. Their conftest.py files
take over by name what they want."""

import os

import pytest

import left_out
from farthing_server import BINARY, SLOWDOWN

LONG_FACTOR = 25
ROUNDS_MIN = 2


def pytest_configure(config):
    left_out.register(config)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="many more rounds, or an hour")
    parser.addoption("--seed", type=int, default=None, help="repeat a run's random choices")


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"there is no binary at {BINARY}; build it or set FARTHING_BINARY", returncode=3)


@pytest.fixture
def rounds(request):
    """Turns a usual number of rounds, and perhaps that of a long run, into that of this run."""
    is_long = request.config.getoption("--long", default=False) or os.environ.get("FARTHING_TEST_LONG") == "1"

    def of_this_run(usual, many=None):
        return (many or usual * LONG_FACTOR) if is_long else max(ROUNDS_MIN, round(usual / SLOWDOWN))

    return of_this_run


@pytest.fixture
def seed(request):
    """Printed when a test fails, so that its choices (not the machine's timing) can be repeated."""
    given = request.config.getoption("--seed", default=None)
    chosen = given if given is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {chosen}")
    return chosen
