"""The vocabulary head's loss, without ever holding all logits.

For N rows, width D and V tokens the logits are N·V numbers: at 32 k tokens and a vocabulary of
150 k, 20 GB. They are made for some rows at a time, and what the backward pass needs from them is
computed at once. Idea: "Cut Your Losses" (Wijmans et al. 2024, arXiv:2411.09009); this is the plain
chunked form.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from danlu.types import IGNORE


def linear_nll(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    target_N: Tensor,
    *,
    bias: Tensor | None = None,
    softcap: float = 0.0,
) -> Tensor:
    """Negative log-likelihood of each target under softmax(hidden · weightᵀ + bias).

    Args:
        hidden_ND: [N, D], any floating dtype.
        weight_VD: [V, D].
        target_N: [N] token ids, or IGNORE, whose loss is 0.
        bias: [V].
        softcap: what logits are bent below, see `softcapped`; 0: they are not.

    Returns:
        [N] in nats, float32, or float64 if the rows are.
    """
    return _LinearNLL.apply(hidden_ND, weight_VD, target_N, bias, softcap)  # type: ignore[no-untyped-call]


def softcapped(x: Tensor, cap: float) -> Tensor:
    """Numbers bent so that they stay within ±cap: cap · tanh(x / cap) (Gemma 2).

    >>> softcapped(torch.tensor([0.1, 1000.0]), 30.0)
    tensor([ 0.1000, 30.0000])
    """
    return torch.tanh(x / cap) * cap


def rows_at_a_time(vocab_size: int, device: str) -> int:
    """Rows per chunk: logits that stay in a core's cache on CPU, 64 MiB at most elsewhere."""
    budget = 1 << (19 if device == "cpu" else 24)  # numbers, of 4 bytes
    return max(64, budget // vocab_size)


class _LinearNLL(torch.autograd.Function):
    """Loss and all gradients in the forward pass.

    The gradient of the hidden rows is exact for any weighting of the losses. Those of weight and
    bias are summed over rows at once, which is right when all losses weigh the same (they come from
    a sum, and autograd hands down an expanded scalar); else they are recomputed in the backward
    pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        target: Tensor,
        bias: Tensor | None,
        softcap: float,
    ) -> Tensor:
        wide = _wide(hidden.dtype)
        nll = torch.empty(len(hidden), dtype=wide, device=hidden.device)
        wants_hidden, wants_weight, _, wants_bias, _ = ctx.needs_input_grad
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=wide) if wants_weight else None
        grad_bias = torch.zeros_like(bias, dtype=wide) if wants_bias and bias is not None else None
        rows = rows_at_a_time(len(weight), hidden.device.type)
        for part in _slices(len(hidden), rows):
            own = hidden[part]
            probs, nll[part], slope = _softmax_and_nll(own, weight, bias, target[part], softcap)
            if grad_hidden is None and grad_weight is None and grad_bias is None:
                continue
            grad = _logits_gradient(probs, target[part], slope)
            if grad_bias is not None:
                grad_bias += grad.sum(0)
            grad = grad.to(weight.dtype)
            if grad_hidden is not None:
                torch.mm(grad, weight, out=grad_hidden[part])
            if grad_weight is not None:
                _add_product(grad_weight, grad, own)
        ctx.save_for_backward(hidden, weight, target, bias, grad_hidden, grad_weight, grad_bias)
        ctx.softcap = softcap
        return nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        hidden, weight, target, bias, grad_hidden, grad_weight, grad_bias = ctx.saved_tensors
        if grad_hidden is not None:
            grad_hidden = grad_hidden * grad[:, None].to(grad_hidden.dtype)
        if grad_weight is not None or grad_bias is not None:
            if all(stride == 0 for stride in grad.stride()) or len(grad) == 0:
                scale = grad.flatten()[:1].sum() if len(grad) else 0.0
                grad_weight = None if grad_weight is None else grad_weight * scale
                grad_bias = None if grad_bias is None else grad_bias * scale
            else:
                grad_weight, grad_bias = _weight_gradients(
                    hidden, weight, bias, target, grad, ctx.softcap
                )
        grad_weight = grad_weight.to(weight.dtype) if ctx.needs_input_grad[1] else None
        grad_bias = grad_bias.to(bias.dtype) if ctx.needs_input_grad[3] else None
        return grad_hidden, grad_weight, None, grad_bias, None


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _slices(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def _softmax_and_nll(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, softcap: float
) -> tuple[Tensor, Tensor, Tensor | None]:
    """[n, V] probabilities and [n] losses, float32 at least, and the slopes of capped logits."""
    logits = hidden @ weight.T
    logits = logits.to(_wide(logits.dtype))
    slope = None
    if bias is not None:
        logits += bias
    if softcap:
        logits = softcapped(logits, softcap)
        slope = 1 - (logits / softcap).square()
    peak = logits.amax(-1, keepdim=True)
    picked = logits.gather(-1, _index(target))
    probs = logits.sub_(peak).exp_()
    total = probs.sum(-1, keepdim=True)
    nll = (total.log() + peak - picked).squeeze(-1)
    return probs.div_(total), nll.masked_fill_(target == IGNORE, 0.0), slope


def _logits_gradient(probs: Tensor, target: Tensor, slope: Tensor | None) -> Tensor:
    """The gradient of the loss by the logits, in the place of the probabilities."""
    probs.scatter_add_(-1, _index(target), probs.new_full((len(probs), 1), -1.0))
    probs.masked_fill_((target == IGNORE)[:, None], 0.0)
    return probs if slope is None else probs.mul_(slope)


def _index(target: Tensor) -> Tensor:
    """[n, 1]: where to look a target up; any token will do for one that is ignored."""
    return target.masked_fill(target == IGNORE, 0)[:, None]


def _add_product(total: Tensor, probs: Tensor, hidden: Tensor) -> None:
    if total.dtype == hidden.dtype:
        total.addmm_(probs.T, hidden)
    else:
        total += probs.T @ hidden


def _weight_gradients(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    target: Tensor,
    weights_N: Tensor,
    softcap: float,
) -> tuple[Tensor, Tensor]:
    """Those of weight and bias, where losses weigh differently."""
    wide = _wide(hidden.dtype)
    total, shift = torch.zeros_like(weight, dtype=wide), hidden.new_zeros(len(weight), dtype=wide)
    for part in _slices(len(hidden), rows_at_a_time(len(weight), hidden.device.type)):
        own = hidden[part]
        probs, _, slope = _softmax_and_nll(own, weight, bias, target[part], softcap)
        grad = _logits_gradient(probs, target[part], slope).mul_(weights_N[part, None])
        shift += grad.sum(0)
        _add_product(total, grad.to(weight.dtype), own)
    return total, shift
