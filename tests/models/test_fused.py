"""RMSNorm and rotation with few passes: the values and gradients of their formulas."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_examples import difference

from danlu.models import fused
from danlu.models.fused import rms_norm, rotate

EPS = 1e-6


def norm_formula(x, weight):
    return x / (x.square().mean(-1, keepdim=True) + EPS).sqrt() * weight


def rotate_formula(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def norm_inputs(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=dtype)
    weight = torch.randn(shape[-1], generator=generator, dtype=dtype)
    return x.requires_grad_(), weight.requires_grad_()


def rotate_inputs(rows, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 3, 8, generator=generator, dtype=dtype).requires_grad_()
    angle = torch.randn(rows, 5, 1, 4, generator=generator, dtype=dtype)
    return x, angle.cos(), angle.sin()


def values_and_gradients(function, *inputs):
    out = function(*inputs)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    leaves = [i for i in inputs if i.requires_grad]
    return [out.detach(), *torch.autograd.grad((out * weights).sum(), leaves)]


def is_fused(out):
    return "Backward" in type(out.grad_fn).__name__ and type(out.grad_fn).__name__.startswith("_")


@given(st.sampled_from([(4, 6), (2, 3, 8), (2, 3, 2, 4), (1, 1)]), st.integers(0, 5))
def test_the_norm_has_the_formulas_values_and_gradients(shape, seed):
    x, weight = norm_inputs(*shape, seed=seed)
    assert is_fused(rms_norm(x, weight, EPS))
    got = values_and_gradients(lambda x, w: rms_norm(x, w, EPS), x, weight)
    for mine, theirs in zip(got, values_and_gradients(norm_formula, x, weight), strict=True):
        assert difference(mine, theirs) < 1e-12


def test_the_norms_gradient_is_checked_by_differences():
    assert torch.autograd.gradcheck(lambda x, w: rms_norm(x, w, EPS), norm_inputs(3, 2, 5))


def test_the_norm_in_single_precision():
    x, weight = norm_inputs(64, 48, dtype=torch.float32)
    got = values_and_gradients(lambda x, w: rms_norm(x, w, EPS), x, weight)
    want = values_and_gradients(
        norm_formula, *(t.detach().double().requires_grad_() for t in (x, weight))
    )
    for mine, theirs in zip(got, want, strict=True):
        assert mine.dtype == torch.float32 and difference(mine, theirs) < 2e-5


def test_the_norm_of_zeros_large_and_small_numbers():
    zeros = torch.zeros(2, 4, requires_grad=True)
    out = rms_norm(zeros, torch.ones(4), EPS)
    (gradient,) = torch.autograd.grad(out.sum(), zeros)
    assert (out == 0).all() and torch.isfinite(gradient).all()
    x = torch.tensor([[1e15, -1e15, 1e15, 1e15]], requires_grad=True)
    assert difference(rms_norm(x, torch.ones(4), EPS), x.sign()) < 1e-6
    x = torch.tensor([[1e-15, -1e-15]], requires_grad=True)
    assert difference(rms_norm(x, torch.ones(2), EPS), x * 1e3) < 1e-6


@pytest.mark.parametrize("rows", [1, 2])
def test_the_rotation_has_the_formulas_values_and_gradients(rows):
    x, cos, sin = rotate_inputs(rows)
    assert is_fused(rotate(x, cos, sin))
    got = values_and_gradients(lambda x: rotate(x, cos, sin), x)
    want = values_and_gradients(lambda x: rotate_formula(x, cos, sin), x)
    for mine, theirs in zip(got, want, strict=True):
        assert difference(mine, theirs) < 1e-14
    assert difference(got[0].norm(dim=-1), x.norm(dim=-1)) < 1e-12, "a rotation keeps lengths"


def test_the_rotations_gradient_is_checked_by_differences():
    x, cos, sin = rotate_inputs(2)
    assert torch.autograd.gradcheck(lambda x: rotate(x, cos, sin), (x,))


def test_the_rotation_of_a_view_that_is_not_contiguous():
    x, cos, sin = rotate_inputs(1)
    strided = x.transpose(0, 1).contiguous().transpose(0, 1)
    assert not strided.is_contiguous()
    assert torch.equal(rotate(strided, cos, sin), rotate(x, cos, sin))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_plain_path_says_the_same(dtype):
    """What inference, other devices and torch.compile get."""
    x, weight = norm_inputs(4, 8, dtype=dtype)
    close = {torch.float32: 1e-6, torch.float64: 1e-14, torch.bfloat16: 0.05}[dtype]
    fast = rms_norm(x, weight, EPS)
    with torch.no_grad():
        plain = rms_norm(x, weight, EPS)
    assert plain.dtype == fast.dtype == dtype and difference(fast, plain) < close
    x, cos, sin = rotate_inputs(1, dtype)
    fast = rotate(x, cos, sin)
    with torch.no_grad():
        plain = rotate(x, cos, sin)
    assert plain.dtype == fast.dtype == dtype and difference(fast, plain) < close


def test_double_precision_is_not_cut_to_single():
    x, weight = norm_inputs(4, 8)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            assert difference(rms_norm(x, weight, EPS), norm_formula(x, weight)) < 1e-14


def test_like_hugging_faces_the_norm_is_rounded_before_its_weight():
    x, weight = norm_inputs(4, 8, dtype=torch.float32)
    x, weight = x.detach().bfloat16(), weight.detach().bfloat16()
    normed = norm_formula(x.float(), torch.ones(8)).bfloat16()
    assert torch.equal(rms_norm(x, weight, EPS), normed * weight)


def test_a_second_derivative_is_refused_not_wrong():
    x, weight = norm_inputs(3, 4)
    (gradient,) = torch.autograd.grad(rms_norm(x, weight, EPS).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        gradient.sum().backward()


def test_compiled_code_gets_the_formulas(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    x, weight = norm_inputs(3, 4)
    assert not is_fused(rms_norm(x, weight, EPS)) and not is_fused(rotate(*rotate_inputs(1)))
    assert fused._plain(x)
