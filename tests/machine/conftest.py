"""Machines that fail while the server serves. These tests use the harness of tests/api."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

import pytest  # noqa: E402

pytest.register_assert_rewrite("changes", "reads")

from failing import Place  # noqa: E402
from suites import pytest_addoption, pytest_configure, pytest_sessionstart, seed  # noqa: E402

__all__ = ["pytest_addoption", "pytest_configure", "pytest_sessionstart", "seed"]


@pytest.fixture
def new_place(tmp_path, seed):
    """Makes a place for a data directory in a folder (tmp_path unless it is said), with a server and load. Behind the test the
    server must end cleanly."""
    places = []

    def make(folder=tmp_path, *flags, **options):
        places.append(Place(folder / "data", seed, *flags, **options))
        return places[-1]

    yield make
    for place in places:
        print(f"--- the log of {place.directory} ends with\n{place.server.log[-4000:]}")
    for place in places:
        place.end()
