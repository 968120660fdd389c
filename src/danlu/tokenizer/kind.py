"""What a kind of tokenizer is: how its pieces are learnt, and what encodes with them.

A kind is one module in `tokenizer/kinds/` with these names; `train` adds what all kinds share: the
special tokens, the beginning of a text, the chat template.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tokenizers import Tokenizer as Core


@dataclass(frozen=True)
class Learned:
    """What training found: pieces as they stand in the vocabulary, the alphabet first."""

    pieces: list[str]
    alphabet: int
    """How many of them are single bytes or characters, which no size goes without."""
    merges: Sequence[tuple[str, str]] = ()
    """For byte pairs: in the order in which they were learnt."""
    scores: Sequence[float] = ()
    """For unigrams: the logarithm of each piece's probability."""


class Kind(Protocol):
    """The names in a module of `tokenizer/kinds/`."""

    LOSSLESS: bool
    """Whether decoding gives back every text, to the byte."""
    NESTED: bool
    """Whether the first n pieces of a vocabulary are what training for n would have found."""
    UNKNOWN: str
    """The special token for what has no piece; empty if there is always one."""

    def learn(self, texts: Iterable[str], size: int) -> Learned:
        """At most `size` pieces from texts; fewer if the texts have no more.

        A lossless kind is never asked for fewer than the 256 bytes.

        Raises:
            DataError: `size` is too small for the characters of the texts.
        """

    def core(self, learned: Learned, special: Sequence[str]) -> Core:
        """What encodes: `special`, then the pieces, numbered from 0."""
