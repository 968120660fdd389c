"""Mixtures: each source gets its share of what is trained on, whatever its size.

The rule: sources of sizes s_i with weights w_i make a whole as large as all of them together,
S = Σ s_i, of which source i has the share w_i / Σ w. So it is read r_i = (w_i / Σ w) · S / s_i
times; where that is no whole number, some of its documents once more than the others, chosen by a
hash of their ids. A larger r only adds to what a smaller one chose. Weights in proportion to the
sizes change nothing.

Past EPOCHS readings of the same text a warning is given: up to about four are nearly as good as
new text, and their worth then falls off (Muennighoff et al. 2023, "Scaling Data-Constrained
Language Models", abstract; arXiv:2305.16264). A run that goes over the mixture more than once
multiplies the readings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from danlu import discover, log
from danlu.errors import ConfigError, DataError

EPOCHS = 4.0
"""Readings of the same text that are nearly as good as new text."""

SALT = b"danlu mixture 1"

MARK = "mix"
"""The key in a document's `meta` that says which source of a mixture it belongs to."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Part:
    """One source of a mixture, as it is wanted and as it came out."""

    source: str
    size: int
    """In bytes or in tokens, of the source's text that is trained on, each document once."""
    weight: float
    wanted: float
    """Share of the whole, 0 to 1."""
    repeats: float
    """How many times the source is read on average."""
    got: float | None = None
    """Share of the whole that it has; None: nothing was drawn yet."""

    def as_json(self, unit: str) -> dict[str, Any]:
        """For a manifest; `unit` is what sizes are counted in."""
        row: dict[str, Any] = {"source": self.source, unit: self.size, "weight": self.weight}
        row |= {"wanted": round(self.wanted, 6), "repeats": round(self.repeats, 6)}
        return row if self.got is None else row | {"got": round(self.got, 6)}


