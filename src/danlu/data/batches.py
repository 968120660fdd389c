"""Batches for pretraining: rows of a token stream, as a pure function of the step.

Documents lie one behind the other in the stream; a row is `context` tokens of it. Each epoch cuts
at another offset and visits the rows in another order. Which rows a step has depends on the seed
and the step alone, so a resumed run, or one with other ranks, sees the same global batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from danlu.errors import ConfigError, DataError
from danlu.types import Batch


class StreamBatches:
    """Step → micro-batches of rows cut from a stream of tokens.

    Args:
        tokens: [N] token ids, usually memory-mapped.
        context: T, tokens in a row.
        rows: rows in a step, over all ranks.
        micro_rows: rows in a micro-batch; 0: all.
        seed: of the order.
        rank, world: this process takes rows rank, rank + world, …

    Raises:
        DataError: the stream is shorter than one step.
        ConfigError: there are more ranks than rows.

    >>> batches = StreamBatches(np.arange(100, dtype=np.uint16), context=8, rows=4, micro_rows=2)
    >>> first, second = batches(0)
    >>> first.tokens.shape, bool((first.labels == first.tokens + 1).all())
    ((2, 8), True)
    """

    def __init__(
        self,
        tokens: npt.NDArray[np.unsignedinteger],
        *,
        context: int,
        rows: int,
        micro_rows: int = 0,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.tokens, self.context, self.rows, self.seed = tokens, context, rows, seed
        self._parts = row_numbers(rows, micro_rows or rows, rank=rank, world=world)
        self.epoch_rows = (len(tokens) - context) // context
        if self.epoch_rows < rows:
            raise DataError(
                "the text is smaller than one batch",
                got=f"{len(tokens):,} tokens",
                expected=f"at least {context * (rows + 1):,} for {rows} rows of {context}",
                fix="lower train.batch_tokens or train.context, or add text",
            )
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __call__(self, step: int) -> list[Batch]:
        """This rank's micro-batches of a step."""
        return [self._batch(part) for part in self._parts(step)]

    def starts(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Where in the stream the rows begin; row n of the run is row n mod epoch of an epoch."""
        begins = np.empty_like(rows)
        for epoch in np.unique(rows // self.epoch_rows):
            offset, order = self._order(int(epoch))
            here = rows // self.epoch_rows == epoch
            begins[here] = offset + order[rows[here] % self.epoch_rows] * self.context
        return begins

    def _batch(self, rows: npt.NDArray[np.int64]) -> Batch:
        begins = self.starts(rows)
        cut = np.stack([self.tokens[b : b + self.context + 1] for b in begins]).astype(np.int32)
        return Batch(
            tokens=cut[:, :-1], labels=cut[:, 1:], ids=[f"tokens {b}…" for b in begins.tolist()]
        )

    def _shuffled(self, epoch: int) -> tuple[int, npt.NDArray[np.int64]]:
        generator = np.random.Generator(np.random.PCG64([self.seed, epoch]))
        offset = int(generator.integers(0, self.context))  # one row less than fits: room for it
        return offset, generator.permutation(self.epoch_rows)


def row_numbers(
    rows: int, micro_rows: int, *, rank: int = 0, world: int = 1
) -> Callable[[int], list[npt.NDArray[np.int64]]]:
    """Step → the numbers, counted from the run's first row, of the rows in each micro-batch.

    Raises:
        ConfigError: there are more ranks than rows, so some would have nothing to do.

    >>> [part.tolist() for part in row_numbers(5, 2, rank=0, world=2)(1)]
    [[5, 7], [9]]
    """
    if rows < world:
        raise ConfigError(
            "a step has fewer rows than there are ranks",
            got=f"{rows} rows, {world} ranks",
            fix="raise train.batch_tokens, or start fewer processes",
        )

    def parts(step: int) -> list[npt.NDArray[np.int64]]:
        own = np.arange(rank, rows, world) + step * rows
        return [own[i : i + micro_rows] for i in range(0, len(own), micro_rows)]

    return parts
