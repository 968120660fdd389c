"""New pieces into a `tokenizer.json`, so that all old ids stay.

The library numbers added tokens by the size of the model's vocabulary when it reads a file, so
those that come behind it would move when the vocabulary grows. Here they enter the vocabulary
itself, with the ids that they have.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer as Core

from danlu.errors import DataError
from danlu.tokenizer.components import Json
from danlu.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Piece:
    """A piece, the old ids that it replaces, and the two pieces that a BPE joins to it."""

    text: str
    ids: list[int]
    pair: tuple[str, str] | None


def grafted(tokenizer: Tokenizer, pieces: Sequence[Piece], rates: Sequence[float]) -> bytes:
    """The larger `tokenizer.json`; pieces that are there already only bring their pair.

    Args:
        tokenizer: the old one, of a BPE, Unigram or WordPiece model.
        pieces: in the order of their ids.
        rates: the logarithm of each piece's share of the tokens, for a unigram model.

    Raises:
        DataError: an old id would change, or text could spell a special token.
    """
    value = json.loads(tokenizer.contents["tokenizer.json"])
    model, size = value["model"], tokenizer.vocab_size
    added = {token["id"]: token["content"] for token in value["added_tokens"]}
    kind = model.get("type") or ("WordPiece" if "max_input_chars_per_word" in model else "BPE")
    if kind == "Unigram":
        _unigram(model, pieces, rates, added, size)
    else:
        model["vocab"] |= {text: number for number, text in added.items()}
        new = [p.text for p in pieces if p.text not in model["vocab"]]
        model["vocab"] |= {text: size + number for number, text in enumerate(dict.fromkeys(new))}
        if kind == "BPE":
            _merge(model, pieces)
    data = json.dumps(value, ensure_ascii=False).encode()
    _check(tokenizer, Core.from_str(data.decode()))
    return data


def _merge(model: Json, pieces: Sequence[Piece]) -> None:
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in model["merges"]]
    merges += [piece.pair for piece in pieces if piece.pair is not None]
    model["merges"] = [list(pair) for pair in dict.fromkeys(merges)]


def _unigram(
    model: Json,
    pieces: Sequence[Piece],
    rates: Sequence[float],
    added: dict[int, str],
    size: int,
) -> None:
    """Append rows; a piece is at least as probable as its parts together, or it would be idle.

    None is less probable than the least probable old one, by which unknown characters are judged.
    """
    rows = model["vocab"]
    least = min(score for _, score in rows)
    rows += [[added.get(number, f"<unused_{number}>"), least] for number in range(len(rows), size)]
    scores = dict(rows)
    for piece, rate in zip(pieces, rates, strict=True):
        if piece.text not in scores:
            parts = sum(scores[part] for part in piece.pair) if piece.pair else least
            scores[piece.text] = max(rate, parts + 1e-3, least)
            rows.append([piece.text, scores[piece.text]])


def _check(old: Tokenizer, new: Core) -> None:
    """Whether ids are what they were, and no text spells a special token."""
    before = Core.from_str(old.contents["tokenizer.json"].decode())
    were, now = (core.get_vocab(with_added_tokens=True) for core in (before, new))
    new.encode_special_tokens = True

    def spelled(text: str) -> list[int]:
        return new.encode(text, add_special_tokens=False).ids

    is_unigram = type(new.model).__name__ == "Unigram"  # see controls.unreachable
    for text, number in were.items():
        if now.get(text) != number:
            raise DataError("an old token would get another id", got=f"{text!r} {number}")
    for text, number in old.special.items():
        if not is_unigram and number != old.unknown_id and number in spelled(text):
            raise DataError("a special token could be spelled by text", got=text)
