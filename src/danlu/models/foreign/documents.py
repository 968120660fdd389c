"""Documents that lie in one row, each read on its own.

Packed rows want a mask of their own from a model, and what families make of one differs: windows
get lost, recurrent ones cannot have any. So rows are cut into their documents and each is read as a
row that begins at its beginning, which is right for every causal model. Documents of like length
are read together, padded on the right, where a causal model does not look: at most twice the work,
and in attention less of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from danlu.errors import ModelError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Span:
    """A document: places `begin` to `end` of all rows laid end to end."""

    begin: int
    end: int
    first: int
    """The position of its first token."""

    @property
    def length(self) -> int:
        """Its number of tokens."""
        return self.end - self.begin


def spans(
    shape: tuple[int, ...],
    *,
    segments: Tensor | None = None,
    positions: Tensor | None = None,
    wanted: Tensor | None = None,
) -> list[Span]:
    """The documents of [B, T] rows.

    Args:
        shape: B, T.
        segments: [B, T] number of the document of each token; None: a row is one.
        positions: [B or 1, T]; None: each document begins at 0.
        wanted: [B, T] of bool; documents with nothing wanted are left out.

    Raises:
        ModelError: a document is not in one piece, or its positions do not rise one by one.

    >>> [(s.begin, s.end) for s in spans((1, 5), segments=torch.tensor([[1, 1, 2, 2, 2]]))]
    [(0, 2), (2, 5)]
    """
    rows, length = shape
    number = np.zeros((rows, length), np.int64) if segments is None else _array(segments, shape)
    place = None if positions is None else _array(positions, shape)
    keep = None if wanted is None else _array(wanted, shape).astype(bool)
    found = []
    for row in range(rows):
        cuts = np.flatnonzero(np.diff(number[row])) + 1
        begins, ends = [0, *cuts.tolist()], [*cuts.tolist(), length]
        if len(begins) != len(np.unique(number[row])):
            raise ModelError("a document lies in several pieces of a row, which cannot be read")
        for begin, end in zip(begins, ends, strict=True):
            if keep is None or keep[row, begin:end].any():
                first = 0 if place is None else _first(place[row, begin:end])
                found.append(Span(row * length + begin, row * length + end, first))
    return found or [Span(0, length, 0)]  # a pass that reads nothing would have no gradient


def groups(found: list[Span]) -> Iterator[list[Span]]:
    """Documents to read together: none is shorter than half of the longest.

    >>> [[s.length for s in g] for g in groups([Span(0, n, 0) for n in (3, 9, 5, 2)])]
    [[9, 5], [3, 2]]
    """
    waiting = sorted(found, key=lambda span: -span.length)
    while waiting:
        together = [span for span in waiting if 2 * span.length > waiting[0].length]
        yield together
        waiting = waiting[len(together) :]


def apart(
    read: Callable[[Tensor, Tensor | None], Tensor], tokens: Tensor, found: list[Span]
) -> Tensor:
    """What `read` makes of each document, at the places of its tokens; 0 elsewhere.

    Args:
        read: (places [n, L] among all tokens, positions [n, L] or None if all begin at 0)
            → [n, L, …].
        tokens: [B, T].
        found: the documents.

    Returns:
        [B, T, …]
    """
    pieces, where = [], []
    for group in groups(found):
        longest = group[0].length
        steps = np.arange(longest)
        begins, lengths = (
            np.array([[getattr(span, name)] for span in group]) for name in ("begin", "length")
        )
        places = torch.from_numpy(begins + np.minimum(steps, lengths - 1)).to(tokens.device)
        real = torch.from_numpy(steps < lengths).to(tokens.device)
        positions = None
        if any(span.first for span in group):
            firsts = np.array([[span.first] for span in group])
            positions = torch.from_numpy(firsts + steps).to(tokens.device)
        pieces.append(read(places, positions)[real])
        where.append(places[real])
    together = torch.cat(pieces)
    out = together.new_zeros(tokens.numel(), *together.shape[1:])
    return out.index_copy(0, torch.cat(where), together).unflatten(0, tokens.shape)


def _array(tensor: Tensor, shape: tuple[int, ...]) -> Ints:
    return tensor.expand(shape).cpu().numpy().astype(np.int64)


def _first(positions: Ints) -> int:
    """The position that a document begins at; padding, all at 0, is as good as any."""
    if len(positions) > 1 and not (np.diff(positions) == 1).all() and positions.any():
        raise ModelError("positions do not rise one by one inside a document")
    return int(positions[0])
