"""Logistic regression on hashed character n-grams: a text classifier that needs no tokenizer.

The model is fastText's (Joulin et al. 2017, "Bag of Tricks", §2) without the hidden layer, which
two classes do not need: the mean of one weight for each n-gram of a text, through a sigmoid.
N-grams are hashed into a table (Weinberger et al. 2009, "Feature Hashing"). Weights are found by
AdaGrad (Duchi et al. 2011, figure 1, diagonal) on mini-batches in an order that a seed decides; the
classes weigh the same however many examples there are of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

GRAMS = 4
"""N-grams of 1 … 4 characters; four letters span most of a word, four Han characters a phrase."""
TABLE_BITS = 18
PREFIX = 2_048
"""Characters of a text that are looked at."""
EPOCHS, BATCH, RATE, L2 = 10, 32, 2.0, 1e-7
CHUNK = 1 << 15
"""Characters whose n-grams are looked up at once."""


@dataclass(frozen=True, slots=True)
class Features:
    """The n-grams of some texts, one text after the other. N texts, F n-grams in all."""

    indices: Indices
    """[F] places in the table."""
    starts: Indices
    """[N] where each text's n-grams start; the next one's start is its end."""

    @property
    def sizes(self) -> Indices:
        """[N] how many n-grams each text has."""
        return np.diff(self.starts, append=len(self.indices))

    def of(self, rows: Indices) -> Features:
        """Those of some of the texts."""
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        return Features(self.indices[np.repeat(self.starts[rows], sizes) + within], ends - sizes)


class Classifier:
    """The probability that a text is of the first of two kinds.

    >>> good, bad = ["the cat sat", "a cat sat down"] * 9, ["BUY NOW!!!", "CHEAP! BUY!"] * 9
    >>> model = Classifier.fit(good, bad)
    >>> model.probabilities(["the cat sat up", "BUY! CHEAP!"]).round().tolist()
    [1.0, 0.0]
    """

    def __init__(self, weights: npt.NDArray[np.float32], bias: float) -> None:
        self.weights, self.bias = weights, bias

    @classmethod
    def fit(cls, good: Sequence[str], bad: Sequence[str], *, seed: int = 0) -> Classifier:
        """Learn from examples; the same ones give the same weights."""
        labels = np.repeat([1.0, 0.0], [len(good), len(bad)])
        found = features([*good, *bad])
        parameters = train(found, labels, 1 << TABLE_BITS, np.random.default_rng(seed))
        return cls(parameters[:-1].astype(np.float32), float(parameters[-1]))

    def probabilities(self, texts: Sequence[str]) -> FloatArray:
        """[N] of being good; 1/2 moved by the bias for a text without characters."""
        if not texts:
            return np.zeros(0)
        points, starts, ends = _stream(texts)
        sums = np.zeros(len(points) + 1)
        for start in range(GRAMS - 1, len(points), CHUNK):
            end = min(start + CHUNK, len(points))
            for places in _places(points[start - GRAMS + 1 : end]):
                sums[start:end] += self.weights.take(places)
        edges = np.stack([starts, ends], axis=1).ravel()
        means = np.add.reduceat(sums, edges)[::2] / np.maximum((ends - starts) * GRAMS, 1)
        return sigmoid(np.where(ends > starts, means, 0.0) + self.bias)


def features(texts: Sequence[str]) -> Features:
    """The n-grams of the texts' beginnings."""
    points, starts, ends = _stream(texts)
    places = np.stack(list(_places(points)), axis=1)  # [positions, GRAMS]
    sizes = ends - starts
    own = np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    indices = places[own - GRAMS + 1].ravel()
    return Features(indices, (np.cumsum(sizes) - sizes) * GRAMS)


def loss_and_gradient(
    parameters: FloatArray, found: Features, labels: FloatArray, weights: FloatArray, l2: float
) -> tuple[float, FloatArray]:
    """The weighted mean of -ln p(label), plus l2/2 |w|² without the bias, and its gradient.

    Args:
        parameters: [D + 1] a weight for each place, and the bias.
        found: n-grams of N texts.
        labels: [N] 1 or 0.
        weights: [N] how much each text counts.
        l2: strength of the penalty.
    """
    sizes = np.maximum(found.sizes, 1)
    scores = _sums(parameters[found.indices], found) / sizes + parameters[-1]
    nll = np.logaddexp(0, scores) - labels * scores
    slope = (sigmoid(scores) - labels) * weights / weights.sum()
    gradient = np.empty_like(parameters)
    gradient[:-1] = np.bincount(
        found.indices, np.repeat(slope / sizes, found.sizes), len(parameters) - 1
    )
    gradient[:-1] += l2 * parameters[:-1]
    gradient[-1] = slope.sum()
    penalty = l2 / 2 * float(np.square(parameters[:-1]).sum())
    return float(nll @ weights / weights.sum()) + penalty, gradient


def train(
    found: Features,
    labels: FloatArray,
    size: int,
    generator: np.random.Generator,
    *,
    epochs: int = EPOCHS,
    l2: float = L2,
) -> FloatArray:
    """[size + 1] the weights and the bias, by AdaGrad on mini-batches."""
    share = labels.mean()
    weights = np.where(labels == 1, 0.5 / share, 0.5 / (1 - share))
    parameters, squares = np.zeros(size + 1), np.full(size + 1, 1e-12)
    for _ in range(epochs):
        order = generator.permutation(len(labels))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            _, gradient = loss_and_gradient(
                parameters, found.of(rows), labels[rows], weights[rows], l2
            )
            squares += np.square(gradient)
            parameters -= RATE * gradient / np.sqrt(squares)
    return parameters


def sigmoid(scores: FloatArray) -> FloatArray:
    """1 / (1 + e⁻ˢ), without overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * scores)


def roc_auc(good: FloatArray, bad: FloatArray) -> float:
    """The chance that a good example scores above a bad one; a tie is half (Mann & Whitney 1947).

    >>> roc_auc(np.array([3.0, 2.0]), np.array([1.0, 2.0]))
    0.875
    """
    below = np.searchsorted(np.sort(bad), good, side="left")
    not_above = np.searchsorted(np.sort(bad), good, side="right")
    return float((below + not_above).sum() / 2 / (len(good) * len(bad)))


def _sums(values: FloatArray, found: Features) -> FloatArray:
    """[N] the sum of each text's values; 0 for one without n-grams."""
    sums = np.add.reduceat(np.append(values, 0.0), found.starts)
    return np.where(found.sizes > 0, sums, 0.0)


def _stream(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], Indices, Indices]:
    """The texts' code points with boundaries before each; starts and ends of the texts."""
    texts = [text[:PREFIX] for text in texts]
    pad = "\0" * (GRAMS - 1)
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(sizes + GRAMS - 1)
    points = np.frombuffer((pad + pad.join(texts)).encode("utf-32-le"), "<u4")
    return points, ends - sizes, ends


def _places(points: npt.NDArray[np.uint32]) -> list[Indices]:
    """For n of 1 … GRAMS, the places of the n-grams that end at each point but the first few."""
    hashes, places = points * np.uint32(0x01000193), []
    for n in range(1, GRAMS + 1):
        if n > 1:
            hashes = (hashes[:-1] * np.uint32(0x85EBCA6B)) ^ (points[n - 1 :] + np.uint32(n))
        mixed = hashes * np.uint32(0x9E3779B1)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x2C1B3C6D)
        places.append((mixed >> np.uint32(32 - TABLE_BITS)).astype(np.int64)[GRAMS - n :])
    return places
