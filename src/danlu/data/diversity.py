"""How varied a sample of documents is: words, phrases, topics, sources, lengths.

Every figure is of a sample, and made so that samples of different size compare: what depends on
the amount of text is computed over windows of the same length, or fitted.

distinct-n       different n-grams ÷ n-grams (Li et al. 2016), mean over windows of WINDOW units
self-BLEU        BLEU-4 of a document against all others (Zhu et al. 2018); high: all alike
vocabulary       Heaps' law, V = K·n^β: the smaller β, the fewer new words more text brings
compression      share of its size that zlib leaves of the text
topics           see `topics`; shares of sources and languages with the number of equal ones that
                 would have the same entropy (Hill 1973: the exponential of the entropy)

Units are words, and single characters in Chinese and Japanese (`units_of`).
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from danlu.data.characters import units_of
from danlu.data.self_bleu import self_bleu
from danlu.data.topics import Cluster, Topics, topics

Ids = npt.NDArray[np.int64]

WINDOW = 20_000
ORDERS = (1, 2, 3)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MAX_CHARS = 50_000
"""Of a longer document, units are taken from its beginning only."""
NAMED = 10
"""Sources and languages that are named; the others are counted together."""
HEAPS_FROM, HEAPS_POINTS = 100, 40
SEPARATOR = -1
"""Stands between documents, so that no n-gram spans two."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How text is spread over named groups."""

    bytes: dict[str, float]
    """Share of the bytes by name, largest first, at most NAMED."""
    others: int
    """Groups that are not named."""
    effective: float
    """As many equal groups would have the same entropy."""


@dataclass(frozen=True, slots=True)
class Diversity:
    """What `measure` found; shares are from 0 to 1."""

    documents: int
    bytes: int
    unit: Literal["words", "characters"]
    """What most units are."""
    distinct: dict[str, float]
    """distinct-n by n; empty where there are no units."""
    self_bleu: float | None
    vocabulary: dict[str, float]
    """`beta` and `k` of Heaps' law, `units` and `words` of the sample."""
    compression: float | None
    lengths: dict[str, float]
    """Characters of a document, by quantile: `0.5` is the median."""
    topics: Topics | None
    sources: Shares | None = None
    languages: Shares | None = None

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Diversity:
        """What `as_json` gave."""
        topics_ = value["topics"]
        if topics_ is not None:
            clusters = [Cluster(**cluster) for cluster in topics_["clusters"]]
            topics_ = Topics(**{**topics_, "clusters": clusters})
        shares_ = {name: value[name] and Shares(**value[name]) for name in ("sources", "languages")}
        return cls(**{**value, "topics": topics_, **shares_})


def measure(
    texts: Sequence[str],
    *,
    sources: Sequence[str] | None = None,
    languages: Sequence[str] | None = None,
    seed: int = 0,
) -> Diversity:
    """The diversity of some documents, given with the source and language of each if known.

    The same texts in the same order give the same figures. Time and memory grow with the text:
    meant for a sample of some MB (`sample.Sample`).
    """
    sizes = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
    documents = [units_of(text[:MAX_CHARS]) for text in texts]
    single = sum(len(units) for units in documents if isinstance(units, str))
    units, names = numbered(documents)
    return Diversity(
        documents=len(texts),
        bytes=sum(sizes),
        unit="characters" if single > sum(map(len, documents)) / 2 else "words",
        distinct={str(n): round(v, 4) for n in ORDERS if (v := distinct(units, n)) is not None},
        self_bleu=_rounded(self_bleu(split(units), seed=seed)),
        vocabulary=heaps(units) | {"units": int((units >= 0).sum()), "words": names},
        compression=_rounded(compression(texts)),
        lengths=_quantiles([len(text) for text in texts]),
        topics=topics(texts, seed=seed),
        sources=shares(sources, sizes) if sources is not None else None,
        languages=shares(languages, sizes) if languages is not None else None,
    )


