from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest
from data_examples import source

from danlu.data.sources import arrow
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]

TABLE = pa.table(
    {
        "image": pa.array([b"\x89PNG", b"GIF", None]),
        "title": pa.array(["Ode", None, "Haiku"]),
        "body": pa.array(["Thou still unravish'd bride of quietness", "Season of mists", ""]),
        "kind": pa.array(["poem", "poem", "poem"]).dictionary_encode(),
    }
)


def packed(table: pa.Table, *, stream: bool, **options: Any) -> bytes:
    sink = io.BytesIO()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(sink, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue()


@pytest.mark.parametrize("stream", [True, False])
def test_rows(tmp_path: Path, read: Read, stream: bool) -> None:
    path = tmp_path / "a.arrow"
    path.write_bytes(packed(TABLE, stream=stream))
    notes: dict[str, Any] = {}
    first, second = read(path, notes=notes)
    assert first.text == "Thou still unravish'd bride of quietness"
    assert first.meta == {"file": "a.arrow", "title": "Ode", "kind": "poem"}
    assert (first.id, second.id) == ("a.arrow#0001", "a.arrow#0002")
    assert notes["field"] == "body" and notes["rows_without_text"] == 1
    assert notes["read_bytes"] == path.stat().st_size


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_compressed(tmp_path: Path, read: Read, stream: bool, codec: str) -> None:
    options = pa.ipc.IpcWriteOptions(compression=codec)
    data = packed(TABLE, stream=stream, options=options)
    (tmp_path / "a.arrow").write_bytes(data)
    (tmp_path / "b.arrow.gz").write_bytes(gzip.compress(data))
    texts = TABLE.column("body").to_pylist()[:2]
    assert [d.text for d in read(tmp_path / "a.arrow")] == texts
    assert [d.text for d in read(tmp_path / "b.arrow.gz")] == texts


@pytest.mark.parametrize("stream", [True, False])
def test_every_truncation_is_an_error(tmp_path: Path, read: Read, stream: bool) -> None:
    data = packed(TABLE, stream=stream)
    for keep in {*range(9, len(data), 61), len(data) - 1, len(data) - 8, len(data) - 12}:
        (tmp_path / "a.arrow").write_bytes(data[:keep])
        with pytest.raises(DataError, match=r"a\.arrow is not a complete Arrow file"):
            read(tmp_path / "a.arrow", reader="arrow")


def test_something_else(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.arrow").write_text("just some text, and more of it")
    with pytest.raises(DataError, match="is not a complete Arrow file"):
        read(tmp_path / "a.arrow")


def test_no_field_with_text_and_no_rows(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.arrow").write_bytes(packed(pa.table({"n": [1, 2]}), stream=True))
    with pytest.raises(DataError, match="no field with text"):
        read(tmp_path / "a.arrow")
    (tmp_path / "b.arrow").write_bytes(packed(TABLE.slice(0, 0), stream=False))
    assert read(tmp_path / "b.arrow") == []


def test_as_the_datasets_library_caches(tmp_path: Path, read: Read) -> None:
    datasets = pytest.importorskip("datasets.arrow_writer")
    with datasets.ArrowWriter(path=str(tmp_path / "a.arrow")) as writer:
        writer.write({"text": "moonlight"})
        writer.write({"text": "月光"})
        writer.finalize()
    assert [d.text for d in read(tmp_path / "a.arrow")] == ["moonlight", "月光"]


def test_the_reader_is_found(tmp_path: Path) -> None:
    for stream in (True, False):
        path = tmp_path / f"{stream}.arrow"
        path.write_bytes(packed(TABLE, stream=stream))
        assert source(path).reader == "arrow"
        assert arrow.recognises(path.read_bytes(), path.name)
    assert not arrow.recognises(b"text", "a.arrow")
