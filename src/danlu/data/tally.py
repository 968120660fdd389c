"""The account of a corpus: how much text was read, changed, removed and why, and how long it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import characters
from danlu.data.rows import Step

EDGES = [0, *(64 << n for n in range(12))]
"""Bounds of the length bins in bytes of UTF-8: 0, 64, 128, … 131,072; the last bin is open."""

EXAMPLES, EXAMPLE_CHARS = 3, 300
"""How many removed documents are shown for a reason, and how much of each."""


@dataclass(slots=True)
class Amount:
    """An amount of text."""

    documents: int = 0
    bytes: int = 0
    characters: int = 0

    def add(self, texts: pa.StringArray) -> None:
        """Count some texts."""
        self.documents += len(texts)
        self.bytes += pc.sum(pc.binary_length(texts)).as_py() or 0
        self.characters += pc.sum(pc.utf8_length(texts)).as_py() or 0

    def as_json(self) -> dict[str, int]:
        """For the manifest."""
        return {"documents": self.documents, "bytes": self.bytes, "characters": self.characters}


@dataclass(slots=True)
class Removal:
    """What was removed for one reason, and its first documents."""

    amount: Amount = field(default_factory=Amount)
    examples: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {**self.amount.as_json(), "examples": self.examples}


class Tally:
    """Watches batches pass: before the first step, after every step, and at the end."""

    def __init__(self) -> None:
        self.read, self.kept = Amount(), Amount()
        self.removed: dict[str, Removal] = {}
        self.before = np.zeros(len(EDGES), dtype=np.int64)
        self.after = np.zeros(len(EDGES), dtype=np.int64)
        self._han = 0
        self._step_of: dict[str, str] = {}

    def watch_read(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Count what comes in."""
        for batch in batches:
            self.read.add(batch.column("text"))
            self.before += _histogram(batch.column("text"))
            yield batch

    def watch_step(self, step: Step, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Learn which reasons are this step's: those that nobody gave before it."""
        for batch in batches:
            for reason in pc.unique(batch.column("removed")).to_pylist():
                if reason is not None:
                    self._step_of.setdefault(reason, step.name)
            yield batch

    def watch_result(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Count what is kept and what is removed."""
        for batch in batches:
            kept = batch.filter(pc.is_null(batch.column("removed"))).column("text")
            self.kept.add(kept)
            self.after += _histogram(kept)
            self._han += characters.count(characters.HAN, "".join(kept.to_pylist()))
            gone = batch.filter(pc.is_valid(batch.column("removed")))
            for reason in pc.unique(gone.column("removed")).to_pylist():
                self._remove(reason, gone.filter(pc.equal(gone.column("removed"), reason)))
            yield batch

    def as_json(self, steps: Sequence[Step]) -> dict[str, Any]:
        """The account for the manifest; the lengths are bins of bytes."""
        return {
            "counts": {"read": self.read.as_json(), "kept": self.kept.as_json()},
            "steps": [self._step(step) for step in steps],
            "changed": sum(step.stats().get("changed", 0) for step in steps),
            "removed": {why: gone.as_json() for why, gone in sorted(self.removed.items())},
            "han_share": round(self._han / max(self.kept.characters, 1), 4),
            "lengths": {
                "unit": "bytes",
                "edges": EDGES,
                "before": self.before.tolist(),
                "after": self.after.tolist(),
            },
        }

    def _step(self, step: Step) -> dict[str, Any]:
        """What one step did: the removals are those whose reason it was the first to give."""
        reasons = sorted(why for why in self.removed if self._step_of.get(why) == step.name)
        return {
            "name": step.name,
            "version": step.version,
            "changed": step.stats().get("changed", 0),
            "stats": step.stats(),
            "removed": {why: self.removed[why].as_json() for why in reasons},
        }

    def funnel(self) -> str:
        """The way from what was read to what was kept, in one line."""
        parts = [f"{self.read.documents:,} read"]
        parts += [f"{r.amount.documents:,} {why}" for why, r in sorted(self.removed.items())]
        return " − ".join(parts) + f" = {self.kept.documents:,} kept"

    def _remove(self, reason: str, gone: pa.RecordBatch) -> None:
        removal = self.removed.setdefault(reason, Removal())
        removal.amount.add(gone.column("text"))
        first = gone.slice(0, EXAMPLES - len(removal.examples))
        for own_id, text in zip(first["id"].to_pylist(), first["text"].to_pylist(), strict=True):
            removal.examples.append({"id": own_id, "text": text[:EXAMPLE_CHARS]})


def _histogram(texts: pa.StringArray) -> Any:
    sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    bins = np.searchsorted(np.array(EDGES), sizes, side="right") - 1
    return np.bincount(bins, minlength=len(EDGES))
