"""Documents that share a passage with files that a model will be measured with.

Every string in the evaluation files counts, whatever field it is in: questions, answers, options.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from danlu import discover
from danlu.data import contamination, inputs, rows
from danlu.data.inputs import SourceFile
from danlu.data.settings import ContaminationSettings, PrepareSettings

REASON = "contaminated"
BATCH = 1_000


def build(settings: PrepareSettings) -> Contamination:
    """The step; the evaluation files are read when the first batch comes.

    Raises:
        DataError: a path is missing, or holds no text.
    """
    return Contamination(settings.contamination, files_of(settings.contamination))


def files_of(settings: ContaminationSettings) -> list[SourceFile]:
    """The evaluation files."""
    return inputs.expand(map(Path, settings.against)).files if settings.against else []


class Contamination:
    """Marks documents with the evaluation file that they share a passage with."""

    name, version = "contamination", "1"

    def __init__(self, settings: ContaminationSettings, against: list[SourceFile]) -> None:
        self.settings, self.against = settings, against
        self._known: list[tuple[str, contamination.Known]] = []
        self._counts: dict[str, int] = {}

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows; contaminated ones are removed as `contaminated: file`."""
        if self.against and not self._known:
            self._known += [(file.name, self._read(file)) for file in self.against]
        self._counts = {}  # copies of a step share what they know, and count for themselves
        for batch in batches:
            removed = batch.column("removed").to_pylist()
            for name, known in self._known:
                for i in known.shares(batch.column("text"), self.settings).nonzero()[0].tolist():
                    if removed[i] is None:
                        removed[i] = f"{REASON}: {name}"
                        self._counts[name] = self._counts.get(name, 0) + 1
            yield rows.with_columns(batch, removed=removed) if self._known else batch

    def stats(self) -> dict[str, int]:
        """Documents removed, by evaluation file."""
        return dict(self._counts)

    def _read(self, file: SourceFile) -> contamination.Known:
        texts = list(strings(file))
        parts = (pa.array(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH))
        return contamination.Known.of(contamination.collected(parts, self.settings))


def strings(file: SourceFile) -> Iterator[str]:
    """Every string in an evaluation file: of all fields of its records, or its text."""
    reader = discover.find("danlu.data.sources", file.reader, "source")
    if not hasattr(reader, "rows"):
        for document in reader.read(file):
            yield document.text
        return
    for _, row in reader.rows(file):
        yield from _within(row)


def _within(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _within(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _within(inner)
