"""Mixtures of experts against all experts at once, and transformers' balance."""

from __future__ import annotations

import pytest
import torch
from model_examples import SHAPE, D, build, config, difference, randomise, some_tokens

from danlu.models.transformer import Mixture, balance

EXPERTS = {"n_experts": 5, "top_k": 2, "d_expert": 24}


def mixture(**knobs) -> Mixture:
    return randomise(Mixture(config(**EXPERTS | knobs)).double())


def dense(m: Mixture, x: torch.Tensor, *, normed: bool) -> torch.Tensor:
    """Every expert answers every token; the gates of those not chosen are zero."""
    shares = m.router(x).softmax(-1)
    kth = shares.sort(-1, descending=True).values[..., m.top_k - 1, None]
    gates = torch.where(shares >= kth, shares, 0.0)
    gates = gates / gates.sum(-1, keepdim=True) if normed else gates
    return sum(gates[..., n, None] * expert(x) for n, expert in enumerate(m.experts))


@pytest.mark.parametrize(
    ("top_k", "normed"), [(1, False), (2, True), (2, False), (5, True), (5, False)]
)
def test_it_is_all_experts_with_the_gates_of_the_others_shut(top_k, normed):
    m = mixture(top_k=top_k, norm_top_k=normed)
    x = torch.randn(3, 7, D, dtype=torch.float64, requires_grad=True)
    weights = [x, *m.parameters()]
    direction = torch.randn(3, 7, D, dtype=torch.float64)
    results = []
    for answer in (m(x), dense(m, x, normed=normed)):
        grads = torch.autograd.grad((answer * direction).sum(), weights, allow_unused=True)
        results.append([answer, *(torch.zeros(1) if g is None else g for g in grads)])
    for mine, theirs in zip(*results, strict=True):
        assert difference(mine, theirs.expand_as(mine)) < 1e-11


@pytest.mark.parametrize("top_k", [2, 3])
def test_its_balance_is_that_of_transformers(top_k):
    mixtral = pytest.importorskip("transformers.models.mixtral.modeling_mixtral")
    m, x = mixture(top_k=top_k, balance=0.25), torch.randn(2, 9, D, dtype=torch.float64)
    m(x)
    want = mixtral.load_balancing_loss_func((m.router(x.flatten(0, 1)),), 5, top_k)
    assert m.balance.item() == pytest.approx(0.25 * want.item(), rel=1e-6)


def test_a_models_balance_is_the_mean_over_its_layers():
    model = build(SHAPE | EXPERTS)
    assert balance(model) is None, "nothing was read yet"
    model(some_tokens())
    found = [block.mlp.balance for block in model.blocks]
    assert balance(model).item() == pytest.approx(sum(found).item() / 2)
    assert balance(build()) is None
    even = SHAPE | EXPERTS | {"balance": 1.0, "dense_layers": (1,)}
    model = build(even)
    with torch.no_grad():
        model.blocks[0].mlp.router.weight.zero_()
    model(some_tokens())
    assert balance(model).item() == pytest.approx(2.0), "w · k where all are alike"


def test_an_expert_without_tokens_has_a_gradient_of_nothing():
    """Not None: ranks that add up gradients must have the same ones."""
    m = mixture(top_k=2)
    m(torch.randn(1, 1, D, dtype=torch.float64)).sum().backward()
    idle = [e for e in m.experts if (e.up.weight.grad == 0).all()]
    assert len(idle) == 3 and all(p.grad is not None for p in m.parameters())


def test_no_tokens_are_no_trouble():
    m = mixture()
    assert m(torch.zeros(0, 4, D, dtype=torch.float64)).shape == (0, 4, D)
