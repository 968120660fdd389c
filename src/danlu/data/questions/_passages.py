"""Text in the pieces that questions are made of: lines, or sentences where lines are long."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from danlu.data import characters
from danlu.types import Document

ROOM = 320
"""Most that a question quotes, and an answer says, in Latin characters, so that both together fit
256 tokens of a small vocabulary: about 90 tokens of English, or 120 of Chinese."""

PASSAGE = 800
"""One passage is taken from every so many characters of a long text."""
MOST_PASSAGES = 8

WIDE = 4
"""How much of ROOM a Chinese, Japanese or Korean character or mark takes, and an emoji."""
POEM_LINES = 40

_WIDE = re.compile("[\u2e80-\U0010ffff]+")
_LINE = re.compile(r"[^\n]+\n*")
_SENTENCE = re.compile(
    r"[^\n]+?(?:[。！？；]+[」』”’）]*"
    r"|(?<!\b\d)(?<!\b\d\d)[.!?]+[\"'”’)\]]*(?=\s|[\u4e00-\u9fff])"  # not after the 7 of a list
    r"|(?=\n)|\Z)\s*"
)


def room(text: str) -> int:
    """How much of ROOM a text takes.

    >>> room("moon"), room("明月")
    (4, 8)
    """
    return len(text) + (WIDE - 1) * characters.count(_WIDE, text)


def is_documentation(document: Document) -> bool:
    """Whether a text is the documentation of something: it has a summary."""
    return "summary" in document.meta


@lru_cache(maxsize=8)  # several kinds of question ask the same of one text
def is_poem(text: str) -> bool:
    """Whether a text has 2 to 40 lines, and none has room for more than 24 Han characters."""
    lines = [line for line in text.split("\n", POEM_LINES * 2) if line.strip()]
    return 1 < len(lines) <= POEM_LINES and max(map(room, lines)) <= 24 * WIDE


@lru_cache(maxsize=8)
def pieces(text: str) -> tuple[str, ...]:
    r"""Lines of a poem, else sentences and lines, each with the space up to the next.

    >>> pieces("床前明月光，\n疑是地上霜。")
    ('床前明月光，\n', '疑是地上霜。')
    >>> pieces("7. Rise at dawn. Work!")
    ('7. Rise at dawn. ', 'Work!')
    """
    return tuple((_LINE if is_poem(text) else _SENTENCE).findall(text))


def fitting(parts: Sequence[str], limit: int = ROOM) -> int:
    """How many of the first pieces fit.

    >>> fitting(["One. ", "Two! ", "Three."], 9)
    2
    """
    used = 0
    for number, part in enumerate(parts):
        if used + room(part.rstrip()) > limit:
            return number
        used += room(part)
    return len(parts)


def joined(parts: Sequence[str]) -> str:
    """Pieces as one text."""
    return "".join(parts).strip()


def opening(text: str) -> str:
    """As much of the beginning of a text as fits; all of it if it is short; maybe nothing."""
    parts = pieces(text)
    return joined(parts[: fitting(parts)])


def passages(document: Document, least: int, rng: random.Random) -> Iterator[tuple[str, ...]]:
    """Runs of at least `least` pieces: of a short text all of it, of a long one some places."""
    parts = pieces(document.text)
    count = min(MOST_PASSAGES, max(1, len(document.text) // PASSAGE))
    if count == 1:
        starts = [0]
    else:
        starts = sorted(rng.sample(range(len(parts)), min(count, len(parts))))
    for start in starts:
        if len(parts) - start >= least:
            yield parts[start:]
