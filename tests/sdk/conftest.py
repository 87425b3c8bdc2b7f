"""The SDK test uses the harness of tests/api."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))

import left_out  # noqa: E402


def pytest_configure(config):
    left_out.register(config)
