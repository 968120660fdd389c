"""Files dealt into portions of work: a few MB of text each, the same for any number of workers.

Small files go together, and whoever works on the portion reads them. A large file, and one whose
text cannot be counted by its size, is read by the one who deals, in order, and its documents go to
the others in portions through the work folder: one file keeps many workers busy.
"""

from __future__ import annotations

import io
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
            if _is_streamed(run[0]):
                if held:
                    yield self._files(held)
                held, size = [], 0
                yield from self._streamed(run)
                continue
            file = run[0]
            if held and size + _text_bytes(file) > PORTION_BYTES:
                yield self._files(held)
                held, size = [], 0
            held.append(file)
            size += _text_bytes(file)
        if held:
            yield self._files(held)

    def _files(self, held: Sequence[SourceFile]) -> Task:
        """A portion that its worker reads."""
        return self._task({"files": [file.as_json() for file in held]}, held)

    def _streamed(self, run: Sequence[SourceFile]) -> Iterator[Task]:
        """Portions of documents that are read here."""
        settings = self.work.settings
        reading = Reading(
            run,
            python_docs_bytes=round(settings.python_docs_mb * 1e6),
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
        marks = [(file.name, str(file.path), file.bytes, file.mtime_ns) for file in of]
        key = files.hash_of(self.work.plan, number, marks)
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
    """One file at a time; all files of Python's documentation together: they share a limit."""
    docs = [file for file in listed if file.reader == "python_docs"]
    if docs:
        yield docs
    for file in listed:
        if file.reader != "python_docs":
            yield [file]


def _is_streamed(file: SourceFile) -> bool:
    return file.reader == "python_docs" or not file.bytes or _text_bytes(file) > PORTION_BYTES


def _text_bytes(file: SourceFile) -> int:
    """About how much text a file holds."""
    return file.bytes * (PACKED if file.gzipped else 1)
