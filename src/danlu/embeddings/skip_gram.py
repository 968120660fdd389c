"""Skip-gram with negative sampling: a word's vector predicts the words around it.

A pair (c, o) of a word and one in its window costs

    - log σ(u_o·v_c) - Σ_{k draws n from the noise} log σ(-u_n·v_c)

(Mikolov et al. 2013, arXiv:1310.4546, eq. 4; the noise: counts to the power 3/4). v are the vectors
that are kept, u those of words as neighbours. Plain SGD, whose rate falls linearly, as in word2vec.

Three things differ from word2vec's loop over pairs, to make it a few matrix products:

- A step takes up to 128 consecutive positions at once, with the gradient of all their pairs at the
  vectors as they are before it. The pairs are the same ones; they are read off a band of the
  product of the step's v with its u. Where few words make up the text, a step is shorter, or the
  sum of one word's gradients would overshoot.
- The positions of a step share as many draws from the noise, each with the weight that k draws a
  pair have in all. The expected gradient is the same; only its noise differs.
- A draw that happens to be the word o itself counts, as in the paper; word2vec's code skips it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from danlu.embeddings import windows
from danlu.embeddings.trained import Progress, Trained, mean_loss, one_thread, silent
from danlu.embeddings.windows import Windows
from danlu.embeddings.words import Words
from danlu.errors import DataError

POSITIONS, BLOCK, LEAST_NEGATIVES = 128, 32, 64
"""Positions in a step at most, in a block of the band, and negatives that they share at least."""
MOST = 2.0
"""Pairs of one word in a step, times the learning rate: training diverged at 6, and not at 3."""
LOOK_EVERY = 5_000
"""Positions between looks at the loss."""
LAST = 0.004
"""Share of the first learning rate that is left at the end, as in word2vec."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train; the defaults are those of word2vec and gensim."""

    width: int = 100
    window: int = 5
    negatives: int = 5
    epochs: int = 5
    sample: float = 1e-3
    """Words of a larger share than this are thinned out; 0: none."""
    lr: float = 0.025
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A step's rows. Shapes: P positions, S a block, W the window, K negatives, B = P / S."""

    centres: Tensor
    """[P] words."""
    around: Tensor
    """[B · (S + 2 W)] the words of each block, and W more on either side."""
    is_pair: Tensor
    """[B, S, S + 2 W] 1 where a word around is in the window of a centre, else 0."""
    negatives: Tensor
    """[K] words."""


def gradients(v: Tensor, u: Tensor, step: Step, *, negatives: int) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of the sum over a step's pairs.

    Args:
        v: [V, d] vectors.
        u: [V, d] vectors as neighbours.
        step: the rows.
        negatives: k, the negatives a pair.

    Returns:
        [P, d] for `v[centres]`, [B · (S + 2 W), d] for `u[around]`, [K, d] for `u[negatives]`.
    """
    blocks, size, width = step.is_pair.shape
    centre, noise = v.index_select(0, step.centres), u.index_select(0, step.negatives)
    by_block = centre.view(blocks, size, -1)
    around = u.index_select(0, step.around).view(blocks, width, -1)
    positive = torch.bmm(by_block, around.transpose(1, 2)).sigmoid_().sub_(1).mul_(step.is_pair)
    weight = step.is_pair.sum(2).view(-1, 1) * (negatives / len(noise))
    negative = (centre @ noise.T).sigmoid_().mul_(weight)
    d_centre = torch.bmm(positive, around).view_as(centre).addmm_(negative, noise)
    d_around = torch.bmm(positive.transpose(1, 2), by_block).view(len(step.around), -1)
    return d_centre, d_around, negative.T @ centre


def loss(v: Tensor, u: Tensor, step: Step, *, negatives: int) -> Tensor:
    """The mean over a step's pairs, in nats; NaN if it has none."""
    blocks, size, width = step.is_pair.shape
    centre, noise = v[step.centres], u[step.negatives]
    around = u[step.around].view(blocks, width, -1)
    positive = torch.bmm(centre.view(blocks, size, -1), around.transpose(1, 2))
    weight = step.is_pair.sum(2).view(-1, 1) * (negatives / len(noise))
    right = (logsigmoid(positive) * step.is_pair).sum()
    return -(right + (logsigmoid(-(centre @ noise.T)) * weight).sum()) / step.is_pair.sum()


