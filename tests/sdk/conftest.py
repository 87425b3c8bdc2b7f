"""The SDK test uses the harness of tests/api."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

from suites import pytest_configure, pytest_sessionstart  # noqa: E402

__all__ = ["pytest_configure", "pytest_sessionstart"]
