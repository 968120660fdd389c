"""Importing this folder puts `fake_hub` on the path."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _numbers_near_zero() -> Iterator[None]:
    """Training flushes them to zero for the whole thread; the next test's numbers are its own."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
