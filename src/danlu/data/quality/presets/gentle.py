"""Texts that mostly repeat themselves: pages of menus, tables of dashes, one line over and over.

The measures are Gopher's (Rae et al. 2021, Table A1), the limits ours: made for poems, refrains,
code, reference documentation, questions and answers and private text, of which Gopher's limits for
pages of the web take much. Phrases only count where zlib finds repetition too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from danlu.data.quality.rules import Rule

if TYPE_CHECKING:
    from danlu.data.quality.measures import Measures
    from danlu.data.quality.repeats import F64

MIN_LINES = 4
"""Fewer lines are no list of them."""
MIN_UNITS = 24
"""In shorter texts one repetition is a large share, and may be a refrain."""
DEFLATED = 0.4
"""Where zlib leaves more than this, phrases count as UNCONFIRMED times their limit at most."""
UNCONFIRMED = 0.5
TOP_NGRAMS = {2: 0.40, 3: 0.40, 4: 0.40}
"""Share of the text in occurrences of the most frequent n-gram, if it occurs 3 times, by n.
Gopher's 0.20, 0.18 and 0.16 would take honest documentation: a call in an example, which is one
word to Gopher, is several units here."""
DUPLICATE_NGRAMS = {5: 0.45, 10: 0.35}
"""Share of units inside n-grams that occurred before, by n; Gopher's 0.15 and 0.10 would take a
quarter of all reference documentation."""


def duplicate_lines(m: Measures) -> F64:
    """[N] the share of characters in lines that occurred before; 0 below MIN_LINES lines."""
    return m.again_share(m.lines, m.lines_again) * (m.lines.per_text() >= MIN_LINES)


def one_phrase(m: Measures) -> F64:
    """[N] the most frequent 2-, 3- or 4-gram, as a multiple of its limit in TOP_NGRAMS."""
    return _confirmed(m, [m.ngrams.top(n, times=3) / limit for n, limit in TOP_NGRAMS.items()])


def duplicate_phrases(m: Measures) -> F64:
    """[N] units in 5- or 10-grams that occurred before, as a multiple of DUPLICATE_NGRAMS."""
    limits = DUPLICATE_NGRAMS.items()
    return _confirmed(m, [m.ngrams.covered_again(n, in_units=True) / x for n, x in limits])


def _confirmed(m: Measures, multiples: list[F64]) -> F64:
    import numpy as np

    values = np.maximum.reduce(multiples) * (m.unit_count >= MIN_UNITS)
    values[m.deflated(values > UNCONFIRMED) >= DEFLATED] = UNCONFIRMED
    return values


RULES = (
    Rule(
        "gentle_duplicate_lines",
        duplicate_lines,
        limit=0.3,
        side="max",
        unit="share of characters in repeated lines, from 4 lines on",
        source="ours, after Rae et al. 2021, Table A1",
        repetition=True,
        reason="repetitive: duplicate lines",
    ),
    Rule(
        "gentle_one_phrase",
        one_phrase,
        limit=1.0,
        side="max",
        unit="times 0.40 of the text in its top 2-, 3- or 4-gram",
        source="ours, after Rae et al. 2021, Table A1",
        repetition=True,
        reason="repetitive: one phrase",
    ),
    Rule(
        "gentle_duplicate_phrases",
        duplicate_phrases,
        limit=1.0,
        side="max",
        unit="times 0.45, 0.35 of units in repeated 5-, 10-grams",
        source="ours, after Rae et al. 2021, Table A1",
        repetition=True,
        reason="repetitive: duplicate phrases",
    ),
    Rule(
        "gentle_compressible",
        lambda m: m.compression,
        limit=0.12,
        side="min",
        unit="compressed bytes per byte (zlib, level 1)",
        source="ours",
        repetition=True,
        reason="repetitive: compressible",
    ),
)
