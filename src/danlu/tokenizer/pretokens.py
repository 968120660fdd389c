"""Where a pre-tokenizer cuts, by Python's `re`: the library's cuts, several times faster.

The library carries alignments through every cut. Encoding needs none, and words repeat: cut here,
each word is encoded once and then looked up. Only for text of characters on which both agree, which
a test tries one by one; the library does the rest. That is all Chinese with `QWEN2`, whose words
are clauses: cutting those further, where no token reaches across, gave the same ids but was slower.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from tokenizers import Tokenizer as Core

from danlu.tokenizer.bytelevel import EVERY_CHARACTER, QWEN2, wrapped

Splitter = Callable[[str], Iterable[str] | None]
"""The words of a text, which joined are the text; or None where the library must do it."""

_L, _N = "A-Za-zªµºÀ-ÖØ-öø-ž", "0-9²³¹¼½¾"
_S = "\t-\r \x85\xa0\u2000-\u200a\u2028\u2029\u202f\u205f"

QWEN2_KNOWN = "\x00-\u017e\u2000-\u206f\u20a0-\u20bf"
"""Latin, punctuation and currencies: characters whose class is the same everywhere."""

_QWEN2 = re.compile(
    r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
    rf"|[^\r\n{_L}{_N}]?[{_L}]+|[{_N}]| ?[^{_S}{_L}{_N}]+[\r\n]*"
    rf"|[{_S}]*[\r\n]+|[{_S}]+(?![^{_S}])|[{_S}]+"
)
_QWEN2_OTHER = re.compile(f"[^{QWEN2_KNOWN}]")

BERT_KNOWN = "\t\n\r -~\u4e00-\u9fff，。、；：？！（）《》“”‘’…—"
"""ASCII, Chinese characters and their punctuation."""

_BERT = re.compile("[A-Za-z0-9]+|[^A-Za-z0-9\t\n\r ]")
_BERT_OTHER = re.compile(f"[^{re.escape(BERT_KNOWN).replace(re.escape('-'), '-')}]")


def splitter(core: dict[str, Any]) -> Splitter | None:
    """What cuts as a `tokenizer.json` says; None if that is not known here."""
    own = [token for token in core["added_tokens"] if not token["special"]]
    if own or core["model"].get("dropout"):
        return None
    asked = json.dumps([core["normalizer"], core["pre_tokenizer"]], sort_keys=True)
    return next((split for like, split in _known() if like == asked), None)


def qwen2(text: str) -> list[str] | None:
    """Words as `QWEN2` cuts them.

    >>> qwen2("It's 42.")
    ['It', "'s", ' ', '4', '2', '.']
    """
    return None if _QWEN2_OTHER.search(text) else _QWEN2.findall(text)


def bert(text: str) -> list[str] | None:
    """Words as BERT's pre-tokenizer cuts them."""
    return None if _BERT_OTHER.search(text) else _BERT.findall(text)


def characters(text: str) -> str:
    """A text as it is: what goes through it gets its characters."""
    return text


@cache
def _known() -> list[tuple[str, Splitter]]:
    """The settings that have a splitter, as the library writes them."""
    from tokenizers import models

    from danlu.tokenizer.kind import Learned
    from danlu.tokenizer.kinds import wordpiece

    cores: list[tuple[Core, Splitter]] = [
        (wrapped(models.BPE(), QWEN2), qwen2),
        (wrapped(models.BPE(), EVERY_CHARACTER), characters),
        (wordpiece.core(Learned([], 0), [wordpiece.UNKNOWN]), bert),
    ]
    found: list[tuple[str, Splitter]] = []
    for core, split in cores:
        written = json.loads(core.to_str())
        asked = json.dumps([written["normalizer"], written["pre_tokenizer"]], sort_keys=True)
        found.append((asked, split))
    return found
