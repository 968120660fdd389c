"""A tiny model and all that it takes to train it, shared by the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu import config, files
from danlu.data.batches import StreamBatches
from danlu.models.config import ModelConfig
from danlu.models.init import initialise
from danlu.models.transformer import Transformer, parameters
from danlu.runtime import Runtime, TensorBatch
from danlu.tokenizer import Tokenizer, train
from danlu.train import checkpoint, optimizers
from danlu.train.fit import Watch, fit
from danlu.train.objectives.next_token import NextToken
from danlu.train.run import Run, identity
from danlu.train.settings import OptimizerConfig, TrainConfig
from danlu.types import Batch

CPU = Runtime(torch.device("cpu"), torch.float32)
OPTIMIZERS = {
    "muon": OptimizerConfig(),
    "adamw": OptimizerConfig(name="adamw", lr=0.01, clip=0.5),
    "sgd": OptimizerConfig(name="sgd", lr=0.1, momentum=0.9),
}
STEPS = 8
"""Of a run: 3 rows each, with an epoch border inside the fourth."""


@cache
def tokenizer() -> Tokenizer:
    return train(["the fox saw the grapes and the fox went away "] * 9, vocab=270, strict=False)


def model(seed: int = 0, **changes: Any) -> Transformer:
    shape: dict[str, Any] = {
        **{"vocab_size": 320, "d_model": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 1},
        **{"head_dim": 8, "d_ff": 32, "max_len": 16},
        **changes,
    }
    return initialise(Transformer(ModelConfig(**shape)), seed=seed)


def stream(length: int = 190, vocab: int = 270) -> np.ndarray:
    generator = np.random.default_rng(7)
    return (generator.zipf(1.4, size=length) % vocab).astype(np.uint16)


def train_config(**changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        **{"steps": STEPS, "context": 16, "batch_tokens": 48, "micro_tokens": 32, "warmup": 0.2},
        **{"save_every_s": 1e9, "evals": 0},
        **changes,
    }
    return TrainConfig(**values)


def batches(cfg: TrainConfig) -> StreamBatches:
    """Ten rows an epoch; a step has micro-batches of two rows and of one."""
    return StreamBatches(
        stream(), context=cfg.context, rows=cfg.rows, micro_rows=cfg.micro_rows, seed=cfg.seed
    )


class Settings(config.Config):
    """Of a run, as a command has them."""

    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()


@dataclass
class Training:
    """One run folder and what is trained there; each call of `go` is a new session."""

    folder: Path
    optimizer: OptimizerConfig = OPTIMIZERS["muon"]
    train: TrainConfig = field(default_factory=train_config)
    dropout: float = 0.1
    seen: dict[int, list[str]] = field(default_factory=dict)
    """Step → ids of its rows, as they were asked for."""

    run_class: type[Run] = Run

    def go(
        self,
        *,
        at: Callable[[int, int], None] = lambda step, micro: None,
        watch: Watch | None = None,
    ) -> dict[str, Any]:
        """Train to the end; `at` is called in the middle of each micro-batch of each step."""
        torch.manual_seed(99)  # a new process has another state
        built = model(dropout=self.dropout)
        optimizer = optimizers.build(built, self.optimizer)
        source = batches(self.train)
        with self.open(built) as run:
            run.publish(built, tokenizer())
            return fit(
                built,
                Watched(at),
                Recorded(source, self.seen),
                optimizer,
                self.train,
                runtime=CPU,
                run=run,
                watch=watch,
            )

    def open(self, built: Transformer) -> Run:
        about = identity(
            data="d",
            tokenizer=tokenizer().sha256,
            model=built,
            objective="next_token",
            settings=self.train,
            optimizer=self.optimizer,
            runtime=CPU,
        )
        settings = Settings(optimizer=self.optimizer, train=self.train)
        return self.run_class(self.folder, settings, about, resume="danlu pretrain again")

    def saved(self) -> dict[str, bytes]:
        """The newest checkpoint's tensors: files by name."""
        found = checkpoint.newest(self.folder)
        assert found is not None
        return {p.name: p.read_bytes() for p in found.path.rglob("*.safetensors")}

    def step(self) -> int:
        found = checkpoint.newest(self.folder)
        return found.step if found else -1

    def records(self, kind: str = "train") -> list[dict[str, Any]]:
        rows = files.read_jsonl(self.folder / "metrics.jsonl")
        return [row for row in rows if row["kind"] == kind]

    def losses(self) -> dict[int, tuple[float, float]]:
        """Step → loss and gradient norm, the last record of a step."""
        return {row["step"]: (row["loss"], row["grad_norm"]) for row in self.records()}


class Watched(NextToken):
    """The objective, with a call in the middle of each micro-batch."""

    def __init__(self, at: Callable[[int, int], None]) -> None:
        self.at, self.step, self.micro = at, 0, 0

    def loss(self, model: nn.Module, batch: TensorBatch) -> tuple[Tensor, dict[str, Tensor]]:
        number = int(batch.ids[0].split("/")[0])
        self.micro = self.micro + 1 if number == self.step else 1
        self.step = number
        self.at(self.step, self.micro)
        return super().loss(model, batch)


class Recorded:
    """Batches that note what was asked for, and know their step (from 1) by their ids."""

    def __init__(self, source: StreamBatches, seen: dict[int, list[str]]) -> None:
        self.source, self.seen = source, seen
        self.rows, self.epoch_rows = source.rows, source.epoch_rows

    def __call__(self, step: int) -> list[Batch]:
        micro = self.source(step)
        for batch in micro:
            batch.ids = [f"{step + 1}/{name}" for name in batch.ids]
        self.seen[step + 1] = [name for batch in micro for name in batch.ids]
        return micro


def snapshot(built: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in parameters(built).items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether all tensors are the same bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
