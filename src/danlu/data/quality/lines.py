"""Lines, paragraphs and sentences of a batch of texts, as spans of its code points.

A line is what stands between newlines, without white space at its ends; empty lines are none. A
paragraph is a run of lines without an empty one between them. A sentence here ends at a mark of
Chinese or at the end of its line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from danlu.data import units
from danlu.data.quality.repeats import F64, I64, U64, Bools, repeats, salted


@dataclass(frozen=True, slots=True)
class Spans:
    """S spans of N texts, in order."""

    starts: I64
    """[S] first code point."""
    ends: I64
    """[S] one past the last."""
    text: I64
    """[S] the text that each belongs to."""
    count: int
    """N"""

    @property
    def lengths(self) -> I64:
        """[S] in code points."""
        return self.ends - self.starts

    def per_text(self, values: npt.NDArray[np.number] | Bools | None = None) -> F64:
        """[N] the sum of a value of each span, or how many there are."""
        if values is not None:
            values = values.astype(np.float64)
        return np.bincount(self.text, weights=values, minlength=self.count).astype(np.float64)

    def share(self, which: Bools) -> F64:
        """[N] the share of a text's spans that have a property; 0 where there are none."""
        return self.per_text(which) / np.maximum(self.per_text(), 1)

    def again(self, codes: npt.NDArray[np.uint32]) -> Bools:
        """[S] whether a span's content occurred before in its text.

        Only spans of the same length with a few equal characters are hashed whole.
        """
        found = np.zeros(len(self.text), np.bool_)
        alike = np.sort(repeats(self._sketches(codes)).at)
        if alike.size:
            lengths = self.lengths[alike]
            ends = np.cumsum(lengths)
            places = np.arange(ends[-1]) + np.repeat(self.starts[alike] - (ends - lengths), lengths)
            sums = units.prefix_sums(codes[places] + np.uint32(1))
            hashes = units.span_hashes(sums, ends - lengths, ends)
            found[alike[repeats(salted(hashes, self.text[alike])).later()]] = True
        return found

    def _sketches(self, codes: npt.NDArray[np.uint32]) -> U64:
        """[S] keys that are equal for spans of equal content in one text, and for few others."""
        keys = salted(self.lengths.astype(np.uint64), self.text)
        for place in (
            self.starts,
            self.ends - 1,
            *(self.starts + self.lengths // n for n in (2, 3)),
        ):
            keys = units.mixed(keys) + codes[place]
        return units.mixed(keys)


def cut(texts: I64, ends: I64, starts: I64, stops: I64) -> tuple[Spans, Bools]:
    """What lies between places where something ends, and whether nothing lies before it.

    Args:
        texts: [N + 1] where each text begins.
        ends: places after which a new span begins.
        starts: where runs without white space begin, none of them across an end.
        stops: where they end; spans without such a run are left out.
    """
    size = int(texts[-1])
    cuts = np.union1d(texts, ends + 1)
    cuts = cuts[cuts <= size]
    bounds = np.searchsorted(starts, cuts)
    low, high = bounds[:-1], bounds[1:]
    filled = high > low
    starts, stops = starts[low[filled]], stops[high[filled] - 1]
    text = np.searchsorted(texts, starts, side="right") - 1
    gap = np.append(True, ~filled)[:-1][filled]  # the line before is empty, or there is none
    opens = gap | np.append(True, text[1:] != text[:-1])[: len(text)]
    return Spans(starts, stops, text, len(texts) - 1), opens


def joined(lines: Spans, opens: Bools) -> Spans:
    """Paragraphs: each goes from a line that opens one to the line before the next."""
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(opens))[: len(first)] - 1
    return Spans(lines.starts[first], lines.ends[last], lines.text[first], lines.count)
