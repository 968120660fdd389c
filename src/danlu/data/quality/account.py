"""What every rule did: how much it takes alone, how much it took first, its worst and best texts.

Reports are JSON-able and add up: those of several workers, merged in any grouping, give the report
of one worker that saw all rows. Texts of equal value are ordered by id, then by their beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.quality.repeats import F64, I64, Bools
from danlu.data.quality.rules import Rule

SHOWN = 10
SHOWN_CHARACTERS = 300

Report = dict[str, dict[str, Any]]
Row = tuple[float, str, str]
"""The value, negative where large comes first; the id; the beginning of the text."""


class Account:
    """The report of one worker in the making."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = {rule.name: _Entry(rule) for rule in rules}

    def batch(
        self, ids: pa.StringArray, texts: pa.StringArray, judged: Mapping[str, Bools]
    ) -> Callable[[Rule, F64, Bools, Bools], None]:
        """A function to call with a rule, its values, the rows that fail it and those it removes.

        `judged`: the rows that each kind of rule looks at.
        """
        sizes = pc.binary_length(texts).to_numpy(zero_copy_only=False).astype(np.int64)
        heads = pc.utf8_slice_codeunits(texts, 0, SHOWN_CHARACTERS).to_pylist()
        named = list(zip(ids.to_pylist(), heads, strict=True))
        by_id = np.array(sorted(range(len(named)), key=named.__getitem__), np.int64)
        order = {kind: by_id[rows[by_id]] for kind, rows in judged.items()}

        def add(rule: Rule, values: F64, fails: Bools, first: Bools) -> None:
            entry = self._rules[rule.name]
            entry.count(entry.alone, fails, sizes)
            entry.count(entry.first, first, sizes)
            entry.show(values, order[rule.judges], named)

        return add

    def report(self) -> Report:
        """The account as JSON, a rule an entry, in their order."""
        return {name: entry.as_json() for name, entry in self._rules.items()}


class _Entry:
    """What one rule did."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.alone = {"documents": 0, "bytes": 0}
        self.first = {"documents": 0, "bytes": 0}
        self._large: list[Row] = []
        self._small: list[Row] = []

    def count(self, amount: dict[str, int], which: Bools, sizes: I64) -> None:
        """Add some rows of a batch."""
        found = int(np.count_nonzero(which))
        if found:
            amount["documents"] += found
            amount["bytes"] += int(sizes[which].sum())

    def show(self, values: F64, order: I64, named: list[tuple[str, str]]) -> None:
        """Keep the largest and the smallest values; `order`: the judged rows by id."""
        if len(order):
            self._large = _most(self._large, -values[order], order, named)
            self._small = _most(self._small, values[order], order, named)

    def as_json(self) -> dict[str, Any]:
        """See `merge`."""
        large = [_shown(-key, own_id, text) for key, own_id, text in self._large]
        small = [_shown(key, own_id, text) for key, own_id, text in self._small]
        low_is_bad = self.rule.side == "min"
        return {
            "alone": dict(self.alone),
            "first": dict(self.first),
            "threshold": self.rule.limit,
            "unit": self.rule.unit,
            "side": self.rule.side,
            "source": self.rule.source,
            "worst": small if low_is_bad else large,
            "best": large if low_is_bad else small,
        }


def _most(held: list[Row], keys: F64, order: I64, named: list[tuple[str, str]]) -> list[Row]:
    """The first rows of those held and those of a batch, whose keys stand in the order of ids."""
    if len(held) == SHOWN:
        last = held[-1]
        near = np.flatnonzero(keys <= last[0])
        if not near.size or (keys[near].min() == last[0] and named[order[near[0]]] >= last[1:]):
            return held
    else:
        near = np.arange(len(keys))
    best = near[np.argsort(keys[near], kind="stable")[:SHOWN]]
    rows = [(float(keys[i]), *named[order[i]]) for i in best]
    return sorted([*held, *rows])[:SHOWN]


def _shown(value: float, own_id: str, text: str) -> dict[str, Any]:
    return {"id": own_id, "value": value + 0.0, "text": text}  # no negative zero


def merge(reports: Iterable[Report]) -> Report:
    """The report of all rows from the reports of parts of them, in any order or grouping.

    Each rule has `alone` (what fails it, whatever the other rules say) and `first` (what was
    removed for it), both in `documents` and `bytes`; `threshold`, `unit`, `side`, `source`; and the
    `worst` and `best` SHOWN texts, each with `id`, `value` and the beginning of the `text`.
    """
    merged: Report = {}
    for report in reports:
        for name, entry in report.items():
            merged[name] = _both(merged[name], entry) if name in merged else entry
    return merged


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    sign = 1.0 if one["side"] == "min" else -1.0
    return {
        **one,
        **{
            part: {unit: one[part][unit] + other[part][unit] for unit in one[part]}
            for part in ("alone", "first")
        },
        "worst": _ranked(one["worst"] + other["worst"], sign),
        "best": _ranked(one["best"] + other["best"], -sign),
    }


def _ranked(shown: list[dict[str, Any]], sign: float) -> list[dict[str, Any]]:
    return sorted(shown, key=lambda row: (sign * row["value"], row["id"], row["text"]))[:SHOWN]
