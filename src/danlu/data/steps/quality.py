"""Quality: documents that fail a rule, chosen by name from Gopher's, C4's, FineWeb's and ours.

A removal has the first rule that fails as its reason; what each rule would take alone is counted
too, see `report`. The rules are in `danlu.data.quality.presets`, `--quality.rules` chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import rows
from danlu.data.quality import account, rules
from danlu.data.quality.account import merge as merge
from danlu.data.quality.measures import Measures
from danlu.data.quality.presets import c4
from danlu.data.quality.repeats import Bools
from danlu.data.quality.rules import Rule
from danlu.data.settings import PrepareSettings

NO_LINES = "quality: c4 lines"
"""The reason where C4's line filter would leave nothing."""


def build(settings: PrepareSettings) -> Quality:
    """The step with the rules that the settings choose."""
    quality = settings.quality
    chosen = rules.chosen(quality.rules, quality.limits, repetition=settings.repetition)
    return Quality(chosen, c4_lines=quality.c4_lines)


REPORT = "rules"
"""Name of the report in the manifest."""


class Quality:
    """Marks documents with the first of its rules that they fail."""

    name, version = "quality", "1"

    def __init__(self, chosen: Sequence[Rule], *, c4_lines: bool = False) -> None:
        self.rules = tuple(chosen)
        self.c4_lines = c4_lines
        self._counts: Counter[str] = Counter()
        self._account = account.Account(self.rules)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows; those that fail a rule are removed as `quality: …` or `repetitive: …`."""
        for batch in batches:
            if batch.column("removed").null_count and self.c4_lines:
                batch = self._without_lines(batch)
            yield self._judge(batch) if batch.column("removed").null_count else batch

    def stats(self) -> dict[str, int]:
        """Documents removed, by reason; `changed`: those that lost lines."""
        return dict(self._counts)

    def report(self) -> account.Report:
        """What every rule did so far; `merge` adds up the reports of several steps."""
        return self._account.report()

    def _judge(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        texts = batch.column("text")
        live = pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        measures = Measures(texts)
        judged = {kind: measures.judged(kind) & live for kind in ("any", "spaced", "han")}
        add = self._account.batch(batch.column("id"), texts, judged)
        reasons: dict[int, str] = {}
        open_ = live.copy()
        for rule in self.rules:
            if not judged[rule.judges].any():
                continue
            values = rule.value(measures)
            fails = judged[rule.judges] & rule.fails(values)
            first = fails & open_
            add(rule, values, fails, first)
            open_ &= ~fails
            reasons.update(dict.fromkeys(np.flatnonzero(first).tolist(), rule.removal))
        return self._removed(batch, reasons)

    def _removed(self, batch: pa.RecordBatch, reasons: dict[int, str]) -> pa.RecordBatch:
        """The batch with some rows removed."""
        if not reasons:
            return batch
        self._counts.update(reason.partition(": ")[2] for reason in reasons.values())
        removed = batch.column("removed").to_pylist()
        for row, reason in reasons.items():
            removed[row] = reason
        return rows.with_columns(batch, removed=removed)

    def _without_lines(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch without the lines that C4 deletes, in texts of spaced words."""
        measures = Measures(batch.column("text"))
        keep = c4.kept_lines(measures)
        live = pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        touched = live & measures.spaced & (measures.lines.per_text(~keep) > 0)
        if not touched.any():
            return batch
        texts, reasons = batch.column("text").to_pylist(), {}
        for row in np.flatnonzero(touched).tolist():
            left = _kept(texts[row], measures, keep, row)
            if left:
                texts[row] = left
                self._counts["changed"] += 1
            else:
                reasons[row] = NO_LINES
        return self._removed(rows.with_columns(batch, text=texts), reasons)


def _kept(text: str, measures: Measures, keep: Bools, row: int) -> str:
    """The kept lines of one text of a batch."""
    lines, begin = measures.lines, int(measures.units.texts[row])
    low, high = np.searchsorted(lines.text, (row, row + 1))
    spans = zip(lines.starts[low:high], lines.ends[low:high], keep[low:high], strict=True)
    return "\n".join(text[start - begin : end - begin] for start, end, kept in spans if kept)
