"""The account of a corpus: how much text was read, changed, removed and why, and how long it is.

Every task counts its own portion; the counts add up in the order of the portions, so that the
account does not depend on who did what when.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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

    def merge(self, other: dict[str, int]) -> None:
        """Add another amount, given as JSON."""
        self.documents += other["documents"]
        self.bytes += other["bytes"]
        self.characters += other["characters"]

    def as_json(self) -> dict[str, int]:
        """For the manifest."""
        return {"documents": self.documents, "bytes": self.bytes, "characters": self.characters}


@dataclass(slots=True)
class Removal:
    """What was removed for one reason, and its first documents."""

    amount: Amount = field(default_factory=Amount)
    examples: list[dict[str, str]] = field(default_factory=list)

    def add(self, gone: pa.RecordBatch) -> None:
        """Count some rows."""
        self.amount.add(gone.column("text"))
        first = gone.slice(0, EXAMPLES - len(self.examples))
        for own_id, text in zip(first["id"].to_pylist(), first["text"].to_pylist(), strict=True):
            self.examples.append({"id": own_id, "text": text[:EXAMPLE_CHARS]})

    def merge(self, other: dict[str, Any]) -> None:
        """Add what a later portion removed, given as JSON."""
        self.amount.merge(other)
        self.examples += other["examples"][: EXAMPLES - len(self.examples)]

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {**self.amount.as_json(), "examples": self.examples}


class Watch:
    """Counts a portion on its way through the cleaning steps."""

    def __init__(self, steps: int) -> None:
        self._read = Amount()
        self._lengths = np.zeros(len(EDGES), dtype=np.int64)
        self._kept = [Amount() for _ in range(steps)]
        self._reasons: list[dict[str, int]] = [{} for _ in range(steps)]

    def read(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Count what comes in."""
        for batch in batches:
            self._read.add(batch.column("text"))
            self._lengths += histogram(batch.column("text"))
            yield batch

    def after(self, step: int, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Count what a step left, and the reasons that there are now."""
        for batch in batches:
            self._kept[step].add(kept(batch).column("text"))
            for found in pc.value_counts(batch.column("removed")).to_pylist():
                reason, count = found["values"], found["counts"]
                if reason is not None:
                    self._reasons[step][reason] = self._reasons[step].get(reason, 0) + count
            yield batch

    def as_json(self, stats: Sequence[dict[str, int]]) -> dict[str, Any]:
        """For the result of a task; `stats` are those of the steps."""
        return {
            "read": self._read.as_json(),
            "lengths": self._lengths.tolist(),
            "steps": [
                {"kept": amount.as_json(), "reasons": reasons, "stats": of_step}
                for amount, reasons, of_step in zip(self._kept, self._reasons, stats, strict=True)
            ],
        }


class Result:
    """Counts a portion as it is dealt out: what is kept, and what is removed and why."""

    def __init__(self) -> None:
        self.parts: dict[str, Amount] = {}
        self.removed: dict[str, Removal] = {}
        self.languages: dict[str, Amount] = {}
        self._lengths = np.zeros(len(EDGES), dtype=np.int64)
        self._han = 0

    def add(self, part: str, batch: pa.RecordBatch, han: int = 0) -> None:
        """Count rows of one part: `train`, `held_out` or `removed`, with `han` Han characters."""
        texts = batch.column("text")
        self.parts.setdefault(part, Amount()).add(texts)
        if part == "removed":
            for reason in pc.unique(batch.column("removed")).to_pylist():
                rows = batch.filter(pc.equal(batch.column("removed"), reason))
                self.removed.setdefault(reason, Removal()).add(rows)
            return
        self._lengths += histogram(texts)
        self._han += han
        if "lang" in batch.schema.names:
            for lang in pc.unique(batch.column("lang")).to_pylist():
                if lang is not None:
                    rows = batch.filter(pc.equal(batch.column("lang"), lang))
                    self.languages.setdefault(lang, Amount()).add(rows.column("text"))

    def as_json(self) -> dict[str, Any]:
        """For the result of a task."""
        return {
            "parts": {name: amount.as_json() for name, amount in self.parts.items()},
            "removed": {why: removal.as_json() for why, removal in self.removed.items()},
            "languages": {name: amount.as_json() for name, amount in self.languages.items()},
            "lengths": self._lengths.tolist(),
            "han": self._han,
        }


class Tally:
    """The account of all portions."""

    def __init__(self, steps: Sequence[str], comparisons: Sequence[str]) -> None:
        self.steps, self.comparisons = list(steps), list(comparisons)
        self.read = Amount()
        self.kept_after = {name: Amount() for name in self.steps}
        self.stats: dict[str, dict[str, int]] = {name: {} for name in self.steps}
        self.parts = {name: Amount() for name in ("train", "held_out", "removed")}
        self.removed: dict[str, Removal] = {}
        self.languages: dict[str, Amount] = {}
        self.before = np.zeros(len(EDGES), dtype=np.int64)
        self.after = np.zeros(len(EDGES), dtype=np.int64)
        self.han = 0
        self.gone: dict[str, int] = {}
        """Documents removed by the steps, by reason."""
        self._step_of: dict[str, str] = {}

    @property
    def kept(self) -> Amount:
        """What is trained on and measured with."""
        both = Amount()
        for name in ("train", "held_out"):
            both.merge(self.parts[name].as_json())
        return both

    def cleaned(self, result: dict[str, Any]) -> None:
        """Take in what a task of the stage `clean` counted."""
        self.read.merge(result["read"])
        self.before += np.array(result["lengths"])
        for name, step in zip(self.steps, result["steps"], strict=True):
            self.kept_after[name].merge(step["kept"])
            for reason, count in step["reasons"].items():
                if self._step_of.setdefault(reason, name) == name:
                    self.gone[reason] = self.gone.get(reason, 0) + count
            for key, count in step["stats"].items():
                self.stats[name][key] = self.stats[name].get(key, 0) + count

    def dealt(self, result: dict[str, Any]) -> None:
        """Take in what a task of the stage `deal` counted."""
        for name, amount in result["parts"].items():
            self.parts[name].merge(amount)
        for reason, removal in result["removed"].items():
            self.removed.setdefault(reason, Removal()).merge(removal)
        for name, amount in result["languages"].items():
            self.languages.setdefault(name, Amount()).merge(amount)
        self.after += np.array(result["lengths"])
        self.han += result["han"]

    def as_json(self, versions: dict[str, str], reasons: dict[str, str]) -> dict[str, Any]:
        """The account for the manifest; the lengths are bins of bytes.

        Args:
            versions: of each step and comparison.
            reasons: what documents are removed for by comparisons, and which one it was.
        """
        kept = self.kept
        step_of = reasons | self._step_of
        names = [*self.steps, *self.comparisons]
        return {
            "counts": {
                "read": self.read.as_json(),
                "kept": kept.as_json(),
                **{name: self.parts[name].as_json() for name in ("train", "held_out")},
            },
            "funnel": self._funnel(step_of),
            "steps": [self._step(name, versions[name], step_of) for name in names],
            "changed": sum(stats.get("changed", 0) for stats in self.stats.values()),
            "removed": {why: gone.as_json() for why, gone in sorted(self.removed.items())},
            "languages": {name: amount.as_json() for name, amount in self._by_size()},
            "han_share": round(self.han / max(kept.characters, 1), 4),
            "lengths": {
                "unit": "bytes",
                "edges": EDGES,
                "before": self.before.tolist(),
                "after": self.after.tolist(),
            },
        }

    def _by_size(self) -> list[tuple[str, Amount]]:
        """Languages, the one with most text first."""
        return sorted(self.languages.items(), key=lambda item: (-item[1].bytes, item[0]))

    def funnel(self) -> str:
        """The way from what was read to what was kept, in one line."""
        gone = self.gone | {why: r.amount.documents for why, r in self.removed.items()}
        parts = [f"{self.read.documents:,} read"]
        parts += [f"{count:,} {why}" for why, count in sorted(gone.items())]
        return " − ".join(parts) + f" = {self.kept.documents:,} kept"

    def _step(self, name: str, version: str, step_of: dict[str, str]) -> dict[str, Any]:
        mine = {why: gone for why, gone in sorted(self.removed.items()) if step_of[why] == name}
        stats = self.stats.get(name, {})
        return {
            "name": name,
            "version": version,
            "changed": stats.get("changed", 0),
            "stats": dict(sorted(stats.items())),
            "removed": {why: gone.as_json() for why, gone in mine.items()},
        }

    def _funnel(self, step_of: dict[str, str]) -> list[dict[str, Any]]:
        """What was left after reading, each step, and each comparison."""
        left = self.kept_after[self.steps[-1]].as_json() if self.steps else self.read.as_json()
        found = [("read", self.read.as_json())]
        found += [(name, self.kept_after[name].as_json()) for name in self.steps]
        for name in self.comparisons:
            gone = [r.amount for why, r in self.removed.items() if step_of[why] == name]
            left = {
                unit: left[unit] - sum(amount.as_json()[unit] for amount in gone) for unit in left
            }
            found.append((name, left))
        return [
            {"step": name, "documents": amount["documents"], "bytes": amount["bytes"]}
            for name, amount in found
        ]


def kept(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows that are not removed."""
    if batch.column("removed").null_count == batch.num_rows:
        return batch
    return batch.filter(pc.is_null(batch.column("removed")))


def histogram(texts: pa.StringArray) -> Any:
    """[bins] how many texts have a length in each bin."""
    sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False)
    bins = np.searchsorted(np.array(EDGES), sizes, side="right") - 1
    return np.bincount(bins, minlength=len(EDGES))
