"""How many characters of each script every text of a batch has, counted for all of them at once.

One UTF-32 encoding, one table look-up a character and one `bincount` over document × class. Han
characters are told apart further: `han_scripts` (OpenCC) has those of one script alone, and the
national standards have what leans to one: GB 2312-80 without Big5, or Big5's frequent half
(lead bytes A4 to C6) without GB 2312.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from danlu.data import han_scripts


class Kind(IntEnum):
    """What a code point is; the columns of `counts`."""

    NONE = 0
    """Digits, spaces, punctuation, and what belongs to every script."""
    LATIN = 1
    HAN = 2
    """Common to simplified and traditional text."""
    SIMPLIFIED = 3
    TRADITIONAL = 4
    LEANS_SIMPLIFIED = 5
    LEANS_TRADITIONAL = 6
    JAPANESE = 7
    """Han characters simplified in Japan alone."""
    KANA = 8
    HANGUL = 9
    CYRILLIC = 10
    GREEK = 11
    HEBREW = 12
    ARABIC = 13
    DEVANAGARI = 14
    THAI = 15
    OTHER = 16
    """Letters of further scripts."""
    SYMBOL = 17
    """ASCII that code is full of and prose is not."""
    CORNER_QUOTE = 18
    """「」『』: of traditional Chinese, and of Japanese."""
    CURLY_QUOTE = 19


HAN_KINDS = tuple(range(Kind.HAN, Kind.JAPANESE + 1))

SYMBOLS = "{}[]<>()=;_#/\\*|&$@^~`+"

_RANGES = (
    (Kind.OTHER, (0x0530, 0x1CFF), (0x1D00, 0x1DFF), (0x2C00, 0x2DFF), (0xA000, 0xABFF)),
    (Kind.OTHER, (0x10000, 0x1EFFF)),
    (Kind.LATIN, (0x41, 0x5A), (0x61, 0x7A), (0xAA, 0xAA), (0xBA, 0xBA), (0xC0, 0xD6)),
    (Kind.LATIN, (0xD8, 0xF6), (0xF8, 0x24F), (0x1E00, 0x1EFF), (0xFF21, 0xFF3A)),
    (Kind.LATIN, (0xFF41, 0xFF5A)),
    (Kind.HAN, (0x3005, 0x3005), (0x3007, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF)),
    (Kind.HAN, (0xF900, 0xFAFF), (0x20000, 0x323AF)),
    (Kind.LEANS_TRADITIONAL, (0x3105, 0x312F)),
    (Kind.KANA, (0x3041, 0x3096), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF)),
    (Kind.KANA, (0xFF66, 0xFF9D)),
    (Kind.HANGUL, (0x1100, 0x11FF), (0x3131, 0x318E), (0xAC00, 0xD7A3)),
    (Kind.CYRILLIC, (0x0400, 0x052F), (0x1C80, 0x1C8F)),
    (Kind.GREEK, (0x0370, 0x03FF), (0x1F00, 0x1FFF)),
    (Kind.HEBREW, (0x05D0, 0x05F2)),
    (Kind.ARABIC, (0x0620, 0x064A), (0x0671, 0x06D3), (0x06FA, 0x06FF), (0x0750, 0x077F)),
    (Kind.ARABIC, (0xFB50, 0xFDFF), (0xFE70, 0xFEFC)),
    (Kind.DEVANAGARI, (0x0900, 0x0963), (0x0971, 0x097F)),
    (Kind.THAI, (0x0E01, 0x0E3A), (0x0E40, 0x0E4E)),
)
"""Unicode 15, by block; the later ones count where two cover a code point."""


def counts(texts: Sequence[str]) -> Any:
    """Characters of each text by kind: an int64 array [texts, len(Kind)].

    >>> found = counts(["ab 1", "汉字 と漢字"])
    >>> found[0, Kind.LATIN], found[1, Kind.SIMPLIFIED], found[1, Kind.TRADITIONAL]
    (np.int64(2), np.int64(1), np.int64(1))
    """
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    keys = np.repeat(np.arange(len(texts), dtype=np.int64) * len(Kind), lengths)
    keys += table()[points]
    return np.bincount(keys, minlength=len(texts) * len(Kind)).reshape(len(texts), len(Kind))


@functools.cache
def table() -> Any:
    """The kind of every code point: a uint8 array of 0x110000."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    for kind, *ranges in _RANGES:
        for first, last in ranges:
            kinds[first : last + 1] = kind
    gb2312, big5 = _standard("gb2312", 0xB0, 0xF7), _standard("big5", 0xA4, 0xC6)
    all_big5 = _standard("big5", 0xA4, 0xF9)
    for kind, characters in (
        (Kind.LEANS_SIMPLIFIED, "".join(gb2312 - all_big5)),
        (Kind.LEANS_TRADITIONAL, "".join(big5 - gb2312)),
        (Kind.SIMPLIFIED, han_scripts.SIMPLIFIED),
        (Kind.TRADITIONAL, han_scripts.TRADITIONAL),
        (Kind.JAPANESE, han_scripts.JAPANESE),
        (Kind.SYMBOL, SYMBOLS),
        (Kind.CORNER_QUOTE, "「」『』"),
        (Kind.CURLY_QUOTE, "“”"),
    ):
        kinds[np.array(list(map(ord, characters)), dtype=np.int64)] = kind
    return kinds


def _standard(codec: str, first: int, last: int) -> set[str]:
    """The Han characters that a two-byte encoding has between two lead bytes."""
    pairs = (bytes((lead, byte)) for lead in range(first, last + 1) for byte in range(0x40, 0xFF))
    decoded = (pair.decode(codec, "ignore") for pair in pairs)
    return {c for c in decoded if len(c) == 1 and "\u4e00" <= c <= "\u9fff"}
