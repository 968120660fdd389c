"""Starting weights, the same at every world size.

Each tensor is drawn whole from a generator seeded by its name. Output maps of attention and MLP
start at zero, so a new block changes nothing (as in modded-nanogpt and nanochat; with Muon, whose
update does not shrink with the weight, they grow at once). Embeddings are small because they are
tied or normalised at once by the first block; other matrices keep the variance of their input.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

from danlu.models.transformer import Transformer, parameters

EMBEDDING_STD = 0.02
TABLES = tuple(f"{name}.weight" for name in ("embed", "position", "token_type", "distance", "head"))


@torch.no_grad()
def initialise(model: Transformer, *, seed: int) -> Transformer:
    """Draw all weights; returns the model."""
    for name, weight in parameters(model).items():
        drawn = _drawn(name, weight.shape, seed)
        if weight.ndim == 1 and not name.endswith("bias"):
            drawn -= model.config.norm_offset
        weight.copy_(drawn)
    return model


def _drawn(name: str, shape: torch.Size, seed: int) -> Tensor:
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) == 1:  # norms
        return torch.ones(shape)
    if name.endswith((".out.weight", ".down.weight")):  # of attention, MLPs and experts
        return torch.zeros(shape)
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    small = name.endswith(TABLES)
    std = EMBEDDING_STD if small else 1 / math.sqrt(shape[1])
    return torch.randn(shape, generator=generator) * std
