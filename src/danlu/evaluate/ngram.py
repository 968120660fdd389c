"""N-gram models: what counting alone achieves on the same tokens, so that a loss can be judged.

`NGram` is interpolated *modified* Kneser-Ney smoothing with three discounts for each order, each
estimated from counts of counts: the strongest of the standard methods in Chen & Goodman, "An
Empirical Study of Smoothing Techniques for Language Modeling" (TR-10-98, §3 and equation 27). Below
the highest order a count is the number of different tokens seen *before* the gram, and the lowest
order is interpolated with the uniform distribution, so that nothing is infinitely surprising. Order
1 is thus an absolutely discounted unigram, order 2 the bigram.

Documents follow each other in one stream with their boundary tokens, and contexts cross them, as
they do for a model that is trained on packed rows.

Everything is sorting: the k-grams of a stream get numbers in lexicographic order, and the key of
a (k+1)-gram is (number of its first k tokens) * V + last token, so that 64 bits hold any order.
For N tokens this costs O(order * N log N) time; 5-grams take 100-250 bytes a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from danlu.errors import ConfigError, DataError

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]
Tokens = npt.NDArray[Any]
"""Any array of integers."""

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where counts of counts cannot tell (KenLM's `--discount_fallback`)."""


@dataclass(frozen=True, slots=True)
class Grams:
    """The different k-grams of a stream, sorted. U of them, W different (k-1)-grams."""

    keys: LongArray
    """[U] number of the first k-1 tokens * V + last token, ascending."""

    suffixes: LongArray
    """[U] number of the last k-1 tokens."""

    counts: LongArray
    """[U] how often it occurs; what Kneser-Ney counts below the highest order."""


@dataclass(frozen=True, slots=True)
class Level:
    """What a model of one order k knows. U k-grams, W contexts of k-1 tokens."""

    keys: LongArray
    """[U] as in `Grams`."""

    p: FloatArray
    """[U] p(last token | the k-1 before it), all shorter contexts mixed in."""

    backoff: FloatArray
    """[W] the share of a context's probability that shorter contexts distribute."""

    best: LongArray
    """[W] the most probable token after a context."""

    best_p: FloatArray
    """[W] its probability."""


class NGram:
    """An interpolated modified Kneser-Ney model of token streams.

    >>> stream = np.array([0, 1, 2, 0, 1, 2, 0, 1, 3])
    >>> model = NGram.fit(stream, order=3, vocab_size=4)
    >>> model.distribution(np.array([0, 1])).round(3).tolist()
    [0.062, 0.062, 0.521, 0.354]
    >>> model.nll(np.array([0, 1, 2])).round(3).tolist()
    [1.386, 0.47, 0.652]
    """

    def __init__(self, levels: list[Level], vocab_size: int) -> None:
        self.levels, self.vocab_size = levels, vocab_size

    @property
    def order(self) -> int:
        """The longest gram's length."""
        return len(self.levels)

    @classmethod
    def fit(cls, tokens: Tokens, *, order: int, vocab_size: int) -> NGram:
        """Count a training stream.

        Args:
            tokens: [N] ids in 0 … vocab_size - 1, boundary tokens included.
            order: length of the longest gram, 1 … 16.
            vocab_size: how many tokens there are (V).

        Raises:
            ConfigError: the order is out of range.
            DataError: the stream is shorter than the order, or an id is out of range.
        """
        if not 1 <= order <= 16:
            raise ConfigError("the order of an n-gram model is wrong", got=order, expected="1 … 16")
        stream = checked(tokens, vocab_size)
        if len(stream) < order:
            raise DataError(
                "too little text to count n-grams", got=len(stream), expected=f"≥ {order} tokens"
            )
        levels: list[Level] = []
        contexts = np.zeros(1, np.int64)  # suffixes of the contexts: of the empty one, itself
        for grams in kneser_ney_counts(stream, order, vocab_size):
            levels.append(smoothed(grams, contexts, levels[-1] if levels else None, vocab_size))
            contexts = grams.suffixes
        return cls(levels, vocab_size)

    def nll(self, tokens: Tokens) -> FloatArray:
        """[T] -ln p of each token of a stream [T], given those before it; the first given none."""
        stream = checked(tokens, self.vocab_size)
        p = np.full(len(stream), 1 / self.vocab_size)
        context = np.zeros(len(stream), np.int64)
        for level in self.levels:
            gram = self._find(level, context, stream)
            p = np.where(context >= 0, level.backoff[context] * p, p)
            p[gram >= 0] = level.p[gram[gram >= 0]]
            context = _shift(gram)
        nll: FloatArray = -np.log(p)
        return nll

    def predict(self, tokens: Tokens) -> LongArray:
        """[T] the most probable token at each place of a stream [T], given the tokens before it."""
        stream = checked(tokens, self.vocab_size)
        best = np.zeros(len(stream), np.int64)
        context = np.zeros(len(stream), np.int64)
        for level in self.levels:
            best = np.where(context >= 0, level.best[context], best)
            context = _shift(self._find(level, context, stream))
        return best

    def distribution(self, context: Tokens) -> FloatArray:
        """[V] p(next token | context), of which the last order - 1 tokens matter."""
        past = checked(context, self.vocab_size)
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for k, level in enumerate(self.levels):
            number = self._number(past[len(past) - k :]) if k <= len(past) else -1
            if number < 0:
                break
            low, high = np.searchsorted(
                level.keys, np.array([number, number + 1]) * self.vocab_size
            )
            p = level.backoff[number] * p
            p[level.keys[low:high] % self.vocab_size] = level.p[low:high]
        return p

    def _number(self, gram: LongArray) -> int:
        """The number of one gram, or -1 if it was never seen."""
        number = np.zeros(1, np.int64)
        for level, token in zip(self.levels, gram, strict=False):
            number = self._find(level, number, np.array([token]))
        return int(number[0])

    def _find(self, level: Level, contexts: LongArray, tokens: LongArray) -> LongArray:
        """[T] the numbers of the grams (context, token); -1 where unseen or the context is -1."""
        keys = contexts * self.vocab_size + tokens
        at = np.minimum(np.searchsorted(level.keys, keys), len(level.keys) - 1)
        return np.where((level.keys[at] == keys) & (contexts >= 0), at, -1)


