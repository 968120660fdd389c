"""Muon: momentum, made orthogonal (Jordan et al. 2024), for matrices inside the blocks.

The update of a matrix is the nearest orthogonal matrix to its momentum, so all directions move at
the same speed. Here with the coefficients of Polar Express (Amsel et al. 2025, arXiv:2505.16932), a
second moment per row (NorMuon, Li et al. 2025, arXiv:2510.05491) and cautious weight decay, which
pulls only where the update pulls too (Chen et al. 2025, arXiv:2510.12402).

Our own and not `torch.optim.Muon`, because that casts to bfloat16, which is 23 times slower on a
CPU without hardware for it. Products are float32 on CPU and MPS, bfloat16 on CUDA.
"""

from __future__ import annotations

import torch
from torch import Tensor

POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


ROW_BETA2 = 0.95
"""Of the rows' second moments."""


def orthogonalise(matrices: Tensor) -> Tensor:
    """The polar factors U Vᵀ of matrices U S Vᵀ, to within a few percent in each singular value.

    Args:
        matrices: [..., rows, cols], any floating dtype. Stacked ones are done together, which for
            narrow models is three times as fast as one after the other, also on a CPU.

    Returns:
        The same shape, in the dtype of the input.
    """
    x = matrices.bfloat16() if matrices.device.type == "cuda" else matrices.float()
    x = x.reshape(-1, *x.shape[-2:])
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT.contiguous() if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.01 + 1e-7)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).reshape(matrices.shape).to(matrices.dtype)


class Muon:
    """Steps the matrices it is given; those of one shape are moved together.

    Args:
        named: name → [rows, cols] parameter, or [n, rows, cols] for n stacked matrices.
        lr: peak step, as the spectral norm of the change of a square matrix.
        weight_decay: share of a weight that is taken off per step, relative to lr.
        momentum: of the gradient, with Nesterov's look ahead.
        even_rows: divide each row of an update by its usual size (NorMuon).
    """

    def __init__(
        self,
        named: dict[str, Tensor],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        even_rows: bool = True,
    ) -> None:
        self.named, self.lr, self.weight_decay = named, lr, weight_decay
        self.momentum, self.even_rows = momentum, even_rows
        shapes: dict[torch.Size, list[str]] = {}
        for name, weight in named.items():
            shapes.setdefault(weight.shape, []).append(name)
        self.stacks = [_Stack(names, named[names[0]]) for names in shapes.values()]

    @torch.no_grad()
    def step(self, factor: float, progress: float) -> None:
        """One update; `factor` multiplies the learning rate and the decay."""
        warm = min(progress / 0.1, 1.0)  # momentum rises from 0.85 over the first tenth
        momentum = self.momentum - (1 - warm) * max(self.momentum - 0.85, 0)
        for stack in self.stacks:
            weights = [self.named[name] for name in stack.names]
            grad = torch.stack([_gradient(weight) for weight in weights])
            buffer = stack.momentum.lerp_(grad, 1 - momentum)
            update = orthogonalise(grad.lerp_(buffer, momentum))
            if self.even_rows:
                update = _evened(update, stack.row_square)
            rows, cols = update.shape[-2:]
            lr = self.lr * factor * max(1.0, rows / cols) ** 0.5
            for weight, change in zip(weights, update, strict=True):
                if self.weight_decay:
                    pulls = (change * weight) > 0
                    weight.sub_(weight * pulls, alpha=lr * self.weight_decay * factor)
                weight.sub_(change, alpha=lr)

    def state(self) -> dict[str, Tensor]:
        """Tensors to save, by name: views of what `step` uses."""
        kept = {}
        for stack in self.stacks:
            for place, name in enumerate(stack.names):
                kept[f"momentum/{name}"] = stack.momentum[place]
                if self.even_rows:
                    kept[f"row_square/{name}"] = stack.row_square[place]
        return kept


class _Stack:
    """The state of n weights of one shape: momentum [n, …, rows, cols], squares [n, …, rows, 1]."""

    def __init__(self, names: list[str], like: Tensor) -> None:
        self.names = names
        self.momentum = like.new_zeros((len(names), *like.shape))
        self.row_square = like.new_zeros((len(names), *like.shape[:-1], 1))


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _evened(update: Tensor, row_square: Tensor) -> Tensor:
    """Divide each row by its usual size, keeping the size of the whole matrix."""
    size = update.norm(dim=(-2, -1), keepdim=True)
    row_square.lerp_(update.square().mean(-1, keepdim=True), 1 - ROW_BETA2)
    update = update * row_square.clamp(min=1e-12).rsqrt()
    return update * (size / update.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-12))
