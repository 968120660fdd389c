from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data import raw
from danlu.data.sources import text
from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]


def test_a_short_text_is_one_document(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.txt").write_text("One.\n\nTwo.\n")
    assert read(tmp_path / "a.txt") == [Document("One.\n\nTwo.", "a.txt", {"file": "a.txt"})]


def test_an_empty_text_is_none(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.txt").write_text(" \n\n\n")
    assert read(tmp_path / "a.txt") == []


def test_a_long_text_is_cut_at_blank_lines(tmp_path: Path, read: Read) -> None:
    stanzas = [f"Stanza {n}\n" + "and so on it goes\n" * 20 for n in range(60)]
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("\n".join(stanzas).encode()))
    documents = read(tmp_path / "a.txt.gz")
    assert [d.id for d in documents[:2]] == ["a.txt.gz#0001", "a.txt.gz#0002"]
    assert {d.meta["file"] for d in documents} == {"a.txt.gz"}
    assert all(d.text.startswith("Stanza") for d in documents)
    assert all(text.SHORTEST <= len(d.text) <= text.LONGEST for d in documents)
    assert "\n\n".join(d.text for d in documents) == "\n".join(stanzas).strip()


@pytest.mark.parametrize(
    ("unit", "end"), [("没有空格的一句话。", "。"), ("A sentence. ", "."), ("word ", "word")]
)
def test_without_lines_it_is_cut_after_sentences_then_words(unit: str, end: str) -> None:
    whole = unit * (20_000 // len(unit))
    parts = list(text.cut([whole]))
    assert len(parts) > 3
    assert all(part.rstrip().endswith(end) for part in parts)
    assert "".join(parts) == whole


@given(st.text("ab \n。.", max_size=400), st.integers(1, 50))
def test_cutting_loses_only_white_space_and_does_not_depend_on_pieces(
    whole: str, size: int
) -> None:
    parts = list(text.cut([whole], 20, 60))
    pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
    assert "".join("".join(parts).split()) == "".join(whole.split())
    assert list(text.cut(pieces, 20, 60)) == parts
    assert all(len(part) <= 60 for part in parts)


def test_markdown_has_a_title(tmp_path: Path, read: Read) -> None:
    (tmp_path / "a.md").write_text("\n# The old pond #\n\nA frog jumps in.\n")
    (tmp_path / "b.md").write_text("No heading.\n# Not this one\n")
    assert read(tmp_path / "a.md")[0].meta == {"file": "a.md", "title": "The old pond"}
    assert "title" not in read(tmp_path / "b.md")[0].meta


@pytest.mark.parametrize("before", ["", "a line\n"])
def test_an_enormous_line_is_refused(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    monkeypatch.setattr(raw, "MAX_LINE", 5_000)
    monkeypatch.setattr(raw, "PIECE", 700)
    (tmp_path / "a.txt").write_text(before + "x" * 4_990 + "\n" + "y" * 5_001)
    with pytest.raises(DataError, match=rf"a\.txt:{before.count(chr(10)) + 2} is one enormous"):
        read(tmp_path / "a.txt")
