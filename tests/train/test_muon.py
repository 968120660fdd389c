"""Muon: beside the singular value decomposition, and beside fifteen lines of plain algebra."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from danlu.train.muon import POLAR_EXPRESS, ROW_BETA2, Muon, orthogonalise

SHAPES = [(8, 8), (16, 48), (48, 16), (64, 64), (96, 32), (1, 5), (5, 1)]


def conditioned(rows: int, cols: int, seed: int, worst: float = 0.1) -> Tensor:
    """A random matrix whose singular values go from 1 down to `worst`."""
    generator = torch.Generator().manual_seed(seed)
    u, _, vt = torch.linalg.svd(
        torch.randn(rows, cols, generator=generator, dtype=torch.float64), full_matrices=False
    )
    return ((u * torch.linspace(1, worst, min(rows, cols), dtype=torch.float64)) @ vt).float()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_near_the_polar_factor(shape: tuple[int, int], size: float) -> None:
    matrix = conditioned(*shape, seed=sum(shape)) * size
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalise(matrix)
    assert found.shape == shape and found.dtype == torch.float32
    inner = u.T @ found @ vt.T  # diagonal, with the singular values that remain
    assert float(inner.diagonal().min()) > 0.7 and float(inner.diagonal().max()) < 1.2
    assert float((inner - inner.diagonal().diag()).abs().max()) < 1e-3


def test_what_is_small_stays_small() -> None:
    """Directions below a thousandth of the whole are noise, and are not blown up."""
    matrix = conditioned(16, 16, seed=0, worst=1e-7)
    assert float(torch.linalg.svdvals(orthogonalise(matrix)).max()) < 1.2
    assert not orthogonalise(torch.zeros(4, 6)).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_stacked_is_one_by_one(shape: tuple[int, int]) -> None:
    matrices = torch.stack([conditioned(*shape, seed=n) for n in range(6)])
    found = orthogonalise(matrices)
    torch.testing.assert_close(found, torch.stack([orthogonalise(m) for m in matrices]))
    torch.testing.assert_close(orthogonalise(matrices.view(2, 3, *shape)).flatten(0, 1), found)


def test_other_dtypes_come_back_in_their_own() -> None:
    assert orthogonalise(conditioned(4, 8, 0).double()).dtype == torch.float64


class Dtypes(TorchDispatchMode):
    """Notes the dtype of everything that is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else [out]:
            if isinstance(value, Tensor):
                self.seen.add(value.dtype)
        return out


def test_no_bfloat16_on_a_cpu() -> None:
    muon = Muon(weights(), lr=0.1, weight_decay=0.1)
    give_gradients(muon.named, 0)
    with Dtypes() as dtypes:
        muon.step(1.0, 0.5)
    assert torch.float32 in dtypes.seen and torch.bfloat16 not in dtypes.seen


# ---- the whole step


def weights() -> dict[str, Tensor]:
    shapes = {"a.q": (8, 12), "a.up": (24, 8), "b.q": (8, 12), "b.out": (8, 8)}
    return {n: torch.nn.Parameter(conditioned(*s, seed=len(n))) for n, s in shapes.items()}


def give_gradients(named: dict[str, Tensor], step: int) -> None:
    for number, weight in enumerate(named.values()):
        generator = torch.Generator().manual_seed(100 * step + number)
        weight.grad = torch.randn(weight.shape, generator=generator)


def reference(
    weight: Tensor, grads: list[Tensor], *, lr: float, decay: float, momentum: float, even: bool
) -> Tensor:
    """The weight after a step for each gradient, as the papers have it."""
    w, buffer, rows = weight.double(), torch.zeros_like(weight).double(), 0.0
    for step, g in enumerate(grads):
        progress, factor = (step + 0.5) / len(grads), 1 - 0.5 * step / len(grads)
        low = min(0.85, momentum)
        mu = low + (momentum - low) * min(progress / 0.1, 1)
        buffer = mu * buffer + (1 - mu) * g.double()
        x = mu * buffer + (1 - mu) * g.double()  # Nesterov's look ahead
        x = x / (1.01 * x.norm() + 1e-7)
        for a, b, c in POLAR_EXPRESS:
            x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
        if even:
            rows = ROW_BETA2 * rows + (1 - ROW_BETA2) * (x * x).mean(1, keepdim=True)
            scaled = x / torch.as_tensor(rows).sqrt()
            x = scaled * x.norm() / scaled.norm()
        rate = lr * factor * max(1, w.shape[0] / w.shape[1]) ** 0.5
        w = w - rate * factor * decay * w * (x * w > 0) - rate * x
    return w.float()


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.5])
@pytest.mark.parametrize("momentum", [0.95, 0.8])
def test_whole_step(even: bool, decay: float, momentum: float) -> None:
    named = weights()
    before = {name: weight.detach().clone() for name, weight in named.items()}
    muon = Muon(named, lr=0.1, weight_decay=decay, momentum=momentum, even_rows=even)
    seen: dict[str, list[Tensor]] = {name: [] for name in named}
    for step in range(6):
        give_gradients(named, step)
        for name, weight in named.items():
            assert weight.grad is not None
            seen[name].append(weight.grad.clone())
        muon.step(1 - 0.5 * step / 6, (step + 0.5) / 6)
    for name, weight in named.items():
        wanted = reference(
            before[name], seen[name], lr=0.1, decay=decay, momentum=momentum, even=even
        )
        torch.testing.assert_close(weight.detach(), wanted, rtol=1e-4, atol=1e-5)


def test_gradients_are_left_as_they_are_and_a_missing_one_is_zero() -> None:
    named = weights()
    muon = Muon(named, lr=0.1)
    give_gradients(named, 0)
    named["b.q"].grad = None
    kept = {name: weight.grad.clone() for name, weight in named.items() if weight.grad is not None}
    still = named["b.q"].detach().clone()
    muon.step(1.0, 0.5)
    assert torch.equal(named["b.q"], still)
    for name, grad in kept.items():
        assert named[name].grad is not None and torch.equal(named[name].grad, grad)


def test_state_is_what_step_uses() -> None:
    named = weights()
    muon = Muon(named, lr=0.1)
    assert {k: tuple(v.shape) for k, v in muon.state().items() if "a.up" in k} == {
        "momentum/a.up": (24, 8),
        "row_square/a.up": (24, 1),
    }
    give_gradients(named, 0)
    muon.step(1.0, 0.5)
    grad = named["a.up"].grad
    assert grad is not None
    torch.testing.assert_close(muon.state()["momentum/a.up"], grad * 0.05)
    for tensor in muon.state().values():
        tensor.zero_()
    assert not muon.stacks[0].momentum.any()


def test_no_matrices() -> None:
    muon = Muon({}, lr=0.1)
    muon.step(1.0, 0.5)
    assert muon.state() == {}
