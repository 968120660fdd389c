"""The texts of a corpus with their languages, and frequent words of each language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from danlu.data import parts
from danlu.data.characters import is_han
from danlu.data.corpus import Corpus
from danlu.data.words import han_words, spaced_words

CHINESE = ("zh", "lzh", "yue", "wuu", "cmn")
"""Beginnings of the codes of languages that are written in Chinese characters."""


def labelled(corpus: Corpus, part: str) -> Iterator[tuple[str, str]]:
    """(language, text) of a part of a corpus, in order.

    The language is the one that cleaning found; without one, `zh` for text that is mainly Chinese
    and `other` for the rest.
    """
    for name in corpus.files(part):
        for batch in parts.read(corpus.folder / name):
            texts = batch.column("text").to_pylist()
            has = "lang" in batch.schema.names
            found = batch.column("lang").to_pylist() if has else [None] * len(texts)
            for language, text in zip(found, texts, strict=True):
                yield language or ("zh" if is_han(text) else "other"), text


def frequent_words(texts: Iterable[tuple[str, str]], most: int = 500) -> dict[str, list[str]]:
    """The most frequent words of each language among (language, text); see `words`."""
    grouped: dict[str, list[str]] = {}
    for language, text in texts:
        grouped.setdefault(language, []).append(text)
    found = {
        name: (han_words if name.startswith(CHINESE) else spaced_words)(own, most)
        for name, own in sorted(grouped.items())
    }
    return {name: words for name, words in found.items() if words}
