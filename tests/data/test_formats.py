from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_examples import FABLE, POEM

from danlu.data import formats, inputs
from danlu.data.formats import Format
from danlu.errors import DataError


def parquet() -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.table({"text": [FABLE]}), target)
    return target.getvalue()


def zipped(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return target.getvalue()


def tell(data: bytes, name: str, **options: bool) -> Format | str:
    return formats.tell(io.BytesIO(data), name, **options)


@pytest.fixture
def with_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers more: of HTML, by a look, and of Word's documents, by the suffix or a look."""
    own = {**formats.recognisers()}
    own["html"] = lambda head, name: head.lstrip().lower().startswith(b"<!doctype html")
    own["docx"] = lambda head, name: b"word/document.xml" in head
    suffixes = {**formats.readers(), ".html": "html", ".docx": "docx"}
    monkeypatch.setattr(formats, "readers", lambda: suffixes)
    monkeypatch.setattr(formats, "recognisers", lambda: own)


JSON = b'{"text": "moon"}\n{"text": "light"}\n'
HTML = b"<!DOCTYPE html><p>moon</p>"


@pytest.mark.parametrize("name", ["a", "a.txt", "a.csv", "a.jsonl", "a.dat", "a.md", "a.png"])
def test_parquet_under_any_name(name: str) -> None:
    assert tell(parquet(), name, in_folder=True) == Format("parquet")
    assert tell(gzip.compress(parquet()), name) == Format("parquet", "gzip")


@pytest.mark.parametrize("name", ["a", "a.txt", "a.csv", "a.log", "a.parquet"])
def test_json_lines_without_their_suffix(name: str) -> None:
    for data in (JSON, b"\xef\xbb\xbf" + JSON, b'[\n {"text": "moon"}\n]', b'{\n "a": 1\n}'):
        assert tell(data, name) == Format("jsonl")


@pytest.mark.parametrize("name", ["a.md", "a.rst", "a.csv", "a.tsv", "a.txt", "a"])
def test_text_that_only_mentions_other_formats(name: str) -> None:
    reader = formats.readers().get(Path(name).suffix, "text")
    for text in (
        b"{a set}\n",
        b"PK is no archive",
        b"BZh91 neither",
        b"id,text\n1,<html>\n",
        b"[1]",
    ):
        assert tell(text, name) == Format(reader)


def test_a_suffix_of_text_stands_against_text(with_readers: None) -> None:
    assert tell(HTML, "readme.md") == Format("text")
    assert tell(JSON, "readme.md") == Format("text")
    assert tell(HTML, "page.txt") == Format("html")
    assert tell(HTML, "page") == Format("html")
    assert tell(HTML, "page.csv") == Format("html")
    assert tell(b"<p>a fragment</p>", "page.html") == Format("html")
    assert tell(JSON, "page.html") == Format("html")
    assert tell(HTML, "rows.jsonl") == Format("jsonl")  # an error of its reader
    assert tell(HTML, "rows.parquet") == Format("html")
    assert tell(HTML, "letter.docx") == Format("html")
    assert tell(parquet(), "page.html") == Format("parquet")


def test_documents_that_are_zip_archives(with_readers: None) -> None:
    word = zipped("[Content_Types].xml", "word/document.xml")
    for name in ("a.docx", "a", "a.txt", "a.zip"):
        assert tell(word, name) == Format("docx")
    assert tell(zipped("strange.xml"), "a.docx") == Format("docx")  # the suffix wins
    assert tell(zipped("a.txt"), "a.txt") == Format(archive="zip")
    assert tell(zipped("a.txt"), "a.jsonl") == Format(archive="zip")


def test_a_document_inside_an_archive(with_readers: None, tmp_path: Path) -> None:
    word = zipped("[Content_Types].xml", "word/document.xml")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("letter", word)
    (file,) = inputs.expand([tmp_path]).files
    assert (file.name, file.reader) == ("a.zip/letter", "docx")


def test_documents_that_nobody_reads() -> None:
    for first in ("[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF"):
        assert "zipped document" in str(tell(zipped(first, "a.txt"), "a"))
    assert tell(zipped("[Content_Types].xml"), "a.xlsx", in_folder=True) == "a binary file"


def test_archives(tmp_path: Path) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"))
    for name in ("a", "a.tar", "a.txt", "a.csv"):
        assert tell(target.getvalue(), name) == Format(archive="tar")
        assert tell(gzip.compress(target.getvalue()), name) == Format("", "gzip", "tar")
    assert tell(bytes(10240), "a.tar") == Format(archive="tar")
    assert tell(gzip.compress(bytes(10240)), "a.tgz") == Format("", "gzip", "tar")
    assert tell(bytes(10240), "a") == "a binary file"
    assert tell(zipped(), "a") == Format(archive="zip")
    assert "packed again" in str(tell(gzip.compress(zipped("a.txt")), "a.zip.gz"))


def test_suffixes_of_binary_files() -> None:
    assert tell(b"text", "a.png", in_folder=True) == "a binary file"
    assert tell(b"text", "a.png") == Format("text")
    assert tell(JSON, "a.bin", in_folder=True) == Format("jsonl")
    assert tell(zipped("a.txt"), "a.jar", in_folder=True) == "a binary file"


def test_a_reader_of_a_binary_suffix_is_not_excluded(with_readers: None) -> None:
    assert formats.skipped_by_suffix(".xlsx")
    assert not formats.skipped_by_suffix(".docx")


def test_a_suffix_that_is_wrong_for_binary_content() -> None:
    assert tell(b"\x89PNG\r\n\x1a\n", "a") == "a PNG image"
    assert tell(bytes(9), "a") == "a binary file"
    assert tell(b"\x89PNG\r\n\x1a\n", "a.txt") == Format("text")  # an error of its reader


def test_utf16_is_text() -> None:
    for codec in ("utf-16", "utf-16-le", "utf-16-be"):
        assert tell((POEM * 9).encode(codec), "a") == Format("text")


def test_a_zip_with_a_member_that_is_not_compressed() -> None:
    """Its head has the names inside the member, too."""
    assert tell(zipped("letter", "word/document.xml"), "a.zip") == Format(archive="zip")


def test_streams_that_give_little_at_once() -> None:
    data = io.BytesIO(gzip.compress(parquet()))
    slow = SimpleNamespace(read=lambda size: data.read(min(size, 3)))
    assert formats.tell(slow, "a") == Format("parquet", "gzip")


def test_read_by_content_from_folder_to_document(tmp_path: Path, read: Any) -> None:
    (tmp_path / "rows.txt").write_bytes(JSON)
    (tmp_path / "table.csv").write_bytes(parquet())
    (tmp_path / "value").write_bytes(b'{\n "text": "moon"\n}\n')
    files = inputs.expand([tmp_path]).files
    assert [file.reader for file in files] == ["jsonl", "parquet", "jsonl"]
    texts = [[d.text for d in read(file.path)] for file in files]
    assert texts == [["moon", "light"], [FABLE], ["moon"]]


def test_a_suffix_without_its_format_is_an_error_of_the_reader(tmp_path: Path, read: Any) -> None:
    (tmp_path / "a.parquet").write_bytes(b"just text")
    with pytest.raises(DataError, match="not a complete parquet file"):
        read(tmp_path / "a.parquet")
