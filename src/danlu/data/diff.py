"""What two corpora have in common: documents only in one, texts that differ, and why.

Documents are paired by id. Of each, only 64-bit hashes of id and text and a few numbers are held,
about 30 bytes, and pairs are found by sorting: texts are never in memory together.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from danlu.data.corpus import PARTS, Corpus

KEPT = ("train", "held_out")
ROW = [("id", "u8"), ("text", "u8"), ("bytes", "i8"), ("file", "i4"), ("part", "i1")]
EXAMPLES = 5
TOP = 12
"""Sources and reasons that are named one by one."""
NOT_READ = "not in the other corpus at all"


@dataclass(slots=True)
class Group:
    """Some documents of one side: how many, of what sources, and a few of them."""

    documents: int = 0
    bytes: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    """Documents by source file, most first, at most TOP of them."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Documents by why the other corpus has not kept them."""
    examples: list[str] = field(default_factory=list)
    """Ids; always the same ones."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What `diff` found among kept documents."""

    same: Group
    changed: Group
    """The same id with another text; sizes are those of the first corpus."""
    moved: Group
    """The same id, trained on in one and held out in the other; its text may differ as well."""
    only_a: Group
    only_b: Group


def diff(a: Corpus, b: Corpus) -> Difference:
    """The documents that two corpora keep, compared.

    Raises:
        DataError: a file of one of them is damaged.
    """
    left, right = _Index(a), _Index(b)
    in_b = np.isin(left.rows["id"], right.rows["id"], assume_unique=True)
    in_a = np.isin(right.rows["id"], left.rows["id"], assume_unique=True)
    equal = left.rows["text"][in_b] == right.rows["text"][in_a]  # both are sorted by id
    shared = np.flatnonzero(in_b)
    moved = shared[left.rows["part"][in_b] != right.rows["part"][in_a]]
    return Difference(
        same=_group(a, left, shared[equal]),
        changed=_group(a, left, shared[~equal]),
        moved=_group(a, left, moved),
        only_a=_group(a, left, np.flatnonzero(~in_b), other=b),
        only_b=_group(b, right, np.flatnonzero(~in_a), other=a),
    )


class _Index:
    """The kept documents of a corpus, as arrays sorted by the hash of the id."""

    def __init__(self, corpus: Corpus) -> None:
        self.names: dict[str, int] = {}
        rows = [np.zeros(0, ROW)]
        for number, part in enumerate(KEPT):
            for batch in corpus.batches(part, ["id", "text", "file"]):
                new = np.zeros(batch.num_rows, ROW)
                new["id"] = _hashes(batch.column("id").to_pylist())
                new["text"] = _hashes(batch.column("text").to_pylist())
                new["bytes"] = pc.binary_length(batch.column("text")).to_numpy()
                new["part"] = number
                files = batch.column("file").to_pylist()
                new["file"] = [self.names.setdefault(n, len(self.names)) for n in files]
                rows.append(new)
        joined = np.concatenate(rows)
        _, order = np.unique(joined["id"], return_index=True)
        self.rows = joined[order]


def _hashes(texts: list[str]) -> npt.NDArray[np.uint64]:
    """64-bit hashes of texts."""
    digests = (blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def _group(
    corpus: Corpus, index: _Index, places: npt.NDArray[np.intp], *, other: Corpus | None = None
) -> Group:
    """The account of some rows of an index; with `other`, also why that has not got them."""
    rows, names = index.rows[places], list(index.names)
    counts = np.bincount(rows["file"], minlength=len(names))
    top = sorted(np.flatnonzero(counts).tolist(), key=lambda n: (-counts[n], names[n]))[:TOP]
    return Group(
        documents=len(rows),
        bytes=int(rows["bytes"].sum()),
        sources={names[n]: int(counts[n]) for n in top},
        reasons=_reasons(rows["id"], other) if other and len(rows) else {},
        examples=_ids(corpus, rows["id"][:EXAMPLES]),
    )


def _reasons(ids: npt.NDArray[np.uint64], other: Corpus) -> dict[str, int]:
    """By reason, how many of some ids the other corpus has removed."""
    found: Counter[str] = Counter()
    for batch in other.batches("removed", ["id", "removed"]):
        inside = np.isin(_hashes(batch.column("id").to_pylist()), ids)
        reasons = batch.column("removed").to_pylist()
        found.update(reasons[at] for at in np.flatnonzero(inside).tolist())
    if absent := len(ids) - found.total():
        found[NOT_READ] = absent
    return dict(found.most_common(TOP))


def _ids(corpus: Corpus, wanted: npt.NDArray[np.uint64]) -> list[str]:
    """The ids that have some hashes, in the order of the corpus."""
    if not len(wanted):
        return []
    found = []
    for part in PARTS[:2]:
        for batch in corpus.batches(part, ["id"]):
            ids = batch.column("id").to_pylist()
            found += [ids[at] for at in np.flatnonzero(np.isin(_hashes(ids), wanted)).tolist()]
            if len(found) >= len(wanted):
                return found
    return found
