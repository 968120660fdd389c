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


def linear_nll(hidden_ND: Tensor, weight_VD: Tensor, target_N: Tensor) -> Tensor:
    """Negative log-likelihood of each target under softmax(hidden · weightᵀ).

    Args:
        hidden_ND: [N, D], any floating dtype.
        weight_VD: [V, D].
        target_N: [N] token ids, or IGNORE, whose loss is 0.

    Returns:
        [N] in nats, float32, or float64 if the rows are.
    """
    return _LinearNLL.apply(hidden_ND, weight_VD, target_N)  # type: ignore[no-untyped-call]


def rows_at_a_time(vocab_size: int, device: str) -> int:
    """Rows per chunk: logits that stay in a core's cache on CPU, 64 MiB at most elsewhere."""
    budget = 1 << (19 if device == "cpu" else 24)  # numbers, of 4 bytes
    return max(64, budget // vocab_size)


class _LinearNLL(torch.autograd.Function):
    """Loss and both gradients in the forward pass.

    The gradient of the hidden rows is exact for any weighting of the losses. The weight's is summed
    over rows at once, which is right when all losses weigh the same (they come from a sum, and
    autograd hands down an expanded scalar); else it is recomputed in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        wide = _wide(hidden.dtype)
        nll = torch.empty(len(hidden), dtype=wide, device=hidden.device)
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=wide) if wants_weight else None
        rows = rows_at_a_time(len(weight), hidden.device.type)
        for part in _slices(len(hidden), rows):
            probs, nll[part] = _softmax_and_nll(hidden[part], weight, target[part])
            if grad_hidden is not None or grad_weight is not None:
                _subtract_one_hot(probs, target[part])
                probs = probs.to(weight.dtype)
            if grad_hidden is not None:
                torch.mm(probs, weight, out=grad_hidden[part])
            if grad_weight is not None:
                _add_product(grad_weight, probs, hidden[part])
        ctx.save_for_backward(hidden, weight, target, grad_hidden, grad_weight)
        return nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (grad,) = grads
        hidden, weight, target, grad_hidden, grad_weight = ctx.saved_tensors
        if grad_hidden is not None:
            grad_hidden = grad_hidden * grad[:, None].to(grad_hidden.dtype)
        if grad_weight is not None:
            if all(stride == 0 for stride in grad.stride()) or len(grad) == 0:
                scale = grad.flatten()[:1].sum() if len(grad) else 0.0
                grad_weight = grad_weight * scale
            else:
                grad_weight = _weight_gradient(hidden, weight, target, grad)
            grad_weight = grad_weight.to(weight.dtype)
        return grad_hidden, grad_weight, None


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _slices(total: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def _softmax_and_nll(hidden: Tensor, weight: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """[n, V] probabilities and [n] losses, float32 at least."""
    logits = hidden @ weight.T
    logits = logits.to(_wide(logits.dtype))
    peak = logits.amax(-1, keepdim=True)
    picked = logits.gather(-1, _index(target))
    probs = logits.sub_(peak).exp_()
    total = probs.sum(-1, keepdim=True)
    nll = (total.log() + peak - picked).squeeze(-1)
    return probs.div_(total), nll.masked_fill_(target == IGNORE, 0.0)


def _subtract_one_hot(probs: Tensor, target: Tensor) -> None:
    """Turn probabilities into the gradient of the loss by the logits, in place."""
    probs.scatter_add_(-1, _index(target), probs.new_full((len(probs), 1), -1.0))
    probs.masked_fill_((target == IGNORE)[:, None], 0.0)


def _index(target: Tensor) -> Tensor:
    """[n, 1]: where to look a target up; any token will do for one that is ignored."""
    return target.masked_fill(target == IGNORE, 0)[:, None]


def _add_product(total: Tensor, probs: Tensor, hidden: Tensor) -> None:
    if total.dtype == hidden.dtype:
        total.addmm_(probs.T, hidden)
    else:
        total += probs.T @ hidden


def _weight_gradient(hidden: Tensor, weight: Tensor, target: Tensor, grad: Tensor) -> Tensor:
    total = torch.zeros_like(weight, dtype=_wide(hidden.dtype))
    for part in _slices(len(hidden), rows_at_a_time(len(weight), hidden.device.type)):
        probs, _ = _softmax_and_nll(hidden[part], weight, target[part])
        _subtract_one_hot(probs, target[part])
        _add_product(total, (probs * grad[part, None]).to(weight.dtype), hidden[part])
    return total
