"""Train a tokenizer on a corpus.

    danlu tokenizer corpus --vocab 4096 --out tokenizer

Byte-level BPE: any text comes back unchanged. The folder opens in transformers' AutoTokenizer.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field
from tyro.conf import Positional

from danlu import config, files, log
from danlu.data.corpus import Corpus


class Config(config.Config):
    """Settings of `danlu tokenizer`."""

    corpus: Positional[Path] = Path("corpus")
    """A folder that `danlu prepare` wrote."""

    vocab: int = Field(4096, ge=0)
    """Number of tokens, special ones included; 0: chosen by the amount and kind of text."""

    out: Path = Path("tokenizer")
    """Folder to write to."""


def run(cfg: Config) -> dict[str, Any]:
    """Write the tokenizer and its figures on held-out text."""
    corpus = Corpus.open(cfg.corpus)
    figures = make(corpus, cfg.out, vocab=cfg.vocab)
    return {
        "tokenizer": str(cfg.out),
        "vocab_size": figures["vocab_size"],
        "bytes_per_token": figures["bytes_per_token"],
        "next": [f"danlu pretrain --data.corpus {cfg.corpus} --data.tokenizer {cfg.out}"],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read."""
    corpus = Corpus.open(cfg.corpus)
    return {"train": corpus.manifest["counts"]["train"], "vocab": cfg.vocab or chosen(corpus)}


def make(corpus: Corpus, out: Path, *, vocab: int = 0) -> dict[str, Any]:
    """Train on a corpus and write to a folder, unless that was done before; returns its figures.

    Raises:
        DataError: the text does not support so many tokens.
        ConfigError: another tokenizer is in the folder.
    """
    from danlu import tokenizer

    wanted = {"corpus": corpus.sha256, "vocab": vocab}
    if (out / "stats.json").is_file():
        before = files.read_json(out / "stats.json")
        if before.get("made_from") == wanted:
            return dict(before)
    log.say(f"training a tokenizer of {vocab or chosen(corpus):,} tokens")
    texts = (document.text for document in corpus.documents("train"))
    made = tokenizer.train(texts, vocab=vocab or chosen(corpus), strict=bool(vocab))
    made.save(out)
    held_out = [document.text for document in islice(corpus.documents("held_out"), 2_000)]
    figures = {**tokenizer.stats(made, held_out), "made_from": wanted}
    files.write_json(out / "stats.json", figures)
    log.say(f"{figures['bytes_per_token']:.2f} bytes a token on held-out text")
    return figures


def chosen(corpus: Corpus) -> int:
    """A vocabulary for the amount and kind of text; see `vocabulary`."""
    from danlu.tokenizer.train import vocabulary

    manifest = corpus.manifest
    return vocabulary(manifest["counts"]["train"]["bytes"], manifest["han_share"])
