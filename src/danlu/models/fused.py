"""RMSNorm and rotary positions with fewer passes over memory than their formulas.

In eager mode on a CPU each operation reads and writes whole activations, and norms and rotations
are made of many; for a narrow model they cost as much as the matrix products. These two compute the
same values and gradients in about half the passes. `torch.compile` fuses the plain formulas better
by itself, so it, and other devices, get those.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """X / sqrt(mean(x²) + eps) · weight over the last dimension [..., D] (Zhang & Sennrich 2019).

    Computed in float32, or float64 if x is; like Hugging Face's, the result is cast to x's dtype
    before `weight` is multiplied.
    """
    wide = x if x.dtype == torch.float64 else x.float()
    if _plain(x) or not x.dtype == wide.dtype == weight.dtype:
        return F.rms_norm(wide, weight.shape, None, eps).type_as(x) * weight
    if torch.is_grad_enabled():
        return _RMSNorm.apply(x, weight, eps)  # type: ignore[no-untyped-call]
    return (x * _reciprocal_rms(x, eps)).mul_(weight)


def rotate(x_BTHd: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (x_i, x_{i + d/2}) of every head by their angle (Su 2021, half-split form).

    Args:
        x_BTHd: [B, T, H, d].
        cos, sin: [1 or B, T, 1, d/2], without gradient.
    """
    if _plain(x_BTHd):
        a, b = x_BTHd.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)
    if torch.is_grad_enabled():
        return _Rotate.apply(x_BTHd, cos, sin)  # type: ignore[no-untyped-call]
    return _turned(x_BTHd, cos, sin, 1.0)


def _plain(x: Tensor) -> bool:
    return x.device.type != "cpu" or torch.compiler.is_compiling()


class _RMSNorm(torch.autograd.Function):
    """With n = x·r, r = 1/rms: dx = r·(g·w - n·mean(g·w·n)), dw = Σ g·n."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        r = _reciprocal_rms(x, eps)
        ctx.save_for_backward(x, r, weight)
        return (x * r).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (grad,) = grads
        x, r, weight = ctx.saved_tensors
        normed = x * r
        product = grad * normed
        grad_weight = product.flatten(0, -2).sum(0)
        mean = (product @ weight).div_(-x.shape[-1]).unsqueeze(-1)
        return (grad * weight).addcmul_(normed, mean).mul_(r), grad_weight, None


def _reciprocal_rms(x: Tensor, eps: float) -> Tensor:
    square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
    return square.div_(x.shape[-1]).add_(eps).rsqrt_()


class _Rotate(torch.autograd.Function):
    """A rotation's gradient is the rotation back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turned(grads[0], cos, sin, -1.0), None, None


def _turned(x: Tensor, cos: Tensor, sin: Tensor, sign: float) -> Tensor:
    out = torch.empty_like(x, memory_format=torch.contiguous_format)
    (a, b), (left, right) = x.chunk(2, dim=-1), out.chunk(2, dim=-1)
    torch.mul(a, cos, out=left)
    left.addcmul_(b, sin, value=-sign)
    torch.mul(b, cos, out=right)
    right.addcmul_(a, sin, value=sign)
    return out
