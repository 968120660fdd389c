"""Texts that mostly repeat themselves: pages of menus, tables of dashes, one line over and over.

The tests are those of Gopher (Rae et al. 2021, Table A1): the share of text in lines that occurred
before, the share of the most frequent n-gram, the share covered by n-grams that occur twice. Units
are words, or characters where the text is Chinese or Japanese. The n-gram tests are the dear ones,
and repetition of any kind compresses well: they only run where zlib finds something.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from danlu.data import characters, rows
from danlu.data.settings import PrepareSettings

DUPLICATE_LINES = 0.3
"""Share of the text in lines that occurred before, in texts of at least MIN_LINES lines."""
MIN_LINES = 4

COMPRESSED = 0.4
"""Only texts that zlib makes smaller than this share of their size get the n-gram tests."""
COMPRESSED_ALONE = 0.12
"""Texts that shrink below this are repetitive whatever the n-grams say."""
TOP_NGRAMS = {2: 0.20, 3: 0.18, 4: 0.16}
"""Share of the text in occurrences of the most frequent n-gram, by n."""
DUPLICATE_NGRAMS = {5: 0.45, 10: 0.35}
"""Share of units inside n-grams that occurred before, by n; Gopher's 0.15 and 0.10 are for pages
of the web, and would take a quarter of all reference documentation."""
MIN_UNITS = 24
"""Shorter texts get no n-gram tests: one repetition is a large share of them, and a refrain."""


def build(settings: PrepareSettings) -> Repetitive:
    """The step, as tolerant as the settings say."""
    return Repetitive(settings.repetition)


class Repetitive:
    """Marks repetitive documents with the first test that they fail; limits are times `factor`."""

    name, version = "repetitive", "1"

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self._counts: Counter[str] = Counter()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows; repetitive ones are removed as `repetitive: …`."""
        for batch in batches:
            yield rows.mark(batch, self._judge)

    def stats(self) -> dict[str, int]:
        """Documents removed, by test."""
        return dict(self._counts)

    def _judge(self, text: str) -> str | None:
        test = reason(text, self.factor)
        if test is None:
            return None
        self._counts[test] += 1
        return f"repetitive: {test}"


def reason(text: str, factor: float = 1.0) -> str | None:
    r"""The first test that a text fails, or None.

    >>> reason("Home | About | Contact\n" * 9)
    'duplicate lines'
    >>> reason("Whose woods these are I think I know.\nHis house is in the village though;")
    """
    if duplicate_lines(text) > DUPLICATE_LINES * factor:
        return "duplicate lines"
    encoded = text.encode()
    ratio = len(zlib.compress(encoded, 1)) / max(len(encoded), 1)
    if ratio >= COMPRESSED:
        return None
    units = units_of(text)
    if len(units) >= MIN_UNITS:
        if any(top_ngram(units, n) > share * factor for n, share in TOP_NGRAMS.items()):
            return "one phrase"
        if any(duplicate_ngrams(units, n) > s * factor for n, s in DUPLICATE_NGRAMS.items()):
            return "duplicate phrases"
    return "compressible" if ratio < COMPRESSED_ALONE / factor else None


def duplicate_lines(text: str) -> float:
    r"""The share of characters in lines that occurred before; 0 for fewer than MIN_LINES lines.

    >>> duplicate_lines("a\nbb\na\nbb"), duplicate_lines("a\na")
    (0.5, 0.0)
    """
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    if len(lines) < MIN_LINES:
        return 0.0
    unique = set(lines)
    if len(unique) == len(lines):
        return 0.0
    total = sum(map(len, lines))
    return (total - sum(map(len, unique))) / total


def units_of(text: str) -> Sequence[str]:
    """Words, or characters without white space where the text is in a script without spaces.

    A line of dashes is cut to three, so that it does not weigh as much as a sentence.
    """
    if characters.weight(text) > 1.5 * len(text):
        return "".join(text.split())
    return [word if any(map(str.isalnum, word)) else word[:3] for word in text.split()]


def top_ngram(units: Sequence[str], n: int) -> float:
    """The share of characters in occurrences of the most frequent n-gram, if it occurs 3 times.

    >>> top_ngram("to be or not to be or to be sure".split(), 2)
    0.5217391304347826
    """
    grams = Counter(zip(*(units[i:] for i in range(n)), strict=False))
    if not grams:
        return 0.0
    gram, times = grams.most_common(1)[0]
    return min(1.0, times * sum(map(len, gram)) / sum(map(len, units))) if times > 2 else 0.0


def duplicate_ngrams(units: Sequence[str], n: int) -> float:
    """The share of units inside an n-gram that occurred before.

    >>> duplicate_ngrams("abcXabcY", 3)
    0.375
    """
    seen: set[tuple[str, ...]] = set()
    covered, end = 0, 0
    for start, gram in enumerate(zip(*(units[i:] for i in range(n)), strict=False)):
        if gram in seen:
            covered += start + n - max(start, end)
            end = start + n
        else:
            seen.add(gram)
    return covered / len(units) if units else 0.0
