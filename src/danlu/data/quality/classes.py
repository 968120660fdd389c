"""What kind of character every code point is, as bits, so that one look-up serves all measures.

General categories and white space are those of Python's `unicodedata` and `str.isspace`; Han, kana
and Hangul are those of `danlu.data.characters`.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import TYPE_CHECKING

from danlu.data import characters

if TYPE_CHECKING:  # the bits are used in rules, which must not load numpy
    import numpy as np
    import numpy.typing as npt

    Flags = npt.NDArray[np.uint16]

SPACE, LETTER, PUNCTUATION, HAN, KANA, ODD = (1 << n for n in range(6))
SENTENCE, WIDE_SENTENCE, TERMINAL, ENDING, CLOSING, BULLET, DASH = (1 << n for n in range(6, 13))

_MARKS = {
    SENTENCE: ".!?",
    WIDE_SENTENCE: "。！？｡．…!?",
    TERMINAL: '.!?"\u201d',
    ENDING: ".!?\"'\u201d\u2019…。！？｡．」』",
    CLOSING: "\"'\u201d\u2019)]»",
    BULLET: "•‣⁃◦·∙●○▪▫■□◆◇★☆",
    DASH: "*-\u2013",
}
"""SENTENCE ends a sentence of a spaced script, WIDE_SENTENCE one of Chinese or Japanese; TERMINAL
is C4's end of a line, ENDING FineWeb's; CLOSING may follow a sentence's mark; DASH is a
bullet where a space follows."""

_ODD = (
    (0x2190, 0x2600),  # arrows to geometric shapes: boxes, blocks, circled letters
    (0x2600, 0x2BFF),  # stars, hands, dingbats
    (0x3200, 0x3400),  # enclosed and squared words
    (0xE000, 0xF900),  # private use
    (0xFF10, 0xFF1A),  # full-width digits and Latin letters
    (0xFF21, 0xFF3B),
    (0xFF41, 0xFF5B),
    (0xFFF0, 0x10000),  # the replacement character
    (0x1F000, 0x20000),  # emoji
    (0xF0000, 0x110000),
)


def flags(codes: npt.NDArray[np.uint32]) -> Flags:
    r"""[C] the bits of each code point.

    >>> import numpy as np
    >>> found = flags(np.array([ord(c) for c in "a 月。\U00020000"], np.uint32))
    >>> [bool(bits & HAN) for bits in found], bool(found[1] & SPACE), bool(found[3] & ENDING)
    ([False, False, True, False, True], True, True)
    """
    import numpy as np

    found = _table().take(codes, mode="clip")
    if len(codes) and codes.max() >= 1 << 16:
        far = np.flatnonzero(codes >= 1 << 16)
        kinds, which = np.unique(codes[far], return_inverse=True)
        found[far] = np.array([_flags_of(int(code)) for code in kinds], np.uint16)[which]
    return found


@functools.cache
def _table() -> Flags:
    """`_flags_of` of the first 65,536 code points, made range by range: it is needed at once."""
    import numpy as np

    text = "".join(map(chr, range(1 << 16)))
    categories = np.array([ord(unicodedata.category(char)[0]) for char in text], np.uint8)
    found = np.zeros(1 << 16, np.uint16)
    found[categories == ord("L")] = LETTER
    found[categories == ord("P")] = PUNCTUATION
    found[[code for code, char in enumerate(text) if char.isspace()]] |= SPACE
    for bit, runs in ((HAN, characters.HAN), (KANA, characters.KANA_HANGUL)):
        for run in runs.finditer(text, 0x3000):
            found[run.start() : run.end()] |= bit
    for low, high in _ODD:
        found[low:high] |= ODD
    for bit, marks in _MARKS.items():
        found[[ord(mark) for mark in marks]] |= bit
    return found


@functools.cache
def _flags_of(code: int) -> int:
    char = chr(code)
    category = unicodedata.category(char)
    bits = SPACE * char.isspace() | LETTER * (category[0] == "L")
    bits |= PUNCTUATION * (category[0] == "P")
    if code > 0x2FFF:
        bits |= HAN * bool(characters.HAN.match(char))
        bits |= KANA * bool(characters.KANA_HANGUL.match(char))
    bits |= ODD * any(low <= code < high for low, high in _ODD)
    for bit, marks in _MARKS.items():
        bits |= bit * (char in marks)
    return bits
