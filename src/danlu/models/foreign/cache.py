"""What a model of another family remembers of a text, behind the face of `KVCache`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from danlu.models.cache import KVCache


class ForeignCache(KVCache):
    """transformers' own cache; or the text itself, for families that have none that can be used."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs: Any = None
        self.text: dict[str, Tensor] = {}
        """Tokens, positions and segments so far, [B, S]."""

    def remember(self, **places: Tensor) -> dict[str, Tensor]:
        """Add [B, T] of each; returns all that there is, [B, S]."""
        for name, new in places.items():
            old = [self.text[name]] if name in self.text else []
            self.text[name] = torch.cat([*old, new], 1)
        return self.text

    def keep_rows(self, rows: Tensor) -> None:
        """Keep (or reorder) some rows of the batch."""
        if self.theirs is not None:
            self.theirs.batch_select_indices(rows)
        self.text = {name: tensor[rows] for name, tensor in self.text.items()}
