"""Where a pre-tokenizer cuts, by Python's `re`: the library's cuts, several times faster.

The library carries alignments through every cut. Encoding needs none, and words repeat: cut here,
each word is encoded once and then looked up. Only for text of characters on which both agree, which
a test tries one by one; the library does the rest. Chinese words of `QWEN2` are clauses and hardly
repeat; `danlu.tokenizer.reach` marks where they can be cut further.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from tokenizers import Tokenizer as Core

from danlu.tokenizer.bytelevel import EVERY_CHARACTER, QWEN2, wrapped

MARK = "\uffff"
"""Stands where a known text is to be cut, too; no character, and no text that has it is known."""

HAN = "\u3400-\u4db5\u4e00-\u9fa5"
"""Chinese characters, all letters since Unicode 3.0."""

_L = rf"A-Za-zªµºÀ-ÖØ-öø-žΑ-ΡΣ-ωА-яёЁ々〆ぁ-ゖゝ-ゟァ-ヺー-ヿ{HAN}가-힣Ａ-Ｚａ-ｚ"
_N = "0-9²³¹¼½¾Ⅰ-ↂ①-⒛〇〡-〩０-９"
_S = "\t-\r \x85\xa0\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_OTHER = (
    "\x00-\u00bf×÷\u2000-\u206f\u20a0-\u20bf℃№™\u2190-\u245f\u2500-\u2775"
    "\u3001-\u3004\u3008-\u3020・！-～￠-￥"
)
QWEN2_KNOWN = _L + _N + _S + _OTHER
"""Letters, digits and signs of English, Chinese, Greek, Russian, Japanese and Korean; box drawing,
arrows and currencies: characters whose class is the same everywhere."""

_QWEN2 = re.compile(
    r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
    rf"|[^\r\n{_L}{_N}{MARK}]?[{_L}]+|[{_N}]| ?[^{_S}{_L}{_N}{MARK}]+[\r\n]*"
    rf"|[{_S}]*[\r\n]+|[{_S}]+(?![^{_S}])|[{_S}]+"
)
_QWEN2_OTHER = re.compile(f"[^{QWEN2_KNOWN}]")
_QWEN2_LINE = re.compile(r"(?<=\n)(?=\S)")

BERT_KNOWN = "\t\n\r -~\u4e00-\u9fff，。、；：？！（）《》“”‘’…—"
"""ASCII, Chinese characters and their punctuation."""

_BERT = re.compile("[A-Za-z0-9]+|[^A-Za-z0-9\t\n\r ]")
_BERT_OTHER = re.compile(f"[^{re.escape(BERT_KNOWN).replace(re.escape('-'), '-')}]")


@dataclass(frozen=True)
class Splitter:
    """Cuts texts into words, which joined are the text."""

    unknown: re.Pattern[str] | None
    """Finds what only the library can cut."""
    words: Callable[[str], Iterable[str]]
    """The words of a text in which nothing is unknown."""

    def knows(self, text: str) -> bool:
        """Whether a text can be cut here."""
        return not (self.unknown and self.unknown.search(text))


QWEN2_SPLITTER = Splitter(_QWEN2_OTHER, _QWEN2.findall)
"""Cuts as `QWEN2` does; and at marks, which must be between letters.

>>> QWEN2_SPLITTER.words("It's 42."), QWEN2_SPLITTER.words(f"床前{MARK}明月")
(['It', "'s", ' ', '4', '2', '.'], ['床前', '明月'])
"""

BERT_SPLITTER = Splitter(_BERT_OTHER, _BERT.findall)
"""Cuts as BERT's pre-tokenizer does."""

CHARACTERS = Splitter(None, str)
"""Cuts between all characters: what goes through a text gets them."""


def splitter(core: dict[str, Any]) -> Splitter | None:
    """What cuts as a `tokenizer.json` says; None if that is not known here."""
    own = [token for token in core["added_tokens"] if not token["special"]]
    if own or core["model"].get("dropout"):
        return None
    asked = json.dumps([core["normalizer"], core["pre_tokenizer"]], sort_keys=True)
    return next((split for like, split in _known() if like == asked), None)


def lines(text: str) -> list[str]:
    r"""Lines with their ends, and with blank ones and the indent of the next before them.

    `QWEN2` always cuts between a line feed and what is no space, so they can be encoded each alone.

    >>> lines("a\n\n  b\nc")
    ['a\n\n  b\n', 'c']
    """
    return _QWEN2_LINE.split(text)


@cache
def _known() -> list[tuple[str, Splitter]]:
    """The settings that have a splitter, as the library writes them."""
    from tokenizers import models

    from danlu.tokenizer.kind import Learned
    from danlu.tokenizer.kinds import wordpiece

    cores: list[tuple[Core, Splitter]] = [
        (wrapped(models.BPE(), QWEN2), QWEN2_SPLITTER),
        (wrapped(models.BPE(), EVERY_CHARACTER), CHARACTERS),
        (wordpiece.core(Learned([], 0), [wordpiece.UNKNOWN]), BERT_SPLITTER),
    ]
    found: list[tuple[str, Splitter]] = []
    for core, split in cores:
        written = json.loads(core.to_str())
        asked = json.dumps([written["normalizer"], written["pre_tokenizer"]], sort_keys=True)
        found.append((asked, split))
    return found
