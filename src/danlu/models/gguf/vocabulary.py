"""The tokens of a GGUF file: what they are, and which of them mean something.

Two kinds of vocabulary are read, by llama.cpp's names: `gpt2` is byte-level BPE, `llama` is
SentencePiece's BPE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from danlu.errors import ModelError
from danlu.models.gguf.header import Header

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
"""What a token is, by llama.cpp's numbers."""

IDS = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
TURN_ENDS = ("eot", "eom")
"""More tokens that end an answer: of a turn, of a message."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a file, checked."""

    header: Header
    kind: str
    tokens: list[str]
    types: list[int]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Ids of the special tokens that the file names, by `bos`, `eos`, `unk`, `pad`."""
        found = {name: self._id(key) for name, key in IDS.items()}
        return {name: number for name, number in found.items() if number is not None}

    @cached_property
    def ends(self) -> list[int]:
        """Tokens that end an answer."""
        found = [self.ids.get("eos"), *map(self._id, TURN_ENDS)]
        return list(dict.fromkeys(number for number in found if number is not None))

    @cached_property
    def control(self) -> set[str]:
        """Tokens that text may never become."""
        named = {self.tokens[number] for number in (*self.ids.values(), *self.ends)}
        pairs = zip(self.tokens, self.types, strict=True)
        return named | {token for token, kind in pairs if kind in (UNKNOWN, CONTROL)}

    def _id(self, key: str) -> int | None:
        name = f"tokenizer.ggml.{key}_token_id"
        value = self.header.metadata.get(name)
        if value is None or value == 0xFFFF_FFFF:  # both mean that there is none
            return None
        if type(value) is not int or not 0 <= value < len(self.tokens):
            raise wrong(self.header, name, value, f"one of {len(self.tokens):,} tokens")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """A truth value under `tokenizer.ggml.`."""
        value = self.header.metadata.get(f"tokenizer.ggml.{key}", default)
        if not isinstance(value, bool):
            raise wrong(self.header, f"tokenizer.ggml.{key}", value, "true or false")
        return value


def read(header: Header, rows: int) -> Vocabulary:
    """The vocabulary of a file whose embedding has so many rows.

    Raises:
        ModelError: it is missing, of a kind that is not read, or does not fit.
    """
    data = header.metadata
    kind, tokens = data.get("tokenizer.ggml.model"), data.get("tokenizer.ggml.tokens")
    if kind not in ("gpt2", "llama"):
        expected = "gpt2 (byte-level BPE) or llama (SentencePiece BPE)"
        raise wrong(header, "tokenizer.ggml.model", kind, expected)
    if not isinstance(tokens, list) or not 0 < len(tokens) <= rows:
        got = f"{len(tokens):,}" if isinstance(tokens, list) else None
        raise wrong(header, "tokenizer.ggml.tokens", got, f"1 to {rows:,} tokens")
    types = data.get("tokenizer.ggml.token_type", np.full(len(tokens), NORMAL))
    if not is_numbers(types, len(tokens)) or not set(types.tolist()) <= set(range(7)):
        expected = f"{len(tokens):,} numbers from 0 to 6"
        raise wrong(header, "tokenizer.ggml.token_type", size(types), expected)
    return Vocabulary(header, str(kind), tokens, types.tolist())


def is_numbers(value: Any, length: int) -> TypeGuard[npt.NDArray[Any]]:
    """Whether a setting is a list of so many numbers."""
    return isinstance(value, np.ndarray) and len(value) == length


def size(value: Any) -> object:
    """What to say of a setting in a message: of a list only how long it is."""
    is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    return f"{len(value):,} entries" if is_list else value


def wrong(header: Header, key: str, got: object, expected: str) -> ModelError:
    """The error for a setting of the tokenizer."""
    what = "is missing from" if got is None else "cannot be used in"
    return ModelError(f"{key} {what} {header.path}", got=got, expected=expected)