def assign(weights: Mapping[str, float], files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Which name of the mixture each source belongs to.

    A name is a source as the manifest calls it, or a path as it was given, or the last part of
    such a path; where several fit, the first of these wins.

    Args:
        weights: by name.
        files: the path that was given and the source, for every file.

    >>> assign({"poems": 1, "a/news.txt": 2}, [("x/poems", "tang.txt"), ("a/news.txt", "news.txt")])
    {'tang.txt': 'poems', 'news.txt': 'a/news.txt'}

    Raises:
        UnknownName: a name fits no source.
        ConfigError: a source has no weight.
    """
    if not weights:
        return {}
    names_of = {source: _names(given, source) for given, source in files}
    chosen = {
        source: next((name for name in names if name in weights), "")
        for source, names in names_of.items()
    }
    for name in weights:
        if name not in chosen.values():
            raise discover.unknown("source", name, _known(names_of))
    if without := sorted({names_of[source][1] for source, name in chosen.items() if not name}):
        raise ConfigError(
            "a mixture must give every source a weight",
            got=f"none for {', '.join(without[:5])}" + " …" * (len(without) > 5),
            fix=f"--mix {' '.join(f'{name} {weight:g}' for name, weight in weights.items())} "
            f"{without[0]} 1",
        )
    return chosen


def _names(given: str, source: str) -> list[str]:
    """What a source may be called, the most specific name first."""
    path = given.rstrip("/") or source
    return [source, path, PurePosixPath(path).name]


def _known(names_of: Mapping[str, list[str]]) -> list[str]:
    """Names to suggest: the paths, and the sources if there are few."""
    paths = {names[1] for names in names_of.values()}
    return sorted(paths | set(names_of) if len(names_of) <= 20 else paths)


def sizes(batches: Iterable[pa.RecordBatch]) -> dict[str, int]:
    """Bytes of text by source, of rows whose `meta` says to which they belong."""
    found: dict[str, int] = {}
    for batch in batches:
        lengths = pc.binary_length(batch.column("text")).to_pylist()
        for meta, length in zip(batch.column("meta").to_pylist(), lengths, strict=True):
            source = json.loads(meta)[MARK]
            found[source] = found.get(source, 0) + length
    return found


def weights(manifest: Mapping[str, Any]) -> dict[str, float]:
    """The weights by source of a corpus; empty: its sources are not mixed."""
    return {row["source"]: row["weight"] for row in manifest.get("mixture", [])}


def plan(sizes: Mapping[str, int], weights: Mapping[str, float]) -> list[Part]:
    """How often each source is to be read; sorted by name, whatever the order of `weights`.

    >>> [(p.source, p.wanted, p.repeats) for p in plan({"en": 900, "zh": 100}, {"en": 1, "zh": 1})]
    [('en', 0.5, 0.5555555555555556), ('zh', 0.5, 5.0)]

    Raises:
        DataError: a source has no text.
    """
    whole, total = sum(sizes.values()), math.fsum(weights.values())
    parts = []
    for source in sorted(weights):
        if not sizes.get(source):
            raise DataError(
                f"nothing is left of {source} to be mixed",
                got="no text to train on after cleaning and holding out",
                fix=f"leave {source} out, or clean it less: see what was removed in the manifest",
            )
        wanted = weights[source] / total
        repeats = wanted * whole / sizes[source]
        parts.append(Part(source, sizes[source], weights[source], wanted, repeats))
    return parts


def warn(parts: Iterable[Part]) -> None:
    """Warn of sources that are read more than EPOCHS times, with the weight that would not."""
    parts = list(parts)
    whole = sum(part.size for part in parts)
    for part in parts:
        if part.repeats > EPOCHS:
            share = EPOCHS * part.size / whole
            others = math.fsum(p.weight for p in parts if p is not part)
            log.warn(
                f"{part.source} is read {part.repeats:.1f} times; past {EPOCHS:.0f}, repeats "
                f"are worth less and less. A weight of "
                f"{others * share / (1 - share):.3g} reads it {EPOCHS:.0f} times"
            )


def copies(groups: Ints, sizes: Ints, places: npt.NDArray[np.uint64], parts: list[Part]) -> Ints:
    """How many times each document is in the mixture: n or n + 1, where its source is read n.f.

    Which documents get the one more depends on their places alone, and the line is drawn where
    the source's size comes nearest to what is wanted: it is off by at most half a document, or by
    less than one where a source would otherwise be left without any.

    Args:
        groups: [N] the number of each document's source in `parts`.
        sizes: [N] of the documents.
        places: [N] see `place`.
        parts: the sources.

    Returns:
        [N] counts from 0.

    >>> part = Part("a", 40, 1.0, 1.0, 2.5)
    >>> copies(np.zeros(4, int), np.full(4, 10), np.array([7, 1, 9, 3], np.uint64), [part]).tolist()
    [2, 3, 2, 3]
    """
    result = np.zeros(len(groups), np.int64)
    for number, part in enumerate(parts):
        own = np.flatnonzero(groups == number)
        whole = int(part.repeats)
        order = own[np.argsort(places[own], kind="stable")]
        sums = np.concatenate([[0], np.cumsum(sizes[order])])
        more = int(np.argmin(np.abs(sums - (part.repeats - whole) * float(sums[-1]))))
        if whole == 0:
            more = max(more, 1)
        result[own] = whole
        result[order[:more]] += 1
    return result


def passes(counts: Ints) -> Iterator[Ints]:
    """The order of a mixture: one pass over the documents for each repeat.

    Copies of a document are a pass apart; they are only neighbours where a pass has no other.

    >>> [some.tolist() for some in passes(np.array([1, 3, 0, 2]))]
    [[0, 1, 3], [1, 3], [1]]
    """
    for number in range(int(counts.max(initial=0))):
        yield np.flatnonzero(counts > number)


def drawn(parts: Iterable[Part], groups: Ints, sizes: Ints, counts: Ints) -> list[Part]:
    """The parts with the shares that they got and the repeats that they have."""
    amounts = np.bincount(groups, weights=sizes * counts)
    whole = float(amounts.sum())
    return [
        Part(p.source, p.size, p.weight, p.wanted, float(amount) / p.size, float(amount) / whole)
        for p, amount in zip(parts, amounts, strict=True)
    ]


def place(own_id: str) -> int:
    """A number of 64 bits that only depends on a document's id."""
    return int.from_bytes(blake2b(own_id.encode(), digest_size=8, key=SALT).digest(), "big")


def table(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A mixture as it lies in a manifest, as rows to show.

    >>> table([{"source": "a", "tokens": 9, "weight": 1.0, "wanted": 0.5, "repeats": 2.04}])
    [{'source': 'a', 'tokens': 9, 'weight': 1.0, 'share wanted': '50.0%', 'times read': '2.04'}]
    """
    shown = []
    for row in rows:
        line = {key: row[key] for key in ("source", "bytes", "tokens", "weight") if key in row}
        line["share wanted"] = f"{100 * row['wanted']:.1f}%"
        if "got" in row:
            line["share got"] = f"{100 * row['got']:.1f}%"
        shown.append({**line, "times read": f"{row['repeats']:.2f}"})
    return shown
