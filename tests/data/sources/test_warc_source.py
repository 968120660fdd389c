from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import source

from danlu.data.sources import warc
from danlu.errors import DataError, MissingExtra
from danlu.types import Document

pytest.importorskip("warcio")

Read = Callable[..., list[Document]]

HTML = "text/html; charset=utf-8"


class Archive:
    """Writes a web archive."""

    def __init__(self, path: Path) -> None:
        from warcio.warcwriter import WARCWriter

        self.path, self.out = path, io.BytesIO()
        self.writer = WARCWriter(self.out, gzip=path.suffix == ".gz")
        self.writer.write_record(self.writer.create_warcinfo_record("a", {"software": "test"}))

    def add(
        self,
        body: bytes,
        kind: str = HTML,
        status: str = "200 OK",
        record: str = "response",
        **more: str,
    ) -> None:
        from warcio.statusandheaders import StatusAndHeaders

        headers = [("Content-Type", kind), *((k.replace("_", "-"), v) for k, v in more.items())]
        http = StatusAndHeaders(status, headers, protocol="HTTP/1.1")
        made = self.writer.create_warc_record(
            f"https://moon.example/{self.out.tell()}",
            record,
            payload=io.BytesIO(body),
            http_headers=http if record == "response" else None,
            warc_content_type="" if record == "response" else kind,
            warc_headers_dict={"WARC-Date": "2026-01-02T03:04:05Z"},
        )
        self.writer.write_record(made)

    def save(self) -> Path:
        self.path.write_bytes(self.out.getvalue())
        return self.path


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_pages(tmp_path: Path, read: Read, name: str) -> None:
    archive = Archive(tmp_path / name)
    archive.add("<title>Moon</title><nav>x</nav><p>月光<p>bright".encode())
    archive.add(b"plain\n", kind="text/plain")
    path = archive.save()
    first, second = read(path)
    assert first.text == "月光\n\nbright"
    offset = first.meta.pop("offset")
    unpacked = gzip.decompress(path.read_bytes()) if name.endswith("gz") else path.read_bytes()
    assert unpacked[offset:].startswith(b"WARC/1.0\r\n")
    assert b"type: response" in unpacked[offset : offset + 200].lower()
    assert first.id == f"{name}#{offset}"
    assert first.meta.pop("url").startswith("https://moon.example/")
    assert first.meta == {"file": name, "title": "Moon", "date": "2026-01-02T03:04:05Z"}
    assert second.text == "plain"


def test_encodings_of_pages(tmp_path: Path, read: Read) -> None:
    archive = Archive(tmp_path / "a.warc")
    page = "<p>床前明月光"
    archive.add(page.encode("gbk"), kind="text/html; charset=GBK")
    archive.add(b"<meta charset=big5>" + page.encode("big5"), kind="text/html")
    archive.add(gzip.compress(page.encode()), Content_Encoding="gzip")
    archive.add(zlib.compress(page.encode()), Content_Encoding="deflate")
    chunked = b"5\r\n<p>x \r\n3\r\nyz\n\r\n0\r\n\r\n"
    archive.add(chunked, Transfer_Encoding="chunked")
    archive.add(b"<?xml version='1.0'?><html><title/><p>x", kind="application/xhtml+xml")
    assert [d.text for d in read(archive.save())] == ["床前明月光"] * 4 + ["x yz", "x"]


def test_what_is_left_out_is_counted(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warc, "MAX_PAGE", 200_000)
    archive = Archive(tmp_path / "a.warc.gz")
    archive.add(b"<p>gone", status="404 Not Found")
    archive.add(b"<p>moved", status="301 Moved")
    archive.add(b"\x89PNG", kind="image/png")
    archive.add(b"<nav>x</nav>")
    archive.add(b"<p>" + b"x" * 300_000)
    archive.add(gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip")  # a gzip bomb
    archive.add(b"\x80\x81\x82\x83", kind="text/html")
    archive.add(b"<div>" * 30_000)
    archive.add(b"xyz", Content_Encoding="br")
    archive.add(b"GET / HTTP/1.1\r\n\r\n", record="metadata", kind="text/plain")
    archive.add(b"<p>kept")
    notes: dict[str, Any] = {}
    assert [d.text for d in read(archive.save(), notes=notes)] == ["kept"]
    assert notes["left_out"] == {
        "status_404": 1,
        "status_301": 1,
        "other_types": 1,
        "pages_without_text": 1,
        "pages_too_large": 2,
        "pages_of_unclear_encoding": 1,
        "pages_too_complex": 1,
        "compressed_otherwise": 1,
        "metadata_records": 1,
    }


def test_converted_text(tmp_path: Path, read: Read) -> None:
    archive = Archive(tmp_path / "a.wet")
    archive.add("月光\nbright\n".encode(), kind="text/plain", record="conversion")
    assert [d.text for d in read(archive.save())] == ["月光\nbright"]


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_every_truncation_is_an_error_or_ends_between_records(
    tmp_path: Path, read: Read, name: str
) -> None:
    archive = Archive(tmp_path / name)
    ends = []
    for n in range(3):
        archive.add(f"<p>{'moon ' * 30}{n}".encode())
        ends.append(archive.out.tell())
    whole = archive.save().read_bytes()
    for keep in range(20, len(whole), 13):
        archive.path.write_bytes(whole[:keep])
        near_end = any(end - 4 <= keep <= end for end in ends)  # only the blank lines are missing
        if near_end and name == "a.warc":
            continue
        with pytest.raises(DataError, match=r"a\.warc"):
            read(archive.path, reader="warc")


def test_something_else(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.warc").write_text("just text\n" * 9)
    with pytest.raises(DataError, match=r"a\.warc is not a complete web archive"):
        read(tmp_path / "a.warc")


def test_without_warcio(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Archive(tmp_path / "a.warc").save()
    monkeypatch.setitem(sys.modules, "warcio.archiveiterator", None)
    with pytest.raises(MissingExtra, match=r"danlu\[warc\]"):
        read(path)


def test_the_reader_is_found(tmp_path: Path) -> None:
    for name in ("a.warc", "b.warc.gz"):
        path = Archive(tmp_path / name).save()
        assert source(path).reader == "warc"
    assert warc.recognises(b"WARC/1.0\r\n", "x") and not warc.recognises(b"WARCRAFT", "x")
