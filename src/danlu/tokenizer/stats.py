"""What a tokenizer makes of texts: lengths by language, what has a token and what is never used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from danlu.tokenizer.tokenizer import Tokenizer

EXAMPLE_CHARACTERS = 200
LONGEST = 12
UNUSED = 20
"""Tokens that are named among those never used."""


def stats(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    languages: Sequence[str] = (),
    sample: Iterable[str] = (),
    words: Mapping[str, Sequence[str]] | None = None,
    examples: int = 3,
) -> dict[str, Any]:
    """Figures over texts that the tokenizer was not trained on.

    Args:
        tokenizer: what is looked at.
        texts: held-out texts.
        languages: the language of each text; with them come figures by language.
        sample: texts that it was trained on, to find tokens that are not even used there.
        words: frequent words by language, to find out which are one token.
        examples: so many texts are shown in pieces.

    Returns:
        `vocab_size`, `lossless`, `losses`, `bytes_per_token`, `tokens_used` (different tokens in
        the texts), `coverage`, `longest`, `by_language`, `words`, `unused` and `examples`: the
        first characters of some texts, cut into pieces.
    """
    encoded = tokenizer.encode_batch(texts)
    used = Counter(chain.from_iterable(encoded))
    size = sum(len(text.encode()) for text in texts)
    shown = [text[:EXAMPLE_CHARACTERS] for text in texts[:examples]]
    return {
        "vocab_size": tokenizer.vocab_size,
        "lossless": tokenizer.lossless,
        "losses": tokenizer.losses,
        "bytes_per_token": size / max(used.total(), 1),
        "tokens_used": len(used),
        "coverage": coverage(tokenizer, texts, used),
        "by_language": _by_language(texts, encoded, languages),
        "words": {name: whole(tokenizer, own) for name, own in (words or {}).items()},
        "longest": longest(tokenizer),
        "unused": unused(tokenizer, used, sample),
        "examples": [{"text": text, "pieces": pieces(tokenizer, text)} for text in shown],
    }


def coverage(tokenizer: Tokenizer, texts: Iterable[str], used: Counter[int]) -> dict[str, float]:
    """Shares, from 0 to 1: of characters with a token of their own, and of unknown tokens.

    A character without a token is spelled in bytes where there are some, and else lost. White space
    counts in the first case only, since kinds without bytes have no token for it either.
    """
    known = {tokenizer.token_bytes(number).strip(b" ") for number in range(tokenizer.vocab_size)}
    known.add(b" ")
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    if tokenizer.unknown_id is not None:
        counts = Counter({c: n for c, n in counts.items() if not c.isspace()})
    own = sum(n for c, n in counts.items() if c.encode(errors="replace") in known)
    unknown = 0 if tokenizer.unknown_id is None else used[tokenizer.unknown_id]
    return {
        "characters_with_a_token": own / max(counts.total(), 1),
        "unknown_tokens": unknown / max(used.total(), 1),
    }


def whole(tokenizer: Tokenizer, words: Sequence[str]) -> dict[str, Any]:
    """How many of some words are one token, and which of the first ones are not."""
    encoded = tokenizer.encode_batch(words)
    one = [len(ids) == 1 and ids[0] != tokenizer.unknown_id for ids in encoded]
    cut = [word for word, is_one in zip(words, one, strict=True) if not is_one]
    return {
        "words": len(words),
        "whole": sum(one),
        "share": sum(one) / max(len(words), 1),
        "first_cut": cut[:10],
    }


def longest(tokenizer: Tokenizer) -> list[str]:
    """The longest tokens in bytes, as text."""
    order = sorted(range(tokenizer.vocab_size), key=lambda n: (-len(tokenizer.token_bytes(n)), n))
    return [tokenizer.token_bytes(n).decode(errors="replace") for n in order[:LONGEST]]


def unused(tokenizer: Tokenizer, used: Counter[int], sample: Iterable[str]) -> dict[str, Any]:
    """Tokens, special ones and single bytes apart, that texts and the training sample do without.

    Most are stages of a merge on the way to a longer token. `in_sample` is absent without a sample.
    """
    own = {
        number
        for number in range(tokenizer.vocab_size)
        if number not in set(tokenizer.special.values()) and len(tokenizer.token_bytes(number)) > 1
    }
    found = {"tokens": len(own), "in_held_out": len(own - used.keys())}
    seen: set[int] = set()
    batch: list[str] = []
    for text in sample:
        batch.append(text)
        if len(batch) == 256:
            seen.update(chain.from_iterable(tokenizer.encode_batch(batch)))
            batch = []
    seen.update(chain.from_iterable(tokenizer.encode_batch(batch)))
    if not seen:
        return found
    never = sorted(own - seen - used.keys())
    named = [tokenizer.token_bytes(n).decode(errors="replace") for n in never[:UNUSED]]
    return {**found, "in_sample": len(own - seen), "anywhere": len(never), "first": named}


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    """A text cut where its tokens end; tokens that end inside a character stay together.

    Joined, the pieces are the text, if the tokenizer is lossless.
    """
    result, pending = [], b""
    for token in tokenizer.encode(text):
        pending += (
            b"\xef\xbf\xbd" if token == tokenizer.unknown_id else tokenizer.token_bytes(token)
        )
        try:
            result.append(pending.decode())
        except UnicodeDecodeError:
            continue
        pending = b""
    return result


def _by_language(
    texts: Sequence[str], encoded: Sequence[list[int]], languages: Sequence[str]
) -> dict[str, Any]:
    rows: dict[str, list[int]] = {}
    if languages:
        for text, ids, name in zip(texts, encoded, languages, strict=True):
            row = rows.setdefault(name, [0, 0, 0])
            row[0] += len(text.encode())
            row[1] += len(text)
            row[2] += len(ids)
    return {
        name: {
            "bytes": size,
            "tokens": tokens,
            "bytes_per_token": size / max(tokens, 1),
            "characters_per_token": characters / max(tokens, 1),
        }
        for name, (size, characters, tokens) in sorted(rows.items())
    }
