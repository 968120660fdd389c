"""Counting characters by script, fast enough to be done for every document."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_KANA_HANGUL = "\u3041-\u30ff\u31f0-\u31ff\uac00-\ud7a3"

HAN = re.compile(f"[{_HAN}]+")
"""A run of Han characters."""
KANA_HANGUL = re.compile(f"[{_KANA_HANGUL}]+")
WIDE = re.compile(f"[{_HAN}{_KANA_HANGUL}]+")


def count(runs: re.Pattern[str], text: str) -> int:
    """How many characters a pattern of runs covers.

    >>> count(HAN, "明月 moon"), count(HAN, "moon")
    (2, 0)
    """
    return 0 if text.isascii() else sum(map(len, runs.findall(text)))


def weight(text: str) -> int:
    """The length in Latin characters: a Han, kana or Hangul character says as much as three.

    >>> weight("moon"), weight("明月 moon")
    (4, 11)
    """
    return len(text) + 2 * count(WIDE, text)


def units_of(text: str) -> Sequence[str]:
    """Words, or characters without white space where the text is in a script without spaces.

    A line of dashes is cut to three, so that it does not weigh as much as a sentence.

    >>> units_of("The moon -----"), units_of("明月 光")
    (['The', 'moon', '---'], '明月光')
    """
    if weight(text) > 1.5 * len(text):
        return "".join(text.split())
    return [word if any(map(str.isalnum, word)) else word[:3] for word in text.split()]


def is_han(text: str) -> bool:
    """Whether a text is mainly Chinese: a quarter of it is Han and kana are few.

    >>> is_han("疑是地上霜。"), is_han("Tang (唐)"), is_han("名前はまだ無い。")
    (True, False, False)
    """
    han = count(HAN, text)
    return han > 0 and 4 * han >= len(text) and 10 * count(KANA_HANGUL, text) < len(text)
