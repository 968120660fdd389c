"""Which pairs of tokens are joined, and in which order.

Byte-level files list their merges. SentencePiece's have none: a pair may be joined if the whole is
a token, best score first, so the merges are all splits of all tokens in that order. Gemma's scores
say nothing; its tokens are in order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from danlu.models.gguf.vocabulary import BYTE, UNUSED, Vocabulary, is_numbers, size, wrong

MAX_TOKEN = 512
"""Characters of the longest token that is taken apart: the work grows with the square."""


def listed(vocabulary: Vocabulary, table: dict[str, int]) -> list[list[str]]:
    """The merges that a file lists, but for those that would make a control token.

    Raises:
        ModelError: one is not of two tokens that together are a token.
    """
    key = "tokenizer.ggml.merges"
    lines = vocabulary.header.metadata.get(key)
    if not isinstance(lines, list):
        raise wrong(vocabulary.header, key, size(lines), "pairs of tokens")
    merges = []
    for line in lines:
        at = line.find(" ", 1)  # the first character is never the separator
        left, right = line[: max(at, 0)], line[at + 1 :]
        if not left or not {left, right, left + right} <= table.keys():
            expected = "two tokens that together are a token"
            raise wrong(vocabulary.header, key, line, expected)
        if left + right not in vocabulary.control:
            merges.append([left, right])
    return merges


def implied(vocabulary: Vocabulary, table: dict[str, int], *, by_order: bool) -> list[list[str]]:
    """All splits of all tokens into two tokens; the best token's first, then the longest left.

    Raises:
        ModelError: there are no scores to order them by, or a token is too long.
    """
    scores = _scores(vocabulary, by_order=by_order)
    found = []
    for whole, number in table.items():
        if vocabulary.types[number] in (UNUSED, BYTE) or whole in vocabulary.control:
            continue
        if len(whole) > MAX_TOKEN:
            raise wrong(
                vocabulary.header,
                "tokenizer.ggml.tokens",
                f"a token of {len(whole):,} characters",
                f"{MAX_TOKEN} at most",
            )
        for at in range(1, len(whole)):
            left, right = whole[:at], whole[at:]
            if left in table and right in table:
                found.append((scores[number], at, len(right), left, right))
    found.sort(key=lambda split: split[:3], reverse=True)
    return [[left, right] for *_, left, right in found]


def _scores(vocabulary: Vocabulary, *, by_order: bool) -> list[float]:
    """A number for each token, the higher the sooner it is made."""
    n = len(vocabulary.tokens)
    if by_order:
        return [-float(number) for number in range(n)]
    key = "tokenizer.ggml.scores"
    scores: Any = vocabulary.header.metadata.get(key)
    if not is_numbers(scores, n) or not np.isfinite(scores).all():
        raise wrong(vocabulary.header, key, size(scores), f"{n:,} finite numbers")
    return [float(score) for score in scores]
