"""Files dealt into portions of work: a few MB of text each, the same for any number of workers.

Small files go together, and whoever works on the portion reads them. A large file, and one whose
text cannot be counted by its size, is read by the one who deals, in order, and its documents go to
the others in portions through the work folder: one file keeps many workers busy.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from danlu import files
from danlu.data import rows
from danlu.data.inputs import SourceFile
from danlu.data.reading import Account, Reading
from danlu.data.work import Task, Work

PORTION_BYTES = 8 << 20
"""About how much text is in a portion."""
PACKED = 4
"""How much larger a compressed file is taken to be than it is on disk."""


class Dealer:
    """Deals files into tasks of the stage `clean`; `account` is what it read itself."""

    def __init__(self, work: Work, listed: Sequence[SourceFile]) -> None:
        self.work, self.files = work, listed
        self.account = Account()
        self.tasks: list[Task] = []
        """What has been dealt so far."""

    def deal(self) -> Iterator[Task]:
        """The tasks, in order."""
        held: list[SourceFile] = []
        size = 0
        for run in _runs(self.files):
            more = sum(map(_text_bytes, run))
            streamed = more > PORTION_BYTES or any(map(_is_streamed, run))
            if held and (streamed or size + more > PORTION_BYTES):
                yield self._files(held)
                held, size = [], 0
            if streamed:
                yield from self._streamed(run)
            else:
                held += run
                size += more
        if held:
            yield self._files(held)

    def _files(self, held: Sequence[SourceFile]) -> Task:
        """A portion that its worker reads."""
        return self._task({"files": [_anywhere(file) for file in held]}, held)

    def _streamed(self, run: Sequence[SourceFile]) -> Iterator[Task]:
        """Portions of documents that are read here."""
        settings = self.work.settings
        reading = Reading(
            run,
            python_docs_bytes=round(settings.python_docs_mb * 1e6),
            mix=self.work.plan["mix"],
            skip_broken=self.work.plan["skip_broken"],
        )
        held: list[pa.RecordBatch] = []
        size = 0
        for batch in rows.batches(reading.documents()):
            held.append(batch)
            size += batch.column("text").nbytes
            if size >= PORTION_BYTES:
                yield self._raw(held, run)
                held, size = [], 0
        if held:
            yield self._raw(held, run)
        self.account.add(reading.account.as_json())

    def _raw(self, held: Sequence[pa.RecordBatch], run: Sequence[SourceFile]) -> Task:
        task = self._task({"raw": True}, run)
        if self.work.done(task) is None:
            write_batches(self.work, Task("raw", task.number, task.key), held)
        return task

    def _task(self, given: dict[str, Any], of: Sequence[SourceFile]) -> Task:
        number = len(self.tasks)
        marks = [[_anywhere(file) for file in of], len(self.tasks)]
        key = files.hash_of(self.work.plan, marks)
        self.tasks.append(Task("clean", number, key, given))
        return self.tasks[-1]


def write_batches(work: Work, task: Task, batches: Sequence[pa.RecordBatch]) -> None:
    """Rows into the task's `.arrow` file, which can be mapped into memory."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, rows.SCHEMA) as writer:
        for batch in batches:
            writer.write_batch(batch)
    work.disk.write(work.path(task, "arrow"), sink.getbuffer())


def _runs(listed: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    """Files that one process reads: Python's documentation, a compressed tar, else one each."""
    for _, run in itertools.groupby(listed, key=_together):
        yield list(run)


def _together(file: SourceFile) -> tuple[str, str]:
    """What is equal for files that are read by one process."""
    if file.reader == "python_docs":  # they share a limit
        return "python_docs", ""
    if file.member and file.member.compression:  # unpacked from its beginning, once
        return "member", file.container
    return "file", file.name


def _is_streamed(file: SourceFile) -> bool:
    """Whether the text of a file may be much, for all that its size says."""
    return file.reader in ("python_docs", "hugging_face") or not file.bytes


def _text_bytes(file: SourceFile) -> int:
    """About how much text a file holds."""
    return file.bytes * (PACKED if file.compression else 1)


def _anywhere(file: SourceFile) -> dict[str, Any]:
    """The file for a process in another folder."""
    place = {} if file.url else {"path": str(file.path.absolute())}
    return file.as_json() | place | {"given": ""}
