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


def orthogonalise(matrix: Tensor) -> Tensor:
    """The polar factor U Vᵀ of a matrix U S Vᵀ, to within a few percent in each singular value.

    Args:
        matrix: [rows, cols], any floating dtype.

    Returns:
        [rows, cols] in the dtype of the input.
    """
    x = matrix.bfloat16() if matrix.device.type == "cuda" else matrix.float()
    tall = x.shape[0] > x.shape[1]
    x = x.mT if tall else x
    x = x / (x.norm() * 1.01 + 1e-7)
    for a, b, c in POLAR_EXPRESS:
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrix.dtype)


class Muon:
    """Steps the matrices it is given; state is kept by name.

    Args:
        named: name → [rows, cols] parameter.
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
        self.buffers = {name: torch.zeros_like(p) for name, p in named.items()}
        self.rows = {name: torch.zeros_like(p[:, :1]) for name, p in named.items() if even_rows}

    @torch.no_grad()
    def step(self, factor: float, progress: float) -> None:
        """One update; `factor` multiplies the learning rate and the decay."""
        warm = min(progress / 0.1, 1.0)  # momentum rises from 0.85 over the first tenth
        momentum = self.momentum - (1 - warm) * max(self.momentum - 0.85, 0)
        for name, weight in self.named.items():
            if weight.grad is None:
                continue
            buffer = self.buffers[name].lerp_(weight.grad, 1 - momentum)
            update = orthogonalise(weight.grad.lerp(buffer, momentum))
            if self.even_rows:
                update = self._even_rows(name, update)
            lr = self.lr * factor * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
            if self.weight_decay:
                pulls = (update * weight) > 0
                weight.sub_(weight * pulls, alpha=lr * self.weight_decay * factor)
            weight.sub_(update, alpha=lr)

    def _even_rows(self, name: str, update: Tensor) -> Tensor:
        """Divide each row by its usual size, keeping the size of the whole."""
        size = update.norm()
        moment = self.rows[name].lerp_(update.square().mean(1, keepdim=True), 1 - ROW_BETA2)
        update = update * moment.clamp(min=1e-12).rsqrt()
        return update * (size / update.norm().clamp(min=1e-12))

    def state(self) -> dict[str, Tensor]:
        """Tensors to save, by name."""
        moments = {f"momentum/{name}": t for name, t in self.buffers.items()}
        return moments | {f"row_square/{name}": t for name, t in self.rows.items()}
