"""Repair what encoding and copying do to text, and change nothing else.

In this order: mojibake (ftfy, only where its traces are), Unicode NFC, line ends, control,
zero-width and bidirectional characters, spaces at line ends, blank lines around the text. A
zero-width joiner stays where it means something: inside emoji, and in scripts that need it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from danlu.data import rows
from danlu.data.settings import PrepareSettings

MOJIBAKE = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u017e\u0192\u02c6\u02dc\u2013-\u2122]")
"""A UTF-8 character read as Latin-1 or Windows-1252: a lead byte and what its next byte becomes."""

LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\u0085]")
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb]|(?<![\u0600-\u109f\u1780-\u17ff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])"
    "[\u200c\u200d]"
)
TRAILING = re.compile(r"(?<![ \t\u3000])[ \t\u3000]++(?=\n|\Z)")
"""Linear: a run of spaces is looked at from its beginning only, and not again when it fails."""


def build(settings: PrepareSettings) -> Repair:
    """The step; it has no settings."""
    return Repair()


class Repair:
    """Repairs texts; its stats count documents by what was repaired in them."""

    name, version = "repair", "1"

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with repaired texts."""
        for batch in batches:
            texts, gone = batch.column("text").to_pylist(), batch.column("removed").to_pylist()
            after = [
                text if reason else self._repaired(text)
                for text, reason in zip(texts, gone, strict=True)
            ]
            yield batch if after == texts else rows.with_columns(batch, text=after)

    def stats(self) -> dict[str, int]:
        """Documents changed, in all and by kind of repair."""
        return dict(self._counts)

    def _repaired(self, text: str) -> str:
        after, kinds = repair(text)
        self._counts.update(kinds)
        self._counts["changed"] += after != text
        return after


def repair(text: str) -> tuple[str, list[str]]:
    r"""The repaired text and the kinds of repair that it needed.

    >>> repair("caf\u00c3\u00a9 \r\nnoir\u200b\n")
    ('café\nnoir', ['mojibake', 'line ends', 'invisible', 'spaces'])
    """
    kinds = []
    for kind, change in _CHANGES:
        after = change(text)
        if after != text:
            kinds.append(kind)
            text = after
    return text, kinds


def _mojibake(text: str) -> str:
    if text.isascii() or not MOJIBAKE.search(text):
        return text
    import ftfy

    return str(ftfy.fix_encoding(text))


def _nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _line_ends(text: str) -> str:
    return text if text.isascii() and "\r" not in text else LINE_ENDS.sub("\n", text)


def _spaces(text: str) -> str:
    if any(end in text for end in (" \n", "\t\n", "\u3000\n")) or text[-1:].isspace():
        text = TRAILING.sub("", text)
    return text.strip("\n")


_CHANGES = (
    ("mojibake", _mojibake),
    ("nfc", _nfc),
    ("line ends", _line_ends),
    ("invisible", lambda text: INVISIBLE.sub("", text)),
    ("spaces", _spaces),
)
