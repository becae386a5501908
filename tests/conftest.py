"""What all tests share: where the real data is, and Hypothesis made repeatable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Derandomised and without a clock: a run on a slow machine must find what a run on a fast one finds.
settings.register_profile("nonself", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nonself")

PROJECT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of killed scans first: they take longest, and would be left to one worker when all others are done."""
    items.sort(key=lambda item: "test_scan_kill" not in item.nodeid)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real public data; tests that ask for it skip, saying so, where it is absent."""
    path = Path(os.environ.get("NONSELF_DATA") or PROJECT / ".." / "shared" / "data").resolve()
    if not path.is_dir():
        pytest.skip(f"REAL DATA ABSENT: no folder {path}; set NONSELF_DATA to it to run this test")
    return path
