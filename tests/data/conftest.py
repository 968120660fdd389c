"""What the tests of the data path share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from danlu import discover
from danlu.data import inputs, rows
from danlu.types import Document

FABLE = (
    "A fox saw ripe grapes on a high vine. She leapt for them again and again, and could not "
    "reach the lowest of them. In the end she walked away and said that they were sour."
)
POEM = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。"


def source(path: Path, **fields: Any) -> inputs.SourceFile:
    found = inputs.examine(path, path.name)
    assert isinstance(found, inputs.SourceFile), found
    return replace(found, **fields)


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
