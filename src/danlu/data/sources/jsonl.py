"""JSON lines, one object a line; and `.json`: an array of objects, which is read whole."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import orjson

from danlu.data import raw, records
from danlu.data.inputs import SourceFile
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = (".jsonl", ".ndjson", ".json")


def read(file: SourceFile) -> Iterator[Document]:
    """One document a record.

    Raises:
        DataError: as `raw.lines` and `records.documents`, or a line is not a JSON object.
    """
    return records.documents(rows(file), file)


def rows(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records with their line numbers, or their numbers in an array.

    Raises:
        DataError: as `read`.
    """
    return _array(file) if _is_one_value(file) else _lines(file)


def recognises(head: bytes, name: str) -> bool:
    r"""Whether a file starts with a JSON object with fields, or an array of such.

    >>> recognises(b'{"text": "moon"}\n', "a"), recognises(b"{a set}", "a")
    (True, False)
    """
    return bool(re.match(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*)?\{\s*"[^"\n]*"\s*:', head))


def _lines(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in raw.lines(file):
        if line and not line.isspace():
            where = f"{file.name}:{number}"
            yield number, _row(_parse(line, where), where, line)


def _array(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of an array, or of the one array inside an object, or the object itself."""
    text = raw.whole_text(file, "a JSON array")
    value = _parse(text, file.name)
    if isinstance(value, dict):
        arrays = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
        value = arrays[0] if len(arrays) == 1 else [value]
    for number, item in enumerate(value, 1):
        yield number, _row(item, f"{file.name}, record {number}", str(item))


def _is_one_value(file: SourceFile) -> bool:
    """Whether the file is one JSON value: an array, or but for `.jsonl` an object of several lines.

    A first line that does not end in sight is a record.
    """
    line, end, _ = next(raw.text(file)).lstrip().partition("\n")
    if line.startswith("["):
        return True
    suffixes = PurePosixPath(file.name.lower()).suffixes
    is_lines = ".jsonl" in suffixes or ".ndjson" in suffixes
    return bool(end) and not is_lines and not line.rstrip().endswith("}")


def _parse(text: str, where: str) -> Any:
    with contextlib.suppress(orjson.JSONDecodeError):
        return orjson.loads(text)  # fast and strict: what it refuses may still be JSON for Python
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = text.splitlines() or [""]
        at = f"{where}:{error.lineno}" if len(lines) > 1 else where
        raise records.not_json(at, lines[min(error.lineno, len(lines)) - 1], error) from None
    except (ValueError, RecursionError) as error:
        raise records.not_json(where, text, error) from None


def _row(value: Any, where: str, line: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"text": value}
    if not isinstance(value, dict):
        raise DataError(
            f"{where} is no record",
            got=line[:80],
            expected='an object such as {"text": "…"}',
            fix="repair that line, or take it out",
        )
    return value
