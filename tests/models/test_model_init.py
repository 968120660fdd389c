"""Starting weights: a function of names and seed alone, and a loss of ln V."""

from __future__ import annotations

import math

import pytest
import torch
from model_examples import ALL_KINDS, BERT, GPT2, SHAPE, V, config, some_tokens

from danlu.models.init import EMBEDDING_STD, _drawn, initialise
from danlu.models.transformer import Transformer, parameters


def drawn(seed=0, **knobs):
    return initialise(Transformer(config(**knobs)), seed=seed)


def test_the_same_seed_gives_the_same_weights_whatever_else_was_drawn():
    first = drawn()
    torch.manual_seed(123)
    torch.randn(10)
    state = torch.get_rng_state()
    second = drawn()
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    with torch.random.fork_rng():
        model = Transformer(config())
        before = torch.get_rng_state()
        initialise(model, seed=0)
        assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    assert state.shape == before.shape


def test_a_weight_depends_on_its_name_not_on_the_order():
    small, large = parameters(drawn(n_layers=1)), parameters(drawn(n_layers=3, tied=False))
    for name, weight in small.items():
        assert torch.equal(weight, large[name]), name


def test_another_seed_gives_other_weights():
    one, two = parameters(drawn(0)), parameters(drawn(1))
    for name, weight in one.items():
        if weight.ndim == 2 and not name.endswith(("out.weight", "down.weight")):
            assert not torch.equal(weight, two[name]), name


def test_no_two_matrices_are_alike():
    matrices = [w for n, w in parameters(drawn(tied=False, d_ff=32)).items() if (w != 0).any()]
    matrices = [m for m in matrices if m.ndim == 2 and m.shape == (32, 32)]
    assert len(matrices) >= 4
    for n, one in enumerate(matrices):
        assert not any(torch.equal(one, other) for other in matrices[n + 1 :])


def ask(model, tokens, **more):
    both = model.config.kind == "encoder-decoder"
    return model(tokens, **({"source": tokens} if both else {}), **more)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_norms_are_one_biases_nothing_and_blocks_change_nothing(kind):
    model = initialise(Transformer(config(**ALL_KINDS[kind])), seed=0)
    one = 1 - model.config.norm_offset
    for name, weight in parameters(model).items():
        if name.endswith(("bias", ".out.weight", ".down.weight")):
            assert (weight == 0).all(), name
        elif weight.ndim == 1:
            assert (weight == one).all(), name
        else:
            assert (weight != 0).all(), name
    seen = []
    hook = model.blocks[0].register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    ask(model, some_tokens(1, 5))
    hook.remove()
    before, after = seen[0]
    if model.config.norm_at == "sum":  # each sum is normalised, and is then its own norm
        mean = before.mean(-1, keepdim=True)
        before = (before - mean) / before.var(-1, correction=0, keepdim=True).sqrt()
        assert torch.allclose(after, before, atol=0.02)
    else:
        assert torch.equal(after, before)


def test_what_is_new_is_drawn_as_wide_as_it_should_be():
    """Tables are small; what multiplies vectors keeps their variance, also beside experts."""
    wide = {"d_model": 256, "vocab_size": 2000}
    encoder = parameters(drawn(**GPT2 | BERT | wide | {"n_token_types": 64}))
    mixed = parameters(drawn(**SHAPE | wide | {"position": "relative", "n_experts": 64}))
    both = parameters(drawn(**SHAPE | wide | {"kind": "encoder-decoder"}))
    small = (encoder["token_type.weight"], encoder["position.weight"], mixed["distance.weight"])
    for table in small:
        assert table.std().item() == pytest.approx(EMBEDDING_STD, rel=0.15)
    kept = (
        encoder["head.dense.weight"],
        mixed["blocks.0.mlp.router.weight"],
        mixed["blocks.0.mlp.experts.7.up.weight"],
        both["blocks.0.cross.k.weight"],
        both["encoder.blocks.1.attn.q.weight"],
    )
    for matrix in kept:
        assert matrix.std().item() == pytest.approx(1 / 16, rel=0.05)
    alike = (mixed[f"blocks.0.mlp.experts.{n}.up.weight"] for n in (0, 1))
    assert not torch.equal(*alike), "experts that start alike stay alike"
    assert not torch.equal(both["blocks.0.attn.q.weight"], both["encoder.blocks.0.attn.q.weight"])


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_world_draws_the_same(kind):
    """Each tensor alone, in any order: a rank that holds one shard need not draw the others."""
    whole = parameters(initialise(Transformer(config(**ALL_KINDS[kind])), seed=3))
    model = Transformer(config(**ALL_KINDS[kind]))
    for name, weight in reversed(list(parameters(model).items())):
        alone = _drawn(name, weight.shape, 3)
        if weight.ndim == 1 and not name.endswith("bias"):
            alone = alone - model.config.norm_offset
        assert torch.equal(alone, whole[name]), name


def test_matrices_keep_the_variance_of_their_input():
    model = initialise(Transformer(config(d_model=256, d_ff=512, vocab_size=2000)), seed=0)
    named = parameters(model)
    assert named["embed.weight"].std().item() == pytest.approx(EMBEDDING_STD, rel=0.02)
    assert named["blocks.0.mlp.up.weight"].std().item() == pytest.approx(1 / 16, rel=0.02)
    assert named["blocks.0.attn.q.weight"].std().item() == pytest.approx(1 / 16, rel=0.05)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_the_first_loss_is_that_of_guessing(kind):
    model = initialise(Transformer(config(**ALL_KINDS[kind])), seed=0)
    loss = ask(model, some_tokens(8, 20), targets=some_tokens(8, 20, seed=3)).mean().item()
    assert loss == pytest.approx(math.log(V), abs=0.05)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_a_small_model_learns_a_row_by_heart(kind):
    model = initialise(Transformer(config(**ALL_KINDS[kind] | {"tied": False})), seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    row, losses = some_tokens(1, 21), []
    for _ in range(60):
        loss = ask(model, row[:, :-1], targets=row[:, 1:]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 5 and losses[-1] < 0.05
