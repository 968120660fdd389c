"""The whole life of a model in ten minutes: text, tokenizer, pretraining, evaluation, chat, report.

    danlu demo                          with the documentation that comes with Python: no network
    danlu demo my_texts --minutes 8     with your own text: .txt .md .jsonl .csv .parquet, zip
    danlu demo --minutes 2              a shorter one

Ctrl-C stops at any moment, and the same command goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from tyro.conf import Positional

from danlu import config, files, log
from danlu.data.places import TextPath

FINETUNE_SHARE = 0.12
"""Of the time for training."""


class Config(config.Config):
    """Settings of `danlu demo`."""

    paths: Positional[tuple[TextPath, ...]] = ()
    """Files, folders, archives, globs and URLs to learn from; none: Python's documentation."""

    minutes: float = Field(8.0, gt=0)
    """Time for training; reading, evaluation and the report take one or two minutes more."""

    out: Path = Path("runs/demo")
    """Folder for everything."""

    seed: int = Field(0, ge=0)
    """Of the starting weights and the order of the data."""

    threads: int = Field(0, ge=0)
    """CPU threads; 0 takes all cores."""


def run(cfg: Config) -> dict[str, Any]:
    """Every stage in turn; one that is done already is not done again."""
    log.stage("Danlu 丹炉: the whole life of a model")
    from danlu.commands import _demo as parts

    parts.claim(cfg)
    stages = parts.stages(cfg)
    results: dict[str, Any] = {}
    for number, (name, title, work) in enumerate(stages, 1):
        log.stage(f"\n[{number}/{len(stages)}] {title}")
        results[name] = work()
    return parts.summary(cfg, results)


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read, and where everything goes."""
    from danlu.commands import prepare

    return {
        **prepare.plan(prepare.Config(paths=cfg.paths, out=cfg.out / "corpus")),
        "minutes": cfg.minutes,
        "out": str(cfg.out),
    }


def request(cfg: Config) -> dict[str, Any]:
    """What makes a demo the same demo, so that it can be continued."""
    return {**cfg.model_dump(mode="json", exclude={"out"}), "paths": [str(p) for p in cfg.paths]}


def remember(cfg: Config) -> None:
    """Note in the folder what was asked for."""
    files.write_json(cfg.out / "demo.json", request(cfg))
