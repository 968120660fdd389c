"""What a text loses on its way to ids and back, as far as a tokenizer's parts tell.

Byte-level vocabularies lose nothing, unless something changes the text before. Metaspace ones with
a piece for each byte lose ▁ itself. The others lose white space, and characters they have no piece
for. What is named here is lost for some text; what is not named is not lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tokenizers import Tokenizer as Core

from danlu.tokenizer.bytelevel import ALPHABET
from danlu.tokenizer.components import Json, steps
from danlu.tokenizer.spelling import BYTES, SPACE, Spelling

_UNICODE = ("NFC", "NFD", "NFKC", "NFKD", "Nmt")
_WHITE = ("WhitespaceSplit", "Whitespace", "BertPreTokenizer", "CharDelimiterSplit")


def losses(core: Core, spelling: Spelling) -> list[str]:
    """What changes, in words; empty if every text comes back to the byte."""
    before = [step for step in steps(core.normalizer) if not _marks_spaces(step)]
    cuts = steps(core.pre_tokenizer)
    found = [
        *_normalized(before),
        *(["white space"] if any(step["type"] in _WHITE for step in cuts) else []),
        *_opened(core, cuts, spelling),
        *([f"{SPACE} (U+2581) becomes a space"] if spelling.name == "metaspace" else []),
        *([] if complete(core, spelling) else ["characters without a piece"]),
    ]
    return list(dict.fromkeys(found))


def complete(core: Core, spelling: Spelling) -> bool:
    """Whether there is a piece for each byte, so that nothing is unknown."""
    if spelling.name == "byte-level":
        return _all_there(ALPHABET, core)
    return spelling.has_bytes and _falls_back(core.model) and _all_there(BYTES, core)


def _all_there(pieces: Collection[str], core: Core) -> bool:
    return all(core.token_to_id(piece) is not None for piece in pieces)


def _falls_back(model: Any) -> bool:
    """Whether what has no piece is spelled in bytes."""
    asked = getattr(model, "byte_fallback", None)
    return "byte_fallback=True" in repr(model) if asked is None else bool(asked)


def _marks_spaces(step: Json) -> bool:
    """Whether a step of the normalizer only writes a space as ▁."""
    return step["type"] == "Prepend" or (
        step["type"] == "Replace" and (step["pattern"], step["content"]) == ({"String": " "}, SPACE)
    )


def _normalized(steps: Collection[Json]) -> Iterator[str]:
    for step in steps:
        kind = step["type"]
        if kind in _UNICODE:
            yield f"Unicode is brought to {kind}"
        elif kind == "BertNormalizer":
            yield "white space and control characters"
            if step["lowercase"]:
                yield "capital letters"
            if step["strip_accents"] or (step["strip_accents"] is None and step["lowercase"]):
                yield "accents"
        elif kind == "Precompiled":
            yield "what SentencePiece's table rewrites: white space, width, ligatures"
        else:
            yield {
                "Lowercase": "capital letters",
                "StripAccents": "accents",
                "Strip": "white space at both ends",
            }.get(kind, f"what the normalizer {kind} changes")


def _opened(core: Core, cuts: Collection[Json], spelling: Spelling) -> Iterator[str]:
    """Whether the spaces that are put before a text are those that are taken away."""
    put = [step for step in steps(core.normalizer) if step["type"] == "Prepend"]
    maybe = [s for s in cuts if s["type"] == "Metaspace" and s["prepend_scheme"] != "never"]
    maybe += [step for step in cuts if step["type"] == "ByteLevel" and step["add_prefix_space"]]
    if maybe or spelling.strips != len(put):
        yield "a space at the beginning"
