"""How the pieces of a vocabulary are written, and the bytes that they stand for.

The decoder of a `tokenizer.json` says it. Three spellings are known:

    byte-level   each byte is a printable character, ` moon` is `Ġmoon`       (GPT-2, Llama 3, Qwen)
    metaspace    a space is ▁, ` moon` is `▁moon`; a byte may be `<0xE6>`     (Llama 2, Gemma, T5)
    WordPiece    `moon` begins a word, `##light` continues one                (BERT)

A piece has the same bytes wherever it stands, but for the first of a text: where the encoder puts a
space before every text (`prefix`), the decoder takes it away. So bytes can be handed out token by
token, and joined they are the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from tokenizers import Tokenizer as Core

from danlu.tokenizer.bytelevel import bytes_of
from danlu.tokenizer.components import steps

SPACE = "▁"

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
"""How metaspace vocabularies spell single bytes."""

_ALL = 1 << 30


@dataclass(frozen=True)
class Spelling:
    """A way to write pieces."""

    name: Literal["byte-level", "metaspace", "WordPiece"]
    strips: int = 0
    """Spaces that go at the beginning of a text, at most."""
    has_bytes: bool = False
    """Metaspace: `<0xE6>` is a byte."""

    def spelled(self, piece: str) -> bytes:
        """What a piece stands for inside a text.

        >>> Spelling("byte-level").spelled("Ġmoon"), Spelling("metaspace").spelled("▁moon")
        (b' moon', b' moon')
        """
        if self.name == "byte-level":
            return bytes_of(piece)
        if self.name == "WordPiece":
            return _spaced(piece)
        found = re.fullmatch("<0x([0-9A-F]{2})>", piece) if self.has_bytes else None
        return bytes([int(found[1], 16)]) if found else piece.replace(SPACE, " ").encode()

    def added(self, text: str) -> bytes:
        """What an added token that is not special stands for: itself, as it was matched."""
        return text.encode() if self.name == "byte-level" else self.spelled(text)

    def opened(self, data: bytes) -> bytes:
        """The bytes of the first piece of a text, without the space that was put there.

        >>> Spelling("metaspace", strips=1).opened(b" moon")
        b'moon'
        """
        return data[min(self.strips, len(data) - len(data.lstrip(b" "))) :]


def spelling(core: Core) -> Spelling | None:
    """The spelling that a tokenizer's decoder undoes; None if it is not one of the three."""
    found = steps(core.decoder)
    types = [step["type"] for step in found]
    if "ByteLevel" in types:
        return Spelling("byte-level")
    if types == ["WordPiece"]:
        return Spelling("WordPiece", strips=_ALL)
    if types == ["Metaspace"] and found[0]["replacement"] == SPACE:
        return Spelling("metaspace", strips=0 if found[0]["prepend_scheme"] == "never" else _ALL)
    undone = [(s["pattern"], s["content"]) for s in found if s["type"] == "Replace"]
    if undone != [({"String": SPACE}, " ")] or not {*types} <= _METASPACE:
        return None
    strips = sum(step["start"] for step in found if step["type"] == "Strip")
    return Spelling("metaspace", strips=strips, has_bytes="ByteFallback" in types)


_METASPACE = {"Replace", "ByteFallback", "Fuse", "Strip"}


def _spaced(piece: str) -> bytes:
    """A WordPiece as it is written after another one.

    >>> _spaced("moon"), _spaced("##light"), _spaced(","), _spaced("月").decode()
    (b' moon', b'light', b',', '月')
    """
    if piece.startswith("##") and len(piece) > 2:
        return piece[2:].encode()
    joins = piece in ".,;:!?)]}'" or (len(piece) == 1 and ord(piece) >= 0x2E80)
    return piece.encode() if joins else f" {piece}".encode()
