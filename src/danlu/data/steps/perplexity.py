"""Documents unlike a text that the user calls good: a model of that text finds them surprising.

The idea is CCNet's (Wenzek et al. 2020, §4.2), with two differences. The model knows characters,
not words, so that it needs no tokenizer and takes any language. And the limit comes from the good
text, not from the corpus, so that one pass over the corpus is enough: a tenth of the good text is
kept back, and a document may be as surprising as the share `keep` of pieces of its own length from
that tenth, times `tolerance`. Length matters, for a short text is surprising or dull by chance more
often than a long one.

The score is bits per byte of UTF-8. Bits per character would let English pass among Chinese texts,
whose characters say three times as much.

What it finds: other languages and scripts, random bytes, keys hit at random, mixed-up characters,
and mixed-up words where the good text is of one kind. It knows nothing of truth or style.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu import log
from danlu.data import examples, rows
from danlu.data.character_ngram import CharacterNGram
from danlu.data.settings import PrepareSettings
from danlu.errors import ConfigError, DataError

REASON = "perplexity"
SAMPLE, LEAST = 2_000_000, 20_000
"""Characters of the good text that the model is made from at most, and at least."""
HELD_OUT, RUNS = 10, 5
"""One document of so many is kept back to find the limits with, in so many runs."""
LENGTHS = (32, 128, 512, 2048)
"""Characters of the pieces that limits are found with; between them it is interpolated."""
PIECES = 20
"""A length needs as many pieces for its limit to be trusted."""
LOOKED_AT = 4
"""A document longer than 2,048 characters is judged by so many pieces, 2,048 characters in all."""


def build(settings: PrepareSettings) -> Perplexity:
    """The step with a model of the good text.

    Raises:
        ConfigError: no good text is named.
        DataError: it is missing or too small.
    """
    own = settings.perplexity
    if not own.like:
        raise ConfigError(
            "the step perplexity needs a text to compare with",
            got="perplexity.like is empty",
            expected="a file or folder of text that you call good",
            fix="--perplexity.like good.txt, or leave the step out of --steps",
        )
    good = examples.read(Path(own.like), settings, characters=SAMPLE)
    if good.characters < LEAST:
        raise DataError(
            f"there is too little good text in {own.like}",
            got=f"{good.characters:,} characters",
            expected=f"at least {LEAST:,}",
            fix="name more of it with --perplexity.like",
        )
    model, limits = learn(good.texts, own.keep, own.tolerance)
    shown = ", ".join(f"{length}: {limit:.2f}" for length, limit in limits.items())
    log.say(f"perplexity: limits in bits per byte by length: {shown}", level=2)
    return Perplexity(model, limits, good.digest)


class Perplexity:
    """Marks documents that surprise a model of good text; notes `bits_per_byte` in `meta`."""

    name = "perplexity"

    def __init__(self, model: CharacterNGram, limits: dict[int, float], digest: str) -> None:
        self.version = f"1 like {digest}"
        self.model, self.limits = model, limits
        self._scored = self._removed = 0

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with scores; surprising ones are removed as `perplexity`."""
        for batch in batches:
            removed = batch.column("removed").to_pylist()
            left = [row for row, reason in enumerate(removed) if reason is None]
            texts, metas = batch.column("text").to_pylist(), batch.column("meta").to_pylist()
            scores = bits_per_byte(self.model, [texts[row] for row in left])
            most = allowed(self.limits, [len(texts[row]) for row in left])
            for row, score, limit in zip(left, scores, most, strict=True):
                metas[row] = rows.noted(metas[row], "bits_per_byte", round(score, 3))
                if score > limit:
                    removed[row] = REASON
                    self._removed += 1
            self._scored += len(left)
            yield rows.with_columns(batch, meta=metas, removed=removed) if left else batch

    def stats(self) -> dict[str, int]:
        """Documents looked at and removed."""
        return {"scored": self._scored, "removed": self._removed}


def learn(
    texts: Sequence[str], keep: float, tolerance: float
) -> tuple[CharacterNGram, dict[int, float]]:
    """A model of good texts, and the limit in bits per byte for each length.

    Raises:
        DataError: all texts are too short to find a limit with.
    """
    learnt, held_out = split(texts)
    model = CharacterNGram.fit(learnt)
    limits = {}
    for length in LENGTHS:
        pieces = [part for text in held_out for part in _parts(text, length) if len(part) == length]
        if len(pieces) >= PIECES:
            scores = bits_per_byte(model, pieces)
            limits[length] = tolerance * float(np.quantile(scores, keep))
    if not limits:
        raise DataError(
            "the good text is in pieces that are too short to compare with",
            got=f"the longest of those kept back has {max(map(len, held_out))} characters",
            expected=f"at least {PIECES * HELD_OUT} texts of {LENGTHS[0]} characters or more",
        )
    return model, limits


def split(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """What to learn from, and what is kept back: the end of each of RUNS runs of texts.

    Not every tenth text: neighbours are often parts of one text, and know too much of each other.

    >>> [len(part) for part in split(["text"] * 200)], split([str(n) for n in range(200)])[1][:5]
    ([180, 20], ['36', '37', '38', '39', '76'])
    """
    if len(texts) < 4 * RUNS * HELD_OUT:  # a few long texts: their parts
        size = max(sum(map(len, texts)) // (4 * RUNS * HELD_OUT), 1)
        texts = [part for text in texts for part in _parts(text, size)]
    learnt: list[str] = []
    held_out: list[str] = []
    for number, text in enumerate(texts):
        is_end = number * RUNS % len(texts) * HELD_OUT >= len(texts) * (HELD_OUT - 1)
        (held_out if is_end else learnt).append(text)
    return learnt, held_out


def allowed(limits: dict[int, float], lengths: Sequence[int]) -> list[float]:
    """How surprising texts of some lengths may be: between the known lengths by their logarithms.

    >>> allowed({32: 5.0, 128: 3.0}, [64, 9999])
    [4.0, 3.0]
    """
    known, wanted = (np.log(np.maximum(n, 1)) for n in (list(limits), lengths))
    result: list[float] = np.interp(wanted, known, list(limits.values())).tolist()
    return result


def bits_per_byte(model: CharacterNGram, texts: Sequence[str]) -> list[float]:
    """The score of each text; of a long one only pieces from all over it are looked at."""
    pieces = [_looked_at(text) for text in texts]
    flat = [piece for some in pieces for piece in some]
    bits = model.bits(flat).tolist()
    sizes = pc.binary_length(pa.array(flat, pa.string())).to_pylist()
    if len(flat) == len(texts):
        return [b / max(size, 1) for b, size in zip(bits, sizes, strict=True)]
    both = iter(zip(bits, sizes, strict=True))
    sums = (zip(*itertools.islice(both, len(some)), strict=True) for some in pieces)
    return [sum(b) / max(sum(size), 1) for b, size in sums]


def _looked_at(text: str) -> list[str]:
    """The text, or equally long pieces from its beginning to its end."""
    most = LENGTHS[-1]
    if len(text) <= most:
        return [text]
    size = most // LOOKED_AT
    starts = ((len(text) - size) * n // (LOOKED_AT - 1) for n in range(LOOKED_AT))
    return [text[start : start + size] for start in starts]


def _parts(text: str, length: int) -> Iterable[str]:
    return (text[at : at + length] for at in range(0, len(text), length))
