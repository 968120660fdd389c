"""Making a tokenizer of a corpus: its sample, its size, its figures, and all that in words."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu import files, log
from danlu.data.corpus import Corpus
from danlu.data.labelled import frequent_words, labelled

if TYPE_CHECKING:
    from danlu.tokenizer.ladder import Rung
    from danlu.tokenizer.sample import Sample
    from danlu.tokenizer.tokenizer import Tokenizer

SAMPLE_MB = 32.0
HELD_OUT_DOCUMENTS, LADDER_BYTES = 2_000, 1_000_000
LOOKED_AT_BYTES = 8_000_000
"""Text of the sample that is encoded to find what is never used, and read for frequent words."""


def make(
    corpus: Corpus,
    out: Path,
    *,
    vocab: int = 0,
    kind: str = "bpe",
    sample_mb: float = SAMPLE_MB,
    ladder: bool = False,
    parameters: float = 0,
) -> dict[str, Any]:
    """Train on a corpus and write to a folder, unless that was done before; returns its figures.

    Raises:
        UnknownName: there is no such kind.
        DataError: the text does not support so many tokens.
        ConfigError: another tokenizer is in the folder.
    """
    wanted = {
        **{"corpus": corpus.sha256, "vocab": vocab, "kind": kind, "sample_mb": sample_mb},
        **({"ladder": True, "parameters": parameters} if ladder else {}),
    }
    if (out / "stats.json").is_file():
        before = files.read_json(out / "stats.json")
        if before.get("made_from") == wanted and (out / "tokenizer.json").is_file():
            return dict(before)
    texts = held_out(corpus)
    made, found = _trained(corpus, texts, wanted)
    made.save(out)
    figures = {"kind": kind, **_figures(made, corpus, texts, full=ladder), **found}
    files.write_json(out / "stats.json", {**figures, "made_from": wanted})
    for line in sentences(figures):
        log.say(line)
    return {**figures, "made_from": wanted}


def chosen(corpus: Corpus) -> int:
    """A vocabulary for the amount and kind of text; see `vocabulary`."""
    from danlu.tokenizer.train import vocabulary

    manifest = corpus.manifest
    return vocabulary(manifest["counts"]["train"]["bytes"], manifest["han_share"])


def _trained(
    corpus: Corpus, held_out: list[tuple[str, str]], wanted: dict[str, Any]
) -> tuple[Tokenizer, dict[str, Any]]:
    """The tokenizer; how the sample was taken, the ladder and the suggestion."""
    from danlu.tokenizer import ladder
    from danlu.tokenizer.train import built, check, learn, of_kind

    kind, vocab = wanted["kind"], wanted["vocab"]
    climbs = "ladder" in wanted and of_kind(kind).NESTED
    sample = sampled(corpus, wanted["sample_mb"] * 1e6)
    first = vocab or chosen(corpus)
    top = max(first, *ladder.SIZES) if climbs else first
    log.say(
        f"training a {kind} tokenizer on {log.size(min(sample.total_bytes, sample.limit_bytes))}"
    )
    learned = learn(sample, vocab=top, kind=kind, strict=False)
    found: dict[str, Any] = {"sample": sample.as_json()}
    rungs: list[Rung] = []
    if climbs:
        texts = _texts_of(held_out, LADDER_BYTES)
        rungs = ladder.ladder(learned, kind=kind, texts=texts, sizes={*ladder.SIZES, vocab} - {0})
        found["ladder"] = [
            {"vocab": r.vocab, "bytes_per_token": r.bytes_per_token, **r.by_language} for r in rungs
        ]
    if rungs:
        size = sample.total_bytes
        found["suggestion"] = ladder.suggestions(
            rungs, text_bytes=size, parameters=wanted.get("parameters", 0)
        )
    size = vocab or found.get("suggestion", {}).get("vocab") or first
    if vocab:
        check(learned, vocab=vocab, kind=kind)
    return built(learned, vocab=size, kind=kind), found


def _figures(
    made: Tokenizer, corpus: Corpus, held_out: list[tuple[str, str]], *, full: bool
) -> dict[str, Any]:
    from danlu import tokenizer

    texts, languages = [text for _, text in held_out], [name for name, _ in held_out]
    if not full:
        return tokenizer.stats(made, texts, languages=languages)
    words = frequent_words(_up_to(labelled(corpus, "train"), LOOKED_AT_BYTES))
    sample = sampled(corpus, LOOKED_AT_BYTES)
    figures = tokenizer.stats(made, texts, languages=languages, sample=sample, words=words)
    figures["unused"]["sample_bytes"] = sample.bytes
    return figures


def sampled(corpus: Corpus, limit: float) -> Sample:
    """Text of a corpus to learn from, at most so many bytes."""
    from danlu.tokenizer.sample import Sample

    size = int(corpus.manifest["counts"]["train"]["bytes"])
    texts = (text for _, text in labelled(corpus, "train"))
    return Sample(texts, total_bytes=size, limit_bytes=int(limit))


def held_out(corpus: Corpus) -> list[tuple[str, str]]:
    """(language, text) of the first held-out documents."""
    return list(islice(labelled(corpus, "held_out"), HELD_OUT_DOCUMENTS))


def _up_to(rows: Iterator[tuple[str, str]], limit: int) -> Iterator[tuple[str, str]]:
    """Rows until their texts make so many bytes."""
    for language, text in rows:
        yield language, text
        limit -= len(text.encode())
        if limit < 0:
            return


def _texts_of(rows: list[tuple[str, str]], limit: int) -> dict[str, list[str]]:
    """Texts by language, about as many bytes of each."""
    found: dict[str, list[str]] = {}
    room = dict.fromkeys({language for language, _ in rows}, limit)
    for language, text in rows:
        if room[language] > 0:
            room[language] -= len(text.encode())
            found.setdefault(language, []).append(text)
    return found or {"other": []}


def sentences(figures: dict[str, Any]) -> Iterator[str]:
    """The figures in words."""
    coverage, languages = figures["coverage"], figures["by_language"]
    rates = ", ".join(f"{n} {f['bytes_per_token']:.2f}" for n, f in languages.items())
    yield f"{figures['bytes_per_token']:.2f} bytes a token on held-out text" + (
        f" ({rates})" if len(languages) > 1 else ""
    )
    own, unknown = coverage["characters_with_a_token"], coverage["unknown_tokens"]
    spelled = f"{own:.2%} of the characters have a token of their own, the rest are bytes"
    if figures["lossless"]:
        yield f"any text comes back unchanged; {spelled}"
    else:
        what = "; ".join(figures["losses"])
        rest = spelled if not unknown else f"{unknown:.2%} of the tokens are [UNK]"
        yield f"text does NOT come back unchanged: {what}. {rest}"
    for name, found in figures["words"].items():
        yield (
            f"{found['share']:.0%} of the {found['words']} most frequent words ({name}) "
            "are one token"
        )
    yield from _unused(figures["unused"])
    if "suggestion" in figures:
        yield f"suggested size: {figures['suggestion']['vocab']:,}; {figures['suggestion']['why']}"
        if figures["suggestion"]["at_the_end"]:
            yield "  (the end of the ladder: the best size may lie beyond it)"


def _unused(found: dict[str, Any]) -> Iterator[str]:
    if "in_sample" in found:
        yield (
            f"of {found['tokens']:,} tokens longer than a byte {found['in_held_out']:,} do not "
            f"occur in the held-out text, {found['in_sample']:,} not in "
            f"{log.size(found['sample_bytes'])} of the training text"
        )


def shown(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures for the command's result: numbers, then tables."""
    tables = {"bytes a token by vocabulary size": figures.get("ladder", [])}
    return {
        **{k: figures[k] for k in ("kind", "vocab_size", "lossless", "bytes_per_token")},
        "by_language": {n: f["bytes_per_token"] for n, f in figures["by_language"].items()},
        **figures["coverage"],
        "words_whole": {name: found["share"] for name, found in figures["words"].items()},
        "unused": {k: n for k, n in figures["unused"].items() if k != "first"},
        "longest": [repr(text) for text in figures["longest"][:6]],
        "suggestion": figures.get("suggestion", {}),
        "sample": figures["sample"],
        "tables": {title: rows for title, rows in tables.items() if rows},
    }
