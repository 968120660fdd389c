"""Starting weights: a function of names and seed alone, and a loss of ln V."""

from __future__ import annotations

import math

import pytest
import torch
from model_examples import KINDS, V, config, some_tokens

from danlu.models.init import EMBEDDING_STD, initialise
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


@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_one_biases_nothing_and_blocks_change_nothing(kind):
    model = initialise(Transformer(config(**KINDS[kind])), seed=0)
    for name, weight in parameters(model).items():
        if name.endswith("bias") or name.endswith(("attn.out.weight", "mlp.down.weight")):
            assert (weight == 0).all(), name
        elif weight.ndim == 1:
            assert (weight == 1).all(), name
        else:
            assert (weight != 0).all(), name
    x = torch.randn(1, 5, 32)
    seen = []
    hook = model.blocks[0].register_forward_hook(lambda _, args, out: seen.append((args[0], out)))
    model(some_tokens(1, 5))
    hook.remove()
    assert torch.equal(*seen[0]) and x.shape == seen[0][0].shape


def test_matrices_keep_the_variance_of_their_input():
    model = initialise(Transformer(config(d_model=256, d_ff=512, vocab_size=2000)), seed=0)
    named = parameters(model)
    assert named["embed.weight"].std().item() == pytest.approx(EMBEDDING_STD, rel=0.02)
    assert named["blocks.0.mlp.up.weight"].std().item() == pytest.approx(1 / 16, rel=0.02)
    assert named["blocks.0.attn.q.weight"].std().item() == pytest.approx(1 / 16, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_loss_is_that_of_guessing(kind):
    model = initialise(Transformer(config(**KINDS[kind])), seed=0)
    loss = model(some_tokens(8, 20), targets=some_tokens(8, 20, seed=3)).mean().item()
    assert loss == pytest.approx(math.log(V), abs=0.05)


def test_a_small_model_learns_a_row_by_heart():
    model = initialise(Transformer(config(tied=False)), seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    row, losses = some_tokens(1, 21), []
    for _ in range(60):
        loss = model(row[:, :-1], targets=row[:, 1:]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 5 and losses[-1] < 0.05
