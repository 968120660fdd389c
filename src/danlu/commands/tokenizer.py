"""Train a tokenizer on a corpus, and say what it makes of text.

    danlu tokenizer corpus --vocab 4096 --out tokenizer
    danlu tokenizer corpus --vocab 0                     the size that pays for this text
    danlu tokenizer corpus --vocab 0 --parameters 85e6   … for a model that is planned
    danlu tokenizer corpus --kind unigram                or metaspace, wordpiece, characters

Byte-level BPE, Unigram and characters give any text back unchanged; BPE with metaspace all but the
character ▁; WordPiece does not. The folder opens in transformers' AutoTokenizer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field
from tyro.conf import Positional

from danlu import config
from danlu.commands import _vocabulary
from danlu.data.corpus import Corpus


class Config(config.Config):
    """Settings of `danlu tokenizer`."""

    corpus: Positional[Path] = Path("corpus")
    """A folder that `danlu prepare` wrote."""

    kind: str = "bpe"
    """bpe (byte-level), metaspace (as Llama 2), unigram, wordpiece or characters."""

    vocab: int = Field(4096, ge=0)
    """Number of tokens, special ones included; 0: chosen by the text, see --parameters."""

    parameters: float = Field(0, ge=0)
    """Weights of the planned model, embedding and head apart; 0: as many as the text can train."""

    sample_mb: float = Field(32, gt=0)
    """Text to train on at most: memory grows with it, for Chinese by 100 bytes a byte."""

    ladder: bool = True
    """Measure a ladder of vocabulary sizes; costs about as much again as the training."""

    out: Path = Path("tokenizer")
    """Folder to write to."""


def run(cfg: Config) -> dict[str, Any]:
    """Write the tokenizer and its figures on held-out text."""
    corpus = Corpus.open(cfg.corpus)
    figures = _vocabulary.make(
        corpus,
        cfg.out,
        vocab=cfg.vocab,
        kind=cfg.kind,
        sample_mb=cfg.sample_mb,
        ladder=cfg.ladder,
        parameters=cfg.parameters,
    )
    return {
        "tokenizer": str(cfg.out),
        **_vocabulary.shown(figures),
        "next": [
            f"danlu tokenize {cfg.corpus} --tokenizer {cfg.out}",
            f"danlu pretrain --data.corpus {cfg.corpus} --data.tokenizer {cfg.out}",
        ],
    }


def plan(cfg: Config) -> dict[str, Any]:
    """What would be read."""
    corpus = Corpus.open(cfg.corpus)
    train = corpus.manifest["counts"]["train"]
    return {
        "train": train,
        "sample_bytes": min(train["bytes"], round(cfg.sample_mb * 1e6)),
        "vocab": cfg.vocab or "chosen when the text is measured",
    }


def make(corpus: Corpus, out: Path, *, vocab: int = 0) -> dict[str, Any]:
    """Train byte-level BPE on a corpus, unless that was done before; returns its figures.

    This is what a run does that was given no tokenizer: without the ladder, and 0 takes the size
    for the amount and kind of text; see `vocabulary`.

    Raises:
        DataError: the text does not support so many tokens.
        ConfigError: another tokenizer is in the folder.
    """
    return _vocabulary.make(corpus, out, vocab=vocab)
