"""What fine-tuning does first and during: its conversations, their loss, a sample answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from danlu import files, log
from danlu.commands import _records as records
from danlu.data import pairs
from danlu.data.chats import Chat, ChatBatches
from danlu.data.corpus import Corpus
from danlu.errors import ConfigError
from danlu.generate.settings import Sampling
from danlu.tokenizer import encode_chat
from danlu.train.settings import TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from danlu.commands.finetune import Config as FinetuneConfig
    from danlu.models.hub import Loaded
    from danlu.runtime import Runtime

ANSWER = Sampling(temperature=0, max_tokens=80)
"""How answers are chosen when they are measured: always the most probable token."""


def chat_files(cfg: FinetuneConfig) -> tuple[Path, Path | None]:
    """The files to learn from and to measure with; made from the base's documents if not given.

    Raises:
        ConfigError: none is given, and the base does not know its documents.
    """
    if cfg.data.train is not None:
        return cfg.data.train, cfg.data.held_out
    folder = cfg.out.parent / "chats"
    made = [folder / name for name in pairs.NAMES.values()]
    if not all(path.is_file() for path in made):
        corpus = corpus_of(cfg.base)
        log.say("making questions and answers from the documents")
        pairs.write(pairs.build(corpus, seed=cfg.train.seed), folder)
    return made[0], made[1]


def corpus_of(run: Path) -> Corpus:
    """The corpus that a run was trained on.

    Raises:
        ConfigError: the folder is no run of Danlu, so there is no telling.
    """
    if not (run / "run.yaml").is_file():
        raise ConfigError(
            f"{run} does not say what it was trained on",
            expected="conversations to learn from",
            fix="--data.train chats.jsonl",
        )
    data = records.settings_of(run).get("data") or {}
    return Corpus.open(Path(data.get("corpus") or run.parent / "corpus"))


def batches(
    chats: Sequence[Chat], loaded: Loaded, train: TrainConfig, runtime: Runtime
) -> ChatBatches:
    """Rows of packed conversations for this rank; too long ones are left out and counted."""
    if train.context > loaded.model.config.max_len:
        raise ConfigError(
            "rows are longer than the model's context",
            got=f"train.context {train.context}, the model reads {loaded.model.config.max_len}",
            fix=f"--train.context {loaded.model.config.max_len}",
        )
    made = ChatBatches(
        chats,
        loaded.tokenizer,
        context=train.context,
        rows=train.rows,
        micro_rows=train.micro_rows,
        seed=train.seed,
        rank=runtime.rank,
        world=runtime.world,
    )
    if made.dropped:
        log.warn(
            f"{made.dropped:,} of {len(chats):,} conversations are longer than a row: left out"
        )
    return made


def held_out_loss(
    chats: Sequence[Chat], loaded: Loaded, train: TrainConfig, runtime: Runtime
) -> Callable[[nn.Module], dict[str, float]]:
    """Measures the mean loss of answers to held-out questions, in nats a token."""
    import torch

    from danlu.train.objectives.next_token import NextToken

    objective = NextToken()
    rows = ChatBatches(chats, loaded.tokenizer, context=train.context, rows=8) if chats else None
    steps = min(-(-rows.epoch_rows // 8), 8) if rows else 0
    fixed = [batch for step in range(steps) for batch in rows(step)] if rows else []

    def measure(model: nn.Module) -> dict[str, float]:
        if not fixed:
            return {}
        was_training = model.training
        model.eval()
        with torch.no_grad(), runtime.autocast():
            total = sum(float(objective.loss(model, runtime.put(b))[0]) for b in fixed)
        model.train(was_training)
        return {"loss": total / sum(map(objective.units, fixed))}

    return measure


def sampler(
    chats: Sequence[Chat], loaded: Loaded, runtime: Runtime
) -> Callable[[nn.Module], tuple[str, str]] | None:
    """Lets a model answer the first held-out question."""
    if not chats:
        return None
    question = chats[0].messages[0].content

    def sample(model: nn.Module) -> tuple[str, str]:
        with runtime.autocast():
            return question + "\n", answers(model, loaded, chats[:1])[0]

    return sample


def answers(model: nn.Module, loaded: Loaded, chats: Sequence[Chat]) -> list[str]:
    """What a model answers to each conversation's last question, greedily."""
    from danlu.data.chats import questions
    from danlu.generate.text import generate_text

    was_training = model.training
    model.eval()
    room = loaded.model.config.max_len - 8
    prompts = [
        encode_chat(loaded.tokenizer, turns, add_generation_prompt=True).ids[-room:]
        for turns in questions(chats)
    ]
    texts: list[str] = []
    for at in range(0, len(prompts), 64):
        found = generate_text(model, loaded.tokenizer, prompts[at : at + 64], ANSWER)
        texts += [completion.text.strip() for completion in found]
    model.train(was_training)
    return texts


def file_hash(path: Path) -> str:
    """What is learnt from, for the identity of a run."""
    return files.sha256(path)
