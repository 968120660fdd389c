from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from danlu.errors import DataError
from danlu.types import Document

Read = Callable[..., list[Document]]


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def test_text_title_and_what_else_a_row_says(tmp_path: Path, read: Read) -> None:
    row = {
        "text": "床前明月光",
        "title": "靜夜思",
        "author": "李白",
        "year": 726,
        "tags": [1],
        "x": None,
    }
    (document,) = read(lines(tmp_path / "a.jsonl", row))
    meta = {"file": "a.jsonl", "title": "靜夜思", "author": "李白", "year": 726}
    assert document == Document("床前明月光", "a.jsonl#0001", meta)


def test_ids_of_rows_are_kept(tmp_path: Path, read: Read) -> None:
    rows = [{"id": "p1", "text": "a"}, {"id": 7, "text": "b"}, {"id": "", "text": "c"}]
    documents = read(lines(tmp_path / "a.jsonl", *rows))
    assert [d.id for d in documents] == ["a.jsonl#p1", "a.jsonl#7", "a.jsonl#0003"]


def test_without_a_field_text_the_one_with_most_text_is_taken_and_noted(
    tmp_path: Path, read: Read
) -> None:
    notes: dict[str, Any] = {}
    path = lines(tmp_path / "a.jsonl", {"question": "Why?", "answer": "Because it is so."})
    assert read(path, notes=notes)[0].text == "Because it is so."
    assert notes["field"] == "answer"
    assert read(path, text_field="question")[0].text == "Why?"
    with pytest.raises(DataError, match="no field 'qestion'") as error:
        read(path, text_field="qestion")
    assert error.value.fix == "did you mean --text-field question?"
    with pytest.raises(DataError, match="no field 'zzz'"):
        read(path, text_field="zzz")


def test_lists_of_lines_and_conversations_are_text(tmp_path: Path, read: Read) -> None:
    chat = [{"role": "user", "content": "Hi!"}, {"from": "gpt", "value": "Hello."}]
    path = lines(tmp_path / "a.jsonl", {"paragraphs": ["one", "two"]})
    assert read(path)[0].text == "one\ntwo"
    assert read(lines(tmp_path / "b.jsonl", {"messages": chat}))[0].text == "Hi!\n\nHello."


def test_rows_without_text_are_counted(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    rows = [{"text": "a"}, {"text": ""}, {"text": None}, {"other": 1}, {"text": 5}]
    assert len(read(lines(tmp_path / "a.jsonl", *rows), notes=notes)) == 1
    assert notes["rows_without_text"] == 4


def test_no_text_at_all(tmp_path: Path, read: Read) -> None:
    with pytest.raises(DataError, match=r"a\.jsonl has no field with text") as error:
        read(lines(tmp_path / "a.jsonl", {"x": 1, "y": [2]}))
    assert "'x', 'y'" in str(error.value)
    (tmp_path / "c.jsonl").write_text("\n \n")
    assert read(tmp_path / "c.jsonl") == []


@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.jsonl"])
def test_an_array_of_records(tmp_path: Path, read: Read, name: str) -> None:
    data = json.dumps([{"text": "one"}, {"text": "two"}, "three"], indent=1).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert [d.text for d in read(tmp_path / name)] == ["one", "two", "three"]


def test_json_of_other_shapes(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 1, "data": [{"text": "in"}]}, indent=2))
    assert [d.text for d in read(path)] == ["in"]
    path.write_text(json.dumps({"text": "alone"}, indent=2))
    assert [d.text for d in read(path)] == ["alone"]
    path.write_text('{"text": "lines"}\n{"text": "in .json"}\n')
    assert [d.text for d in read(path)] == ["lines", "in .json"]


def test_a_bad_line_is_named(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "good"}\n{"text": "bad' + "x" * 200 + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:2 is not JSON") as error:
        read(path)
    assert error.value.got == '{"text": "bad' + "x" * 67
    path.write_text('{"text": "good"}\n[1, 2]\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2 is no record"):
        read(path)
    (tmp_path / "b.json").write_text('[\n{"text": "good"},\n{"text": bad}\n]\n')
    with pytest.raises(DataError, match=r"b\.json:3 is not JSON") as error:
        read(tmp_path / "b.json")
    assert error.value.got == '{"text": bad}'


def test_hostile_json(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": ' + "[" * 100_000 + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:1 is not JSON: nested too deep"):
        read(path)
    path.write_text('{"text": "a", "n": ' + "9" * 9_000 + "}\n")
    with pytest.raises(DataError, match=r"a\.jsonl:1 is not JSON: a number of too many digits"):
        read(path)


def test_lone_surrogates_become_replacement_characters(tmp_path: Path, read: Read) -> None:
    notes: dict[str, Any] = {}
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "broken \\ud83d here, whole \\ud83d\\ude00", "by": "\\udc00"}\n')
    (document,) = read(path, notes=notes)
    assert document.text == "broken \ufffd here, whole 😀"
    assert document.meta["by"] == "\ufffd"
    assert notes["lone_surrogates"] == 2


def test_long_fields_stay_out_of_meta(tmp_path: Path, read: Read) -> None:
    row = {"text": "x" * 999, "short": "s", "long": "l" * 400, "file": "theirs"}
    row |= {f"n{i}": i for i in range(40)}
    meta = read(lines(tmp_path / "a.jsonl", row))[0].meta
    assert meta["file"] == "a.jsonl"
    assert "long" not in meta
    assert len(meta) <= 21
