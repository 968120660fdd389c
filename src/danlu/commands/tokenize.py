"""Write a corpus as token ids: memory-mapped shards that training reads.

    danlu tokenize corpus --tokenizer tokenizer

    danlu tokenize corpus --tokenizer tokenizer --on ray://host:10001

`danlu pretrain` does this by itself when it has to, on all cores. Shards that are whole are kept;
after an interruption nothing half is left, and the same command goes on where it was.
"""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Any

from pydantic import Field
from tyro.conf import Positional

from danlu import config, log
from danlu.data import shards
from danlu.data.corpus import MANIFEST, Corpus
from danlu.errors import DataError


class Config(config.Config):
    """Settings of `danlu tokenize`."""

    corpus: Positional[Path] = Path("corpus")
    """A folder that `danlu prepare` wrote."""

    tokenizer: Path = Path("tokenizer")
    """A folder that `danlu tokenizer` wrote, or any model folder."""

    out: Path | None = None
    """Folder to write to; none: inside the corpus, where `danlu pretrain` looks."""

    processes: int = Field(0, ge=0)
    """Worker processes; 0 takes all cores. The shards do not depend on it."""

    on: str = ""
    """A cluster to work on: `ray` starts one here, `ray://host:10001` connects to one."""


def run(cfg: Config) -> dict[str, Any]:
    """Write the shards; returns where they are, how much they hold and how fast it went."""
    from danlu.tokenizer import Tokenizer

    corpus = _corpus(cfg.corpus)
    tokenizer = Tokenizer.load(cfg.tokenizer)
    if not tokenizer.lossless:
        changes = "; ".join(tokenizer.losses)
        log.warn(f"this tokenizer changes text ({changes}); bits a byte are of the original text")
    before = _stamp(cfg.out or shards.place(corpus, tokenizer))
    began = time.perf_counter()
    executor = shards.chosen(corpus, on=cfg.on, processes=cfg.processes)
    made = shards.tokenize(corpus, tokenizer, folder=cfg.out, executor=executor)
    seconds = time.perf_counter() - began
    size = sum(made.text_bytes(split) for split in shards.SPLITS)
    tokens = sum(made.count(split) for split in shards.SPLITS)
    is_new = _stamp(made.folder) != before
    if is_new:
        log.say(f"{log.size(size)} in {log.duration(seconds)}: {size / 1e6 / seconds:.1f} MB/s")
    else:
        log.say("the shards were there already, and are whole")
    return {
        "shards": str(made.folder),
        "bytes": size,
        "tokens": tokens,
        "train_tokens": made.count("train"),
        "held_out_tokens": made.count("held_out"),
        "bytes_per_token": size / max(tokens, 1),
        "dtype": made.manifest["dtype"],
        "sha256": made.sha256,
        "new": is_new,
        **({"seconds": seconds, "mb_per_s": size / 1e6 / seconds} if is_new else {}),
        "next": [
            f"danlu pretrain --data.corpus {shlex.quote(str(cfg.corpus))} "
            f"--data.tokenizer {shlex.quote(str(cfg.tokenizer))}"
        ],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read, and where it would go; nothing is written."""
    from danlu.tokenizer import Tokenizer

    corpus, tokenizer = _corpus(cfg.corpus), Tokenizer.load(cfg.tokenizer)
    return {
        "bytes": shards.text_bytes(corpus),
        "vocab_size": tokenizer.vocab_size,
        "out": str(cfg.out or shards.place(corpus, tokenizer)),
    }


def _stamp(folder: Path) -> tuple[int, int] | None:
    """What changes when shards are written anew; None where there are none."""
    path = folder / shards.MANIFEST
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.is_file() else None


def _corpus(path: Path) -> Corpus:
    """The corpus; for plain text, an error with the command that makes one of it."""
    if path.is_file() or (
        path.is_dir() and not (path / MANIFEST).is_file() and any(path.iterdir())
    ):
        raise DataError(
            f"{path} is text that was not prepared",
            expected="a corpus, as `danlu prepare` writes it",
            fix=f"danlu prepare {shlex.quote(str(path))} --out corpus && danlu tokenize corpus",
        )
    return Corpus.open(path)