def kneser_ney_counts(stream: LongArray, order: int, vocab_size: int) -> list[Grams]:
    """The grams of orders 1 … `order`; those below the highest with continuation counts.

    >>> stream = np.array([0, 1, 1, 1, 2, 1])      # before 1 stand: 0, 1, 2
    >>> [g.counts.tolist() for g in kneser_ney_counts(stream, 2, 3)]
    [[0, 3, 1], [1, 2, 1, 1]]
    """
    result: list[Grams] = []
    numbers = np.zeros(len(stream) + 1, np.int64)  # of the (k-1)-gram that starts at each place
    for k in range(1, order + 1):
        keys = numbers[: len(stream) - k + 1] * vocab_size + stream[k - 1 :]
        unique, first, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        suffixes = numbers[first + 1]
        if result:
            below = result[-1]
            different = np.bincount(suffixes, minlength=len(below.keys))
            result[-1] = Grams(below.keys, below.suffixes, different)
        result.append(Grams(unique, suffixes, counts))
        numbers = inverse
    return result


def smoothed(
    grams: Grams, context_suffixes: LongArray, below: Level | None, vocab_size: int
) -> Level:
    """One order's probabilities from its counts and the order below it.

        p(w | h) = (c(hw) - D(c(hw))) / c(h·)  +  backoff(h) * p(w | h without its first token)

    `context_suffixes` [W] are the numbers of the contexts without their first token. A context
    that nothing was counted after leaves everything to the shorter one.
    """
    contexts, width = grams.keys // vocab_size, len(context_suffixes)
    discount = np.array([0.0, *discounts(grams.counts)])[np.minimum(grams.counts, 3)]
    total = np.bincount(contexts, weights=grams.counts, minlength=width)
    taken = np.bincount(contexts, weights=discount, minlength=width)
    backoff = np.divide(taken, total, out=np.ones(width), where=total > 0)
    p_below = below.p[grams.suffixes] if below else 1 / vocab_size
    share = (grams.counts - discount) / np.maximum(total, 1)[contexts]
    p = share + backoff[contexts] * p_below

    # The best token after h follows h, or else is the best one after the shorter context: what
    # does not follow h keeps its order there, and what does is only lifted.
    best = below.best[context_suffixes] if below else np.zeros(width, np.int64)
    best_p = backoff * (below.best_p[context_suffixes] if below else 1 / vocab_size)
    seen, starts = np.unique(contexts, return_index=True)
    top = np.zeros(width)
    top[seen] = np.maximum.reduceat(p, starts)
    winners = np.flatnonzero((p == top[contexts]) & (p >= best_p[contexts]))[::-1]
    best[contexts[winners]] = grams.keys[winners] % vocab_size  # the last write wins: lowest id
    return Level(grams.keys, p, backoff, best, np.maximum(best_p, top))


def discounts(counts: LongArray) -> tuple[float, float, float]:
    """What is taken from counts of 1, of 2, and of 3 or more (Chen & Goodman, equation 26).

    >>> discounts(np.repeat([1, 2, 3, 4], [40, 10, 5, 2]))
    (0.6666666666666667, 1.0, 1.9333333333333333)
    """
    n1, n2, n3, n4 = (int((counts == c).sum()) for c in (1, 2, 3, 4))
    if 0 in (n1, n2, n3, n4):
        return FALLBACK
    y = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    # with nothing taken, nothing would be left for what was not seen
    return (d1, d2, d3) if min(d1, d2, d3) > 0 else FALLBACK


def checked(tokens: Tokens, vocab_size: int) -> LongArray:
    """A stream as int64.

    Raises:
        DataError: it is not one-dimensional, not of integers, or an id is out of range.
    """
    if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
        got = f"{tokens.dtype} {list(tokens.shape)}"
        raise DataError("a token stream has the wrong shape", got=got, expected="integers [N]")
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocab_size:
        got = f"{tokens.min()} … {tokens.max()}"
        raise DataError("token ids do not fit the vocabulary", got=got, expected=f"< {vocab_size}")
    return tokens.astype(np.int64)


def _shift(grams: LongArray) -> LongArray:
    """The gram that ends one place earlier: the context of the next order."""
    return np.concatenate([np.array([-1]), grams[:-1]])
