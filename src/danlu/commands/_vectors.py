"""What `danlu embed` does: read the words, train, write, and say what the vectors know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu import files, log
from danlu.data.corpus import Corpus
from danlu.embeddings import questions, segment, vectors, words
from danlu.embeddings.vectors import Vectors
from danlu.embeddings.words import Words
from danlu.errors import ConfigError
from danlu.tokenizer import Tokenizer

if TYPE_CHECKING:
    from danlu.commands.embed import Config
    from danlu.embeddings.trained import Trained

DEFAULTS = {"word2vec": {"window": 5, "epochs": 5, "lr": 0.025}}
DEFAULTS["glove"] = {"window": 10, "epochs": 15, "lr": 0.05}
"""What 0 stands for: the settings of word2vec's and GloVe's own programs."""

ASKING = ("corpus", "out", "neighbours", "analogy", "n")
"""Settings that do not change the vectors."""
SHOWN_WORDS = 8
LITTLE = 1_000_000
"""Words of text from which the usual number of passes is enough to look at."""


def resolved(cfg: Config) -> dict[str, Any]:
    """The settings that vectors depend on, with numbers in place of 0."""
    own = cfg.model_dump(mode="json", exclude=set(ASKING))
    return own | {k: own[k] or value for k, value in DEFAULTS[cfg.method].items()}


def make(cfg: Config) -> tuple[Vectors, dict[str, Any]]:
    """The vectors and their record; those that are there already are not made again.

    Raises:
        ConfigError: other vectors, or other things, are in the folder.
    """
    corpus, settings = Corpus.open(cfg.corpus), resolved(cfg)
    made_from = {"corpus": corpus.sha256, "settings": settings}
    tokenizer = Tokenizer.load(cfg.tokenizer) if cfg.tokenizer else None
    if tokenizer is not None:
        made_from["tokenizer"] = settings["tokenizer"] = tokenizer.sha256
    if _is_there(cfg.out, made_from):
        log.say(f"{cfg.out} holds these vectors already")
        return vectors.load(cfg.out), dict(vectors.record_of(cfg.out) or {})
    text, about = _tokens(corpus, tokenizer) if tokenizer else _words(corpus, cfg)
    log.say(f"{len(text.ids):,} {cfg.units}, {len(text.spellings):,} different ones")
    if len(text.ids) < LITTLE and not cfg.epochs:
        log.say("that is little text: more passes give better vectors, such as --epochs 20")
    began = time.perf_counter()
    trained = _trained(text, cfg.method, settings)
    seconds = time.perf_counter() - began
    made = Vectors(text.spellings, trained.vectors)
    record = {
        "method": cfg.method,
        "units": cfg.units,
        "text_words": len(text.ids),
        "losses": [round(loss, 6) for loss in trained.losses],
        "seconds": round(seconds, 1),
        **about,
        "made_from": made_from,
    }
    made.save(cfg.out, record)
    return made, dict(vectors.record_of(cfg.out) or {})


def _is_there(out: Path, made_from: dict[str, Any]) -> bool:
    record = vectors.record_of(out)
    if record is not None and record.get("made_from") == made_from:
        return files.sha256(out / vectors.VECTORS) == record.get("sha256")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"{out} holds other vectors" if record else f"{out} holds something else",
            expected="no folder yet, an empty one, or the same vectors",
            fix="choose another --out",
        )
    return False


def _words(corpus: Corpus, cfg: Config) -> tuple[Words, dict[str, Any]]:
    """The words of what is trained on, and how they were cut."""
    cut = segment.segmenter(
        cfg.chinese, lower=cfg.lower, han_share=corpus.manifest.get("han_share", 0.0)
    )
    log.say("cutting the text into words")
    began = time.perf_counter()
    texts = (document.text for document in corpus.documents("train"))
    text = words.read(texts, cut, min_count=cfg.min_count, most=cfg.vocab)
    return text, {"cutting_seconds": round(time.perf_counter() - began, 1)}


def _tokens(corpus: Corpus, tokenizer: Tokenizer) -> tuple[Words, dict[str, Any]]:
    """The tokens of what is trained on; the record says what a model needs to take them over."""
    from danlu.data import shards
    from danlu.embeddings.pieces import spellings

    stream = shards.tokenize(corpus, tokenizer).tokens("train")
    text = words.of_tokens(stream, spellings(tokenizer), between=tokenizer.bos_id)
    unseen = [row for row, number in enumerate(text.counts.tolist()) if not number]
    return text, {"tokenizer_sha256": tokenizer.sha256, "unseen": unseen}


def _trained(text: Words, method: str, settings: dict[str, Any]) -> Trained:
    """Train by the method."""
    shared = {key: settings[key] for key in ("width", "epochs", "lr", "seed")}
    if method == "glove":
        from danlu.embeddings import cooccurrence, glove

        table = cooccurrence.count(text, window=settings["window"])
        log.say(f"{table.cells:,} pairs of words stand near each other")
        chosen = glove.Settings(**shared, x_max=settings["x_max"], alpha=settings["alpha"])
        with _progress("GloVe") as progress:
            return glove.train(table, len(text.counts), chosen, progress=progress)
    from danlu.embeddings import skip_gram

    own = {key: settings[key] for key in ("window", "negatives", "sample")}
    with _progress("word2vec") as progress:
        return skip_gram.train(text, skip_gram.Settings(**shared, **own), progress=progress)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[float, float], None]]:
    with log.Progress(title, 100) as bar:
        yield lambda share, loss: bar.update(100 * share, f"loss {loss:.4f}")


def tables(made: Vectors, cfg: Config) -> dict[str, list[dict[str, Any]]]:
    """Neighbours, analogies that were asked for, and how the built-in ones went."""
    asked = cfg.neighbours or _typical(made)
    found = {"nearest words": [_row("word", word, made.nearest(word, cfg.n)) for word in asked]}
    answers = []
    for question in cfg.analogy:
        parts = question.split()
        if len(parts) != 3:
            raise ConfigError(
                "an analogy is three words",
                got=question,
                fix='--analogy "king man woman": king - man + woman',
            )
        a, b, c = parts
        answers.append(_row("question", f"{a} - {b} + {c}", made.analogy(a, b, c, cfg.n)))
    found["analogies"] = answers
    if cfg.units == "words":
        found["built-in analogies"] = [
            {"family": s.family, "asked": s.asked, "first": s.first, "among_five": s.among}
            for s in questions.ask(made)
        ]
    return {title: rows for title, rows in found.items() if rows}


def _row(name: str, asked: str, found: list[tuple[str, float]]) -> dict[str, Any]:
    return {name: asked, "nearest": [word for word, _ in found], "cosine": [x for _, x in found]}


def _typical(made: Vectors) -> list[str]:
    """A few words that are frequent, but not the most frequent."""
    last = min(len(made.words), 2_000)
    first = min(50, last // 2)
    step = max((last - first) // SHOWN_WORDS, 1)
    return list(made.words[first:last:step][:SHOWN_WORDS])
