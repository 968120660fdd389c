"""GloVe: vectors whose products are the logarithms of co-occurrences, fitted by least squares.

    J = Σ ½ f(x) (w_i·w̃_j + b_i + b̃_j - log x)²,  f(x) = min(1, (x / x_max)^α)

over the cells x of the table that are not zero (Pennington et al. 2014, eq. 8 and 9; the ½ is that
of their program). A word's vector is w + w̃ (§4.2).

AdaGrad as in their program, with the same start (squares of 1) and rate; but a step takes CELLS
cells of both triangles at once, and the squares are those of the step's whole gradient, where the
program updates cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from danlu.embeddings.cooccurrence import Cooccurrence
from danlu.embeddings.trained import Progress, Trained, mean_loss, one_thread, silent
from danlu.embeddings.words import I64
from danlu.errors import DataError

CELLS, CHUNK = 8_192, 1_024
"""Cells of one triangle in a step, or twice as many as words, since a step costs V too; and how
many are computed at once, so that they stay in the cache."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the defaults are the paper's, the passes its program's."""

    width: int = 100
    epochs: int = 15
    x_max: float = 100.0
    alpha: float = 0.75
    lr: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Cells:
    """Some cells; E of them."""

    rows: Tensor
    """[E]"""
    columns: Tensor
    """[E]"""
    logs: Tensor
    """[E] log x."""
    weights: Tensor
    """[E] f(x); 0 where a cell of the diagonal would count twice."""


class Table:
    """V rows of vector, bias and a 1 for the other table's bias, with AdaGrad's sums of squares.

    The row of a word is [vector, bias, 1], as a neighbour [vector, 1, bias]: their product is all
    of the model.
    """

    def __init__(self, size: int, width: int, random: np.random.Generator, *, one: int) -> None:
        drawn = random.random((size, width + 2), np.float32)
        self.values = torch.from_numpy((drawn - 0.5) / (width + 1))
        """[V, d + 2]"""
        self.values[:, one] = 1
        self.gradient = torch.zeros_like(self.values)
        """[V, d + 2] added up by a step's chunks."""
        self._squares = torch.ones_like(self.values)
        self._one = one

    def update(self, lr: float) -> None:
        """A step of AdaGrad with the gradient, which begins anew."""
        self.gradient[:, self._one] = 0
        self._squares.addcmul_(self.gradient, self.gradient)
        self.values.addcdiv_(self.gradient, self._squares.sqrt(), value=-lr)
        self.gradient.zero_()


def gradients(w: Tensor, context: Tensor, cells: Cells) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of the cost of some cells, at both tables, and the cost.

    Args:
        w: [V, d + 2] rows of words.
        context: [V, d + 2] rows of words as neighbours.
        cells: which.

    Returns:
        [E, d + 2] for `w[rows]`, [E, d + 2] for `context[columns]`, and the sum of the costs.
    """
    one, other = w.index_select(0, cells.rows), context.index_select(0, cells.columns)
    error = (one * other).sum(1).sub_(cells.logs)
    weighted = error * cells.weights
    cost = 0.5 * weighted.dot(error)
    return other.mul_(weighted[:, None]), one.mul_(weighted[:, None]), cost


def train(
    table: Cooccurrence, size: int, settings: Settings, *, progress: Progress = silent
) -> Trained:
    """Vectors of the words of a table of co-occurrences.

    The same seed gives the same vectors on the same machine.

    Args:
        table: the cells.
        size: V, words in the vocabulary.
        settings: see `Settings`.
        progress: is told the share that is done and the mean cost of a cell.

    Raises:
        DataError: the table is empty.
        TrainingError: the loss is not finite.
    """
    if not len(table.rows):
        raise DataError("no word has a neighbour", fix="more text")
    random = np.random.default_rng(settings.seed)
    w = Table(size, settings.width, random, one=-1)
    context = Table(size, settings.width, random, one=-2)
    losses = []
    with one_thread():
        for epoch in range(settings.epochs):
            seen = []
            for share, chunks in steps(table, settings, random, count=max(CELLS, 2 * size)):
                cost, cells = 0.0, 0
                for chunk in chunks:
                    d_w, d_context, part = gradients(w.values, context.values, chunk)
                    w.gradient.index_add_(0, chunk.rows, d_w)
                    context.gradient.index_add_(0, chunk.columns, d_context)
                    cost, cells = cost + float(part), cells + len(chunk.rows)
                w.update(settings.lr)
                context.update(settings.lr)
                seen.append(cost / cells)
                progress((epoch + share) / settings.epochs, seen[-1])
            losses.append(mean_loss(seen, lr=settings.lr))
    vectors, contexts = w.values[:, :-2].numpy(), context.values[:, :-2].numpy()
    return Trained(vectors + contexts, contexts.copy(), losses)


def steps(
    table: Cooccurrence, settings: Settings, random: np.random.Generator, *, count: int
) -> Iterator[tuple[float, Iterator[Cells]]]:
    """A pass over all cells in random order, `count` a step; and the share before each step."""
    order = random.permutation(len(table.rows))
    for at in range(0, len(order), count):
        some = np.sort(order[at : at + count])  # neighbours in memory: half the time of a step
        yield at / len(order), _chunks(table, some, settings)


def _chunks(table: Cooccurrence, some: I64, settings: Settings) -> Iterator[Cells]:
    """The cells of a step from both triangles, in pieces."""
    for at in range(0, len(some), CHUNK):
        piece = some[at : at + CHUNK]
        rows, columns = torch.from_numpy(table.rows[piece]), torch.from_numpy(table.columns[piece])
        x = torch.from_numpy(table.weights[piece])
        f = (x / settings.x_max).clamp(max=1) ** settings.alpha
        yield Cells(
            torch.cat([rows, columns]).long(),
            torch.cat([columns, rows]).long(),
            x.log().repeat(2),
            torch.cat([f, f * (rows != columns)]),
        )