def numbered(documents: Iterable[Sequence[str]]) -> tuple[Ids, int]:
    """The units of all documents as numbers with a SEPARATOR after each, and how many differ.

    >>> numbered([["to", "be"], ["be"]])
    (array([ 0,  1, -1,  1, -1]), 2)
    """
    table: dict[str, int] = {}
    ids: list[int] = []
    for units in documents:
        ids.extend([table.setdefault(unit, len(table)) for unit in units])
        ids.append(SEPARATOR)
    return np.array(ids, dtype=np.int64), len(table)


def split(units: Ids) -> list[Ids]:
    """The units of each document again."""
    return [part[part >= 0] for part in np.split(units, np.flatnonzero(units < 0))[:-1]]


def distinct(units: Ids, n: int) -> float | None:
    """The share of different n-grams, mean over whole windows of WINDOW units; None without any.

    Less text than a window is one window. Windows, because the share falls as text grows.

    >>> distinct(np.array([0, 1, 0, 1, -1, 1, 0, -1]), 2)
    0.5
    """
    grams = ngrams(units, n)
    grams = grams[grams >= 0]
    if not len(grams):
        return None
    size = min(WINDOW, len(grams))
    whole = grams[: len(grams) // size * size].reshape(-1, size)
    ordered = np.sort(whole, axis=1)
    different = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
    return float(different.mean() / size)


def ngrams(units: Ids, n: int) -> Ids:
    """A number for the n-gram that begins at each place, the same for the same; -1 for none.

    >>> ngrams(np.array([0, 1, 0, 1, -1]), 2)
    array([ 0,  1,  0, -1])
    """
    grams = units
    for more in range(1, n):
        later = units[more:]
        grams = grams[: len(later)]
        both = np.where((grams < 0) | (later < 0), -1, grams * (units.max(initial=0) + 1) + later)
        _, inverse = np.unique(both, return_inverse=True)
        grams = np.where(both < 0, -1, inverse - bool((both < 0).any()))
    return grams


def heaps(units: Ids) -> dict[str, float]:
    """K and β of Heaps' law, by least squares between the logarithms of text and vocabulary.

    Nothing for a text of fewer than 2 × HEAPS_FROM units.
    """
    words = units[units >= 0]
    if len(words) < 2 * HEAPS_FROM:
        return {}
    _, first = np.unique(words, return_index=True)
    places = np.unique(np.geomspace(HEAPS_FROM, len(words), HEAPS_POINTS).astype(np.int64))
    size = np.searchsorted(np.sort(first), places)
    beta, log_k = np.polyfit(np.log(places), np.log(size), 1)
    return {"beta": round(float(beta), 4), "k": round(float(math.exp(log_k)), 3)}


def compression(texts: Iterable[str]) -> float | None:
    """Compressed size ÷ size, all texts in one zlib stream (its window: 32 kB); None for none."""
    packer, size, packed = zlib.compressobj(6), 0, 0
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        size += len(data)
        packed += len(packer.compress(data))
    packed += len(packer.flush())
    return packed / size if size else None


def shares(names: Sequence[str], sizes: Sequence[int]) -> Shares:
    """How bytes are spread over names.

    >>> shares(["a", "b", "a"], [10, 20, 10])
    Shares(bytes={'a': 0.5, 'b': 0.5}, others=0, effective=2.0)
    """
    table: Counter[str] = Counter()
    for name, size in zip(names, sizes, strict=True):
        table[name] += size
    total = max(table.total(), 1)
    ordered = sorted(table.items(), key=lambda item: (-item[1], item[0]))
    portions = [size / total for _, size in ordered if size]
    return Shares(
        {name: round(size / total, 4) for name, size in ordered[:NAMED]},
        max(0, len(ordered) - NAMED),
        round(math.exp(-sum(p * math.log(p) for p in portions)), 2),
    )


def _quantiles(lengths: Sequence[int]) -> dict[str, float]:
    if not lengths:
        return {}
    found = np.quantile(lengths, QUANTILES)
    return {str(q): round(float(value), 1) for q, value in zip(QUANTILES, found, strict=True)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
