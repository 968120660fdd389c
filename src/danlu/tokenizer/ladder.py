"""How long texts are at a ladder of vocabulary sizes, and which size pays.

One training gives all rungs of a nested kind. The rule is the second approach of "Scaling Laws with
Vocabulary" (Tao et al. 2024, arXiv:2407.13623, §3.2): reading a text costs 6·(N + V·d) operations
a token, N being the parameters beside the vocabulary's and d the width, so a byte of text costs
(N + V·d) / (bytes a token at V), and V is chosen where that is least. There a formula is fitted for
the length of texts; here it is measured. What the rule leaves out: tokens too rare to be learnt,
and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from danlu.tokenizer.kind import Learned
from danlu.tokenizer.tokenizer import Tokenizer
from danlu.tokenizer.train import built, special_tokens

SIZES = (512, 1024, 2048, 4096, 8192, 16_384, 32_768, 50_257)
"""Powers of two, and GPT-2's."""

TOKENS_A_PARAMETER = 20
"""Hoffmann et al. 2022 (arXiv:2203.15556, table 3): compute-optimal training, about so many."""

SHAPE = 64
"""Width over depth of the models that are planned for, as GPT-2's 768 / 12."""

MODELS = (1e6, 1e7, 1e8, 1e9)
"""Parameters beside the vocabulary's, of the models for which a size is suggested."""


@dataclass(frozen=True)
class Rung:
    """A vocabulary size and what texts are like with it."""

    vocab: int
    bytes_per_token: float
    by_language: Mapping[str, float]


def ladder(
    learned: Learned, *, kind: str, texts: Mapping[str, Sequence[str]], sizes: Iterable[int] = SIZES
) -> list[Rung]:
    """Bytes a token of texts, given by language, at each size that what was learnt allows."""
    rungs = []
    for vocab in sorted(set(sizes)):
        room = vocab - len(special_tokens(vocab, kind))
        if not learned.alphabet <= room <= len(learned.pieces):
            continue
        tokenizer = built(learned, vocab=vocab, kind=kind)
        found = {name: lengths(tokenizer, own) for name, own in texts.items()}
        size, count = (sum(column) for column in zip(*found.values(), strict=True))
        rates = {name: a / max(b, 1) for name, (a, b) in found.items()}
        rungs.append(Rung(vocab, size / max(count, 1), rates))
    return rungs


def lengths(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[int, int]:
    """UTF-8 bytes and tokens of texts."""
    tokens = sum(map(len, tokenizer.encode_batch(texts)))
    return sum(len(text.encode()) for text in texts), tokens


def suggest(rungs: Sequence[Rung], parameters: float) -> int:
    """The rung at which a byte of text costs a model least.

    Args:
        rungs: of the ladder, at least one.
        parameters: of the model, beside embedding and head.

    >>> rungs = [Rung(1024, 2.7, {}), Rung(4096, 3.4, {}), Rung(16384, 4.0, {})]
    >>> [suggest(rungs, n) for n in (1e5, 1e7, 1e9)]
    [1024, 4096, 16384]
    """
    width = planned_width(parameters)
    best = min(rungs, key=lambda rung: (parameters + rung.vocab * width) / rung.bytes_per_token)
    return best.vocab


def planned_width(parameters: float) -> float:
    """The width of a model by its parameters beside the vocabulary's.

    A block has 12·d² (Kaplan et al. 2020, arXiv:2001.08361, table 1), and there are d / SHAPE.

    >>> round(planned_width(85e6))
    768
    """
    return float((SHAPE * parameters / 12) ** (1 / 3))


def affordable(text_bytes: int, rungs: Sequence[Rung]) -> float:
    """Parameters that a text can train: one for every 20 tokens, at the middle of the ladder."""
    middle = rungs[len(rungs) // 2].bytes_per_token
    return text_bytes / middle / TOKENS_A_PARAMETER


def suggestions(rungs: Sequence[Rung], *, text_bytes: int, parameters: float = 0) -> dict[str, Any]:
    """A size for this text and a planned model, why, and sizes for models of other sizes.

    Args:
        rungs: of the ladder, at least one.
        text_bytes: of all text to be trained on.
        parameters: of the planned model beside the vocabulary's; 0: what the text can train.
    """
    planned = parameters or affordable(text_bytes, rungs)
    vocab = suggest(rungs, planned)
    where = (
        "planned" if parameters else f"what this text can train, 1 for {TOKENS_A_PARAMETER} tokens"
    )
    return {
        "vocab": vocab,
        "parameters": round(planned),
        "why": f"at {vocab:,} tokens a byte of text costs a model of {planned:,.0f} parameters "
        f"({where}) least: fewer tokens to read against a larger head",
        "at_the_end": vocab in (rungs[0].vocab, rungs[-1].vocab) and len(rungs) > 1,
        "by_parameters": {f"{n:.0e}".replace("e+0", "e"): suggest(rungs, n) for n in MODELS},
    }
