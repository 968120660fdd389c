"""A corpus as numbers of words: what both methods train on.

Words are numbered from the most frequent one; those that are rarer than `min_count` leave the text,
so that the window reaches over them, as in word2vec (Mikolov et al. 2013, arXiv:1310.4546). The
text is cut once and held as 32-bit numbers: 4 bytes a word.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from danlu.embeddings.segment import Segmenter
from danlu.errors import DataError

Ids = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]

NOISE_POWER = 0.75
"""Negatives are drawn by count to this power (Mikolov 2013, §2.2)."""


@dataclass(frozen=True, slots=True)
class Words:
    """N words of D documents, of V different ones.

    >>> made = read(["to be or not to be", "to do"], str.split, min_count=2)
    >>> made.spellings, made.counts.tolist(), made.ids.tolist(), made.starts.tolist()
    (('to', 'be'), [3, 2], [0, 1, 0, 1, 0], [0, 4, 5])
    """

    spellings: tuple[str, ...]
    """[V]"""
    counts: I64
    """[V] how often each occurs."""
    ids: Ids
    """[N] the text."""
    starts: I64
    """[D + 1] where each document begins."""

    def noise(self) -> npt.NDArray[np.float64]:
        """[V] the distribution that negatives are drawn from."""
        share = self.counts.astype(np.float64) ** NOISE_POWER
        return np.asarray(share / share.sum())

    def keep(self, sample: float) -> npt.NDArray[np.float64]:
        """[V] the chance that an occurrence of a word stays when frequent ones are thinned out.

        √(t/f) + t/f for share f and t = `sample`, at most 1: what word2vec's code and gensim do,
        where the paper (§2.3) has √(t/f). 0 keeps all.
        """
        if not sample:
            return np.ones(len(self.counts))
        ratio = sample * self.counts.sum() / np.maximum(self.counts, 1)
        return np.asarray(np.minimum(np.sqrt(ratio) + ratio, 1.0))


def read(texts: Iterable[str], segmenter: Segmenter, *, min_count: int = 5, most: int = 0) -> Words:
    """The words of some texts.

    Args:
        texts: the documents; a window does not reach from one into the next.
        segmenter: cuts a text into words.
        min_count: rarer words are left out.
        most: size of the vocabulary at most, the rarest left out; 0: no bound.

    Raises:
        DataError: fewer than two words are left.
    """
    numbers: dict[str, int] = {}
    ids, starts = array("i"), array("q", [0])
    for text in texts:
        ids.extend(numbers.setdefault(word, len(numbers)) for word in segmenter(text))
        starts.append(len(ids))
    found = np.frombuffer(ids, np.int32) if ids else np.zeros(0, np.int32)
    counts = np.bincount(found, minlength=len(numbers))
    spellings = list(numbers)
    order = sorted(np.flatnonzero(counts >= min_count).tolist(), key=lambda i: -counts[i])
    order = order[: most or None]
    if len(order) < 2:
        raise DataError(
            "too few words for embeddings",
            got=f"{len(found):,} words, {len(order)} of them {min_count} times or more",
            expected="at least 2 different ones",
            fix="more text, or --min-count 1",
        )
    new = np.full(len(numbers), -1, np.int32)
    new[order] = np.arange(len(order), dtype=np.int32)
    kept, begins = _without_rare(new[found], np.frombuffer(starts, np.int64))
    return Words(tuple(spellings[i] for i in order), counts[order], kept, begins)


def of_tokens(tokens: npt.NDArray[Any], spellings: tuple[str, ...], *, between: int) -> Words:
    """The tokens of a training stream as words, numbered as the tokenizer numbers them.

    Args:
        tokens: [N] ids.
        spellings: [V] one a token.
        between: the token that separates documents; it leaves the text.

    >>> made = of_tokens(np.array([9, 1, 2, 9, 1, 9]), tuple("abcdefghij"), between=9)
    >>> made.ids.tolist(), made.starts.tolist(), made.counts[:3].tolist()
    ([1, 2, 1], [0, 2, 3], [0, 2, 1])
    """
    tokens = np.asarray(tokens, np.int32)
    marks = np.flatnonzero(tokens == between)
    ids = tokens[tokens != between]
    inner = np.concatenate([[0], marks - np.arange(len(marks)), [len(ids)]])
    counts = np.bincount(ids, minlength=len(spellings))
    return Words(spellings, counts, ids, np.unique(inner))


def _without_rare(ids: Ids, starts: I64) -> tuple[Ids, I64]:
    stays = ids >= 0
    before = np.concatenate([[0], np.cumsum(stays)])
    return ids[stays], before[starts]
