from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_examples import source

from danlu.data.sources import _zipped, docx
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
CORE = """<cp:coreProperties xmlns:cp="x" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>静夜思</dc:title><dc:creator>李白</dc:creator>
<dc:rights>https://creativecommons.org/publicdomain/zero/1.0/</dc:rights></cp:coreProperties>"""


def paragraph(text: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def word(path: Path, body: str, **parts: str) -> Path:
    document = f'<?xml version="1.0"?><w:document {W}><w:body>{body}</w:body></w:document>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("[Content_Types].xml", "<Types/>")
        out.writestr("word/document.xml", document)
        for name, data in parts.items():
            out.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return path


def test_paragraphs_headings_lists_and_tables(tmp_path: Path, read: Read) -> None:
    item = "<w:numPr><w:ilvl w:val='0'/></w:numPr>"
    row = "<w:tr><w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>"
    table = row.format(paragraph("born"), paragraph("died"))
    table += row.format(paragraph("701"), paragraph("76") + paragraph("2"))
    path = word(
        tmp_path / "a.docx",
        paragraph("Life", "<w:pStyle w:val='Heading1'/>")
        + "<w:p><w:pPr><w:tabs><w:tab w:val='left'/></w:tabs></w:pPr><w:r><w:t>Li </w:t></w:r>"
        "<w:r><w:t>Bai</w:t><w:br/><w:t>drank</w:t><w:tab/><w:t>wine &amp; sang</w:t></w:r></w:p>"
        + "<w:p/>"
        + paragraph("one", item)
        + paragraph("two", item)
        + f"<w:tbl>{table}</w:tbl>"
        + paragraph("The end."),
        docProps__core_dot_xml=CORE,
    )
    (document,) = read(path)
    assert document.text == (
        "Life\n\nLi Bai\ndrank\twine & sang\n\none\ntwo\nborn | died\n701 | 76 2\n\nThe end."
    )
    assert document.id == "a.docx"
    assert document.meta == {
        "file": "a.docx",
        "title": "静夜思",
        "author": "李白",
        "licence": "CC0 1.0",
        "paragraph": 1,
    }


def test_tracked_changes_are_accepted(tmp_path: Path, read: Read) -> None:
    body = (
        "<w:p><w:r><w:t>The moon</w:t></w:r>"
        "<w:del><w:r><w:delText> sets</w:delText><w:t> sinks</w:t></w:r></w:del>"
        "<w:ins><w:r><w:t> rises</w:t></w:r></w:ins>"
        "<w:moveFrom><w:r><w:t> moved</w:t></w:r></w:moveFrom>"
        "<w:r><w:instrText>PAGE</w:instrText></w:r></w:p>"
    )
    assert read(word(tmp_path / "a.docx", body))[0].text == "The moon rises"


def test_a_text_box_is_read_once(tmp_path: Path, read: Read) -> None:
    box = f"<w:txbxContent>{paragraph('boxed')}</w:txbxContent>"
    body = (
        f"<w:p><w:r><w:t>before</w:t><mc:AlternateContent xmlns:mc='m'><mc:Choice>{box}</mc:Choice>"
        f"<mc:Fallback>{box}</mc:Fallback></mc:AlternateContent><w:t> after</w:t></w:r></w:p>"
    )
    assert read(word(tmp_path / "a.docx", body))[0].text == "boxed\n\nbefore after"


def test_a_table_inside_a_table(tmp_path: Path, read: Read) -> None:
    inner = (
        f"<w:tbl><w:tr><w:tc>{paragraph('a')}</w:tc><w:tc>{paragraph('b')}</w:tc></w:tr></w:tbl>"
    )
    body = f"<w:tbl><w:tr><w:tc>{inner}</w:tc><w:tc>{paragraph('c')}</w:tc></w:tr></w:tbl>"
    assert read(word(tmp_path / "a.docx", body))[0].text == "a | b | c"


def test_a_long_document_says_where_each_part_begins(tmp_path: Path, read: Read) -> None:
    lines = [f"Line {n} of a long poem about the moon." for n in range(1, 601)]
    documents = read(word(tmp_path / "a.docx", "".join(map(paragraph, lines))))
    assert len(documents) > 2
    assert [d.id for d in documents[:2]] == ["a.docx#0001", "a.docx#0002"]
    for document in documents:
        assert document.text.startswith(lines[document.meta["paragraph"] - 1])
    assert "\n\n".join(d.text for d in documents) == "\n\n".join(lines)


def test_the_main_part_may_have_another_name(tmp_path: Path, read: Read) -> None:
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Type="http://x/officeDocument" Target="/word/document2.xml"/>'
        "</Relationships>"
    )
    path = word(
        tmp_path / "a.docx",
        paragraph("decoy"),
        _rels___dot_rels=relations,
        word__document2_dot_xml=f"<w:document {W}>{paragraph('real')}</w:document>",
    )
    assert read(path)[0].text == "real"


