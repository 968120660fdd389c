"""Control tokens: which one begins, ends or fills, and why no text can spell one.

Families name them differently. BERT begins with its `cls_token` and ends with its `sep_token`; T5
and Qwen have nothing that begins, so what ends a document stands before the next one as well, as
GPT-2's `<|endoftext|>` always did.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from tokenizers import Tokenizer as Core

from danlu.errors import DataError

END = "<|endoftext|>"
"""What GPT-2, Qwen, OLMo and Danlu put between documents, whatever ends a turn."""

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")
"""Special tokens by which ChatML, Llama 3, Gemma and Phi 3 end a turn."""


class Controls:
    """The special tokens of a tokenizer, by name and by purpose.

    Args:
        core: whose tokens they are.
        config: of `tokenizer_config.json`, which says what they are for.
    """

    def __init__(self, core: Core, config: Mapping[str, Any]) -> None:
        added = core.get_added_tokens_decoder()
        self.ids = {token.content: number for number, token in added.items() if token.special}
        """Special tokens and their ids."""
        self.swallows = {n for n, token in added.items() if token.special and token.rstrip}
        """Those that take the white space behind them away, as Phi 3's do."""
        self._core, self._config = core, config

    def named(self, key: str) -> int | None:
        """The token that the configuration gives a purpose, such as `pad_token`; None if none."""
        value = self._config.get(key)
        text = value.get("content") if isinstance(value, dict) else value
        return self._core.token_to_id(text) if isinstance(text, str) else None

    def first(self, *keys: str) -> int:
        """The first of some purposes for which there is a token.

        Raises:
            DataError: there is none.
        """
        found = (self.named(key) for key in keys)
        number = next((number for number in found if number is not None), None)
        if number is None:
            got = [f"{key}: {self._config.get(key)!r}" for key in keys]
            raise DataError(
                f"the tokenizer has no {keys[0]}", got="; ".join(got), expected="one of its tokens"
            )
        return number

    @cached_property
    def begin(self) -> int:
        """What begins a document."""
        own = (self.named(key) for key in ("bos_token", "cls_token"))
        there = [number for number in (*own, self.ids.get(END)) if number is not None]
        return there[0] if there else self.first("bos_token", "cls_token", "eos_token")

    @cached_property
    def ends(self) -> list[int]:
        """What ends a text: a document first, then a turn."""
        turns = [self.ids[text] for text in TURN_ENDS if text in self.ids]
        return list(dict.fromkeys([self.first("eos_token", "sep_token"), *turns]))


def unreachable(core: str) -> Core:
    """The same `tokenizer.json` with special tokens that no text can spell, for a unigram model.

    Such a model finds `</s>` in a text as it finds any piece, since it is one of its vocabulary. So
    these pieces get names that nobody knows; ids and scores stay as they are.
    """
    value, secret = json.loads(core), secrets.token_hex(16)
    special = [token for token in value["added_tokens"] if token["special"]]
    names = {token["content"] for token in special}
    for token in special:
        token["content"] = secret + token["content"]
    for row in value["model"]["vocab"]:
        if row[0] in names:
            row[0] = secret + row[0]
    value["post_processor"] = None
    return Core.from_str(json.dumps(value))
