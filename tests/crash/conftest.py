"""The crash tests use the harness of tests/api. `--long` (or FARTHING_TEST_LONG=1) kills hundreds of times."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from suites import pytest_addoption, pytest_configure, pytest_sessionstart, rounds, seed  # noqa: E402

__all__ = ["pytest_addoption", "pytest_configure", "pytest_sessionstart", "rounds", "seed"]
