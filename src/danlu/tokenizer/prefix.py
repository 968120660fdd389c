"""The space that some tokenizers put before a text: SentencePiece's dummy prefix.

With it a word has the same piece at the beginning of a text and inside (Kudo & Richardson 2018,
option `add_dummy_prefix`). What goes on with a text that is encoded already must not get it again:
an answer behind its prompt.
"""

from __future__ import annotations

import json
from typing import Literal

from tokenizers import Tokenizer as Core

from danlu.tokenizer.components import Json, flat, steps

Prefix = Literal["", "first", "always"]


def prefix(core: Core) -> Prefix:
    """Where the encoder puts a space that the text does not have.

    `first`: before a text; `always`: also behind each special token in it; empty: nowhere.
    """
    found = {_of(step) for step in (*steps(core.normalizer), *steps(core.pre_tokenizer))}
    return "always" if "always" in found else "first" if "first" in found else ""


def _of(step: Json) -> Prefix:
    if step["type"] == "Metaspace":
        return {"first": "first", "never": ""}.get(step["prepend_scheme"], "always")  # type: ignore[return-value]
    puts = step["type"] == "Prepend" or (step["type"] == "ByteLevel" and step["add_prefix_space"])
    return "always" if puts else ""


def without(core: str) -> Core:
    """What encodes the inside of a text: the same `tokenizer.json`, but without such spaces."""
    value = json.loads(core)
    for step in (*flat(value["normalizer"]), *flat(value["pre_tokenizer"])):
        if step["type"] == "ByteLevel":
            step["add_prefix_space"] = False
        elif step["type"] == "Metaspace":
            step |= {"prepend_scheme": "never", "add_prefix_space": False}
        elif step["type"] == "Prepend":
            step["prepend"] = ""
    return Core.from_str(json.dumps(value))