def test_no_text_is_counted(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    assert read(word(tmp_path / "a.docx", "<w:p/>"), notes=notes) == []
    assert notes["left_out"] == {"documents_without_text": 1}


@pytest.mark.parametrize("keep", [-1, 300, 10])
def test_truncated(tmp_path: Path, read: Read, keep: int) -> None:
    path = word(tmp_path / "a.docx", paragraph("moon"))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.docx is not a complete Word document"):
        read(path, reader="docx")


def test_something_else(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.docx").write_text("just text")
    with pytest.raises(DataError, match="is not a complete Word document"):
        read(tmp_path / "a.docx", reader="docx")
    with zipfile.ZipFile(tmp_path / "b.docx", "w") as out:
        out.writestr("a.txt", "text")
    with pytest.raises(DataError, match="not a complete Word document") as error:
        read(tmp_path / "b.docx", reader="docx")
    assert "it has no word/document.xml" in str(error.value)
    with pytest.raises(DataError, match=r"c\.docx \(word/document\.xml\) is broken XML at line 1"):
        read(word(tmp_path / "c.docx", "<w:p>"))


def test_a_damaged_part(tmp_path: Path, read: Read) -> None:
    path = word(tmp_path / "a.docx", "".join(paragraph(f"moon {n}") for n in range(2_000)))
    data = bytearray(path.read_bytes())
    data[300:400] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.docx is not a complete Word document") as error:
        read(path)
    assert "word/document.xml" in str(error.value)


def test_a_zip_bomb(tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_zipped, "FREE_BYTES", 1_000)
    path = word(tmp_path / "a.docx", paragraph("0" * 3_000_000))
    with pytest.raises(DataError, match="a zip bomb") as error:
        read(path)
    assert "word/document.xml" in str(error.value)


def test_many_parts_together_are_bounded(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = word(tmp_path / "a.docx", paragraph("moon"), docProps__core_dot_xml=CORE)
    monkeypatch.setattr(_zipped, "MAX_ALL", 300)
    with pytest.raises(DataError, match="a zip bomb"):
        read(path)


def test_an_entity_bomb(tmp_path: Path, read: Read) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    with pytest.raises(DataError, match="declares an entity of its own"):
        read(word(tmp_path / "a.docx", paragraph("moon"), docProps__core_dot_xml=bomb))
    path = word(tmp_path / "b.docx", "")
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("word/document.xml", bomb)
    with pytest.raises(DataError, match=r"b\.docx \(word/document\.xml\) declares an entity"):
        read(path)


def test_an_encrypted_part(tmp_path: Path, read: Read) -> None:
    path = word(tmp_path / "a.docx", paragraph("moon"))
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02") + 8
    while at > 7:  # the flag in every entry of the table of contents
        data[at] |= 1
        at = data.find(b"PK\x01\x02", at) + 8
    path.write_bytes(data)
    with pytest.raises(DataError, match="protected by a password"):
        read(path)


def test_hostile_depth(tmp_path: Path, read: Read) -> None:
    body = "<w:p><w:tbl>" * 20_000 + paragraph("moon") + "</w:tbl></w:p>" * 20_000
    assert read(word(tmp_path / "a.docx", body))[0].text == "moon"
    deep = "<x>" * 5_000 + "</x>" * 5_000
    with pytest.raises(DataError, match="nested too deeply"):
        read(word(tmp_path / "b.docx", paragraph("m"), docProps__core_dot_xml=deep))


def test_the_reader_is_found(tmp_path: Path) -> None:
    path = word(tmp_path / "a.docx", paragraph("moon"))
    assert source(path).reader == "docx"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("word/document.xml", "<x/>")
    assert docx.recognises(buffer.getvalue(), "x") and not docx.recognises(b"PK\x03\x04", "x")
