"""Keys and values of the positions that a model has seen, so that they are computed once."""

from __future__ import annotations

import torch
from torch import Tensor


class KVCache:
    """Grows by doubling; `length` positions are valid in every layer.

    Memory: 2 · layers · B · K · S · d numbers; what a window no longer sees is kept too.
    """

    def __init__(self) -> None:
        self.length = 0
        self.memory: tuple[Tensor, Tensor | None] | None = None
        """What an encoder made of the source, and its segments."""
        self.across: dict[int, tuple[Tensor, Tensor]] = {}
        """By layer, the keys and values of the source."""
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def extend(self, layer: int, k_BKTd: Tensor, v_BKTd: Tensor) -> tuple[Tensor, Tensor]:
        """Add a layer's new keys and values; returns all of them, [B, K, S, d]."""
        end = self.length + k_BKTd.shape[2]
        keys, values = self._layers.get(layer, (None, None))
        if keys is None or values is None or keys.shape[2] < end:
            keys, values = _grown(keys, k_BKTd, end), _grown(values, v_BKTd, end)
            self._layers[layer] = keys, values
        keys[:, :, self.length : end] = k_BKTd
        values[:, :, self.length : end] = v_BKTd
        return keys[:, :, :end], values[:, :, :end]

    def keep_rows(self, rows: Tensor) -> None:
        """Keep (or reorder) some rows of the batch."""
        self._layers = {n: (k[rows], v[rows]) for n, (k, v) in self._layers.items()}
        self.across = {n: (k[rows], v[rows]) for n, (k, v) in self.across.items()}
        if self.memory is not None:
            memory, segments = self.memory
            self.memory = memory[rows], None if segments is None else segments[rows]


def _grown(old: Tensor | None, new_BKTd: Tensor, end: int) -> Tensor:
    B, K, _, d = new_BKTd.shape
    room = max(64, 1 << (end - 1).bit_length())
    grown = torch.zeros(B, K, room, d, dtype=new_BKTd.dtype, device=new_BKTd.device)
    if old is not None:
        grown[:, :, : old.shape[2]] = old
    return grown
