"""Tables in text: CSV with any usual delimiter, and TSV; with or without a line of headings.

Rules of RFC 4180, read strictly: a quote that is never closed is an error with its line, not one
cell that swallows the rest of the file. TSV is read without quoting unless its cells are quoted.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from danlu.data import raw, records
from danlu.data.inputs import SourceFile
from danlu.errors import DataError
from danlu.types import Document

SUFFIXES = (".csv", ".tsv")

SAMPLE_LINES = 50


def read(file: SourceFile) -> Iterator[Document]:
    """One document a row.

    Raises:
        DataError: as `raw.lines` and `records.documents`, or the quotes do not close.
    """
    return records.documents(rows(file), file)


def rows(file: SourceFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row by its headings, with the line it ends on."""
    cells = _cells(file)
    sample = list(itertools.islice(cells, SAMPLE_LINES))
    heads: list[str] = []
    if sample and _has_headings([row for _, row in sample]):
        heads = [name.strip() or f"column {i}" for i, name in enumerate(sample.pop(0)[1], 1)]
    file.notes["headings"] = bool(heads)
    for number, row in itertools.chain(sample, cells):
        names = itertools.chain(heads, (f"column {i}" for i in itertools.count(len(heads) + 1)))
        yield number, dict(zip(names, row, strict=False))


def _cells(file: SourceFile) -> Iterator[tuple[int, list[str]]]:
    lines = (line + "\n" for _, line in raw.lines(file))
    sample = list(itertools.islice(lines, SAMPLE_LINES))
    delimiter = _delimiter(file, sample)
    csv.field_size_limit(raw.MAX_LINE)  # for the whole process; the default is 128 kB
    reader = csv.reader(
        itertools.chain(sample, lines),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if _is_quoted(delimiter, sample) else csv.QUOTE_NONE,
        strict=True,
    )
    last = 0
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
            last = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{file.name}:{last + 1} is not a row of a table: {error}",
            got=f"a row that starts on line {last + 1:,} and is still open on {reader.line_num:,}",
            expected='cells in double quotes that close, with "" for a quote inside',
            fix="repair that line, or save the table as .jsonl or .parquet",
        ) from None


def _delimiter(file: SourceFile, sample: list[str]) -> str:
    """A tab in `.tsv`, else the mark that cuts the sample's lines into equally many cells.

    >>> from pathlib import Path
    >>> file = SourceFile(Path("a.csv"), "a.csv", "csv", 0, 0)
    >>> _delimiter(file, ["id;text", "1;Hello, you", "2;Well, well, well"])
    ';'
    """
    if ".tsv" in PurePosixPath(file.name.lower()).suffixes:
        return "\t"
    unquoted = [re.sub(r'"(?:[^"]|"")*"', "", line) for line in sample]
    best, most = ",", 0
    for mark in (",", ";", "\t", "|"):
        counts = Counter(line.count(mark) for line in unquoted)
        share = max((n for count, n in counts.items() if count), default=0)
        if share > most:
            best, most = mark, share
    return best


def _is_quoted(delimiter: str, sample: list[str]) -> bool:
    """Whether quotes are syntax: always in CSV; in TSV if as many cells open with one as close,
    and the sample can be read so (a title such as `"Ode" and other poems` is not quoted).
    """
    if delimiter != "\t":
        return True
    cells = [cell for line in sample for cell in line.rstrip("\n").split("\t")]
    opening = sum(cell.startswith('"') for cell in cells)
    closing = sum(cell.endswith('"') and cell != '"' for cell in cells)
    if not 0 < opening == closing:
        return False
    try:
        list(csv.reader(sample, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return "unexpected end" in str(error)  # a cell goes on behind the sample
    return True


def _has_headings(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: short distinct words, unlike what is below them.

    >>> _has_headings([["label", "text"], ["1", "Call me Ishmael."]])
    True
    >>> _has_headings([["ham", "Go until jurong point"], ["ham", "Ok lar"]])
    False
    """
    first, below = rows[0], rows[1:]
    names = [cell.strip() for cell in first]
    plain = all(re.fullmatch(r"[^\W\d][\w .\-/]{0,39}", name) or not name for name in names)
    if not plain or not any(names) or len(set(names)) < len(names) or not below:
        return False
    if any(name.lower() in ("text", "content", "body", "label", "title", "id") for name in names):
        return True
    columns = list(zip(*below, strict=False))
    if any(name in column for name, column in zip(names, columns, strict=False)):
        return False
    widest = max((sum(map(len, column)) / len(column) for column in columns), default=0)
    return bool(widest > 2 * max(map(len, names)))
