"""The language of every document, into the column `lang`.

In this order: a document whose meta holds a key `code` is `code`, and so is one of code-like lines
(`code_lines`); else the script that says most decides (`scripts`; a Han character, kana or Hangul
syllable says as much as three letters); a script of many languages is left to frequent words
(`word_languages`). Kana make Japanese of Han characters; where there are none, characters that are
only simplified or only traditional vote, then those that lean to one, then the kind of quotation
marks. Text that is the same in both scripts is called `zh-Hans` and counted as `zh in common
characters`: nothing outside a document is looked at, so the result does not depend on batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import code_lines, rows, word_languages
from danlu.data.scripts import HAN_KINDS, Kind, counts
from danlu.data.settings import PrepareSettings

CHARACTERS = 8_000
"""How much of a document is looked at."""

WEIGHT = 3
"""What a Han character, kana or Hangul syllable says, in letters (`characters.weight`)."""

KANA_SHARE = 0.1
"""Of Han characters and kana in Japanese; Chinese with a Japanese name or の in it stays below."""

CODE_SYMBOLS = 0.01
"""Documents with fewer symbols among their characters are not looked at for code."""

CODE_KEY = '"code_language":'
"""As it stands in the meta's JSON for a key; within a string the quotes would be escaped."""

SCRIPTS = {
    "han": (*HAN_KINDS, Kind.KANA),
    "ko": (Kind.HANGUL,),
    "latin": (Kind.LATIN,),
    "cyrillic": (Kind.CYRILLIC,),
    "arabic": (Kind.ARABIC,),
    "devanagari": (Kind.DEVANAGARI,),
    "th": (Kind.THAI,),
    "el": (Kind.GREEK,),
    "he": (Kind.HEBREW,),
    "other": (Kind.OTHER,),
}
"""Where one of these has most letters: a language, or the name of a script that has several."""

WIDE = (*HAN_KINDS, Kind.KANA, Kind.HANGUL)


def build(settings: PrepareSettings) -> Language:
    """The step with the languages to keep."""
    return Language(settings.language.keep)


class Language:
    """Sets `lang`; marks documents of other languages than those in `keep`, unless it is empty."""

    name, version = "language", "1"

    def __init__(self, keep: Sequence[str] = ()) -> None:
        self.keep = frozenset(keep)
        if "zh" in self.keep:
            self.keep |= {"zh-Hans", "zh-Hant"}
        self._counts: Counter[str] = Counter()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with `lang`; those that are not kept are removed as `language: …`."""
        for batch in batches:
            open_rows = np.flatnonzero(pc.is_null(batch.column("removed")).to_numpy(False))
            if not len(open_rows):
                yield batch
                continue
            some = batch.take(pa.array(open_rows))
            found, common = languages(some.column("text"), some.column("meta"))
            self._count(found, common, pc.binary_length(some.column("text")).to_numpy())
            lang, removed = batch.column("lang").to_pylist(), batch.column("removed").to_pylist()
            for at, name in zip(open_rows.tolist(), found, strict=True):
                lang[at] = name
                if self.keep and name not in self.keep:
                    removed[at] = f"language: {name}"
            yield rows.with_columns(batch, lang=lang, removed=removed)

    def stats(self) -> dict[str, int]:
        """Documents by language, and bytes of UTF-8 by language as `bytes …`."""
        return dict(self._counts)

    def _count(self, found: list[str], common: int, sizes: Any) -> None:
        self._counts.update(found)
        for name, size in zip(found, sizes.tolist(), strict=True):
            self._counts[f"bytes {name}"] += size
        if common:
            self._counts["zh in common characters"] += common


def languages(texts: pa.StringArray, metas: pa.StringArray) -> tuple[list[str], int]:
    """The language of each text, and how many of them are Chinese in characters of both scripts.

    >>> texts = ["春眠不覺曉", "春眠不觉晓", "I see.", "春はあけぼの", "x = f(1);", "床前明月光"]
    >>> languages(pa.array(texts), pa.array(["{}"] * 6))
    (['zh-Hant', 'zh-Hans', 'en', 'ja', 'code', 'zh-Hans'], 1)
    """
    heads = pc.utf8_slice_codeunits(texts, 0, CHARACTERS)
    found_counts = counts(heads.to_pylist())
    found = _by_script(found_counts)
    for script in word_languages.DEFAULT:
        here = np.flatnonzero(found == script)
        if len(here):
            found[here] = word_languages.languages(heads.take(pa.array(here)), script)
    # Product names can outweigh a Chinese sentence: words of no language do not decide.
    unclear = np.flatnonzero(found == "und")
    found[unclear] = _by_script(found_counts[unclear] * (np.arange(len(Kind)) != Kind.LATIN))
    han = np.flatnonzero(found == "han")
    found[han], is_common = _han(found_counts[han])
    code = _code(heads, metas, found_counts)
    found[code] = "code"
    return found.tolist(), int(is_common[~code[han]].sum())


def _by_script(found: Any) -> Any:
    """By document, the key of SCRIPTS that weighs most; `und` without any letter."""
    weighted = found * np.where(np.isin(np.arange(len(Kind)), WIDE), WEIGHT, 1)
    sums = np.stack([weighted[:, list(kinds)].sum(axis=1) for kinds in SCRIPTS.values()], axis=1)
    names = np.array(list(SCRIPTS), dtype=object)[sums.argmax(axis=1)]
    names[sums.max(axis=1) == 0] = "und"
    return names


def _han(found: Any) -> tuple[Any, Any]:
    """zh-Hans, zh-Hant or ja by document, and which are Chinese with no evidence for a script."""
    kana = found[:, Kind.KANA]
    everything = found[:, list(SCRIPTS["han"])].sum(axis=1)
    simplified, traditional = found[:, Kind.SIMPLIFIED], found[:, Kind.TRADITIONAL]
    one_script = simplified + traditional
    is_japanese = (kana >= KANA_SHARE * everything) | (found[:, Kind.JAPANESE] > one_script)
    lean = np.sign(simplified - traditional)
    for less, more in (
        (Kind.LEANS_TRADITIONAL, Kind.LEANS_SIMPLIFIED),
        (Kind.CORNER_QUOTE, Kind.CURLY_QUOTE),
    ):
        lean = np.where(lean == 0, np.sign(found[:, more] - found[:, less]), lean)
    names = np.where(is_japanese, "ja", np.where(lean < 0, "zh-Hant", "zh-Hans"))
    return names, ~is_japanese & (lean == 0)


def _code(heads: pa.StringArray, metas: pa.StringArray, found: Any) -> Any:
    """Which documents are code: a bool array."""
    is_code = pc.match_substring(metas, CODE_KEY).to_numpy(zero_copy_only=False).copy()
    lengths = pc.utf8_length(heads).to_numpy(zero_copy_only=False)
    maybe = np.flatnonzero(~is_code & (found[:, Kind.SYMBOL] > CODE_SYMBOLS * lengths))
    for at, text in zip(maybe.tolist(), heads.take(pa.array(maybe)).to_pylist(), strict=True):
        is_code[at] = code_lines.share(text) >= code_lines.ENOUGH
    return is_code
