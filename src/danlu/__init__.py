"""Danlu 丹炉: from raw text to your own language model, on the machine you have.

What the commands are made of, by its short name; nothing is imported before it is used.

>>> import danlu
>>> danlu.ModelConfig(vocab_size=512, n_layers=2).n_layers
2
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danlu.data.batches import StreamBatches as StreamBatches
    from danlu.data.chats import ChatBatches as ChatBatches
    from danlu.data.corpus import Corpus as Corpus
    from danlu.data.prepare import prepare as prepare
    from danlu.data.shards import tokenize as tokenize
    from danlu.errors import DanluError as DanluError
    from danlu.evaluate.perplexity import Perplexity as Perplexity
    from danlu.generate.settings import Sampling as Sampling
    from danlu.generate.text import generate_text as generate_text
    from danlu.generate.text import stream_text as stream_text
    from danlu.models.config import ModelConfig as ModelConfig
    from danlu.models.hub import load as load
    from danlu.models.hub import save as save
    from danlu.models.init import initialise as initialise
    from danlu.models.transformer import Transformer as Transformer
    from danlu.runtime import Runtime as Runtime
    from danlu.tokenizer import Tokenizer as Tokenizer
    from danlu.tokenizer.train import train as train_tokenizer
    from danlu.train.horizon import Minutes as Minutes
    from danlu.train.horizon import Steps as Steps
    from danlu.train.objectives.next_token import NextToken as NextToken
    from danlu.train.optimizers import build as build_optimizer
    from danlu.train.settings import OptimizerConfig as OptimizerConfig
    from danlu.train.settings import TrainConfig as TrainConfig
    from danlu.train.steps import steps as steps

__version__ = "0.1.0"

_HOME = {
    "ChatBatches": "data.chats",
    "Corpus": "data.corpus",
    "DanluError": "errors",
    "Minutes": "train.horizon",
    "ModelConfig": "models.config",
    "NextToken": "train.objectives.next_token",
    "OptimizerConfig": "train.settings",
    "Perplexity": "evaluate.perplexity",
    "Runtime": "runtime",
    "Sampling": "generate.settings",
    "Steps": "train.horizon",
    "StreamBatches": "data.batches",
    "Tokenizer": "tokenizer",
    "TrainConfig": "train.settings",
    "Transformer": "models.transformer",
    "build_optimizer": "train.optimizers:build",
    "generate_text": "generate.text",
    "initialise": "models.init",
    "load": "models.hub",
    "prepare": "data.prepare",
    "save": "models.hub",
    "steps": "train.steps",
    "stream_text": "generate.text",
    "tokenize": "data.shards",
    "train_tokenizer": "tokenizer.train:train",
}
"""Name → module, and the name there if it is another."""

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'danlu' has no attribute {name!r}")
    module, _, there = _HOME[name].partition(":")
    return getattr(importlib.import_module(f"danlu.{module}"), there or name)


def __dir__() -> list[str]:
    return sorted(__all__)