def train(words: Words, settings: Settings, *, progress: Progress = silent) -> Trained:
    """Vectors of the words of a text.

    The same seed gives the same vectors on the same machine.

    Args:
        words: the text.
        settings: see `Settings`.
        progress: is told the share that is done and the loss.

    Raises:
        DataError: no word has a neighbour.
        TrainingError: the loss is not finite.
    """
    random = np.random.default_rng(settings.seed)
    v = torch.from_numpy(random.random((len(words.counts), settings.width), np.float32))
    v = (v - 0.5) * (2 / settings.width)
    u = torch.zeros_like(v)
    keep, noise = words.keep(settings.sample), np.cumsum(words.noise())
    positions, losses = positions_of(words, settings), []
    with one_thread():
        for epoch in range(settings.epochs):
            one = windows.draw(words, window=settings.window, keep=keep, random=random)
            if not one.pairs:
                raise DataError("no word has a neighbour", fix="more text, or a larger --sample")
            seen: list[float] = []
            for share, step in steps(
                one, noise, window=settings.window, positions=positions, random=random
            ):
                done = (epoch + share) / settings.epochs
                if len(seen) * LOOK_EVERY <= share * len(one.ids):
                    seen.append(float(loss(v, u, step, negatives=settings.negatives)))
                    progress(done, seen[-1])
                d_v, d_u, d_noise = gradients(v, u, step, negatives=settings.negatives)
                rate = -max(settings.lr * (1 - done), settings.lr * LAST)
                v.index_add_(0, step.centres, d_v, alpha=rate)
                u.index_add_(0, step.around, d_u, alpha=rate)
                u.index_add_(0, step.negatives, d_noise, alpha=rate)
            losses.append(mean_loss(seen, lr=settings.lr))
    return Trained(v.numpy(), u.numpy(), losses)


def positions_of(words: Words, settings: Settings) -> int:
    """Positions in a step: as many as leave each word's share in it small enough to be stable.

    >>> from danlu.embeddings.words import read
    >>> positions_of(read(["yes no"], str.split, min_count=1), Settings())
    4
    """
    share = words.counts * words.keep(settings.sample)
    share = share / share.sum()
    around = share + settings.negatives * words.noise()
    pairs = np.maximum(share * (1 + settings.negatives), around).max() * (settings.window + 1)
    most = min(MOST / (settings.lr * pairs), POSITIONS)
    return int(2 ** np.floor(np.log2(max(most, 1))))


def steps(
    one: Windows,
    noise: npt.NDArray[np.float64],
    *,
    window: int,
    positions: int,
    random: np.random.Generator,
) -> Iterator[tuple[float, Step]]:
    """A pass in steps, each with the share of the pass before it.

    Args:
        one: the pass.
        noise: [V] the cumulative distribution that negatives are drawn from.
        window: the largest distance of a pair.
        positions: P, in a step.
        random: draws the negatives.
    """
    size, block = len(one.ids), min(BLOCK, positions)
    count = -(-size // positions)
    room = count * positions - size
    ids = torch.from_numpy(np.pad(one.ids, (window, room + window)).astype(np.int64))
    left = torch.from_numpy(np.pad(one.left, (0, room))).view(count, -1, block, 1)
    right = torch.from_numpy(np.pad(one.right, (0, room))).view(count, -1, block, 1)
    shared = max(positions, LEAST_NEGATIVES)
    distance = torch.arange(block + 2 * window)[None, :] - torch.arange(block)[:, None] - window
    not_itself = distance != 0
    for number in range(count):
        at = number * positions
        row = ids[at : at + positions + 2 * window]
        inside = (distance >= -left[number]) & (distance <= right[number]) & not_itself
        drawn = np.searchsorted(noise, random.random(shared) * noise[-1], side="right")
        yield (
            number / count,
            Step(
                centres=row[window : window + positions],
                around=row.unfold(0, block + 2 * window, block).reshape(-1),
                is_pair=inside.float(),
                negatives=torch.from_numpy(drawn),
            ),
        )
