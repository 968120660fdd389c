"""The training loop: the only place that calls backward().

The loss of a step is a SUM over all its units (tokens, pairs, rows), divided by their number, which
is counted over all micro-batches and ranks before the first forward pass. So the gradient is the
same however the step is split: a mean of micro-batch means is not, when they differ in length.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from danlu.errors import TrainingError
from danlu.runtime import Runtime, TensorBatch
from danlu.train import schedules
from danlu.train.horizon import Horizon
from danlu.train.optimizers import Optimizer
from danlu.types import Batch

Batches = Callable[[int], list[Batch]]
"""Step → this rank's micro-batches; a pure function, so a resumed run sees the same ones."""


class Objective(Protocol):
    """What is minimised; one file each in `train/objectives/`."""

    def units(self, batch: Batch) -> int:
        """What the mean runs over, known before any forward pass."""

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The SUM over units, float32, and sums of further metrics."""


@dataclass(frozen=True, slots=True)
class StepInfo:
    """What happened in one step."""

    step: int
    """Steps done, this one included."""

    loss: float
    """Mean over the units of this step."""

    units: int
    tokens: int
    """Tokens that went through the model in this step, over all ranks."""

    factor: float
    """What the learning rates were multiplied by."""

    grad_norm: float
    seconds: float
    metrics: dict[str, float]


def steps(
    model: nn.Module,
    objective: Objective,
    batches: Batches,
    optimizer: Optimizer,
    *,
    horizon: Horizon,
    factor: Callable[[float], float] = schedules.default,
    runtime: Runtime | None = None,
    seed: int = 0,
    start: int = 0,
) -> Iterator[StepInfo]:
    """Train, and yield after every step. A horizon in minutes is told the time by the caller.

    Args:
        model: called by the objective; its parameters are the optimizer's.
        objective: what is minimised.
        batches: step → micro-batches of this rank.
        optimizer: moves the parameters.
        horizon: when the run is over.
        factor: progress → what the learning rates are multiplied by.
        runtime: device and ranks; None: this process alone, where the parameters are.
        seed: of dropout.
        start: steps that earlier sessions have done.

    Raises:
        TrainingError: a step has no units, or its loss or gradient is not finite; nothing was
            updated in that step.
    """
    step, runtime = start, runtime or Runtime.of(optimizer.parameters[0].device)
    while (progress := horizon.progress(step)) < 1:
        began = time.perf_counter()
        micro = batches(step)
        units = runtime.sum(sum(map(objective.units, micro)))
        if not units > 0:
            raise TrainingError(f"step {step + 1} has nothing to learn from", got=_names(micro))
        model.train()
        optimizer.zero_grad()
        total, sums = _accumulate(model, objective, micro, units, runtime, (seed, step))
        runtime.sum_gradients(optimizer.parameters)
        loss, norm = runtime.sum(total) / units, optimizer.gradient_norm()
        if runtime.any(not bool(torch.isfinite(loss) & torch.isfinite(norm))):
            raise TrainingError(
                f"loss or gradient of step {step + 1} is not finite; the weights are as before it",
                got=f"loss {float(loss)}, gradient norm {float(norm)}, rows {_names(micro)}",
                fix="lower the learning rate, lengthen the warm-up, or set optimizer.clip to 1",
            )
        optimizer.clip_to(norm)
        multiplier = factor(progress)
        optimizer.step(multiplier, progress)
        step += 1
        yield StepInfo(
            step=step,
            loss=float(loss),
            units=int(units),
            tokens=int(runtime.sum(sum(batch.tokens.size for batch in micro))),
            factor=multiplier,
            grad_norm=float(norm),
            seconds=time.perf_counter() - began,
            metrics={name: float(runtime.sum(value) / units) for name, value in sums.items()},
        )


def _accumulate(
    model: nn.Module,
    objective: Objective,
    micro: list[Batch],
    units: Tensor,
    runtime: Runtime,
    seeds: tuple[int, int],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradients of all micro-batches, and the sums of the loss and the metrics."""
    total: Tensor = torch.zeros((), device=runtime.device)
    sums: dict[str, Tensor] = {}
    for number, batch in enumerate(micro):
        runtime.seed(*seeds, number)
        with runtime.autocast():
            loss, metrics = objective.loss(model, runtime.put(batch))
        (loss / units.to(loss.dtype)).backward()
        total = total + loss.detach()
        for name, value in metrics.items():
            sums[name] = sums.get(name, torch.zeros_like(value)) + value.detach()
    return total, sums


def _names(micro: list[Batch]) -> str:
    names = [name for batch in micro for name in batch.ids]
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
