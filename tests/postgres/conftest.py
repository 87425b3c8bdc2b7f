"""Tests of failure, against PostgreSQL servers of their own that are stopped, killed, filled up and cut off under load.

They use the harness of tests/api. `--long` (or FARTHING_TEST_LONG=1) goes on for many more rounds."""

import itertools
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))
os.environ["FARTHING_TEST_ENGINE"] = "postgres"

import pytest  # noqa: E402

pytest.register_assert_rewrite("steady_load", "nodes", "crash_checks", "retries", "changes")

from farthing_server import SLOWDOWN  # noqa: E402
from nodes import Place  # noqa: E402
from postgres_cluster import Cluster  # noqa: E402
from proxy import Proxy  # noqa: E402
from suites import pytest_addoption, pytest_configure, pytest_sessionstart, rounds, seed  # noqa: E402

# A sanitizer has memory of its own: there is nothing to be said about ours.
collect_ignore = ["test_memory_of_batches.py"] if SLOWDOWN != 1 else []

__all__ = ["pytest_addoption", "pytest_configure", "pytest_sessionstart", "rounds", "seed"]


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


@pytest.fixture(scope="session")
def shared_cluster(fresh_data):
    """For tests that have a database of their own in it and leave the cluster itself alone."""
    cluster = Cluster().initialise(like=fresh_data)
    yield cluster
    cluster.remove()


_database_numbers = itertools.count(1)


@pytest.fixture
def database(shared_cluster):
    """The name of one in the shared cluster that is the test's own, and is gone with all that is in it behind the test."""
    name = f"farthing_{next(_database_numbers)}"
    yield name
    shared_cluster.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


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
def place(shared_cluster, database, new_place):
    return new_place(shared_cluster, database=database)


@pytest.fixture
def own_place(cluster, new_place):
    """For tests that stop the cluster, or change its settings or its role."""
    return new_place(cluster)


@pytest.fixture
def proxy(shared_cluster):
    with Proxy(shared_cluster.port) as proxy:
        yield proxy


@pytest.fixture
def far_place(shared_cluster, database, proxy, new_place):
    """A place whose nodes reach the database through the proxy, where they can be heard (no TLS)."""
    url = shared_cluster.url(database, port=proxy.port, sslmode="disable")
    return new_place(shared_cluster, database=database, url=url)
