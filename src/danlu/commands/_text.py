"""What pretraining does first: the corpus, its tokenizer and tokens, and the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from danlu import config, files, log
from danlu.commands import tokenizer as tokenizer_command
from danlu.data import prepare
from danlu.data.batches import StreamBatches
from danlu.data.corpus import Corpus, is_corpus
from danlu.data.settings import PrepareSettings
from danlu.data.shards import Shards, tokenize
from danlu.errors import ConfigError
from danlu.generate.settings import Sampling
from danlu.tokenizer import Tokenizer
from danlu.train.settings import TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from danlu.commands.pretrain import Config as PretrainConfig
    from danlu.evaluate.perplexity import Perplexity
    from danlu.models.transformer import Transformer
    from danlu.runtime import Runtime
    from danlu.tune.planner import Plan

QUICK, PIECE = 16, 1024
"""Held-out text that is looked at during training: pieces of so many tokens; all is at the end."""

LOOKED_AT = 201
"""Held-out documents among which the one is chosen that samples begin with."""


@dataclass(frozen=True)
class Text:
    """A corpus, its tokenizer, and its tokens."""

    corpus: Corpus
    tokenizer: Tokenizer
    shards: Shards


def text(cfg: PretrainConfig) -> Text:
    """The corpus, tokenizer and tokens of a run, made if they are not there yet."""
    corpus_path, tokenizer_path = places(cfg)
    if is_corpus(corpus_path) and not cfg.data.paths:
        corpus = Corpus.open(corpus_path)
    elif cfg.data.corpus is None or cfg.data.paths:
        settings = PrepareSettings(
            text_field=cfg.data.text_field,
            held_out=cfg.data.held_out,
            min_characters=cfg.data.min_characters,
        )
        corpus = prepare.prepare(cfg.data.paths, corpus_path, settings)
    else:
        corpus = Corpus.open(corpus_path)  # says what is wrong
    if (tokenizer_path / "tokenizer.json").is_file() and cfg.data.tokenizer:
        tokenizer = Tokenizer.load(tokenizer_path)
    else:
        tokenizer_command.make(corpus, tokenizer_path, vocab=cfg.data.vocab)
        tokenizer = Tokenizer.load(tokenizer_path)
    return Text(corpus, tokenizer, tokenize(corpus, tokenizer))


def places(cfg: PretrainConfig) -> tuple[Path, Path]:
    """Where the corpus and the tokenizer are or will be."""
    beside = cfg.out.parent
    return cfg.data.corpus or beside / "corpus", cfg.data.tokenizer or beside / "tokenizer"


def planned(cfg: PretrainConfig, text: Text, runtime: Runtime) -> PretrainConfig:
    """The settings with what the planner chose; a plan that was made before is kept.

    Raises:
        ConfigError: the tokenizer does not fit the model.
    """
    from danlu.tune import planner

    path = cfg.out / "plan.json"
    request = config.dump(cfg)
    if path.is_file():
        before = files.read_json(path)
        if before.get("request") == request or before.get("settings") == request:
            return config.parse_yaml(type(cfg), before["settings"], source=str(path))
    fitted = fit_vocabulary(cfg, text)
    _check_embeddings(cfg, text)
    log.say("measuring this machine …")
    if cfg.auto:
        plan = planner.choose(
            minutes=length_in_minutes(cfg),
            unique_tokens=text.shards.unique("train"),
            vocab_size=text.tokenizer.vocab_size,
            train=cfg.train,
            runtime=runtime,
        )
        fitted = fitted.model_copy(
            update={
                "auto": False,
                "model": plan.model,
                "optimizer": plan.optimizer,
                "train": plan.train,
            }
        )
    else:
        plan = planner.measure(
            fitted.model,
            fitted.optimizer,
            fitted.train,
            runtime,
            steps=run_steps(fitted, text.shards, runtime),
        )
    say_plan(plan)
    record = {**plan.as_json(), "request": request, "settings": config.dump(fitted)}
    files.write_json(path, record)
    return fitted


def fit_vocabulary(cfg: PretrainConfig, text: Text) -> PretrainConfig:
    """The settings with as many embedding rows as the tokenizer needs, in multiples of 64."""
    needed = text.tokenizer.vocab_size
    given = cfg.model.vocab_size
    if given and given < needed:
        raise ConfigError(
            "the model has fewer rows than the tokenizer has tokens",
            got=f"model.vocab_size {given}, tokenizer {needed}",
            fix=f"--model.vocab-size {-(-needed // 64) * 64}",
        )
    if cfg.train.context > cfg.model.max_len and not cfg.auto:
        raise ConfigError(
            "rows are longer than the model's context",
            got=f"train.context {cfg.train.context}, model.max_len {cfg.model.max_len}",
            fix=f"--model.max-len {cfg.train.context}",
        )
    if given:
        return cfg
    model = cfg.model.model_copy(update={"vocab_size": -(-needed // 64) * 64})
    return cfg.model_copy(update={"model": model})


def start(model: Transformer, cfg: PretrainConfig, text: Text, runtime: Runtime) -> None:
    """Let a new model begin with static vectors or with the text's bigrams, where that is asked.

    Raises:
        ConfigError: the vectors do not fit the tokenizer or the model.
        DataError: there are none.
    """
    from danlu.train import bigram_start, embedding_start

    if cfg.data.embeddings:
        rows = embedding_start.start(model, cfg.data.embeddings, text.tokenizer)
        log.say(f"starting {rows:,} rows of the embedding from {cfg.data.embeddings}")
    elif cfg.train.bigram_start and bigram_start.applies(model):
        log.say("starting from the text's bigrams")
        tokens = text.shards.tokens("train")
        bigram_start.start(model, tokens, runtime=runtime, seed=cfg.train.seed)


def _check_embeddings(cfg: PretrainConfig, text: Text) -> None:
    """Refuse vectors that do not fit before anything is measured or written."""
    if cfg.data.embeddings is None:
        return
    from danlu.train import embedding_start

    if cfg.auto:
        raise ConfigError(
            "the planner chooses the model's width, which must be that of the vectors",
            got="auto with data.embeddings",
            fix="leave out --auto and give --model.d-model",
        )
    embedding_start.check(cfg.data.embeddings, text.tokenizer, width=cfg.model.d_model)


def length_in_minutes(cfg: PretrainConfig) -> float:
    """Minutes of a run that the planner shapes."""
    if cfg.train.minutes is None:
        raise ConfigError(
            "the planner needs to know how long the run may take",
            got="auto without train.minutes",
            fix="--train.minutes 10",
        )
    return cfg.train.minutes


def run_steps(cfg: PretrainConfig, shards: Shards, runtime: Runtime) -> int:
    """Steps of a run of fixed length; 0 for one in minutes."""
    from danlu.train.fit import horizon

    if cfg.train.minutes is not None:
        return 0
    return horizon(cfg.train, stream_batches(shards, cfg.train, runtime)).total(0)


def say_plan(plan: Plan) -> None:
    """The plan in a sentence."""
    p, m = plan.predicted, plan.model
    log.stage(
        f"plan: {m.n_layers} blocks × {m.d_model} wide, {log.count(p['parameters'])} parameters; "
        f"{log.count(p['tokens'])} tokens in {p['steps']:,} steps; "
        f"{log.duration(p['seconds'])} at {p['tokens_per_s']:,} tokens/s; "
        f"{log.size(p['memory_bytes'])} of memory"
    )


def dry_run(cfg: PretrainConfig) -> dict[str, Any]:
    """What a pretraining run would take, without making anything."""
    from danlu.models import count

    corpus_path, tokenizer_path = places(cfg)
    found: dict[str, Any] = {
        "corpus": f"{corpus_path} ({'there' if is_corpus(corpus_path) else 'will be made'})",
        "tokenizer": str(tokenizer_path),
        "out": str(cfg.out),
    }
    if cfg.auto:
        return {**found, "model": "chosen by measurement when the run begins"}
    import torch

    from danlu.models.transformer import Transformer
    from danlu.train import optimizers

    rows = cfg.model.vocab_size or cfg.data.vocab
    if not rows and (tokenizer_path / "tokenizer.json").is_file():
        rows = Tokenizer.load(tokenizer_path).vocab_size
    if not rows:
        return {**found, "model": "its size is known when the tokenizer is made"}
    model = cfg.model.model_copy(update={"vocab_size": -(-rows // 64) * 64})
    with torch.device("meta"):
        table = optimizers.build(Transformer(model), cfg.optimizer).table()
    return {
        **found,
        "parameters": count.parameters(model),
        "flops_per_token": count.train_flops_per_token(model, cfg.train.context),
        "tables": {"what moves which tensor": table},
    }


def stream_batches(shards: Shards, train: TrainConfig, runtime: Runtime) -> StreamBatches:
    """The batches of a pretraining run for this rank."""
    return StreamBatches(
        shards.tokens("train"),
        context=train.context,
        rows=train.rows,
        micro_rows=train.micro_rows,
        seed=train.seed,
        rank=runtime.rank,
        world=runtime.world,
    )


def quick_evaluation(shards: Shards, train: TrainConfig) -> Perplexity:
    """Measures on pieces from all over the held-out text, each token with half a row of context."""
    from danlu.evaluate.perplexity import Perplexity

    tokens = shards.tokens("held_out")
    size = min(PIECE, max(len(tokens) // QUICK, 2))
    starts = np.linspace(0, len(tokens) - size, QUICK).astype(int)
    pieces = [np.asarray(tokens[at : at + size]) for at in starts]
    share = sum(map(len, pieces)) / len(tokens)
    return Perplexity(
        pieces,
        text_bytes=max(round(shards.text_bytes("held_out") * share), 1),
        window=train.context,
        stride=max(train.context // 2, 1),
    )


def sampler(text: Text, runtime: Runtime) -> Callable[[nn.Module], tuple[str, str]]:
    """Lets a model continue the first words of a held-out document; always the same ones."""
    from danlu.generate.text import generate_text

    prompt = first_words(text.corpus)
    sampling = Sampling(max_tokens=60, seed=0)

    def sample(model: nn.Module) -> tuple[str, str]:
        was_training = model.training
        model.eval()
        try:
            with runtime.autocast():
                return prompt, generate_text(model, text.tokenizer, [prompt], sampling)[0].text
        finally:
            model.train(was_training)

    return sample


def first_words(corpus: Corpus) -> str:
    """How a usual held-out document begins: the one of median length among the first few."""
    some = sorted(islice(corpus.documents("held_out"), LOOKED_AT), key=lambda d: len(d.text))
    text = some[len(some) // 2].text
    most = 5 if corpus.manifest["han_share"] > 0.5 else 24
    return " ".join(text.split(" ")[:4])[:most]
