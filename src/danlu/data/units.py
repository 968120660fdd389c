"""The words and characters of a whole batch of texts as numbers: what cleaning steps compute with.

A unit is a word (a run of letters and digits, of any script with spaces) or one character of a
script without spaces (Han, kana). Marks and spaces separate units and are none. Case, full-width
forms and the like do not count: `Ｈello` and `hello` are one unit. So a 5-gram of units is five
words of English or five characters of Chinese, and a mixed text needs no decision.

Everything is done for all texts at once in numpy, where a loop over characters in Python would take
most of the time of a pipeline. Units are hashed by a polynomial over their code points modulo 2⁶⁴,
from prefix sums (Karp and Rabin 1987), and mixed by the finaliser of MurmurHash3, so that all bits
can be used. Equal hashes are taken for equal units; where that could cost a document, the caller
compares the texts.
"""

from __future__ import annotations

import functools
import unicodedata
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

MARK, WORD, WIDE = 0, 1, 2
"""Kinds of code points: separates units, part of a word, a unit of its own."""

_BASE = 0x9E3779B97F4A7C15 | 1
_ORDER = np.uint64(0xD6E8FEB86659FD93)
_RECENT: OrderedDict[tuple[int, int, int], tuple[Any, Units]] = OrderedDict()
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Units:
    """All units of N texts with C code points in all; U units.

    >>> units = of(pa.array(["The moon, the MOON", "明月 moon"]))
    >>> [units.spelling(i) for i in range(len(units.hashes))]
    ['the', 'moon', 'the', 'moon', '明', '月', 'moon']
    >>> units.first.tolist(), bool(units.hashes[1] == units.hashes[6])
    ([0, 4, 7], True)
    """

    codes: npt.NDArray[np.uint32]
    """[C] code points, as they are."""
    kinds: npt.NDArray[np.uint8]
    """[C] MARK, WORD or WIDE."""
    texts: I64
    """[N + 1] where each text begins in `codes`."""
    starts: I64
    """[U] where each unit begins in `codes`."""
    ends: I64
    """[U] where it ends."""
    hashes: U64
    """[U]"""
    first: I64
    """[N + 1] the first unit of each text."""

    def spelling(self, unit: int) -> str:
        """The unit as text, in the form in which it is compared."""
        codes = _fold(self.codes[self.starts[unit] : self.ends[unit]])
        return codes.astype("<u4").tobytes().decode("utf-32-le")

    def grams(self, n: int, *, whole: bool = False) -> tuple[U64, I64]:
        """Hashes of all runs of `n` units inside one text [G], and where each text's begin [N + 1].

        `whole`: a text of 1 to n - 1 units gives one gram, all of it, instead of none.
        """
        return grams(self.hashes, self.first, n, whole=whole)


def of(texts: pa.StringArray) -> Units:
    """The units of a column; the last columns are remembered, so that steps share the work."""
    buffers = texts.buffers()
    if buffers[2] is None:
        return _make("", np.zeros(len(texts) + 1, np.int64))
    key = (buffers[2].address, texts.offset, len(texts))
    if key in _RECENT:
        _RECENT.move_to_end(key)
        return _RECENT[key][1]
    offsets = np.frombuffer(buffers[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
    joined = bytes(memoryview(buffers[2])[offsets[0] : offsets[-1]]).decode()
    sizes = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    units = _make(joined, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]))
    _RECENT[key] = texts, units  # holding the texts keeps their address from being used again
    while len(_RECENT) > _KEPT:
        _RECENT.popitem(last=False)
    return units


def _make(joined: str, texts: I64) -> Units:
    codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32)
    kinds = _kinds(codes)
    word, wide = kinds == WORD, kinds == WIDE
    goes_on = np.zeros(len(codes) + 1, np.bool_)  # whether position i continues the word of i - 1
    goes_on[1:-1] = word[1:] & word[:-1]
    goes_on[texts] = False
    starts = np.flatnonzero(wide | (word & ~goes_on[:-1]))
    ends = np.flatnonzero(wide | (word & ~goes_on[1:])) + 1
    hashes = span_hashes(prefix_sums(_fold(codes)), starts, ends)
    return Units(codes, kinds, texts, starts, ends, hashes, np.searchsorted(starts, texts))


def grams(hashes: U64, first: I64, n: int, *, whole: bool = False) -> tuple[U64, I64]:
    """As `Units.grams`, for any hashes in groups: group i is `first[i]` to `first[i + 1]`.

    >>> found, first = grams(np.arange(7, dtype=np.uint64), np.array([0, 4, 6, 7]), 3)
    >>> len(found), first.tolist()
    (2, [0, 2, 2, 2])
    """
    sizes = np.diff(first)
    counts = np.maximum(sizes - (n - 1), 0)
    made = np.zeros(max(len(hashes) - n + 1, 0), np.uint64)
    for k in range(n):
        made *= _ORDER
        made += hashes[k : k + len(made)]
    if len(made):
        inside = np.ones(len(made) + n - 1, np.bool_)
        for back in range(1, n):  # a gram may not begin in the last n - 1 units of a group
            at = first[1:] - back
            inside[at[at >= first[:-1]]] = False
        made = made[inside[: len(made)]]
    made = mixed(made)
    if whole and (short := np.flatnonzero((sizes > 0) & (sizes < n))).size:
        counts[short] = 1
        values = np.zeros(len(short), np.uint64)
        for k in range(n - 1):
            has = sizes[short] > k
            values[has] = values[has] * _ORDER + hashes[first[short[has]] + k]
        begins = np.concatenate([[0], np.cumsum(counts)])
        every = np.empty(begins[-1], np.uint64)
        is_short = np.zeros(len(every), np.bool_)
        is_short[begins[short]] = True
        every[is_short], every[~is_short] = mixed(values), made
        return every, begins
    return made, np.concatenate([[0], np.cumsum(counts)])


