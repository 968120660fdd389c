"""What a run will take on this machine; and which model makes the best of the time there is.

A few seconds of real training steps tell the speed. How far a model of N weights gets with D
tokens follows a scaling law, L(N, D) = E + A / N^α + B / D^β (Hoffmann 2022, arXiv:2203.15556,
§3.3); only its shape matters, since candidates are compared on one machine and one text. Repeated
tokens are worth less: D' = U + U·R·(1 - e^(-r/R)) for r repeats of U tokens (Muennighoff 2023,
arXiv:2305.16264, with R = 15.4).
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from danlu import hardware, log
from danlu.models import count
from danlu.models.config import ModelConfig
from danlu.models.init import initialise
from danlu.models.transformer import Transformer
from danlu.runtime import Runtime
from danlu.train import bigram_start, optimizers
from danlu.train.horizon import Steps
from danlu.train.objectives.next_token import NextToken
from danlu.train.settings import OptimizerConfig, TrainConfig
from danlu.train.steps import steps
from danlu.types import Batch

LADDER = (
    (2, 64), (3, 96), (4, 128), (5, 160), (6, 192), (6, 256), (8, 384),
    (12, 512), (12, 768), (16, 1024), (24, 1536), (24, 2048),
)  # fmt: skip
"""(blocks, width) that the planner considers."""

A, ALPHA, B, BETA, E = 406.4, 0.34, 410.7, 0.28, 1.69
"""Hoffmann 2022, equation 10: nats a token on web text; only used to rank sizes."""

REPEAT = 15.4
USED = 0.35
"""Share of a matrix product's speed that training reaches, for a first guess."""

MEASURED = 3
"""Candidates that are really run."""


@dataclass(frozen=True)
class Plan:
    """Settings, and what they will take."""

    model: ModelConfig
    optimizer: OptimizerConfig
    train: TrainConfig
    predicted: dict[str, Any]
    candidates: list[dict[str, Any]] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For plan.json."""
        return {
            "predicted": self.predicted,
            "candidates": self.candidates,
            "machine": self.machine,
        }


def choose(
    *,
    minutes: float,
    unique_tokens: int,
    vocab_size: int,
    train: TrainConfig,
    runtime: Runtime,
) -> Plan:
    """The model, batch and rates that make the best of so many minutes of training.

    Args:
        minutes: time for training.
        unique_tokens: tokens in the text; more than that are repeats.
        vocab_size: of the tokenizer.
        train: settings to keep: context, seed, schedule.
        runtime: where it will run.
    """
    rows = []
    for step, guess in _promising(minutes, vocab_size, train.context, runtime):
        model = shape(*step, vocab_size=vocab_size, context=train.context)
        cfg = train.model_copy(update={"batch_tokens": batch_tokens(guess, train.context)})
        seconds = step_seconds(model, OptimizerConfig(), cfg, runtime)
        speed = cfg.rows * cfg.context / seconds
        tokens = speed * minutes * 60
        loss = expected_loss(count.parameters(model), tokens, unique_tokens)
        rows.append((loss, speed, model, cfg))
        log.say(
            f"  {step[0]} × {step[1]}: {log.count(count.parameters(model))} parameters, "
            f"{speed:,.0f} tokens/s",
            level=2,
        )
    best, speed, model, cfg = min(rows, key=lambda row: row[0])
    optimizer = rates(steps_of(speed * minutes * 60, cfg))
    candidates = [
        {
            "name": f"{m.n_layers} × {m.d_model}",
            "parameters": count.parameters(m),
            "tokens_per_s": round(s),
            "relative_loss": round(loss / best, 3),
            "chosen": m is model,
        }
        for loss, s, m, _ in rows
    ]
    cfg = cfg.model_copy(update={"minutes": minutes})
    figures = predicted(model, cfg, speed=speed, minutes=minutes)
    return Plan(model, optimizer, cfg, figures, candidates, machine(runtime))


def measure(
    model: ModelConfig,
    optimizer: OptimizerConfig,
    train: TrainConfig,
    runtime: Runtime,
    *,
    steps: int,
) -> Plan:
    """What given settings will take; `steps` is the length of the run, 0 if it is in minutes."""
    seconds = step_seconds(model, optimizer, train, runtime)
    speed = train.rows * train.context / seconds
    minutes = train.minutes or steps * seconds / 60
    figures = predicted(model, train, speed=speed, minutes=minutes)
    return Plan(model, optimizer, train, figures, [], machine(runtime))


def shape(layers: int, width: int, *, vocab_size: int, context: int) -> ModelConfig:
    """A model of the default family by its depth and width.

    >>> model = shape(4, 128, vocab_size=1000, context=256)
    >>> model.vocab_size, model.n_heads, model.head_dim, model.d_ff
    (1024, 2, 64, 384)
    """
    head = 128 if width >= 512 else 64 if width >= 128 else 32
    heads = max(width // head, 1)
    return ModelConfig(
        vocab_size=-(-vocab_size // 64) * 64,
        d_model=width,
        n_layers=layers,
        n_heads=heads,
        n_kv_heads=heads if width < 1024 else max(heads // 4, 1),
        head_dim=head,
        d_ff=-(-width * 8 // 3 // 64) * 64 if width >= 256 else 3 * width,
        max_len=context,
        tied=vocab_size > bigram_start.MAX_VOCAB and width < 768,
    )


def rates(steps: int) -> OptimizerConfig:
    """Learning rates for a length of run.

    Muon's needs no change over widths. The embedding's and the vectors' were measured at about a
    thousand steps, where high ones win (docs/log.md); for longer runs they fall with 1/√steps to
    the field's values.

    >>> rates(1000).embed_lr, rates(100_000).embed_lr
    (0.03, 0.006)
    """
    early = 0.03 * min((1500 / max(steps, 1)) ** 0.5, 1.0)
    return OptimizerConfig(
        name="muon",
        lr=0.02,
        embed_lr=max(early, 0.006),
        vector_lr=max(early, 0.01),
        weight_decay=0.0 if steps < 10_000 else 0.1,
        momentum=0.9 if steps < 2_000 else 0.95,
    )


def batch_tokens(tokens: float, context: int) -> int:
    """Tokens a step for a run of so many tokens: about 900 steps, in whole rows.

    Larger batches use the machine better; smaller ones learn more from a token, until about here.

    >>> batch_tokens(3_600_000, 256), batch_tokens(100_000, 256), batch_tokens(1e10, 1024)
    (4096, 2048, 524288)
    """
    wanted = min(max(tokens / 900, 2048), 524_288)
    return max(round(wanted / context), 1) * context


def expected_loss(parameters: float, tokens: float, unique_tokens: float) -> float:
    """The scaling law's loss, with repeated tokens discounted."""
    repeats = max(tokens / unique_tokens - 1, 0)
    worth = min(tokens, unique_tokens)
    worth += unique_tokens * REPEAT * (1 - math.exp(-repeats / REPEAT))
    return E + A / parameters**ALPHA + B / worth**BETA


