"""Fixtures of the data path; importing this folder puts `data_examples` on the path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import source

from danlu import discover
from danlu.data import rows
from danlu.types import Document


@pytest.fixture
def read() -> Callable[..., list[Document]]:
    def read(path: Path, **fields: Any) -> list[Document]:
        file = source(path, **fields)
        reader = discover.find("danlu.data.sources", file.reader, "source")
        return list(reader.read(file))

    return read


@pytest.fixture
def run_step() -> Callable[..., list[dict[str, Any]]]:
    def run_step(step: rows.Step, *texts: str, **meta: Any) -> list[dict[str, Any]]:
        documents = [Document(text, f"d{n}", {"file": "f", **meta}) for n, text in enumerate(texts)]
        result = [row for b in step(rows.batches(documents)) for row in b.to_pylist()]
        assert [row["id"] for row in result] == [d.id for d in documents], "rows are never dropped"
        return result

    return run_step
