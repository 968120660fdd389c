"""One token a character: the most frequent ones; all others as their bytes, so nothing is lost.

Long sequences, but a vocabulary that a person can read; the usual baseline for small models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer as Core
from tokenizers import models

from danlu.tokenizer.bytelevel import ALPHABET, EVERY_CHARACTER, spelled, wrapped
from danlu.tokenizer.kind import Learned

LOSSLESS, NESTED, UNKNOWN = True, True, ""


def learn(texts: Iterable[str], size: int) -> Learned:
    """256 bytes, which are also the ASCII characters, then characters from the most frequent on.

    >>> learned = learn(["床前明月光", "明月 moon"], 258)
    >>> learned.pieces[256:] == [spelled("明"), spelled("月")]
    True
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    wide = sorted((c for c in counts if not c.isascii()), key=lambda c: (-counts[c], c))
    return Learned([*ALPHABET, *map(spelled, wide[: size - len(ALPHABET)])], len(ALPHABET))


def core(learned: Learned, special: Sequence[str]) -> Core:
    """A byte-level BPE without merges, that takes a whole character where it has a token."""
    vocab = {piece: number for number, piece in enumerate([*special, *learned.pieces])}
    return wrapped(models.BPE(vocab, [], ignore_merges=True), EVERY_CHARACTER)
