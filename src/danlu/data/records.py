"""Rows with named fields (JSON lines, CSV, parquet) to documents: which field is the text.

The field is the one the user names, else `text`, else the field with the most text, and the choice
is noted for the manifest. A row in which that field is missing or empty is left out and counted.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from danlu import discover
from danlu.data.inputs import SourceFile
from danlu.errors import DataError
from danlu.types import Document

SAMPLE_ROWS = 200
"""The text field is chosen by looking at that many rows."""
META_FIELDS, META_CHARS = 20, 300
"""How much of a row's other fields goes into `meta`."""

Rows = Iterable[tuple[int, dict[str, Any]]]


def documents(rows: Rows, file: SourceFile) -> Iterator[Document]:
    """One document a row that has text; rows are numbered by the reader (line or row).

    Raises:
        DataError: no row has a field with text, or the field that the user named does not exist.
    """
    rows = iter(rows)
    sample = list(itertools.islice(rows, SAMPLE_ROWS))
    if not sample:
        return
    field = choose_field([row for _, row in sample], file)
    file.notes["field"] = field
    for number, row in itertools.chain(sample, rows):
        text = _sound(as_text(row.get(field)), file)
        if not text.strip():
            file.notes["rows_without_text"] = file.notes.get("rows_without_text", 0) + 1
            continue
        own = row.get("id")
        mark = str(own)[:META_CHARS] if isinstance(own, str | int) and own != "" else f"{number:04}"
        yield Document(text, f"{file.name}#{_sound(mark, file)}", _meta(row, field, file))


def choose_field(rows: list[dict[str, Any]], file: SourceFile) -> str:
    """The name of the field that holds the text.

    >>> from pathlib import Path
    >>> file = SourceFile(Path("a.jsonl"), "a.jsonl", "jsonl", 0, 0)
    >>> choose_field([{"title": "Ode", "body": "Thou still unravish'd bride"}], file)
    'body'
    """
    sizes: dict[str, int] = {}
    for row in rows:
        for name, value in row.items():
            sizes[name] = sizes.get(name, 0) + len(as_text(value))
    if wanted := file.text_field:
        if wanted not in sizes:
            hint = discover.nearest(wanted, sizes)
            raise DataError(
                f"{file.name} has no field {wanted!r}",
                expected=f"one of: {', '.join(sizes)}",
                fix=f"did you mean --text-field {hint}?" if hint else "choose another --text-field",
            )
        return wanted
    if sizes.get("text"):
        return "text"
    if not any(sizes.values()):
        raise DataError(
            f"{file.name} has no field with text",
            got=f"fields: {', '.join(map(repr, sizes)) or '(none)'}",
            expected="a field of strings, best named `text`",
            fix="leave the file out, or write its text into such a field",
        )
    return max(sizes, key=lambda name: sizes[name])


def as_text(value: Any) -> str:
    r"""A field as text: a string, a list of lines, or the turns of a conversation; else empty.

    >>> as_text(["床前明月光", "疑是地上霜"])
    '床前明月光\n疑是地上霜'
    >>> as_text([{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}])
    'Hi!\n\nHello.'
    """
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        turns = (value.get(key) for key in ("text", "content", "value"))
        return next((turn for turn in turns if isinstance(turn, str)), "")
    if isinstance(value, list):
        joint = "\n\n" if any(isinstance(item, dict) for item in value) else "\n"
        return joint.join(filter(None, map(as_text, value)))
    return ""


def _meta(row: dict[str, Any], field: str, file: SourceFile) -> dict[str, Any]:
    """What else a row says, in short; `file` is always ours, it is what the split hashes."""
    meta: dict[str, Any] = {"file": file.name}
    for name, value in itertools.islice(row.items(), META_FIELDS):
        if name in (field, "file", "id") or isinstance(value, bytes) or value in (None, ""):
            continue
        if isinstance(value, str) and len(value) <= META_CHARS:
            meta[name] = _sound(value, file)
        elif isinstance(value, bool | int | float):
            meta[name] = value
    return meta


def _sound(text: str, file: SourceFile) -> str:
    """The text without lone surrogates, which JSON can say and UTF-8 cannot; they become U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        file.notes["lone_surrogates"] = file.notes.get("lone_surrogates", 0) + 1
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def not_json(where: str, line: str, error: Exception) -> DataError:
    """The error for a line or file that should be JSON."""
    if isinstance(error, json.JSONDecodeError):
        reason = error.msg
    elif isinstance(error, RecursionError):
        reason = "nested too deep"
    else:  # Python's limit on what `int` reads
        reason = "a number of too many digits"
    return DataError(
        f"{where} is not JSON: {reason.lower()}",
        got=line[:80],
        expected='an object such as {"text": "…"}',
        fix="repair that line, or take it out",
    )
