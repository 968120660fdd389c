"""Teach a pretrained model to follow instructions.

    danlu finetune recipes/chat.yaml
    danlu finetune --base runs/demo/base --data.train chats.jsonl --train.epochs 3

Data are conversations, one a line: {"messages": [{"role": "user", "content": "…"}, {"role":
"assistant", …}]}. Loss is on the assistant's answers only. Without data, questions and answers are
made from the documents that the base was trained on. The same command again continues.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from danlu import config
from danlu.hardware import RuntimeConfig
from danlu.train.settings import OptimizerConfig, TrainConfig


class DataConfig(config.Config):
    """Conversations."""

    train: Path | None = None
    """A .jsonl file to learn from; by default made from the base's own documents."""

    held_out: Path | None = None
    """A .jsonl file to measure with."""


class Config(config.Config):
    """Settings of `danlu finetune`."""

    base: Path = Path("runs/base")
    """The pretrained model: a run folder, or a Hugging Face checkpoint."""

    out: Path = Path("runs/chat")
    """The run folder."""

    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig(name="adamw", lr=1e-3, weight_decay=0.01, clip=1.0)
    train: TrainConfig = TrainConfig(
        epochs=2, batch_tokens=4096, schedule="linear", warmup=0.05, evals=5
    )
    runtime: RuntimeConfig = RuntimeConfig()


def run(cfg: Config) -> dict[str, Any]:
    """Train to the end of the run, and say how it went."""
    from danlu.commands import _chats as stages
    from danlu.commands import _records as records
    from danlu.data import chats, lineage
    from danlu.models import hub
    from danlu.runtime import Runtime
    from danlu.train import optimizers
    from danlu.train.fit import Watch, fit
    from danlu.train.objectives.next_token import NextToken
    from danlu.train.run import Run, identity

    runtime = Runtime.start(cfg.runtime)
    loaded = hub.load(cfg.base, device=runtime.device)
    train_file, held_out_file = stages.chat_files(cfg)
    held_out = chats.read(held_out_file) if held_out_file else []
    batches = stages.batches(chats.read(train_file), loaded, cfg.train, runtime)
    optimizer = optimizers.build(loaded.model, cfg.optimizer)
    about = identity(
        data=stages.file_hash(train_file),
        tokenizer=loaded.tokenizer.sha256,
        model=loaded.model,
        objective="next_token",
        settings=cfg.train,
        optimizer=cfg.optimizer,
        runtime=runtime,
    )
    with Run(cfg.out, cfg, about, resume=f"danlu finetune {cfg.out / 'run.yaml'}") as folder:
        folder.publish(loaded.model, loaded.tokenizer)
        learned = lineage.record(base=cfg.base, learned=[train_file])
        records.describe(folder.folder, cfg, learned=learned)
        watch = Watch(
            evals={"held_out": stages.held_out_loss(held_out, loaded, cfg.train, runtime)},
            sample=stages.sampler(held_out, loaded, runtime),
            view=records.view(folder.folder),
            name="finetune",
        )
        state = fit(
            loaded.model,
            NextToken(),
            batches,
            optimizer,
            cfg.train,
            runtime=runtime,
            run=folder,
            watch=watch,
        )
        done = records.actual(folder.folder, state, loaded.model)
    return {
        "run": str(cfg.out),
        **done,
        "conversations": batches.count,
        "too_long": batches.dropped,
        "next": [f"danlu chat {cfg.out}", f"danlu evaluate {cfg.out}"],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be trained on; nothing is trained."""
    from danlu.models import hub

    return {
        "base": str(cfg.base),
        "parameters": hub.size_of(cfg.base),
        "data": str(cfg.data.train or "made from the base's own documents"),
        "out": str(cfg.out),
    }
