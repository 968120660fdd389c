"""Train a language model from the start.

    danlu pretrain recipes/poems.yaml                        a complete experiment
    danlu pretrain recipes/poems.yaml --train.minutes 5      the same, shorter
    danlu pretrain --auto --data.paths my_texts --train.minutes 10

A corpus and a tokenizer that are missing are made first. The run folder is a model that
transformers opens, at any moment. The same command again continues where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from danlu import config
from danlu.data.places import TextPath
from danlu.errors import ConfigError
from danlu.hardware import RuntimeConfig
from danlu.models.config import ModelConfig
from danlu.train.settings import OptimizerConfig, TrainConfig


class DataConfig(config.Config):
    """What is trained on."""

    paths: tuple[TextPath, ...] = ()
    """Raw text to prepare, if the corpus is not there yet: files, folders, archives, globs, URLs;
    none: Python's documentation."""

    corpus: Path | None = None
    """Folder of the prepared corpus; by default `corpus` beside the run."""

    tokenizer: Path | None = None
    """Folder of the tokenizer; by default `tokenizer` beside the run."""

    vocab: int = Field(0, ge=0)
    """Tokens of a tokenizer that is made; 0: chosen by the amount and kind of text."""

    embeddings: Path | None = None
    """Folder of `danlu embed --units tokens`, whose vectors the embedding starts from."""

    text_field: str = ""
    """Field that holds the text in .jsonl, .csv and .parquet; empty: found by looking."""

    held_out: float = Field(default=0.05, gt=0, le=0.5)
    """Share of the text that is never trained on."""

    min_characters: int = Field(default=40, ge=0)
    """Shorter documents are removed; a Chinese, Japanese or Korean character counts as 3."""


class Config(config.Config):
    """Settings of `danlu pretrain`."""

    out: Path = Path("runs/base")
    """The run folder."""

    auto: bool = False
    """Let a few seconds of measurement choose the model's shape, the batch and the rates."""

    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    runtime: RuntimeConfig = RuntimeConfig()


def run(cfg: Config) -> dict[str, Any]:
    """Train to the end of the run, and say how it went."""
    from danlu.commands import _records as records
    from danlu.commands import _text as stages
    from danlu.data import lineage
    from danlu.models.init import initialise
    from danlu.models.transformer import Transformer
    from danlu.runtime import Runtime
    from danlu.train import optimizers
    from danlu.train.fit import Watch, fit
    from danlu.train.objectives.next_token import NextToken
    from danlu.train.run import Run, identity

    _check(cfg)
    runtime = Runtime.start(cfg.runtime)
    text = stages.text(cfg)
    cfg = stages.planned(cfg, text, runtime)
    model = initialise(Transformer(cfg.model).to(runtime.device), seed=cfg.train.seed)
    optimizer = optimizers.build(model, cfg.optimizer)
    batches = stages.stream_batches(text.shards, cfg.train, runtime)
    about = identity(
        data=text.shards.sha256,
        tokenizer=text.tokenizer.sha256,
        model=model,
        objective="next_token",
        settings=cfg.train,
        optimizer=cfg.optimizer,
        runtime=runtime,
    )
    with Run(cfg.out, cfg, about) as folder:
        folder.publish(model, text.tokenizer)
        records.describe(folder.folder, cfg, learned=lineage.record([text.corpus]))
        if folder.is_new:
            stages.start(model, cfg, text, runtime)
        watch = Watch(
            evals={"held_out": stages.quick_evaluation(text.shards, cfg.train)},
            sample=stages.sampler(text, runtime),
            view=records.view(folder.folder),
            name="pretrain",
        )
        state = fit(
            model,
            NextToken(),
            batches,
            optimizer,
            cfg.train,
            runtime=runtime,
            run=folder,
            watch=watch,
        )
        done = records.actual(folder.folder, state, model)
    return {"run": str(cfg.out), **done, "next": [f"danlu evaluate {cfg.out}"]}


def plan(cfg: Config) -> dict[str, Any]:
    """Sizes, time and memory, and which tensor gets which optimizer; nothing is trained."""
    from danlu.commands import _text as stages

    _check(cfg)
    return stages.dry_run(cfg)


def _check(cfg: Config) -> None:
    """Refuse a model that cannot learn to predict the next token, before any work.

    Raises:
        ConfigError: it would see the answers, or needs a source.
        ModelError: its family cannot say all that it is, so that it could not be saved.
    """
    from danlu.models import spelling

    if cfg.model.kind != "decoder":
        raise ConfigError(
            "only decoders are pretrained so far",
            got=f"model.kind = {cfg.model.kind}",
            expected="decoder",
        )
    if not cfg.auto:
        spelling.write_config(
            cfg.model.model_copy(update={"vocab_size": cfg.model.vocab_size or 1})
        )