def mixed(values: U64) -> U64:
    """Every bit of the result depends on every bit of the value (MurmurHash3's 64-bit finaliser).

    >>> hex(int(mixed(np.array([1], np.uint64))[0]))
    '0xb456bcfc34c2cb2c'
    """
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def prefix_sums(values: npt.NDArray[Any]) -> U64:
    """[V + 1] the sums of values times powers of the base: what `span_hashes` needs."""
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values.astype(np.uint64) * _powers(len(values))[0], out=sums[1:])
    return sums


def span_hashes(sums: U64, starts: I64, ends: I64) -> U64:
    """[S] hashes of the spans from `starts` to `ends`; equal contents have equal hashes.

    >>> sums = prefix_sums(np.frombuffer(b"tic tac tic", np.uint8))
    >>> hashes = span_hashes(sums, np.array([0, 4, 8]), np.array([3, 7, 11]))
    >>> bool(hashes[0] == hashes[2] != hashes[1])
    True
    """
    return mixed((sums[ends] - sums[starts]) * _powers(len(sums))[1][starts])


def text_hashes(texts: pa.StringArray) -> U64:
    """[N] a hash of each text's units in their order: equal but for case, marks and spaces."""
    units = of(texts)
    sizes = np.diff(units.first)
    powers, inverses = _powers(len(units.hashes))
    sums = np.zeros(len(units.hashes) + 1, np.uint64)
    np.cumsum(units.hashes * powers, out=sums[1:])
    total = (sums[units.first[1:]] - sums[units.first[:-1]]) * np.append(inverses, np.uint64(1))[
        units.first[:-1]
    ]
    return mixed(total ^ mixed(sizes.astype(np.uint64)))


def han_counts(texts: pa.StringArray) -> I64:
    """[N] how many Han characters each text has, as `characters.HAN` counts them.

    >>> han_counts(pa.array(["明月 moon", "", "〇さ"])).tolist()
    [2, 0, 1]
    """
    found = of(texts)
    codes = found.codes
    han = (codes >= 0x3400) & (codes < 0xA000) & ((codes < 0x4DC0) | (codes >= 0x4E00))
    han |= (codes == 0x3007) | ((codes >= 0xF900) & (codes < 0xFB00))
    han |= (codes >= 0x20000) & (codes < 0x323B0)
    before = np.concatenate([[0], np.cumsum(han)])
    return np.asarray(before[found.texts[1:]] - before[found.texts[:-1]])


def _kinds(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    kinds = _tables()[0][np.minimum(codes, 0xFFFF)]
    far = np.flatnonzero(codes > 0xFFFF)
    if far.size:
        rare = codes[far]
        kinds[far] = np.where(rare >= 0x20000, WIDE, WORD)
        kinds[far[(rare >= 0x1F000) & (rare < 0x20000)]] = MARK  # emoji and game pieces
    return kinds


def _fold(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Code points with case and width taken away; those beyond 16 bits stay as they are."""
    folded = _tables()[1][np.minimum(codes, 0xFFFF)]
    far = np.flatnonzero(codes > 0xFFFF)
    if far.size:
        folded[far] = codes[far]
    return folded


_UNIFORM = ((0x3400, 0x4DC0, WIDE), (0x4E00, 0xA000, WIDE), (0xAC00, 0xD7A4, WORD))
"""Long ranges of letters of one kind and without case: Han, Hangul."""


@functools.cache
def _tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Kind and folded form of the first 65,536 code points."""
    kinds, folded = np.zeros(1 << 16, np.uint8), np.arange(1 << 16, dtype=np.uint32)
    for start, end, kind in _UNIFORM:
        kinds[start:end] = kind
    rest = np.flatnonzero(kinds == MARK)
    for code in rest.tolist():
        char = chr(code)
        category = unicodedata.category(char)
        if 0xD800 <= code < 0xE000 or category[0] not in "LMN":
            continue
        kinds[code] = WIDE if _is_wide(code) else WORD
        plain = unicodedata.normalize("NFKC", char).casefold()
        if len(plain) == 1 and ord(plain) < 1 << 16:
            folded[code] = ord(plain)
    return kinds, folded


def _is_wide(code: int) -> bool:
    """Scripts that are written without spaces: Han, kana, bopomofo, Thai, Lao, Khmer, Burmese."""
    return (
        0x0E00 <= code < 0x0F00
        or 0x1000 <= code < 0x10A0
        or 0x1780 <= code < 0x1800
        or 0x2E80 <= code < 0x3000
        or 0x3005 <= code < 0x3008
        or 0x3040 <= code < 0x3130
        or 0x31A0 <= code < 0x3200
        or 0x3400 <= code < 0xA000
        or 0xF900 <= code < 0xFB00
        or 0xFF66 <= code < 0xFFA0
    )


_TABLE: list[U64] = []


def _powers(size: int) -> tuple[U64, U64]:
    """[size] powers of the base modulo 2⁶⁴, and their inverses; kept and grown."""
    if not _TABLE or len(_TABLE[0]) < size:
        length = max(size, 1 << 16)
        _TABLE[:] = [_geometric(_BASE, length), _geometric(pow(_BASE, -1, 1 << 64), length)]
    return _TABLE[0][:size], _TABLE[1][:size]


def _geometric(base: int, size: int) -> U64:
    values = np.full(size, base, np.uint64)
    values[0] = 1
    return np.multiply.accumulate(values)
