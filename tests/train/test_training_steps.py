"""The loop: one loss and gradient however a step is split, and no update from a bad one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from train_examples import CPU, batches, model, same, snapshot, train_config

from danlu.errors import TrainingError
from danlu.models.transformer import Transformer, parameters
from danlu.runtime import TensorBatch
from danlu.train import optimizers
from danlu.train.horizon import Steps
from danlu.train.objectives.next_token import NextToken
from danlu.train.optimizers import Optimizer
from danlu.train.settings import OptimizerConfig
from danlu.train.steps import StepInfo, steps
from danlu.types import IGNORE, Batch

WIDE, NARROW = 1e-12, 2e-6
"""Relative differences that rounding may make: in float64, and in float32."""


class Wide(NextToken):
    """The same objective through logits, so that it is float64 for a float64 model."""

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        logits = model(batch.tokens).flatten(0, 1)
        loss = F.cross_entropy(logits, batch.labels.flatten(), ignore_index=IGNORE, reduction="sum")
        return loss, {"right": (logits.argmax(-1) == batch.labels.flatten()).sum()}


class Still(Optimizer):
    """Keeps the gradients and moves nothing."""

    def __init__(self, built: nn.Module) -> None:
        super().__init__([], [], 0.0)
        self.parameters = list(parameters(built).values())

    def step(self, factor: float, progress: float) -> None:
        self.grads = [p.grad.clone() for p in self.parameters if p.grad is not None]


def rows(count: int = 6, seed: int = 0) -> Batch:
    """Rows of which very different numbers of labels count; one has none."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(0, 300, (count, 12), dtype=np.int32)
    labels = generator.integers(0, 300, (count, 12), dtype=np.int32)
    for row in range(count):
        labels[row, : 12 - row * row % 13] = IGNORE
    return Batch(tokens=tokens, labels=labels, ids=[f"row {n}" for n in range(count)])


def cut(batch: Batch, sizes: list[int]) -> list[Batch]:
    ends = np.cumsum(sizes)
    return [
        Batch(batch.tokens[a:b], batch.labels[a:b], ids=batch.ids[a:b])
        for a, b in zip(ends - sizes, ends, strict=True)
    ]


def one_step(
    built: nn.Module, objective: Any, micro: list[Batch], optimizer: Optimizer | None = None
) -> tuple[StepInfo, list[Tensor]]:
    still = Still(built)
    infos = steps(
        built,
        objective,
        lambda step: micro,
        optimizer or still,
        horizon=Steps(1),
        factor=lambda progress: 1.0,
        runtime=CPU,
    )
    (info,) = infos
    return info, getattr(still, "grads", [])


def wide_model() -> Transformer:
    return model(norm="layer", position="learned").double()


def apart(one: list[Tensor], other: list[Tensor]) -> float:
    """The largest difference of two gradients, relative to the larger one's norm."""
    size = torch.cat([t.flatten() for t in one]).norm()
    return max(float((a - b).abs().max() / size) for a, b in zip(one, other, strict=True))


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6).filter(lambda s: sum(s) <= 6))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_any_split_gives_the_same_loss_and_gradient(sizes: list[int]) -> None:
    sizes = [*sizes, *([6 - sum(sizes)] if sum(sizes) < 6 else [])]
    built, batch = wide_model(), rows()
    whole, gradient = one_step(built, Wide(), [batch])
    split, parts = one_step(built, Wide(), cut(batch, sizes))
    assert split.units == whole.units == int((batch.labels != IGNORE).sum())
    assert split.tokens == whole.tokens == 72
    assert split.loss == pytest.approx(whole.loss, rel=WIDE)
    assert split.metrics == pytest.approx(whole.metrics, rel=WIDE)
    assert split.grad_norm == pytest.approx(whole.grad_norm, rel=WIDE)
    assert apart(gradient, parts) < WIDE


def test_the_loss_is_the_mean_over_all_labels() -> None:
    built, batch = wide_model(), rows()
    info, gradient = one_step(built, Wide(), cut(batch, [1] * 6))
    logits = built(torch.from_numpy(batch.tokens).long())
    labels = torch.from_numpy(batch.labels).long()
    mean = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORE)
    built.zero_grad()
    mean.backward()
    right = (logits.argmax(-1) == labels)[labels != IGNORE].double().mean()
    assert info.loss == pytest.approx(mean.item(), rel=WIDE)
    assert info.metrics == {"right": pytest.approx(float(right))}
    wanted = [p.grad for p in parameters(built).values()]
    assert apart([g for g in wanted if g is not None], gradient) < WIDE


