"""The chunked vocabulary head against the full cross-entropy."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from model_examples import difference

from danlu.models import head
from danlu.models.head import linear_nll, rows_at_a_time
from danlu.types import IGNORE


def inputs(n=11, d=6, v=17, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(n, d, generator=generator, dtype=dtype)
    weight = torch.randn(v, d, generator=generator, dtype=dtype)
    target = torch.randint(0, v, (n,), generator=generator)
    target[1::4] = IGNORE
    return hidden.requires_grad_(), weight.requires_grad_(), target


def full(hidden, weight, target):
    return F.cross_entropy(hidden @ weight.T, target, reduction="none", ignore_index=IGNORE)


def compare(hidden, weight, target, weigh, tolerance):
    results = []
    for function in (linear_nll, full):
        nll = function(hidden, weight, target)
        results.append([nll, *torch.autograd.grad(weigh(nll), (hidden, weight))])
    for mine, theirs in zip(*results, strict=True):
        assert mine.dtype == theirs.dtype and difference(mine, theirs) < tolerance


WEIGHTINGS = {
    "sum": lambda nll: nll.sum(),
    "scaled sum": lambda nll: nll.sum() * 0.37,
    "mean": lambda nll: nll.mean(),
    "each its own": lambda nll: (nll * torch.linspace(-2, 3, len(nll), dtype=nll.dtype)).sum(),
    "some": lambda nll: nll[:3].sum(),
    "of a view": lambda nll: nll.view(1, -1).sum(),
    "of its square": lambda nll: nll.square().sum(),
}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_loss_and_gradients_are_those_of_the_full_cross_entropy(weighting, dtype, tolerance):
    compare(*inputs(dtype=dtype), WEIGHTINGS[weighting], tolerance)


@settings(max_examples=40)
@given(st.integers(1, 14), st.integers(1, 15), st.sampled_from(sorted(WEIGHTINGS)))
def test_the_size_of_a_chunk_does_not_matter(rows, n, weighting):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(head, "rows_at_a_time", lambda *_: rows)
        compare(*inputs(n), WEIGHTINGS[weighting], 1e-12)


@pytest.mark.parametrize("rows", [2, 100])
def test_gradients_are_checked_by_differences(rows, monkeypatch):
    monkeypatch.setattr(head, "rows_at_a_time", lambda *_: rows)
    hidden, weight, target = inputs(5, 3, 7)
    assert torch.autograd.gradcheck(lambda h, w: linear_nll(h, w, target), (hidden, weight))
    assert torch.autograd.gradcheck(lambda h, w: linear_nll(h, w, target).sum(), (hidden, weight))


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.parametrize("cap", [0.0, 2.5])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_bias_and_soft_cap_are_those_of_the_full_cross_entropy(
    weighting, with_bias, cap, rows, monkeypatch
):
    monkeypatch.setattr(head, "rows_at_a_time", lambda *_: rows)
    hidden, weight, target = inputs()
    bias = torch.linspace(-1, 2, 17, dtype=torch.float64, requires_grad=True) if with_bias else None
    wanted = [t for t in (hidden, weight, bias) if t is not None]
    logits = hidden @ weight.T + (0 if bias is None else bias)
    logits = cap * torch.tanh(logits / cap) if cap else logits
    want = F.cross_entropy(logits, target, reduction="none", ignore_index=IGNORE)
    mine = linear_nll(hidden, weight, target, bias=bias, softcap=cap)
    assert difference(mine, want) < 1e-12
    weigh = WEIGHTINGS[weighting]
    got, due = (torch.autograd.grad(weigh(nll), wanted) for nll in (mine, want))
    for a, b in zip(got, due, strict=True):
        assert difference(a, b) < 1e-12


def test_bias_and_soft_cap_are_checked_by_differences():
    hidden, weight, target = inputs(5, 3, 7)
    bias = torch.linspace(-1, 2, 7, dtype=torch.float64, requires_grad=True)
    uneven = torch.linspace(0.2, 2, 5, dtype=torch.float64)
    for cap in (0.0, 2.5):
        for weigh in (lambda nll: nll, lambda nll: nll.sum(), lambda nll: (nll * uneven).sum()):

            def loss(h, w, b, cap=cap, weigh=weigh):
                return weigh(linear_nll(h, w, target, bias=b, softcap=cap))

            assert torch.autograd.gradcheck(loss, (hidden, weight, bias))


def test_a_bias_alone_may_learn():
    """A frozen body: nothing but the bias has a gradient."""
    hidden, weight, target = (t.detach() for t in inputs())
    bias = torch.zeros(17, dtype=torch.float64, requires_grad=True)
    for weigh in WEIGHTINGS.values():
        got = torch.autograd.grad(weigh(linear_nll(hidden, weight, target, bias=bias)), bias)
        logits = hidden @ weight.T + bias
        want = F.cross_entropy(logits, target, reduction="none", ignore_index=IGNORE)
        assert difference(got[0], torch.autograd.grad(weigh(want), bias)[0]) < 1e-12


def test_bias_and_soft_cap_in_16_bits():
    hidden, weight, target = inputs(200, 16, 50, torch.float32)
    bias = torch.randn(50, requires_grad=True)
    given = [t.detach().bfloat16().requires_grad_() for t in (hidden, weight, bias)]
    for weigh in (lambda nll: nll.sum(), lambda nll: (nll * torch.linspace(0, 2, 200)).sum()):
        nll = linear_nll(given[0], given[1], target, bias=given[2], softcap=5.0)
        logits = 5 * torch.tanh((hidden @ weight.T + bias) / 5)
        want = F.cross_entropy(logits, target, reduction="none", ignore_index=IGNORE)
        assert nll.dtype == torch.float32
        mine = torch.autograd.grad(weigh(nll), given)
        for a, b in zip(
            mine, torch.autograd.grad(weigh(want), (hidden, weight, bias)), strict=True
        ):
            assert a.dtype == torch.bfloat16
            assert F.cosine_similarity(a.float().flatten(), b.flatten(), dim=0) > 0.999


def test_only_what_is_wanted_is_computed():
    hidden, weight, target = inputs()
    frozen = linear_nll(hidden, weight.detach(), target).sum()
    (gradient,) = torch.autograd.grad(frozen, hidden)
    (want,) = torch.autograd.grad(full(hidden, weight, target).sum(), hidden)
    assert difference(gradient, want) < 1e-12
    (gradient,) = torch.autograd.grad(linear_nll(hidden.detach(), weight, target).sum(), weight)
    (want,) = torch.autograd.grad(full(hidden, weight, target).sum(), weight)
    assert difference(gradient, want) < 1e-12
    with torch.no_grad():
        assert not linear_nll(hidden, weight, target).requires_grad


def test_nothing_to_learn():
    hidden, weight, target = inputs()
    nll = linear_nll(hidden, weight, torch.full_like(target, IGNORE))
    gradients = torch.autograd.grad(nll.sum(), (hidden, weight))
    assert all((t == 0).all() for t in (nll, *gradients))
    nll = linear_nll(hidden[:0], weight, target[:0])
    gradients = torch.autograd.grad(nll.sum(), (hidden, weight))
    assert nll.shape == (0,) and all((t == 0).all() for t in gradients)


@pytest.mark.parametrize("bad", [-1, 17])
def test_a_target_outside_the_vocabulary_is_an_error(bad):
    hidden, weight, target = inputs()
    target[3] = bad
    with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
        linear_nll(hidden, weight, target)


def test_huge_logits_do_not_overflow():
    hidden, weight, target = inputs(dtype=torch.float32)
    scaled = (hidden * 1e4).detach().requires_grad_()
    nll = linear_nll(scaled, weight, target)
    gradients = torch.autograd.grad(nll.sum(), (scaled, weight))
    assert all(torch.isfinite(t).all() for t in (nll, *gradients))
    assert torch.allclose(nll, full(scaled, weight, target), rtol=1e-5)


def test_bfloat16_sums_in_float32():
    hidden, weight, target = inputs(200, 16, 50, torch.float32)
    h, w = (t.detach().bfloat16().requires_grad_() for t in (hidden, weight))
    nll = linear_nll(h, w, target)
    assert nll.dtype == torch.float32
    mine = torch.autograd.grad(nll.sum(), (h, w))
    theirs = torch.autograd.grad(full(h.float(), w.float(), target).sum(), (h, w))
    assert [g.dtype for g in mine] == [torch.bfloat16] * 2
    for a, b in zip(mine, theirs, strict=True):
        assert F.cosine_similarity(a.float().flatten(), b.float().flatten(), dim=0) > 0.999


@pytest.mark.parametrize("weighting", ["sum", "each its own"])
def test_under_autocast(weighting):
    hidden, weight, target = inputs(200, 16, 50, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        nll = linear_nll(hidden, weight, target)
    want = full(hidden, weight, target)
    assert nll.dtype == torch.float32 and difference(nll, want) < 0.2
    mine = torch.autograd.grad(WEIGHTINGS[weighting](nll), (hidden, weight))
    theirs = torch.autograd.grad(WEIGHTINGS[weighting](want), (hidden, weight))
    for a, b in zip(mine, theirs, strict=True):
        assert a.dtype == torch.float32
        assert F.cosine_similarity(a.flatten(), b.flatten(), dim=0) > 0.999


def test_full_logits_are_never_held():
    """The largest tensor that is made has the rows of one chunk."""
    rows, vocab = rows_at_a_time(5000, "cpu"), 5000
    n = rows * 6
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                sizes.append(out.numel())
            return out

    hidden, weight, target = inputs(n, 4, vocab, torch.float32)
    with Watch():
        linear_nll(hidden, weight, target).sum().backward()
    assert max(sizes) == rows * vocab < n * vocab


def test_a_second_derivative_is_refused_not_wrong():
    hidden, weight, target = inputs()
    nll = linear_nll(hidden, weight, target).sum()
    (gradient,) = torch.autograd.grad(nll, hidden, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        gradient.sum().backward()


def test_chunks_are_small_on_a_cpu_and_never_tiny():
    assert rows_at_a_time(1000, "cpu") * 1000 <= 2**19
    assert rows_at_a_time(1000, "cuda") > rows_at_a_time(1000, "cpu")
    assert rows_at_a_time(10**7, "cpu") == 64
