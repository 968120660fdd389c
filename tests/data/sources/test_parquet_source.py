from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_examples import source

from danlu.data.sources import parquet
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    columns = {
        "image": pa.array([b"\x89PNG", b"GIF"]),
        "title": pa.array(["Ode", None]),
        "body": pa.array(["Thou still unravish'd bride of quietness", "Season of mists"]),
        "kind": pa.array(["poem", "poem"]).dictionary_encode(),
        "year": pa.array([1819, 1820]),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    return tmp_path / "a.parquet"


def test_rows(table: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    first, second = read(table, notes=notes)
    assert first.text == "Thou still unravish'd bride of quietness"
    assert first.meta == {"file": "a.parquet", "title": "Ode", "kind": "poem", "year": 1819}
    assert second.id == "a.parquet#0002"
    assert notes["field"] == "body"
    assert notes["read_bytes"] == table.stat().st_size


def test_compressed(table: Path, read: Read) -> None:
    path = table.with_name("a.parquet.gz")
    path.write_bytes(gzip.compress(table.read_bytes()))
    assert [d.text for d in read(path)] == [d.text for d in read(table)]


@pytest.mark.parametrize("keep", [-1, 200, 4])
def test_truncated(table: Path, read: Read, keep: int) -> None:
    table.write_bytes(table.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.parquet is not a complete parquet file"):
        read(table)


def test_damaged_in_the_middle(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["moonlight " * 50] * 300}), path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[30:60] = bytes(30)
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a\.parquet is not a complete parquet file"):
        read(path)


def test_strings_that_are_not_utf8(tmp_path: Path, read: Read) -> None:
    bad = pa.array([b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"text": bad}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a string that is not UTF-8"):
        read(tmp_path / "a.parquet")


def test_vanished_and_unreadable(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = source(table)
    table.unlink()
    with pytest.raises(DataError, match=r"a\.parquet vanished"):
        list(parquet.read(file))

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    with pytest.raises(DataError, match="permission denied"):
        list(parquet.read(file))
