"""The crash tests use the harness of tests/api. `--long` (or FARTHING_TEST_LONG=1) kills hundreds of times."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

import pytest  # noqa: E402

import left_out  # noqa: E402
from farthing_server import BINARY, SLOWDOWN  # noqa: E402

LONG_FACTOR = 25


def pytest_configure(config):
    left_out.register(config)


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="many more rounds")
    parser.addoption("--seed", type=int, default=None, help="repeat a run's random choices")


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"there is no binary at {BINARY}; build it or set FARTHING_BINARY", returncode=3)


@pytest.fixture
def rounds(request):
    """Turns a usual number of rounds into that of this run."""
    long = request.config.getoption("--long", default=False) or os.environ.get("FARTHING_TEST_LONG") == "1"
    return lambda usual: usual * LONG_FACTOR if long else max(3, round(usual / SLOWDOWN))


@pytest.fixture
def seed(request):
    """Printed when a test fails, so that its choices (not the machine's timing) can be repeated."""
    given = request.config.getoption("--seed", default=None)
    chosen = given if given is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {chosen}")
    return chosen
