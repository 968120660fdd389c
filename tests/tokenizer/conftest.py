"""Fixtures; importing this folder puts `tokenizer_examples` on the path."""

from __future__ import annotations

import pytest
from hypothesis import settings
from tokenizer_examples import trained

from danlu.tokenizer import Tokenizer

settings.register_profile("danlu", deadline=None, derandomize=True)
settings.load_profile("danlu")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return trained()