def test_splits_in_float32_with_the_chunked_head() -> None:
    built, batch = model(), rows()
    whole, gradient = one_step(built, NextToken(), [batch])
    split, parts = one_step(built, NextToken(), cut(batch, [1, 3, 2]))
    assert split.loss == pytest.approx(whole.loss, rel=NARROW)
    assert apart(gradient, parts) < NARROW


def test_a_step_without_anything_to_learn_is_refused_before_any_forward_pass() -> None:
    batch = rows()
    batch.labels[:] = IGNORE
    built = model()
    before = snapshot(built)
    built.forward = None  # type: ignore[method-assign, assignment]
    with pytest.raises(TrainingError, match="step 1 has nothing to learn from") as caught:
        one_step(built, NextToken(), cut(batch, [3, 3]))
    assert caught.value.got == "row 0, row 1, row 2, row 3, row 4, row 5"
    assert same(before, snapshot(built))


class Spoiled(NextToken):
    """An objective that goes wrong in its second micro-batch."""

    def __init__(self, how: Callable[[nn.Module, Tensor], Tensor]) -> None:
        self.how, self.calls = how, 0

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        total, metrics = super().loss(model, batch)
        self.calls += 1
        return (self.how(model, total) if self.calls == 2 else total), metrics


def zero_with_a_gradient_of_nan(model: nn.Module, loss: Tensor) -> Tensor:
    return loss + (next(model.parameters()).sum() * 0.0).sqrt()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda model, loss: loss * math.nan, "loss nan, gradient norm nan"),
        (lambda model, loss: loss * math.inf, "loss inf, gradient norm"),
        (zero_with_a_gradient_of_nan, "gradient norm nan"),
    ],
)
@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_what_is_not_finite_stops_before_the_update(
    how: Callable[[nn.Module, Tensor], Tensor], said: str, name: Any
) -> None:
    built = model()
    optimizer = optimizers.build(built, OptimizerConfig(name=name))
    one_step(built, NextToken(), [rows(seed=1)], optimizer)
    before, state = snapshot(built), {k: v.clone() for k, v in optimizer.state().items()}
    with pytest.raises(TrainingError, match=r"of step 1 is not finite; .* as before") as caught:
        one_step(built, Spoiled(how), cut(rows(), [2, 3, 1]), optimizer)
    assert said in str(caught.value.got) and "row 0, row 1, row 2" in str(caught.value.got)
    if said == "gradient norm nan":
        assert "loss nan" not in str(caught.value.got)
    assert same(before, snapshot(built))
    assert same(state, optimizer.state())


def test_long_lists_of_rows_are_cut() -> None:
    batch = rows(count=9)
    batch.labels[:] = IGNORE
    with pytest.raises(TrainingError) as caught:
        one_step(model(), NextToken(), [batch])
    assert str(caught.value.got).endswith("row 5 and 3 more")


def test_infos_of_a_run_that_starts_later() -> None:
    cfg = train_config(steps=5)
    built = model().eval()
    optimizer = optimizers.build(
        built, OptimizerConfig(name="sgd", lr=1.0, weight_decay=0.0, clip=1e-3)
    )
    before = snapshot(built)
    infos = list(
        steps(
            built,
            NextToken(),
            batches(cfg),
            optimizer,
            horizon=Steps(5),
            factor=lambda progress: 1 - progress,
            runtime=CPU,
            start=3,
        )
    )
    assert [info.step for info in infos] == [4, 5]
    assert [info.factor for info in infos] == pytest.approx([0.3, 0.1])
    assert all(info.tokens == 48 and info.units == 48 and info.seconds > 0 for info in infos)
    assert built.training
    moved = math.sqrt(sum(float((p - before[n]).norm()) ** 2 for n, p in snapshot(built).items()))
    assert infos[0].grad_norm > 0.1  # before it is clipped
    assert moved < 1e-3


def test_dropout_depends_on_the_seed_and_the_step_only() -> None:
    def losses(seed: int, start: int) -> list[float]:
        built = model(dropout=0.5)
        still = Still(built)
        torch.manual_seed(start)
        stream = steps(
            built,
            NextToken(),
            lambda step: cut(rows(), [3, 3]),
            still,
            horizon=Steps(4),
            factor=lambda progress: 1.0,
            runtime=CPU,
            seed=seed,
            start=start,
        )
        return [info.loss for info in stream]

    whole = losses(0, 0)
    assert len(set(whole)) == 4 and whole[2:] == losses(0, 2)
    assert whole != losses(1, 0)
