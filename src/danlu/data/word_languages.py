"""Which language the words of texts are from, for a whole column of texts at once.

The "small words" technique (Grefenstette 1995, "Comparing two language identification schemes"):
the words of `frequent_words` are a third to a half of any running text. A word that k languages
share counts 1/k for each, a letter that marks a language half a word. Words are cut at white space
and looked up by Arrow, their weights summed by numpy: a regular expression that cuts at all that is
no letter found the same languages and took five times as long.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.frequent_words import LETTERS, NAMED, WORDS

CHARACTERS = 1_000
"""How much of a text is looked at."""

DEFAULT = {"latin": "und", "cyrillic": "ru", "arabic": "ar", "devanagari": "hi"}
"""The language of a text without any word or letter that speaks for one, by script."""

ENOUGH_WORDS, ENOUGH_SHARE = 12, 0.06
"""In a Latin text of so many words, that share of them must be frequent in its language."""

LETTER = 0.5
"""What a letter that marks a language counts, where a word of it counts 1."""

ONE = 720_720
"""What a word of one language counts: a number that all of 1 to 16 divide, so that sums of shares
are exact, and equal ones stay equal in whatever order they are added."""

AROUND = "0123456789.,;:!?…'\"“”„«»‹›()[]{}<>¡¿*_-–—/\\|#%&+=~`^$€£。，！？।،؛؟"
"""What is taken off both ends of a word."""

ENGLISH = "ing|ed\\b|ght|ck|oo|ee|th|sh|tion|ness|ful|ly\\b|'s\\b"
"""Spellings that speak for English where an ASCII text has no known word: "Birds were seen."."""


@dataclass(frozen=True)
class _Weights:
    """How much each of some keys says for each language: counts[k] pairs from starts[k]."""

    keys: Any
    starts: Any
    counts: Any
    language: Any
    weight: Any

    def scores(self, found: Any, document: Any, documents: int, languages: int) -> Any:
        """Sums by document: a float64 array [documents, languages]; `found` are numbers of keys."""
        counts = self.counts[found]
        first = np.repeat(self.starts[found] - (np.cumsum(counts) - counts), counts)
        pairs = first + np.arange(len(first))
        cells = np.repeat(document, counts) * languages + self.language[pairs]
        sums = np.bincount(cells, weights=self.weight[pairs], minlength=documents * languages)
        return sums.reshape(documents, languages)


def languages(texts: pa.StringArray, script: str = "latin") -> list[str]:
    """The language of each text, all of them in one of the scripts of DEFAULT.

    `other` is a language that is not NAMED; `und` a text with no evidence for any.

    >>> languages(pa.array(["Das ist mein Haus.", "This is mine.", "¿Dónde?", "Zzz 7"]))
    ['de', 'en', 'es', 'und']
    """
    names = [name if name in NAMED else "other" for name in WORDS[script]]
    lowered = pc.utf8_lower(pc.utf8_slice_codeunits(texts, 0, CHARACTERS))
    is_ascii = pc.string_is_ascii(lowered).to_numpy(zero_copy_only=False)
    of_words, words = _of_words(lowered, script)
    scores = of_words
    if not is_ascii.all() and len(_weights(script, letters=True).keys):
        scores = of_words + LETTER * _of_letters(lowered, script)
    found = np.array(names, dtype=object)[scores.argmax(axis=1)]
    nothing = scores.max(axis=1) == 0
    enough = ENOUGH_SHARE * ONE * words
    found[nothing] = DEFAULT[script]
    if script == "latin":
        few = (words >= ENOUGH_WORDS) & (of_words.max(axis=1) < enough)
        found[few] = np.where(is_ascii[few], "und", "other")
        unclear = np.flatnonzero(nothing & ~few & is_ascii)
        english = pc.match_substring_regex(lowered.take(pa.array(unclear)), ENGLISH)
        found[unclear[english.to_numpy(zero_copy_only=False)]] = "en"
    return list(found)


def _of_words(lowered: pa.StringArray, script: str) -> tuple[Any, Any]:
    """The weights of the frequent words of each text by language, and how many words it has."""
    straight = pc.replace_substring(lowered, "’", "'")
    words = pc.ascii_split_whitespace(straight)
    flat = pc.utf8_trim(words.flatten(), AROUND)
    lengths = pc.list_value_length(words).to_numpy(zero_copy_only=False)
    document = np.repeat(np.arange(len(lowered)), lengths)
    weights = _weights(script)
    found = pc.index_in(flat, weights.keys)
    is_known = found.is_valid().to_numpy(zero_copy_only=False)
    known = found.drop_null().to_numpy().astype(np.int64)
    scores = weights.scores(known, document[is_known], len(lowered), len(WORDS[script]))
    filled = pc.greater(pc.binary_length(flat), 0).to_numpy(zero_copy_only=False)
    return scores, np.bincount(document[filled], minlength=len(lowered))


def _of_letters(lowered: pa.StringArray, script: str) -> Any:
    """The weights of the letters that mark languages, by text and language."""
    texts = lowered.to_pylist()
    points = np.frombuffer("".join(texts).encode("utf-32-le"), dtype="<u4")
    places = np.flatnonzero(points > 0x7F)
    weights = _weights(script, letters=True)
    letters = np.array(list(map(ord, weights.keys.to_pylist())), dtype=np.uint32)
    by_code = np.argsort(letters)
    at = np.searchsorted(letters[by_code], points[places]).clip(max=len(letters) - 1)
    known = letters[by_code][at] == points[places]
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)))
    document = np.searchsorted(ends, places[known], side="right")
    return weights.scores(by_code[at[known]], document, len(texts), len(WORDS[script]))


@functools.cache
def _weights(script: str, *, letters: bool = False) -> _Weights:
    """The words (or letters) of a script's languages: each counts 1, shared among its owners."""
    owners: dict[str, list[int]] = {}
    for number, (name, words) in enumerate(WORDS[script].items()):
        for word in dict.fromkeys(LETTERS.get(name, "") if letters else words.split()):
            owners.setdefault(word, []).append(number)
    counts = np.array([len(numbers) for numbers in owners.values()], dtype=np.int64)
    language = np.array([n for numbers in owners.values() for n in numbers], dtype=np.int64)
    starts = np.cumsum(counts) - counts
    return _Weights(
        pa.array(list(owners), pa.string()),
        starts,
        counts,
        language,
        np.repeat(ONE / counts, counts),
    )
