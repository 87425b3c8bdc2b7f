"""Fixtures of the black-box tests.

`api` is a client of a server that the tests of one file share; tests that stop, kill or reconfigure a server start
their own with `start_server`. A server that does not end cleanly fails the test (or file) that used it.
"""

import itertools

import pytest

import farthing_server
from farthing_server import Server
from shared_server import Shared
from suites import pytest_addoption, pytest_configure, pytest_sessionstart

__all__ = ["pytest_addoption", "pytest_configure", "pytest_sessionstart"]

pytest.register_assert_rewrite("expectations")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One server for the tests of a file. They must not depend on each other's customers."""
    shared = Shared(tmp_path_factory.mktemp("shared") / "data")
    yield shared
    shared.server.stop()


@pytest.fixture
def api(shared):
    with shared.client() as client:
        yield client


@pytest.fixture
def directory(tmp_path):
    """Where a data directory may be made."""
    return tmp_path / "data"


@pytest.fixture
def start_server():
    """Starts servers that belong to the test; those that still run are stopped, cleanly, at its end."""
    servers = []

    def start(directory, *arguments, **options):
        servers.append(Server(directory, *arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        if not server.log_file.closed:
            server.stop()


@pytest.fixture
def initialised(directory):
    """A data directory with a first tenant, and the credentials of it: (directory, credentials)."""
    return directory, farthing_server.init(directory)


_external_ids = itertools.count(1)


@pytest.fixture
def new_external_id():
    """Gives external ids that no other test uses."""
    return lambda: f"customer-{next(_external_ids)}"
