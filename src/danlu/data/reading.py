"""All documents of some files, one after the other, and the account of what they held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from danlu import discover, log
from danlu.data import mixture
from danlu.data.inputs import SourceFile, fingerprints
from danlu.data.sources import python_docs
from danlu.errors import DataError
from danlu.types import Document

NAMED = 3
"""How many files a line of the story names before it only counts them."""


@dataclass(slots=True)
class Account:
    """What was read, by source and by file; accounts of several processes add up."""

    documents: dict[str, int] = field(default_factory=dict)
    """By source."""
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By file: its encoding, the field with its text, and counts of what could not be used."""
    broken: dict[str, str] = field(default_factory=dict)
    """By file that was given up: why."""
    duplicate_ids: int = 0

    def as_json(self) -> dict[str, Any]:
        """For a result."""
        return {
            "documents": self.documents,
            "notes": self.notes,
            "broken": self.broken,
            "duplicate_ids": self.duplicate_ids,
        }

    def add(self, other: dict[str, Any]) -> None:
        """Take in the account of other files."""
        for source, count in other["documents"].items():
            self.documents[source] = self.documents.get(source, 0) + count
        self.notes |= other["notes"]
        self.broken |= other["broken"]
        self.duplicate_ids += other["duplicate_ids"]


class Reading:
    """Reads files in order; `account` is what they held.

    Args:
        files: what to read.
        python_docs_bytes: how much text to take where the files are Python's documentation.
        mix: of each source, the name by which it is mixed, which its documents then carry.
        skip_broken: go on with the next file where one cannot be read to its end.
    """

    def __init__(
        self,
        files: Sequence[SourceFile],
        *,
        python_docs_bytes: int = 0,
        mix: Mapping[str, str] | None = None,
        skip_broken: bool = False,
    ) -> None:
        self.files, self.limit, self.skip_broken = files, python_docs_bytes, skip_broken
        self.mix = mix or {}
        self.account = Account()

    def documents(self) -> Iterator[Document]:
        """All documents with unique ids; a second `a` becomes `a~2`.

        Raises:
            DataError: a file cannot be read, and broken ones are not skipped.
        """
        seen: dict[str, int] = {}
        current = None
        for file, document in self._pairs():
            if file is not current and file.reader != "python_docs":
                seen, current = {}, file  # an id begins with the name of its file
            self.account.documents[file.source] = self.account.documents.get(file.source, 0) + 1
            own_id = document.id
            while own_id in seen:
                seen[document.id] += 1
                own_id = f"{document.id}~{seen[document.id]}"
            seen[own_id] = 1
            if own_id != document.id:
                self.account.duplicate_ids += 1
                document = replace(document, id=own_id)
            if self.mix:
                mark = {mixture.MARK: self.mix[file.source]}
                document = replace(document, meta=document.meta | mark)
            yield document
        self.account.notes = {
            file.name: {key: value for key, value in file.notes.items() if key != "read_bytes"}
            for file in self.files
            if file.notes
        }

    def _pairs(self) -> Iterator[tuple[SourceFile, Document]]:
        if any(file.reader == "python_docs" for file in self.files):
            yield from python_docs.documents(self.files, self.limit)
            return
        for file in self.files:
            reader = discover.find("danlu.data.sources", file.reader, "source")
            try:
                for document in reader.read(file):
                    yield file, document
            except DataError as error:
                if not self.skip_broken:
                    raise
                self.account.broken[file.name] = error.what


def sources(listed: Sequence[SourceFile], account: Account) -> list[dict[str, Any]]:
    """What each source gave, for the manifest; packages that were not reached are left out."""
    marks = fingerprints(listed)
    groups: dict[str, list[SourceFile]] = {}
    for file in listed:
        groups.setdefault(file.source, []).append(file)
    return [
        {
            "file": source,
            "reader": group[0].reader,
            "files": len(group),
            "bytes": sum(file.bytes for file in group),
            "documents": account.documents.get(source, 0),
            **_notes(group, account),
            "fingerprint": marks[source],
        }
        for source, group in groups.items()
        if group[0].reader != "python_docs" or source in account.documents
    ]


def say_what_was_odd(account: Account) -> None:
    """Say encodings, chosen fields and rows without text: a line each, not one a file."""
    said: dict[str, list[str]] = {}
    for name, notes in account.notes.items():
        encoding, text_field = notes.get("encoding", "UTF-8"), notes.get("field", "text")
        if not encoding.startswith("UTF-8"):
            said.setdefault(f"read as {encoding}", []).append(name)
        if text_field != "text":
            said.setdefault(f"the text is in the field {text_field!r}", []).append(name)
    for what, names in said.items():
        log.say(f"{_some(names)}: {what}")
    for key, what in (
        ("rows_without_text", "rows have no text and were left out"),
        ("lone_surrogates", "texts have broken characters, now U+FFFD"),
        ("not_parsed", "files are not valid Python and were left out"),
    ):
        counts = {name: notes[key] for name, notes in account.notes.items() if key in notes}
        total = sum(n if isinstance(n, int) else 1 for n in counts.values())
        if total:
            log.warn(f"{total:,} {what}: {_some(list(counts))}")
    _say_what_was_left_out(account)
    if account.duplicate_ids:
        log.say(f"{account.duplicate_ids:,} ids came up again: they are now a~2, a~3 …")
    for name, reason in account.broken.items():
        named = reason if name in reason else f"{name}: {reason}"
        log.warn(f"not read to its end: {named}")


def _say_what_was_left_out(account: Account) -> None:
    """Say what readers counted in `left_out`: a line a reason, with the files it was in."""
    by_reason: dict[str, dict[str, int]] = {}
    for name, notes in account.notes.items():
        for reason, number in notes.get("left_out", {}).items():
            by_reason.setdefault(reason, {})[name] = number
    for reason, counts in by_reason.items():
        total, what = sum(counts.values()), reason.replace("_", " ")
        log.say(f"left out {total:,} {what}: {_some(list(counts))}")


def _notes(group: Sequence[SourceFile], account: Account) -> dict[str, Any]:
    """What the readers noted about the files of a source: one file's notes, or sums of counts."""
    notes = [account.notes.get(file.name, {}) for file in group]
    if len(group) > 1 or group[0].group:
        unread = sum("not_parsed" in of_file for of_file in notes)
        return {"encoding": "UTF-8", **({"not_parsed": unread} if unread else {})}
    return notes[0]


def _some(names: Sequence[str]) -> str:
    """A few names, and how many more there are.

    >>> _some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
