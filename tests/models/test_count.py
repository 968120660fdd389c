"""Counts by formula against what the built model has, does and keeps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import GPT2, KINDS, SHAPE, config, some_tokens
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from danlu.models import count
from danlu.models.config import ModelConfig
from danlu.models.transformer import Transformer, parameters

booleans = {name: st.booleans() for name in ("qkv_bias", "out_bias", "mlp_bias")}
configs = st.fixed_dictionaries(
    {
        "n_layers": st.integers(1, 3),
        "d_model": st.sampled_from([8, 12, 32]),
        "n_kv_heads": st.sampled_from([1, 2, 4]),
        "head_dim": st.sampled_from([2, 8]),
        "d_ff": st.sampled_from([4, 20]),
        "position": st.sampled_from(["rope", "learned", "sinusoidal"]),
        "norm": st.sampled_from(["rms", "layer"]),
        "gated": st.booleans(),
        "tied": st.booleans(),
        "qk_norm": st.sampled_from(["none", "head", "all"]),
        **booleans,
    }
)


@settings(max_examples=60)
@given(configs)
def test_parameters(knobs):
    c = config(**knobs)
    with torch.device("meta"):
        model = Transformer(c)
    assert count.parameters(c) == sum(p.numel() for p in parameters(model).values())
    matrices = [p for n, p in model.blocks[0].named_parameters() if p.ndim == 2]
    assert count.block_matrices(c) == sum(p.numel() for p in matrices)
    assert count.state_bytes(c, moments=1.5) == round(count.parameters(c) * 4 * 3.5)


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
        model(tokens, targets=tokens).sum()
    table = c.vocab_size * c.d_model * 4  # the head's weight gradient is a weight's matter
    return sum(size for size in storages.values() if size != table)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "larger", [{}, {"d_model": 96, "d_ff": 256, "head_dim": 24, "n_layers": 5}]
)
def test_activations_kept_for_the_backward_pass(kind, larger):
    c = ModelConfig(**KINDS[kind] | larger)
    assert count.activation_bytes(c, 4 * 48) == pytest.approx(kept_bytes(c, 4, 48), rel=0.08)


@pytest.mark.parametrize("knobs", [SHAPE, GPT2, SHAPE | {"n_kv_heads": 1, "tied": False}])
def test_work_of_a_training_step(knobs):
    """The products that a forward and backward pass really do."""
    c, rows, length = ModelConfig(**knobs), 2, 40
    model, tokens = Transformer(c), some_tokens(rows, length)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(tokens).logsumexp(-1).sum().backward()
    wasted = 6 * c.n_layers * length * c.n_heads * c.head_dim  # a causal row needs half the square
    per_token = counter.get_total_flops() / (rows * length)
    assert count.train_flops_per_token(c, length) == per_token - wasted
