"""Counts by formula against what the built model has, does and keeps."""

from __future__ import annotations

import pytest
import torch
from model_examples import ALL_KINDS, config, some_tokens
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from danlu.models import count
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer, balance, parameters

every_kind = pytest.mark.parametrize("kind", ALL_KINDS)


@every_kind
def test_parameters(kind):
    """Of any other combination of knobs: `test_combinations`."""
    c = ModelConfig(**ALL_KINDS[kind])
    with torch.device("meta"):
        model = Transformer(c)
    assert count.parameters(c) == sum(p.numel() for p in parameters(model).values())
    reads = c.kind == "encoder-decoder"
    for layer, block in enumerate(model.blocks):
        matrices = [p for n, p in block.named_parameters() if p.ndim == 2]
        assert count.block_matrices(c, layer, reads_other=reads) == sum(p.numel() for p in matrices)
    assert count.state_bytes(c, moments=1.5) == round(count.parameters(c) * 4 * 3.5)


def source(c: ModelConfig, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"source": tokens} if c.kind == "encoder-decoder" else {}


def kept_bytes(c: ModelConfig, rows: int, length: int) -> int:
    """Memory of all tensors that autograd holds after a forward pass, weights left out."""
    model = Transformer(c).train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    storages: dict[int, int] = {}
    alive = []

    def hold(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    tokens = some_tokens(rows, length)
    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        model(tokens, targets=tokens, **source(c, tokens)).sum()
    table = c.vocab_size * c.d_model * 4  # the head's weight gradient is a weight's matter
    return sum(size for size in storages.values() if size != table)


SCORES_TOO = ("relative", "soft caps, norms on both sides", "encoder-decoder, relative")
"""Kinds that also keep the scores of every head, which the formula leaves out."""


@every_kind
@pytest.mark.parametrize(
    "larger", [{}, {"d_model": 96, "d_ff": 256, "head_dim": 24, "n_layers": 5}]
)
def test_activations_kept_for_the_backward_pass(kind, larger):
    c = ModelConfig(**ALL_KINDS[kind] | larger)
    counted, kept = count.activation_bytes(c, 4 * 48), kept_bytes(c, 4, 48)
    if kind in SCORES_TOO:
        assert counted < 0.95 * kept
    else:
        assert counted == pytest.approx(kept, rel=0.08)


@pytest.mark.parametrize("knobs", [{"norm_at": "after"}, {"qk_norm": "all"}, {"embed_norm": True}])
@pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])
def test_activations_of_other_knobs(kind, knobs):
    c = config(kind=kind, **knobs)
    assert count.activation_bytes(c, 4 * 48) == pytest.approx(kept_bytes(c, 4, 48), rel=0.08)


def wasted(c: ModelConfig, length: int) -> int:
    """Operations a token that a pass over whole squares of scores does and nobody needs.

    A causal row needs half the square; a window so many keys a side, as if it were never cut short
    at an end, unless that is more than the row itself gives.
    """
    keys = 0.0
    for layers, both_sides in ((c.n_layers, c.kind == "encoder"), (c.encoder_layers, True)):
        sides = 2 if both_sides else 1
        for layer in range(layers):
            side = min(length / 2, c.window) if c.is_local(layer) else length / 2
            keys += length - side * sides
    return round(12 * keys * c.n_heads * c.head_dim)


@every_kind
def test_work_of_a_training_step(kind):
    """The products that a forward and backward pass really do: of experts, the chosen ones."""
    knobs = {k: v for k, v in ALL_KINDS[kind].items() if k != "attn_softcap"}
    c, rows, length = ModelConfig(**knobs), 2, 40
    model, tokens = Transformer(c), some_tokens(rows, length)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        answer = model(tokens, **source(c, tokens)).logsumexp(-1).sum()
        spread = balance(model)
        (answer if spread is None else answer + spread).backward()
    per_token = counter.get_total_flops() / (rows * length)
    assert count.train_flops_per_token(c, length) == per_token - wasted(c, length)
