from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import source

from danlu.data.sources import pdf
from danlu.errors import DataError, MissingExtra
from danlu.types import Document

pypdf = pytest.importorskip("pypdf")

Read = Callable[..., list[Document]]


def write(path: Path, *pages: list[str], title: str = "", password: str | None = None) -> Path:
    """A PDF with the lines of each page; one without lines holds nothing, as a scan would."""
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for lines in pages:
        page = writer.add_blank_page(600, 800)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        stream = DecodedStreamObject()
        shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
        stream.set_data(f"BT /F1 12 Tf 50 750 Td {shown} ET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title:
        writer.add_metadata({"/Title": title, "/Author": "A. Poet"})
    if password is not None:
        writer.encrypt(password, "owner", algorithm="RC4-128")
    with path.open("wb") as out:
        writer.write(out)
    return path


def test_pages_are_joined_and_hyphens_stay(tmp_path: Path, read: Read) -> None:
    path = write(
        tmp_path / "a.pdf", ["The moon is beau-"], ["tiful.", "It rises"], ["now."], title="Moon"
    )
    notes: dict[str, Any] = {}
    (document,) = read(path, notes=notes)
    assert document.text == "The moon is beau-\ntiful.\nIt rises\nnow."
    assert document.id == "a.pdf"
    meta = {"file": "a.pdf", "title": "Moon", "author": "A. Poet", "page": 1}
    assert document.meta == meta
    assert "left_out" not in notes


def test_a_page_that_ends_a_sentence_ends_a_paragraph(tmp_path: Path, read: Read) -> None:
    assert read(write(tmp_path / "a.pdf", ["One."], ["Two."]))[0].text == "One.\n\nTwo."


def test_a_long_text_says_the_page_of_each_part(tmp_path: Path, read: Read) -> None:
    pages = [
        [f"Page {n} line {m} of the long story of the moon." for m in range(40)] for n in range(12)
    ]
    documents = read(write(tmp_path / "a.pdf", *pages))
    assert len(documents) > 2
    for document in documents:
        assert document.text.startswith(f"Page {document.meta['page'] - 1} ")


def test_pages_without_text_are_counted(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    assert read(write(tmp_path / "a.pdf", [], []), notes=notes) == []
    assert notes["left_out"] == {"pages_without_text": 2}
    (document,) = read(write(tmp_path / "b.pdf", [], ["moon"]))
    assert document.meta["page"] == 2


def test_encrypted(tmp_path: Path, read: Read) -> None:
    with pytest.raises(DataError, match=r"a\.pdf is encrypted") as error:
        read(write(tmp_path / "a.pdf", ["moon"], password="secret"))
    assert "needs a password" in str(error.value)
    (document,) = read(write(tmp_path / "b.pdf", ["moon"], password=""))  # printing is forbidden
    assert document.text == "moon"


@pytest.mark.parametrize("keep", [400, 20, 8])
def test_truncated(tmp_path: Path, read: Read, keep: int) -> None:
    path = write(tmp_path / "a.pdf", ["moon"] * 40)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.pdf is not a complete PDF file"):
        read(path)


def test_something_else(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.pdf").write_text("just text")
    with pytest.raises(DataError, match=r"a\.pdf is not a complete PDF file"):
        read(tmp_path / "a.pdf", reader="pdf")


def test_any_damage_is_an_error_of_ours_or_none(tmp_path: Path, read: Read) -> None:
    whole = write(tmp_path / "a.pdf", ["moon"] * 20, ["light"]).read_bytes()
    for start in range(0, len(whole) - 20, 37):
        damaged = whole[:start] + b"\x00<<[(" + whole[start + 5 :]
        (tmp_path / "b.pdf").write_bytes(damaged)
        try:
            read(tmp_path / "b.pdf", reader="pdf")
        except DataError as error:
            assert "b.pdf" in str(error)


def test_without_pypdf(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.pdf", ["moon"])
    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(MissingExtra, match=r"danlu\[pdf\]"):
        read(path)


def test_the_reader_is_found(tmp_path: Path) -> None:
    assert source(write(tmp_path / "a.pdf", ["moon"])).reader == "pdf"
    assert pdf.recognises(b"\n%PDF-1.7\n", "x") and not pdf.recognises(b"a %PDF-1.7", "x")