def steps_of(tokens: float, cfg: TrainConfig) -> int:
    """Optimizer steps for so many tokens."""
    return max(round(tokens / (cfg.rows * cfg.context)), 1)


def predicted(
    model: ModelConfig, train: TrainConfig, *, speed: float, minutes: float
) -> dict[str, Any]:
    """Sizes, time and memory of a run."""
    tokens = speed * minutes * 60
    return {
        "parameters": count.parameters(model),
        "tokens": round(tokens),
        "steps": steps_of(tokens, train),
        "seconds": minutes * 60,
        "tokens_per_s": round(speed),
        "memory_bytes": memory_bytes(model, train),
    }


def memory_bytes(model: ModelConfig, train: TrainConfig) -> int:
    """Peak memory of a run in this process: what it has used so far, or what training adds now."""
    training = count.state_bytes(model, moments=2) + count.activation_bytes(
        model, train.micro_rows * train.context
    )
    return max(hardware.peak_memory_bytes(), _resident_bytes() + training)


def step_seconds(
    model: ModelConfig, optimizer: OptimizerConfig, train: TrainConfig, runtime: Runtime
) -> float:
    """Median time of an optimizer step, from a few real ones on random tokens."""
    built = initialise(Transformer(model).to(runtime.device), seed=0)
    generator = np.random.default_rng(0)
    size = (train.micro_rows, train.context + 1)
    tokens = generator.integers(0, model.vocab_size, size, dtype=np.int32)
    batch = Batch(tokens=tokens[:, :-1], labels=tokens[:, 1:])
    micro = [batch] * max(train.rows // train.micro_rows, 1)
    times: list[float] = []
    begun = time.perf_counter()
    for info in steps(
        built,
        NextToken(),
        lambda step: micro,
        optimizers.build(built, optimizer),
        horizon=Steps(50),
        factor=lambda progress: 1.0,
        runtime=runtime,
    ):
        times.append(info.seconds)
        if len(times) >= 3 and time.perf_counter() - begun > 1.5:
            break
    return statistics.median(times[1:])


def machine(runtime: Runtime) -> dict[str, Any]:
    """Facts about where it was measured."""
    return {
        "device": runtime.device.type,
        "dtype": str(runtime.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "cores": hardware.cores(),
        "memory_bytes": hardware.total_memory_bytes(),
        "torch": torch.__version__,
    }


def _promising(
    minutes: float, vocab_size: int, context: int, runtime: Runtime
) -> Iterator[tuple[tuple[int, int], float]]:
    """The few steps of the ladder that the law likes at the speed of a matrix product.

    Yields (blocks, width) and the tokens that it would see.
    """
    speed = product_flops(runtime) * USED

    def tokens(step: tuple[int, int]) -> float:
        model = shape(*step, vocab_size=vocab_size, context=context)
        return speed * minutes * 60 / count.train_flops_per_token(model, context)

    def loss(step: tuple[int, int]) -> float:
        model = shape(*step, vocab_size=vocab_size, context=context)
        return expected_loss(count.parameters(model), tokens(step), tokens(step))

    ranked = sorted(LADDER, key=loss)[:MEASURED]
    return iter([(step, tokens(step)) for step in sorted(ranked)])


def product_flops(runtime: Runtime, size: int = 512) -> float:
    """Operations a second of a matrix product in the activation dtype."""
    a = torch.randn(size * 4, size, device=runtime.device, dtype=runtime.dtype)
    b = torch.randn(size, size, device=runtime.device, dtype=runtime.dtype)
    best = math.inf
    for _ in range(8):
        begun = time.perf_counter()
        (a @ b).sum().item()
        best = min(best, time.perf_counter() - begun)
    return 2 * 4 * size**3 / best


def _resident_bytes() -> int:
    """Memory that this process has now."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * 4096
    except OSError:
        return hardware.peak_memory_bytes()
