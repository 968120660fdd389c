"""Measures of every text of a batch, each one an array of N numbers, computed when first asked for.

Words here are runs without white space, with the marks that stand on them, as Gopher and C4 count
them; n-grams are of units (`danlu.data.units`): words without marks, or single characters of a
script without spaces.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import units
from danlu.data.quality import classes, compression
from danlu.data.quality.lines import Spans, cut, joined
from danlu.data.quality.repeats import F64, I64, Bools, Ngrams


class Measures:
    r"""The measures of N texts; a batch that other steps measure too shares its units with them.

    >>> m = Measures(pa.array(["One line.\nOne line.", "明月"]))
    >>> m.words.tolist(), m.lines.per_text().tolist(), m.han.tolist()
    ([4.0, 1.0], [2.0, 1.0], [False, True])
    """

    def __init__(self, texts: pa.StringArray) -> None:
        self.texts = texts
        self.units = units.of(texts)
        self.count = len(texts)

    @functools.cached_property
    def flags(self) -> classes.Flags:
        """[C] see `classes`."""
        return classes.flags(self.units.codes)

    @functools.cached_property
    def characters(self) -> F64:
        """[N] characters that are not white space."""
        starts, ends = self.word_spans
        sums = np.concatenate([[0], np.cumsum(ends - starts)])
        return np.diff(sums[np.searchsorted(starts, self.units.texts)]).astype(np.float64)

    @functools.cached_property
    def size(self) -> F64:
        """[N] all characters."""
        return np.diff(self.units.texts).astype(np.float64)

    @functools.cached_property
    def unit_count(self) -> F64:
        """[N] words, and characters of scripts without spaces."""
        return np.diff(self.units.first).astype(np.float64)

    # What a text is

    @functools.cached_property
    def han(self) -> Bools:
        """[N] mainly Chinese, as `characters.is_han` says."""
        han, kana = self.with_flag(classes.HAN), self.with_flag(classes.KANA)
        return (han > 0) & (4 * han >= self.size) & (10 * kana < self.size)

    @functools.cached_property
    def spaced(self) -> Bools:
        """[N] mainly words between spaces: not Chinese, and half of the units or more are words."""
        wide = np.flatnonzero(self.units.kinds[self.units.starts] == units.WIDE)
        return ~self.han & (2 * self._counted(self.units.starts[wide]) <= self.unit_count)

    def judged(self, texts: str) -> Bools:
        """[N] the texts that a rule for `han`, `spaced` or `any` texts looks at."""
        return {"han": self.han, "spaced": self.spaced}.get(texts, np.ones(self.count, np.bool_))

    # Characters

    def with_flag(self, bit: int) -> F64:
        """[N] how many characters have a bit of `classes`."""
        return self._counted(self._flagged(bit))

    def of_code(self, char: str) -> F64:
        """[N] how often a character occurs."""
        return self._counted(np.flatnonzero(self.units.codes == ord(char)))

    def phrases(self, phrases: Sequence[str]) -> F64:
        """[N] how often any of some phrases occurs, whatever its case."""
        pattern = "|".join(map(re.escape, phrases))
        found = pc.count_substring_regex(self.texts, pattern, ignore_case=True)
        return found.to_numpy(zero_copy_only=False).astype(np.float64)

    @functools.cached_property
    def ellipses(self) -> F64:
        """[N] how many … and ... there are."""
        dots = pc.count_substring(self.texts, "...").to_numpy(zero_copy_only=False)
        return dots + self.of_code("…")

    # Words

    @functools.cached_property
    def word_spans(self) -> tuple[I64, I64]:
        """Where each run without white space begins, and where it ends."""
        space = np.ones(len(self.flags) + 2, np.bool_)
        space[1:-1] = self.flags & classes.SPACE != 0
        begins = space[:-2] & ~space[1:-1]
        ends = space[2:] & ~space[1:-1]
        inner = self.units.texts[:-1][self.size > 0]  # a text begins, and another one ends there
        begins[inner] = ~space[1:-1][inner]
        ends[inner - 1] |= ~space[1:-1][inner - 1] & (inner > 0)
        return np.flatnonzero(begins), np.flatnonzero(ends) + 1

    @functools.cached_property
    def words(self) -> F64:
        """[N]"""
        return self._counted(self.word_spans[0])

    @functools.cached_property
    def lettered_words(self) -> F64:
        """[N] words with a letter."""
        starts, _ = self.word_spans
        if not len(starts):
            return np.zeros(self.count)
        bits = np.bitwise_or.reduceat(self.flags, starts)
        return self._counted(starts[bits & classes.LETTER != 0])

    def distinct(self, words: tuple[str, ...]) -> F64:
        """[N] how many of some units occur."""
        found = np.zeros(self.count)
        for key in _hashes(words):
            places = np.flatnonzero(self.units.hashes == key)
            found += np.diff(np.searchsorted(places, self.units.first)) > 0
        return found

    def distinct_characters(self, groups: tuple[str, ...]) -> F64:
        """[N] how many of up to 32 groups of characters (such as 这 and 這) occur."""
        bits = _group_table(groups).take(self.units.codes, mode="clip")
        found = np.zeros(self.count)
        filled = np.flatnonzero(self.size)
        if filled.size:
            seen = np.bitwise_or.reduceat(bits, self.units.texts[filled])
            found[filled] = np.bitwise_count(seen)
        return found

    # Lines and paragraphs

    @functools.cached_property
    def _lines(self) -> tuple[Spans, Bools]:
        return cut(self.units.texts, np.flatnonzero(self.units.codes == 10), *self.word_spans)

    @property
    def lines(self) -> Spans:
        """Lines that are not empty, without white space at their ends."""
        return self._lines[0]

    @functools.cached_property
    def paragraphs(self) -> Spans:
        """Runs of lines without an empty line."""
        return joined(*self._lines)

    @functools.cached_property
    def sentences(self) -> Spans:
        """What lies between marks that end a Chinese sentence, or lines."""
        ends = np.union1d(np.flatnonzero(self.units.codes == 10), self.wide_ends)
        marks = np.flatnonzero(self.flags & classes.SPACE == 0)
        return cut(self.units.texts, ends, marks, marks + 1)[0]

    @functools.cached_property
    def lines_again(self) -> Bools:
        """Which lines occurred before in their text."""
        return self.lines.again(self.units.codes)

    @functools.cached_property
    def paragraphs_again(self) -> Bools:
        """Which paragraphs occurred before in their text."""
        return self.paragraphs.again(self.units.codes)

    @functools.cached_property
    def sentences_again(self) -> Bools:
        """Which sentences occurred before in their text."""
        return self.sentences.again(self.units.codes)

    def again_share(self, spans: Spans, again: Bools) -> F64:
        """[N] the share of characters in spans that occurred before."""
        total = spans.per_text(spans.lengths)
        return spans.per_text(spans.lengths * again) / np.maximum(total, 1)

    def line_ends(self, bit: int) -> Bools:
        """[lines] whether the last character has a bit."""
        return self.flags[self.lines.ends - 1] & bit != 0

    @functools.cached_property
    def bullets(self) -> Bools:
        """[lines] whether a line begins with a bullet, or a dash or asterisk and a space."""
        first = self.flags[self.lines.starts]
        second = self.flags[np.minimum(self.lines.starts + 1, self.lines.ends - 1)]
        return (first & classes.BULLET != 0) | (
            (first & classes.DASH != 0) & (second & classes.SPACE != 0)
        )

    @functools.cached_property
    def line_ellipsis(self) -> Bools:
        """[lines] whether a line ends in … or three dots."""
        codes, last, whole = self.units.codes, self.lines.ends - 1, self.lines.lengths > 2
        dots = whole & (codes[last] == 46)
        dots &= (codes[np.maximum(last - 1, 0)] == 46) & (codes[np.maximum(last - 2, 0)] == 46)
        return dots | (codes[last] == ord("…"))

    @functools.cached_property
    def line_words(self) -> I64:
        """[lines] words in each."""
        low, high = np.searchsorted(self.word_spans[0], (self.lines.starts, self.lines.ends))
        return high - low

    def line_has(self, phrases: Sequence[str]) -> Bools:
        """[lines] whether a line has one of some phrases, whatever its case."""
        found = np.zeros(len(self.lines.text), np.bool_)
        pattern = re.compile("|".join(map(re.escape, phrases)), re.IGNORECASE)
        bounds = np.searchsorted(self.lines.text, np.arange(self.count + 1))
        for i in np.flatnonzero(self.phrases(phrases)):
            text, begin = self.texts[int(i)].as_py(), self.units.texts[i]
            for line in range(bounds[i], bounds[i + 1]):
                span = (self.lines.starts[line] - begin, self.lines.ends[line] - begin)
                found[line] = pattern.search(text, *map(int, span)) is not None
        return found

    @functools.cached_property
    def line_sentences(self) -> I64:
        """[lines] how many sentences of a spaced script end in each."""
        low, high = np.searchsorted(self.sentence_ends, (self.lines.starts, self.lines.ends))
        return high - low

    @functools.cached_property
    def sentence_ends(self) -> I64:
        """Places of . ! ? before white space, a closing quote or bracket, or the text's end."""
        follows = np.append(self.flags[1:], classes.SPACE)[: len(self.flags)]
        follows[self.units.texts[1:][self.size > 0] - 1] = classes.SPACE
        at = self._flagged(classes.SENTENCE)
        return at[follows[at] & (classes.SPACE | classes.CLOSING) != 0]

    @functools.cached_property
    def wide_ends(self) -> I64:
        """Places of 。！？… and of a full stop after a Han character."""
        stops = np.flatnonzero(self.units.codes[1:] == ord(".")) + 1
        stops = stops[self.flags[stops - 1] & classes.HAN != 0]
        stops = np.setdiff1d(stops, self.units.texts)  # of the text before
        return np.union1d(self._flagged(classes.WIDE_SENTENCE), stops)

    @functools.cached_property
    def wide_sentences(self) -> F64:
        """[N] runs of `wide_ends`."""
        at = self.wide_ends
        goes_on = np.zeros(len(at), np.bool_)
        owner = np.searchsorted(self.units.texts, at, side="right")
        goes_on[1:] = (np.diff(at) == 1) & (owner[1:] == owner[:-1])
        return self._counted(at[~goes_on])

    # Repetition

    @functools.cached_property
    def ngrams(self) -> Ngrams:
        """Repeated n-grams of units."""
        return Ngrams(self.units.hashes, self.units.first, self.units.ends - self.units.starts)

    @functools.cached_property
    def compression(self) -> F64:
        """[N] see `compression.compression`."""
        return compression.compression(self.texts)

    def deflated(self, which: Bools) -> F64:
        """[N] see `compression.deflated`."""
        return compression.deflated(self.texts, which)

    def _flagged(self, bit: int) -> I64:
        return np.flatnonzero(self.flags & bit != 0)

    def _counted(self, places: npt.NDArray[np.integer]) -> F64:
        """[N] how many of some sorted places lie in each text."""
        return np.diff(np.searchsorted(places, self.units.texts)).astype(np.float64)


@functools.cache
def _hashes(words: tuple[str, ...]) -> list[int]:
    return units.of(pa.array(words)).hashes.tolist()


@functools.cache
def _group_table(groups: tuple[str, ...]) -> npt.NDArray[np.uint32]:
    table = np.zeros(1 << 16, np.uint32)
    for n, group in enumerate(groups):
        table[[ord(char) for char in group]] |= np.uint32(1 << n)
    return table
