"""Random documents of a corpus, to look at: always the same ones for the same seed.

The ids are read first and the texts only of the documents that were drawn, so that a large corpus
is sampled in the time of reading a few columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from danlu import discover
from danlu.data.corpus import PARTS, Corpus
from danlu.data.sample import Sample
from danlu.errors import UnknownName
from danlu.visible import visible

KEPT = ("train", "held_out")
NAMED = 12
"""Files that an error names."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A document that was drawn."""

    id: str
    part: str
    file: str
    removed: str | None
    text: str


def draw(
    corpus: Corpus,
    count: int,
    *,
    part: str = "",
    reason: str = "",
    source: str = "",
    seed: int = 0,
) -> list[Drawn]:
    """`count` random documents, or all if there are fewer, in a random order.

    Args:
        corpus: where from.
        count: how many.
        part: `train`, `held_out` or `removed`; empty: what is kept, or removed with a `reason`.
        reason: only documents removed for it; `repetitive` covers `repetitive: one phrase`.
        source: only documents of files that begin so.
        seed: another one draws others.

    Raises:
        UnknownName: there is no such part, reason or source; the message has the nearest.
        DataError: a file is damaged.
    """
    if part and part not in PARTS:
        raise discover.unknown("part of a corpus", part, PARTS)
    reasons = _reasons(corpus, reason) if reason else []
    sample = Sample(most=count, max_bytes=1 << 62, seed=seed)
    searched = (part,) if part else ("removed",) if reason else KEPT
    seen: set[str] = set()
    for name in searched:
        for batch in corpus.batches(name, ["id", "file", "removed"]):
            if reason:
                batch = batch.filter(pc.is_in(batch.column("removed"), pa.array(reasons)))
            if source:
                seen.update(batch.column("file").unique().to_pylist())
                batch = batch.filter(pc.starts_with(batch.column("file"), source))
            for own_id in batch.column("id").to_pylist():
                sample.add(own_id, "", name)
    rows = sample.rows()
    if source and not rows and not any(file.startswith(source) for file in seen):
        raise _unknown_source(source, seen)
    found = _read(corpus, searched, [own_id for own_id, _, _ in rows])
    return [found[facts[0], own_id] for own_id, _, facts in rows]


def _unknown_source(source: str, files: Iterable[str]) -> UnknownName:
    """The error for a source that is not there; of many files only some are named."""
    files = sorted(files)
    folders = sorted({file.split("/")[0] for file in files})
    hint = discover.nearest(source, folders) or discover.nearest(source, files)
    some = visible(", ".join(folders[:NAMED])) + (" …" if len(folders) > NAMED else "")
    return UnknownName(
        f"no document is of a file that begins with {source!r}",
        expected=f"the beginning of a file's name: {some}",
        fix=f"did you mean {hint!r}?" if hint else "",
    )


def _reasons(corpus: Corpus, reason: str) -> list[str]:
    """The reasons that a name covers."""
    have = list(corpus.manifest.get("removed", {}))
    found = [why for why in have if why == reason or why.startswith(f"{reason}:")]
    if not found:
        families = [why.split(":")[0] for why in have]
        raise discover.unknown("reason of a removal here", reason, {*have, *families})
    return found


def _read(corpus: Corpus, searched: Iterable[str], ids: list[str]) -> dict[tuple[str, str], Drawn]:
    """The documents of some ids, by part and id."""
    found, wanted = {}, pa.array(ids, pa.string())
    for part in searched:
        for batch in corpus.batches(part, ["id", "file", "removed", "text"]):
            for row in batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist():
                found[part, row["id"]] = Drawn(
                    row["id"], part, row["file"], row["removed"], row["text"]
                )
    return found
