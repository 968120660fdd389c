from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from danlu.data import raw
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]


def put(path: Path, text: str, codec: str = "utf-8") -> Path:
    path.write_bytes(text.encode(codec))
    return path


def test_headings_quotes_and_line_ends_inside_cells(tmp_path: Path, read: Read) -> None:
    table = 'id,title,body\r\n1,Ode,"line one\r\nline ""two"", still"\r\n2,Elegy,"plain"\r\n'
    first, second = read(put(tmp_path / "a.csv", table, "utf-8-sig"))
    assert first.text == 'line one\nline "two", still'
    assert first.id == "a.csv#1"
    assert first.meta == {"file": "a.csv", "title": "Ode"}
    assert second.text == "plain"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, read: Read, mark: str) -> None:
    rows = [f"{n}{mark}A sentence number {n}, and more of it." for n in range(5)]
    table = f"id{mark}text\n" + "\n".join(
        rows if mark != "," else [f"{n},Number {n}" for n in "123"]
    )
    assert read(put(tmp_path / "a.csv", table))[0].text.startswith(("A sentence", "Number"))


def test_tsv_without_headings_and_with_stray_quotes(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    table = 'ham\tSay "hi" to her\nham\t"Well\nspam\tWin a prize now, call this number\n'
    documents = read(put(tmp_path / "a.tsv", table), notes=notes)
    assert [d.text for d in documents] == [
        'Say "hi" to her',
        '"Well',
        "Win a prize now, call this number",
    ]
    assert documents[0].meta == {"file": "a.tsv", "column 1": "ham"}
    assert (notes["headings"], notes["field"]) == (False, "column 2")


def test_quoted_tsv(tmp_path: Path, read: Read) -> None:
    assert read(put(tmp_path / "a.tsv", 'id\ttext\n1\t"two\nlines"\n'))[0].text == "two\nlines"


def test_text_and_named_columns(tmp_path: Path, read: Read) -> None:
    path = put(tmp_path / "a.csv", "label,text,note\nx,short,a much longer note it is\n")
    assert read(path)[0].text == "short"
    assert read(path, text_field="note")[0].text == "a much longer note it is"
    with pytest.raises(DataError, match="no field 'nots'"):
        read(path, text_field="nots")


def test_compressed_and_in_another_encoding(tmp_path: Path, read: Read) -> None:
    table = "标题,正文\n静夜思,床前明月光疑是地上霜举头望明月低头思故乡\n".encode("gb18030")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(table))
    notes: dict[str, Any] = {}
    assert read(tmp_path / "a.csv.gz", notes=notes)[0].text.startswith("床前明月光")
    assert notes["encoding"] == "GB18030"


def test_a_quote_that_never_closes_is_named(tmp_path: Path, read: Read) -> None:
    table = 'id,text\n1,fine\n2,"open\n' + "3,more\n" * 50
    with pytest.raises(DataError, match=r"a\.csv:3 is not a row of a table") as error:
        read(put(tmp_path / "a.csv", table))
    assert "starts on line 3 and is still open on 53" in str(error.value)


def test_a_cell_over_python_s_limit_is_read_and_an_enormous_one_is_not(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "a.csv", "id,text\n1," + "x" * 200_000 + "\n")
    assert len(read(path)[0].text) == 200_000
    monkeypatch.setattr(raw, "MAX_LINE", 100_000)
    monkeypatch.setattr(raw, "PIECE", 10_000)
    with pytest.raises(DataError, match=r"a\.csv:2 is one enormous line"):
        read(path)


def test_uneven_rows_and_no_rows(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    path = put(tmp_path / "a.csv", "id,text\n1\n\n2,two,extra,more\n,\n")
    (document,) = read(path, notes=notes)
    assert document.text == "two"
    assert document.meta == {"file": "a.csv", "column 3": "extra", "column 4": "more"}
    assert notes["rows_without_text"] == 2
    assert read(put(tmp_path / "b.csv", "\n\n")) == []


def test_titles_in_quotes_do_not_make_a_tsv_quoted(tmp_path: Path, read: Read) -> None:
    rows = ["title\tlabel", *(f"{n}. plain title\tart" for n in range(9))]
    rows += ['"外部性"问题与"科斯定理"的伦理追问\t哲学', 'on "odes"\t"quoted"', "last\tart"]
    documents = read(put(tmp_path / "a.tsv", "\n".join(rows)), text_field="title")
    assert [d.text for d in documents][-3:] == [row.split("\t")[0] for row in rows[-3:]]
    quoted = 'title\tlabel\n"a\tb"\tart\n"c ""d"""\tart\n'
    documents = read(put(tmp_path / "b.tsv", quoted), text_field="title")
    assert [d.text for d in documents] == ["a\tb", 'c "d"']
