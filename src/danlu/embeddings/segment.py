"""The words of a text, in order: what static embeddings are learned for.

Between spaces and marks a word is a run of letters and digits, with apostrophes inside it. Chinese
has no spaces: its words are found by jieba (a dictionary, and a hidden Markov model for what it
lacks), or each character is taken for a word, which suits classical verse. Kana and Thai are left
as runs: nothing here cuts them.
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any, Literal

from danlu.data.characters import HAN
from danlu.errors import missing_extra

Segmenter = Callable[[str], list[str]]
Chinese = Literal["auto", "words", "characters"]

MANY_HAN = 0.01
"""Share of Han characters from which `auto` takes a corpus for one with Chinese text."""

_HAN = HAN.pattern.removesuffix("+")
_PARTS = re.compile(rf"{_HAN}+|(?:(?!{_HAN})\w)+(?:['’](?:(?!{_HAN})\w)+)*")


def segmenter(chinese: Chinese, *, lower: bool = True, han_share: float = 1.0) -> Segmenter:
    """What cuts a text into words.

    Args:
        chinese: `words` by jieba; `characters`; `auto`: words, if the corpus has Chinese text.
        lower: whether case is dropped.
        han_share: share of the corpus's characters that are Han.

    Raises:
        MissingExtra: jieba is needed and not installed.

    >>> cut = segmenter("characters")
    >>> cut("Don't look: 明月 in 1990_s!")
    ["don't", 'look', '明', '月', 'in', '1990_s']
    """
    by_word = chinese == "words" or (chinese == "auto" and han_share >= MANY_HAN)
    han: Segmenter = _jieba() if by_word else list

    def cut(text: str) -> list[str]:
        words: list[str] = []
        for part in _PARTS.findall(text.lower() if lower else text):
            if HAN.match(part):
                words += han(part)
            else:
                words.append(part.replace("’", "'"))
        return words

    return cut


@functools.cache
def _jieba() -> Segmenter:
    """Jieba's cut of a run of Han characters; about a second to load the dictionary.

    The dictionary is read by hand: jieba's own way would take its table from a file of a fixed name
    in the shared folder for temporary files, where anybody may have put it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba 0.42 imports pkg_resources, and has old escapes
        try:
            import jieba
        except ImportError:
            raise missing_extra("jieba", "chinese", "cutting Chinese text into words") from None
    cutter: Any = jieba.Tokenizer()
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    cut: Segmenter = cutter.lcut
    return cut
