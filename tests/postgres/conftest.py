"""Tests of failure, against PostgreSQL servers of their own that are stopped, killed, filled up and cut off under load.

They use the harness of tests/api. `--long` (or FARTHING_TEST_LONG=1) goes on for many more rounds."""

import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))
os.environ["FARTHING_TEST_ENGINE"] = "postgres"

import pytest  # noqa: E402

pytest.register_assert_rewrite("steady_load", "nodes", "crash_checks", "retries")

import left_out  # noqa: E402
from farthing_server import BINARY, SLOWDOWN  # noqa: E402
from nodes import Place  # noqa: E402
from postgres_cluster import Cluster  # noqa: E402

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
    return lambda usual: usual * LONG_FACTOR if long else max(2, round(usual / SLOWDOWN))


@pytest.fixture
def seed(request):
    """Printed when a test fails, so that its choices (not the machine's timing) can be repeated."""
    given = request.config.getoption("--seed", default=None)
    chosen = given if given is not None else int.from_bytes(os.urandom(4), "big")
    print(f"seed {chosen}")
    return chosen


@pytest.fixture(scope="session")
def fresh_data():
    """The data directory of a new cluster; copying it takes a fraction of making it."""
    cluster = Cluster().initialise()
    cluster.stop()
    yield cluster.data
    cluster.remove()


@pytest.fixture
def new_cluster(fresh_data):
    """Makes clusters that belong to the test, and removes them at its end."""
    clusters = []

    def make(**settings):
        clusters.append(Cluster(**settings).initialise(like=fresh_data))
        return clusters[-1]

    yield make
    for cluster in clusters:
        cluster.remove()


@pytest.fixture
def cluster(new_cluster):
    return new_cluster()


@pytest.fixture
def new_place(tmp_path):
    """Makes a database with nodes; those that run at the end of the test must end cleanly."""
    places = []

    def make(cluster, **options):
        folder = tmp_path / f"place{len(places)}"
        folder.mkdir()
        places.append(Place(folder, cluster, **options))
        return places[-1]

    yield make
    for place in places:
        place.print_logs()
    for place in places:
        place.stop()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def place(new_place, cluster):
    return new_place(cluster)
