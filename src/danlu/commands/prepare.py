"""Clean your text and split it into what a model learns from and what it is measured with.

    danlu prepare my_texts                     a folder, files or 'globs*.jsonl.gz', to ./corpus
    danlu prepare poems.csv --text-field body --out runs/poems/corpus
    danlu prepare poems news --mix poems 1 news 3     a quarter of the training text are poems
    danlu prepare recipes/corpus.yaml my_texts every step as a file says it
    danlu prepare books.zip s3://bucket/texts hf:owner/name/config@split
    danlu prepare                              no text of your own: Python's documentation

Reads text, rows (jsonl, csv, parquet, arrow), web pages, docx, epub, source code, wiki dumps, PDF
and web archives; packed or not, in zip and tar, at URLs, and data sets by name. What is taken out
is counted with its reason and kept beside the rest. docs/corpus.md explains steps and settings.
"""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import Field
from tyro.conf import Positional

from danlu.data import executors, mixture, prepare
from danlu.data.places import TextPath
from danlu.data.settings import PrepareSettings


class Config(PrepareSettings):
    """Settings of `danlu prepare`."""

    paths: Positional[tuple[TextPath, ...]] = ()
    """Files, folders, archives, globs and URLs; none: the documentation that comes with Python."""

    out: Path = Path("corpus")
    """Folder to write the corpus to."""

    force: bool = False
    """Replace a corpus that is there already."""

    skip_broken: bool = False
    """Go on where a file or archive cannot be read, and report it, instead of stopping."""

    processes: int = Field(0, ge=0)
    """Worker processes; 0 takes all cores. The corpus does not depend on it."""

    on: str = ""
    """A cluster to work on: `ray` starts one here, `ray://host:10001` connects to one."""


def run(cfg: Config) -> dict[str, Any]:
    """Write the corpus; returns its counts, what was removed and why, and what to do next."""
    found = prepare.look(cfg.paths, cfg.out, cfg, skip_broken=cfg.skip_broken)
    corpus = prepare.prepare(
        cfg.paths,
        cfg.out,
        cfg,
        force=cfg.force,
        skip_broken=cfg.skip_broken,
        executor=executors.chosen(cfg.on, cfg.processes, found.bytes),
    )
    manifest = corpus.manifest
    mixed = {"mixture, by bytes": mixture.table(manifest.get("mixture", []))}
    return {
        "corpus": str(cfg.out),
        **manifest["counts"],
        "changed": manifest["changed"],
        "removed": {
            reason: {"documents": removal["documents"], "bytes": removal["bytes"]}
            for reason, removal in manifest["removed"].items()
        },
        "skipped": manifest["skipped"],
        "han_share": manifest["han_share"],
        "split_by": manifest["split_by"],
        "tables": {title: rows for title, rows in mixed.items() if rows},
        "next": [
            shlex.join(
                ["danlu", "tokenizer", f"{cfg.out}", "--out", f"{cfg.out.parent / 'tokenizer'}"]
            ),
            shlex.join(["danlu", "demo", *cfg.paths]),
        ],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read, and where it would go; nothing is read or written."""
    found = prepare.look(cfg.paths, cfg.out, cfg, skip_broken=cfg.skip_broken)
    return {
        "files": len(found.files),
        "bytes": found.bytes,
        "readers": dict(sorted(Counter(file.reader for file in found.files).items())),
        "first": [file.name for file in found.files[:10]],
        "skipped": found.skipped,
        "broken": list(found.broken.values()),
        "steps": list(cfg.steps),
        "out": str(cfg.out),
    }
