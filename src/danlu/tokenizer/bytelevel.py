"""What the lossless kinds share: bytes spelled as characters, and where words are cut.

Byte-level vocabularies write each byte as one printable character (Radford et al. 2019, GPT-2). The
expression that cuts texts into words is Qwen 2's, which keeps digits apart.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, decoders, pre_tokenizers
from tokenizers import Tokenizer as Core

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

EVERY_CHARACTER = r"[\s\S]"
"""Cuts a text between all its characters."""


def _alphabet() -> dict[str, int]:
    """Printable bytes stand for themselves; the other 68 are moved up to 256, 257, …"""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in printable}
    moved = (byte for byte in range(256) if byte not in set(printable))
    return table | {chr(256 + n): byte for n, byte in enumerate(moved)}


BYTE_OF = _alphabet()
"""The byte that each character of the alphabet stands for."""

ALPHABET = sorted(BYTE_OF)

SPELLING = {byte: char for char, byte in BYTE_OF.items()}
"""The character that stands for each byte."""


def spelled(text: str) -> str:
    """A text in the characters that stand for its bytes.

    >>> spelled(" moon"), spelled("月")
    ('Ġmoon', 'æľĪ')
    """
    return "".join(map(SPELLING.__getitem__, text.encode()))


def bytes_of(piece: str) -> bytes:
    """The bytes of a vocabulary's entry; one outside the alphabet stands for itself.

    >>> bytes_of("Ġmoon")
    b' moon'
    """
    try:
        return bytes(BYTE_OF[char] for char in piece)
    except KeyError:
        return piece.encode()


def wrapped(model: Any, cut: str = QWEN2) -> Core:
    """A model between a pre-tokenizer that cuts and spells, and the decoder that undoes it."""
    core = Core(model)
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(cut), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    return core
