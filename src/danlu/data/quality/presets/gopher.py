"""Gopher's rules for English pages of the web (Rae et al. 2021, section A.1.1 and Table A1).

Words are runs without white space. A duplicate is a line, paragraph or n-gram that occurs more than
once. Of lines and paragraphs those after the first count, so that a text said twice is half
duplicate; of n-grams every occurrence counts, and each character once, in words without their
marks. The paper leaves these open; the rules on words and phrases judge spaced texts only, whose
stop words are English: leave `gopher_stop_words` out for other languages.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from danlu.data.quality.rules import Rule, per

if TYPE_CHECKING:
    from danlu.data.quality.measures import Measures
    from danlu.data.quality.repeats import F64

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")

_TEXT = "Rae et al. 2021, A.1.1"
_TABLE = "Rae et al. 2021, Table A1"

rule = functools.partial(Rule, source=_TEXT, judges="spaced")
lines = functools.partial(Rule, source=_TABLE, side="max", repetition=True)
grams = functools.partial(Rule, source=_TABLE, side="max", repetition=True, judges="spaced")


def word_length(m: Measures) -> F64:
    """[N] the mean length of words in characters."""
    return per(m.characters, m.words)


def _top(n: int) -> Rule:
    limit = {2: 0.20, 3: 0.18, 4: 0.16}[n]
    return grams(
        f"gopher_top_{n}gram",
        lambda m: m.ngrams.top(n),
        limit=limit,
        unit=f"share of characters in occurrences of the top {n}-gram",
    )


def _duplicate(n: int) -> Rule:
    limit = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}[n]
    return grams(
        f"gopher_duplicate_{n}gram",
        lambda m: m.ngrams.covered(n),
        limit=limit,
        unit=f"share of characters in {n}-grams that occur more than once",
    )


RULES = (
    rule("gopher_words_min", lambda m: m.words, limit=50, side="min", unit="words"),
    rule("gopher_words_max", lambda m: m.words, limit=100_000, side="max", unit="words"),
    rule("gopher_word_length_min", word_length, limit=3, side="min", unit="characters a word"),
    rule("gopher_word_length_max", word_length, limit=10, side="max", unit="characters a word"),
    rule(
        "gopher_hashes",
        lambda m: per(m.of_code("#"), m.words),
        limit=0.1,
        side="max",
        unit="# a word",
    ),
    rule(
        "gopher_ellipses",
        lambda m: per(m.ellipses, m.words),
        limit=0.1,
        side="max",
        unit="… or ... a word",
    ),
    lines(
        "gopher_bullet_lines",
        lambda m: m.lines.share(m.bullets),
        limit=0.9,
        unit="share of lines that begin with a bullet",
        source=_TEXT,
        repetition=False,
    ),
    lines(
        "gopher_ellipsis_lines",
        lambda m: m.lines.share(m.line_ellipsis),
        limit=0.3,
        unit="share of lines that end in an ellipsis",
        source=_TEXT,
        repetition=False,
    ),
    rule(
        "gopher_lettered_words",
        lambda m: per(m.lettered_words, m.words),
        limit=0.8,
        side="min",
        unit="share of words with a letter",
    ),
    rule(
        "gopher_stop_words",
        lambda m: m.distinct(STOP_WORDS),
        limit=2,
        side="min",
        unit="different words of: " + ", ".join(STOP_WORDS),
    ),
    lines(
        "gopher_duplicate_lines",
        lambda m: m.lines.share(m.lines_again),
        limit=0.30,
        unit="share of lines that occurred before",
    ),
    lines(
        "gopher_duplicate_paragraphs",
        lambda m: m.paragraphs.share(m.paragraphs_again),
        limit=0.30,
        unit="share of paragraphs that occurred before",
    ),
    lines(
        "gopher_duplicate_line_characters",
        lambda m: m.again_share(m.lines, m.lines_again),
        limit=0.20,
        unit="share of characters in lines that occurred before",
    ),
    lines(
        "gopher_duplicate_paragraph_characters",
        lambda m: m.again_share(m.paragraphs, m.paragraphs_again),
        limit=0.20,
        unit="share of characters in paragraphs that occurred before",
    ),
    *(_top(n) for n in (2, 3, 4)),
    *(_duplicate(n) for n in range(5, 11)),
)
