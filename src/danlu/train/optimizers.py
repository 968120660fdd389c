"""Which optimizer moves which tensor, how fast, and with how much decay.

The rule is visible: `Optimizer.table()` lists it, and `--dry-run` prints it. With `muon`, matrices
inside the blocks are moved by Muon, all else by AdamW; decay is applied to matrices only. Every
optimizer's state is kept by parameter name, so that it can be saved, resharded and read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from danlu.errors import CheckpointError
from danlu.models.transformer import parameters
from danlu.train.muon import Muon
from danlu.train.settings import OptimizerConfig

ROUTERS = re.compile(r"(^|\.)(router|gate)(\.\w+)?\.weight$")
"""Of experts, if they have a row for each: `gate` may also be a part of an MLP."""

RATES = "A_log"
"""Of a state-space model: a table of rates, no map, and not to decay (Gu & Dao 2023)."""


class Part(Protocol):
    """One optimizer over some of the parameters."""

    named: dict[str, Tensor]

    def step(self, factor: float, progress: float) -> None:
        """One update."""

    def state(self) -> dict[str, Tensor]:
        """Tensors to save, by name."""


class Torch:
    """One of torch's own optimizers, with its state by name."""

    def __init__(self, named: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.named, self.optimizer = named, optimizer
        self.peak = [group["lr"] for group in optimizer.param_groups]
        self._begin()

    def step(self, factor: float, progress: float) -> None:
        """One update."""
        for group, peak in zip(self.optimizer.param_groups, self.peak, strict=True):
            group["lr"] = peak * factor
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Tensors to save, by name."""
        return {
            f"{key}/{name}": value
            for name, parameter in self.named.items()
            for key, value in self.optimizer.state[parameter].items()
            if isinstance(value, Tensor)
        }

    def _begin(self) -> None:
        """Let torch make its state now: a step at rate 0 with gradient 0 changes no weight."""
        before = [parameter.grad for parameter in self.named.values()]
        for parameter in self.named.values():
            parameter.grad = torch.zeros_like(parameter)
        self.step(0.0, 0.0)
        for parameter, grad in zip(self.named.values(), before, strict=True):
            parameter.grad = grad
        for tensor in self.state().values():
            tensor.zero_()


class Optimizer:
    """All optimizers of a run behind one face."""

    def __init__(self, parts: list[Part], groups: list[Group], clip: float) -> None:
        self.parts, self.groups, self.clip = parts, groups, clip
        self.parameters = [p for part in parts for p in part.named.values()]

    def gradient_norm(self) -> Tensor:
        """The norm of the whole gradient, before clipping, as a scalar tensor."""
        grads = [p.grad for p in self.parameters if p.grad is not None]
        return torch.nn.utils.get_total_norm(grads) if grads else torch.zeros(())

    def clip_to(self, norm: Tensor) -> None:
        """Scale the gradient down to the largest allowed norm."""
        if self.clip:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)

    def step(self, factor: float, progress: float) -> None:
        """One update of everything."""
        for part in self.parts:
            part.step(factor, progress)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def table(self) -> list[dict[str, Any]]:
        """One row a tensor: its name, shape, optimizer, peak learning rate and decay."""
        return [
            {
                "tensor": name,
                "shape": tuple(parameter.shape),
                "optimizer": group.optimizer,
                "lr": group.lr,
                "decay": group.decay,
            }
            for group in self.groups
            for name, parameter in group.named.items()
        ]

    def state(self) -> dict[str, Tensor]:
        """Tensors to save, as `moment/parameter`."""
        return {key: value for part in self.parts for key, value in part.state().items()}

    @torch.no_grad()
    def restore(self, names: Collection[str], read: Callable[[str], Tensor]) -> None:
        """Load what `state()` gave, one tensor at a time.

        Raises:
            CheckpointError: names or shapes differ.
        """
        mine = self.state()
        if odd := sorted(mine.keys() ^ set(names)):
            raise CheckpointError("the optimizer's state is of another run", got=odd[:4])
        for name, tensor in mine.items():
            saved = read(name)
            if tensor.shape != saved.shape:
                raise CheckpointError(
                    f"optimizer state {name} has another shape",
                    got=tuple(saved.shape),
                    expected=str(tuple(tensor.shape)),
                )
            tensor.copy_(saved)


@dataclass(frozen=True)
class Group:
    """Parameters that one optimizer moves at one rate."""

    optimizer: str
    named: dict[str, Tensor]
    lr: float
    decay: float


def build(model: nn.Module, cfg: OptimizerConfig) -> Optimizer:
    """The optimizer of a config for a model's trainable parameters."""
    named = {name: p for name, p in parameters(model).items() if p.requires_grad}
    hidden, tables, vectors = _kinds(model, named)
    if cfg.name == "muon":
        groups = [
            Group("muon", hidden, cfg.lr, cfg.weight_decay),
            Group("adamw", tables, cfg.embed_lr, 0.0),
            Group("adamw", vectors, cfg.vector_lr, 0.0),
        ]
        parts: list[Part] = [_muon(groups[0], cfg), _adamw(groups[1:], cfg)]
    else:
        groups = [
            Group(cfg.name, hidden | tables, cfg.lr, cfg.weight_decay),
            Group(cfg.name, vectors, cfg.lr, 0.0),
        ]
        parts = [_adamw(groups, cfg) if cfg.name == "adamw" else _sgd(groups, cfg)]
    return Optimizer(parts, groups, cfg.clip)


def _kinds(model: nn.Module, named: dict[str, Tensor]) -> tuple[dict[str, Tensor], ...]:
    """Matrices between vectors; embeddings, head and routers; norms and biases.

    Embeddings and head are known by what they are, because families name them differently. They
    and routers have a row for each thing to choose from: Muon would make all rows alike in size.
    Experts may be one stack of matrices.
    """
    rows = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    rows.add(id(getattr(getattr(model, "head", None), "weight", None)))
    experts = int(getattr(getattr(model, "config", None), "n_experts", 0))

    def is_table(name: str, p: Tensor) -> bool:
        routes = experts > 0 and len(p) == experts and ROUTERS.search(name)
        return p.ndim == 2 and (id(p) in rows or bool(routes))

    def is_matrix(name: str, p: Tensor) -> bool:
        stacked = p.ndim == 3 and experts > 0 and len(p) == experts
        return (p.ndim == 2 or stacked) and not name.endswith(RATES)

    tables = {n: p for n, p in named.items() if is_table(n, p)}
    hidden = {n: p for n, p in named.items() if n not in tables and is_matrix(n, p)}
    vectors = {n: p for n, p in named.items() if n not in tables and n not in hidden}
    return hidden, tables, vectors


def _muon(group: Group, cfg: OptimizerConfig) -> Muon:
    return Muon(
        group.named,
        lr=group.lr,
        weight_decay=group.decay,
        momentum=cfg.momentum,
        even_rows=cfg.even_rows,
    )


def _adamw(groups: list[Group], cfg: OptimizerConfig) -> Torch:
    """Fused: on a CPU 2.5 times as fast as torch's default."""
    named = {name: p for group in groups for name, p in group.named.items()}
    fused = all(p.device.type in ("cpu", "cuda", "mps") for p in named.values())
    betas = (cfg.beta1, cfg.beta2)
    return Torch(named, torch.optim.AdamW(_torch(groups), betas=betas, eps=1e-10, fused=fused))


def _sgd(groups: list[Group], cfg: OptimizerConfig) -> Torch:
    named = {name: p for group in groups for name, p in group.named.items()}
    return Torch(named, torch.optim.SGD(_torch(groups), momentum=cfg.momentum))


def _torch(groups: list[Group]) -> list[dict[str, Any]]:
    """Groups as torch's optimizers take them."""
    return [
        {"params": list(group.named.values()), "lr": group.lr, "weight_decay": group.decay}
        for group in groups
    ]
