"""All documents of all files, one after the other, and the account of each source."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from danlu import discover, log
from danlu.data import mixture
from danlu.data.inputs import SourceFile, fingerprints
from danlu.data.sources import python_docs
from danlu.types import Document

NAMED = 3
"""How many files a line of the story names before it only counts them."""


class Reading:
    """Reads files in order. Afterwards it knows what every source held, and what was odd in it.

    Args:
        files: what to read.
        python_docs_bytes: how much text to take where the files are Python's documentation.
        mix: of each source, the name by which it is mixed, which its documents then carry.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        *,
        python_docs_bytes: int,
        mix: Mapping[str, str] | None = None,
    ) -> None:
        self.files, self.limit, self.mix = files, python_docs_bytes, mix or {}
        self.is_python_docs = all(file.reader == "python_docs" for file in files)
        self.duplicate_ids = 0
        self._documents: dict[str, int] = {}
        self._text_bytes = 0

    def documents(self) -> Iterator[Document]:
        """All documents with unique ids; a second `a` becomes `a~2`.

        Raises:
            DataError: a file cannot be read: see the readers.
        """
        seen: dict[str, int] = {}
        with self._progress() as progress:
            for number, (file, document) in enumerate(self._pairs()):
                self._documents[file.source] = self._documents.get(file.source, 0) + 1
                self._text_bytes += len(document.text)
                if number % 256 == 0:
                    done, note = self._done(), f"{number:,} documents"
                    progress.update(min(done, progress.total), note)
                own_id = document.id
                while own_id in seen:
                    seen[document.id] += 1
                    own_id = f"{document.id}~{seen[document.id]}"
                seen[own_id] = 1
                if own_id != document.id:
                    self.duplicate_ids += 1
                    document = replace(document, id=own_id)
                if self.mix:
                    mark = {mixture.MARK: self.mix[file.source]}
                    document = replace(document, meta=document.meta | mark)
                yield document

    def sources(self) -> list[dict[str, Any]]:
        """What each source gave, for the manifest; packages that were not reached are left out."""
        marks = fingerprints(self.files)
        rows = []
        for source, group in itertools.groupby(self.files, key=lambda file: file.source):
            listed = list(group)
            if self.is_python_docs and source not in self._documents:
                continue
            rows.append(
                {
                    "file": source,
                    "reader": listed[0].reader,
                    "files": len(listed),
                    "bytes": sum(file.bytes for file in listed),
                    "documents": self._documents.get(source, 0),
                    **_notes(listed),
                    "fingerprint": marks[source],
                }
            )
        return rows

    def say_what_was_odd(self) -> None:
        """Say encodings, chosen fields and rows without text: a line each, not one a file."""
        said: dict[str, list[str]] = {}
        for file in self.files:
            encoding, field = file.notes.get("encoding", "UTF-8"), file.notes.get("field", "text")
            if not encoding.startswith("UTF-8"):
                said.setdefault(f"read as {encoding}", []).append(file.name)
            if field != "text":
                said.setdefault(f"the text is in the field {field!r}", []).append(file.name)
        for what, names in said.items():
            log.say(f"{_some(names)}: {what}")
        for key, what in (
            ("rows_without_text", "rows have no text and were left out"),
            ("lone_surrogates", "texts have broken characters, now U+FFFD"),
            ("not_parsed", "files are not valid Python and were left out"),
        ):
            counts = {file.name: file.notes[key] for file in self.files if key in file.notes}
            total = sum(n if isinstance(n, int) else 1 for n in counts.values())
            if total:
                log.warn(f"{total:,} {what}: {_some(list(counts))}")

    def _pairs(self) -> Iterator[tuple[SourceFile, Document]]:
        if self.is_python_docs:
            yield from python_docs.documents(self.files, self.limit)
            return
        for file in self.files:
            reader = discover.find("danlu.data.sources", file.reader, "source")
            for document in reader.read(file):
                yield file, document

    def _progress(self) -> log.Progress:
        size = self.limit if self.is_python_docs else sum(file.bytes for file in self.files)
        return log.Progress("reading", size / 1e6, unit="MB")

    def _done(self) -> float:
        """MB read so far: of files on disk, or of text where the whole is a limit on text."""
        if self.is_python_docs:
            return self._text_bytes / 1e6
        return float(sum(f.notes.get("read_bytes", 0) for f in self.files)) / 1e6


def _notes(listed: Sequence[SourceFile]) -> dict[str, Any]:
    """What the readers noted about the files of a source: one file's notes, or sums of counts."""
    if len(listed) > 1 or listed[0].group:
        unread = sum("not_parsed" in file.notes for file in listed)
        return {"encoding": "UTF-8", **({"not_parsed": unread} if unread else {})}
    return {key: value for key, value in listed[0].notes.items() if key != "read_bytes"}


def _some(names: Sequence[str]) -> str:
    """A few names, and how many more there are.

    >>> _some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
