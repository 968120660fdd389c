"""Which words of a text are pairs: windows of random size, after frequent words are thinned out.

For each position a size b is drawn evenly from 1 to the window, so that a word at distance i is a
pair with probability (w - i + 1) / w: nearer words count for more (Mikolov et al. 2013,
arXiv:1301.3781, §3.2). Words that are thinned out leave the text first, so that the window reaches
over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from danlu.embeddings.words import Ids, Words


@dataclass(frozen=True, slots=True)
class Windows:
    """One pass over a text: position i is a pair with each of the positions around it."""

    ids: Ids
    """[M] what is left of the text."""
    left: Ids
    """[M] how many positions before i are in its window."""
    right: Ids
    """[M] how many after."""

    @property
    def pairs(self) -> int:
        """Pairs in the pass."""
        return int(self.left.sum(dtype=np.int64) + self.right.sum(dtype=np.int64))


def draw(
    words: Words, *, window: int, keep: npt.NDArray[np.float64], random: np.random.Generator
) -> Windows:
    """One pass over the text.

    Args:
        words: the text.
        window: the largest distance of a pair.
        keep: [V] the chance of each word to stay.
        random: draws what stays and the sizes.

    >>> from danlu.embeddings.words import read
    >>> text = read(["a b c d", "c d"], str.split, min_count=1)
    >>> one = draw(text, window=1, keep=np.ones(4), random=np.random.default_rng(0))
    >>> one.left.tolist(), one.right.tolist()
    ([0, 1, 1, 1, 0, 1], [1, 1, 1, 0, 1, 0])
    """
    stays = random.random(len(words.ids), dtype=np.float32) < keep.astype(np.float32)[words.ids]
    ids = words.ids[stays]
    before = np.concatenate([[0], np.cumsum(stays)])
    starts = before[words.starts]
    sizes = np.diff(starts)
    document = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(ids))
    drawn = random.integers(1, window + 1, len(ids), dtype=np.int32)
    left = np.minimum(drawn, place - starts[document])
    right = np.minimum(drawn, starts[document + 1] - 1 - place)
    return Windows(ids, left.astype(np.int32), right.astype(np.int32))
