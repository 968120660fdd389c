from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import source

from danlu.data.sources import _zipped, epub
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]

CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"""
OPF = """<package xmlns="http://www.idpf.org/2007/opf"><metadata
xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Moons</dc:title>
<dc:creator>A. Poet</dc:creator><dc:language>en</dc:language>
<dc:rights>Public domain in the USA.</dc:rights></metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="i" href="moon.svg" media-type="image/svg+xml"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="i"/><itemref idref="b"/></spine>
</package>"""
ONE = """<?xml version="1.0"?><html><head><title/></head>
<body><h1>One</h1><p>The moon.</p></body></html>"""
TWO = "<html><body><h1>Two</h1>" + "<p>The moon is bright tonight.</p>" * 400 + "</body></html>"


def book(path: Path, **changes: str | None) -> Path:
    parts: dict[str, str | None] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": OPF,
        "OEBPS/text/one.xhtml": ONE,
        "OEBPS/text/two b.xhtml": TWO,
        "OEBPS/nav.xhtml": "<html><body><nav>One Two</nav></body></html>",
    }
    parts |= {name.replace("__", "/").replace("_dot_", "."): v for name, v in changes.items()}
    with zipfile.ZipFile(path, "w") as out:
        for name, data in parts.items():
            if data is not None:
                out.writestr(name, data)
    return path


def encryption(*names: str) -> str:
    uris = "".join(f'<e:CipherReference URI="{name}"/>' for name in names)
    return f'<encryption xmlns:e="http://www.w3.org/2001/04/xmlenc#">{uris}</encryption>'


def test_chapters_in_reading_order(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    documents = read(book(tmp_path / "a.epub"), notes=notes)
    assert [d.id for d in documents[:2]] == ["a.epub#0001", "a.epub#0002"]
    assert documents[0].text == "One\n\nThe moon."
    assert documents[1].text.startswith("Two\n\nThe moon is bright")
    assert [d.meta["chapter"] for d in documents[:3]] == [1, 2, 2]
    assert documents[0].meta == {
        "file": "a.epub",
        "title": "Moons",
        "author": "A. Poet",
        "language": "en",
        "licence": "Public domain in the USA.",
        "chapter": 1,
    }
    assert notes["left_out"] == {"tables_of_contents": 1, "chapters_that_are_no_pages": 1}


def test_protection(tmp_path: Path, read: Read) -> None:
    locked = encryption("OEBPS/text/one.xhtml", "OEBPS/text/two%20b.xhtml")
    with pytest.raises(DataError, match="digital rights management") as error:
        read(book(tmp_path / "a.epub", **{"META-INF__encryption_dot_xml": locked}))
    assert "2 of 2 chapters" in str(error.value)
    fonts = encryption("OEBPS/font.otf")
    assert read(book(tmp_path / "b.epub", **{"META-INF__encryption_dot_xml": fonts}))


@pytest.mark.parametrize(
    ("part", "data", "message"),
    [
        ("META-INF__container_dot_xml", None, "not a complete electronic book"),
        ("META-INF__container_dot_xml", "<x/>", "not a complete electronic book"),
        ("META-INF__container_dot_xml", "<x>", "is broken XML at line 1"),
        ("OEBPS__book_dot_opf", None, "not a complete electronic book"),
        ("OEBPS__book_dot_opf", "<package/>", "has no chapters"),
        ("OEBPS__book_dot_opf", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "declares an entity"),
        ("OEBPS__text__one_dot_xhtml", None, "not a complete electronic book"),
    ],
)
def test_broken_books(
    tmp_path: Path, read: Read, part: str, data: str | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(book(tmp_path / "a.epub", **{part: data}))


def test_truncated_and_something_else(tmp_path: Path, read: Read) -> None:
    path = book(tmp_path / "a.epub")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"a\.epub is not a complete electronic book"):
        read(path)
    (tmp_path / "b.epub").write_text("text")
    with pytest.raises(DataError, match=r"b\.epub is not a complete electronic book"):
        read(tmp_path / "b.epub", reader="epub")


def test_odd_chapters_are_counted(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    path = book(
        tmp_path / "a.epub",
        OEBPS__text__one_dot_xhtml="<html><body><img src='a'/></body></html>",
        **{"OEBPS__text__two b_dot_xhtml": "<div>" * 50_000},
    )
    assert read(path, notes=notes) == []
    assert notes["left_out"]["chapters_without_text"] == 1
    assert notes["left_out"]["chapters_too_complex"] == 1


def test_a_zip_bomb(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zipped, "FREE_BYTES", 1_000)
    path = tmp_path / "a.epub"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("META-INF/container.xml", CONTAINER)
        out.writestr("OEBPS/book.opf", OPF)
        out.writestr("OEBPS/text/one.xhtml", "0" * 3_000_000)
    with pytest.raises(DataError, match="a zip bomb"):
        read(path)


def test_the_reader_is_found(tmp_path: Path) -> None:
    path = book(tmp_path / "a.epub")
    assert source(path).reader == "epub"
    assert epub.recognises(path.read_bytes()[:4096], "a")
