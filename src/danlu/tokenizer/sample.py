"""A part of a corpus that fits in memory, chosen by what the texts say and by nothing else.

Training keeps every different word in memory: about 100 bytes for each byte of Chinese, where words
seldom repeat. So texts are cut into blocks, and a block is taken if its hash is small: the choice
depends on no order, no generator and no number of processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

BLOCK = 16_384
"""Characters of a block; it ends where a line or a word ends, if one does."""


@dataclass
class Sample:
    """Texts of which at most `limit_bytes` are taken; what was taken is counted while it is read.

    >>> sample = Sample(["明月" * 9000, "moon " * 9000], total_bytes=99_000, limit_bytes=50_000)
    >>> sum(len(text.encode()) for text in sample) == sample.bytes <= 50_000
    True
    """

    texts: Iterable[str]
    total_bytes: int
    """Bytes of all texts, as far as is known; decides what share of the blocks is taken."""
    limit_bytes: int
    bytes: int = 0

    def __iter__(self) -> Iterator[str]:
        """The chosen blocks, in order; all texts as they are if they are small enough."""
        self.bytes = 0
        whole = self.total_bytes <= self.limit_bytes
        bound = int(self.limit_bytes / max(self.total_bytes, 1) * 2.0**64)
        for text in self.texts:
            for block in [text] if whole else blocks(text):
                data = block.encode(errors="surrogatepass")
                if not whole and _hash(data) >= bound:
                    continue
                if self.bytes + len(data) > self.limit_bytes:
                    return
                self.bytes += len(data)
                yield block

    def as_json(self) -> dict[str, Any]:
        """How much was taken, and how it was chosen."""
        whole = self.total_bytes <= self.limit_bytes
        return {
            "bytes": self.bytes,
            "of_bytes": self.total_bytes,
            "rule": "all text" if whole else f"blocks of {BLOCK} characters with a small hash",
        }


def blocks(text: str) -> Iterator[str]:
    """A text cut into blocks of at most `BLOCK` characters; joined they are the text."""
    start = 0
    while len(text) - start > BLOCK:
        end = start + BLOCK
        cut = text.rfind("\n", start + BLOCK // 2, end) + 1
        cut = cut or text.rfind(" ", start + BLOCK // 2, end)
        end = cut if cut > start else end
        yield text[start:end]
        start = end
    yield text[start:] if start else text


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
