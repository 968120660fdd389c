"""Repairs of single characters: mojibake, normal form, line ends, invisible characters, width.

Each is a function from text to text that leaves sound text alone; its `…_TRACE` is a pattern that
is found in every text it would change (and in some that it would not). The patterns are written so
that Python's `re` and RE2 both take them: RE2 looks through a whole column at once.

Sources: mojibake by ftfy (Speer 2019); normal forms, Unicode Annex 15 (§9: which characters can
need NFC); invisible characters, Unicode Technical Standard 39 and Annex 9 (bidirectional controls).
"""

from __future__ import annotations

import re
import unicodedata

MOJIBAKE_TRACE = "[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u017e\u0192\u02c6\u02dc\u2013-\u2122]"
"""A UTF-8 character read as Latin-1 or Windows-1252: a lead byte and what its next byte becomes."""

NFC_TRACE = (
    "[\u0300-\u0374\u037e\u0387\u0483-\u0487\u0591-\u1dff\u1f71-\u1fff\u2000\u2001"
    "\u20d0-\u20ff\u2126\u212a\u212b\u2329\u232a\u2adc\u2cef-\u2cf1\u2d7f\u2de0-\u2dff\u302a-\u302f"
    "\u3099\u309a\ua66f-\uabff\uf900-\ufaff\ufb1d-\ufb4e\ufe20-\ufe2f\U000101fd-\U0001e94a"
    "\U0002f800-\U0002fa1d]"
)
"""All characters that NFC changes, joins or moves; in ranges so coarse that they compile fast."""

NOT_ASCII = r"[^\x00-\x7f]"
LINE_ENDS_TRACE = "[\r\u2028\u2029\u0085]"

_NEVER = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
)
_TAGS, _SELECTORS = "\U000e0000-\U000e007f", "\U000e0100-\U000e01ef"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
INVISIBLE_TRACE = f"[{_NEVER}\u200c\u200d{_TAGS}{_SELECTORS}]"

WIDTH_TRACE = "[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff61-\uff9f]"

_MOJIBAKE = re.compile(MOJIBAKE_TRACE)
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\u0085]")
_INVISIBLE = re.compile(f"[{_NEVER}]+")
_AT_PLACE = re.compile(f"[\u200c\u200d{_TAGS}{_SELECTORS}]")
_OUT_OF_PLACE = re.compile(
    # a joiner means something inside emoji and in the scripts from Arabic to Khmer
    "(?<![\u0600-\u109f\u1780-\u17ff\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])[\u200c\u200d]"
    # tags spell the flags of regions after a black flag; selectors choose a form of a Han character
    f"|(?<![\U0001f3f4{_TAGS}])[{_TAGS}]+|(?<![{_HAN}])[{_SELECTORS}]+"
)
_ASCII_OF = {
    code: code - 0xFEE0
    for start, end in ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A))
    for code in range(start, end + 1)
}
_WIDE_POINT = re.compile("(?<=[0-9\uff10-\uff19])\uff0e(?=[0-9\uff10-\uff19])")
_HALF_KATAKANA = re.compile("[\uff61-\uff9f]+")


def mojibake(text: str) -> str:
    """The text with UTF-8 that was read as another encoding read again, where its traces are."""
    if text.isascii() or not _MOJIBAKE.search(text):
        return text
    import ftfy

    return str(ftfy.fix_encoding(text))


def nfc(text: str) -> str:
    """Unicode normal form C: one code for each letter with its accents."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def nfkc(text: str) -> str:
    """Normal form KC: also ligatures, circled digits, full-width punctuation … as plain ones."""
    return text if unicodedata.is_normalized("NFKC", text) else unicodedata.normalize("NFKC", text)


def line_ends(text: str) -> str:
    """Every kind of line end as a newline."""
    return text if text.isascii() and "\r" not in text else _LINE_ENDS.sub("\n", text)


def invisible(text: str) -> str:
    r"""Without characters that nobody sees: control, zero-width, bidirectional, hidden tags.

    >>> invisible("a\u200bb\u202ec\x00"), invisible("\U0001f468\u200d\U0001f469")
    ('abc', '👨\u200d👩')
    """
    text = _INVISIBLE.sub("", text)
    return _OUT_OF_PLACE.sub("", text) if _AT_PLACE.search(text) else text


def half_width(text: str) -> str:
    """Full-width letters and digits as ASCII, half-width katakana as full; punctuation stays.

    >>> half_width("ＡＢＣ，３．１４％。ｶﾀｶﾅ")
    'ABC，3.14％。カタカナ'
    """
    text = _WIDE_POINT.sub(".", text).translate(_ASCII_OF)
    return _HALF_KATAKANA.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
