"""A corpus without some of its documents, as a new corpus.

The documents go from every part, the removed one too, and so do their copies: documents of the
same normalised text (`find.normalised`) under other ids, and near-duplicates of which only one was
kept, else the text would stay. The manifest keeps SHA-256 hashes of the ids, and no excerpt of a
text that went. What the source files hold is not touched: `prepare` would read it again.
"""

from __future__ import annotations

import copy
import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

import danlu
from danlu import discover, files
from danlu.data.corpus import MANIFEST, PARTS, Corpus, make_way, replacing
from danlu.data.find import normalised
from danlu.data.parts import Parts
from danlu.data.tally import Amount
from danlu.errors import DataError, UnknownName

KEPT = ("train", "held_out")
NO_EXCERPTS = ("recipe", "sources", "files")
"""Entries of the manifest that say nothing of single documents."""
NEAR_IDS = 200
"""Ids among which the nearest spelling of an unknown one is looked for."""


@dataclass(slots=True)
class Forgotten:
    """What went."""

    ids: set[str] = field(default_factory=set)
    amounts: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    """By part."""
    reasons: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    """Of the removed part, by why they had been removed."""
    languages: dict[str, Amount] = field(default_factory=lambda: defaultdict(Amount))
    sizes: list[int] = field(default_factory=list)
    """Bytes of each document that was kept until now."""

    def add(self, part: str, rows: pa.RecordBatch) -> None:
        """Count rows of a part that go."""
        texts = rows.column("text")
        self.ids.update(rows.column("id").to_pylist())
        self.amounts[part].add(texts)
        kept = part in KEPT
        if kept:
            self.sizes += pc.binary_length(texts).to_pylist()
        if not kept:
            _add_by(self.reasons, rows, "removed")
        elif "lang" in rows.schema.names:
            _add_by(self.languages, rows, "lang")


def forget(
    corpus: Corpus,
    ids: Sequence[str],
    out: Path,
    *,
    copies: bool = True,
    disk: files.Disk | None = None,
) -> tuple[Corpus, Forgotten]:
    """The corpus without the documents of some ids, written to the folder `out`, and what went.

    Raises:
        UnknownName: there is no document of an id; the message has the nearest one.
        ConfigError: something else is at `out`.
        DataError: nothing would be left to train on or to measure with, or a file is damaged.
        ResourceError: the disk is full, or another process writes there.
    """
    out, disk = out.absolute(), disk or files.Disk()
    texts = _texts_of(corpus, ids)
    family = _family(corpus, ids) if copies else set(ids)
    make_way(out, force=False)
    disk.mkdir(out.parent)
    gone = Forgotten()
    with replacing(out, disk) as folder:
        record: dict[str, Any] = {}
        left: dict[str, Amount] = {}
        for part in PARTS:
            writer, left[part] = Parts(folder, part, disk), Amount()
            for batch in corpus.batches(part):
                goes = _goes(batch, family, texts if copies else ())
                gone.add(part, batch.filter(goes))
                stays = batch.filter(pc.invert(goes))
                left[part].add(stays.column("text"))
                writer.add(stays)
            record |= writer.close()
            if part in KEPT and not left[part].documents:
                raise DataError(
                    f"nothing would be left in the part {part}", fix="forget fewer documents"
                )
        manifest = _manifest(corpus, gone, left, copies=copies) | {"files": record}
        disk.write(folder / MANIFEST, files.json_bytes(manifest))
    return Corpus.open(out), gone


def _texts_of(corpus: Corpus, ids: Sequence[str]) -> set[bytes]:
    """Hashes of the texts of some documents, after a check that every id is known."""
    wanted = pa.array(list(dict.fromkeys(ids)), pa.string())
    found: dict[str, bytes] = {}
    for part in PARTS:
        for batch in corpus.batches(part, ["id", "text"]):
            for row in batch.filter(pc.is_in(batch.column("id"), wanted)).to_pylist():
                found[row["id"]] = _hash(row["text"])
    for own_id in ids:
        if own_id not in found:
            raise _unknown(corpus, own_id)
    return set(found.values())


def _family(corpus: Corpus, ids: Collection[str]) -> set[str]:
    """The ids, those that were kept for them, and those that were removed for one of these."""
    twins: dict[str, str] = {}
    for batch in corpus.batches("removed", ["id", "meta"]):
        for row in batch.filter(pc.match_substring(batch["meta"], '"duplicate_of"')).to_pylist():
            twins[row["id"]] = orjson.loads(row["meta"]).get("duplicate_of", "")
    kept = {*ids, *(twins[own_id] for own_id in ids if own_id in twins)}
    return kept | {own_id for own_id, twin in twins.items() if twin in kept}


def _goes(batch: pa.RecordBatch, ids: Collection[str], texts: Collection[bytes]) -> pa.BooleanArray:
    """[rows] whether each row is one of some ids, or has one of some texts."""
    named = pc.is_in(batch.column("id"), pa.array(list(ids), pa.string()))
    if not texts:
        return named
    same = [_hash(text) in texts for text in batch.column("text").to_pylist()]
    return pc.or_(named, pa.array(same, pa.bool_()))


def _hash(text: str) -> bytes:
    return blake2b(normalised(text).encode(), digest_size=16).digest()


def _unknown(corpus: Corpus, own_id: str) -> UnknownName:
    """The error for an id that is not there, with the nearest of those that begin like it."""
    every = (i for part in PARTS for batch in corpus.batches(part, ["id"]) for i in _ids(batch))
    alike = heapq.nlargest(NEAR_IDS, every, key=lambda other: _shared_ends(other, own_id))
    hint = discover.nearest(own_id, alike)
    return UnknownName(
        f"no document has the id {own_id!r}",
        expected="ids as `danlu corpus who` and `danlu corpus sample` print them",
        fix=f"did you mean {hint!r}? Nothing was written" if hint else "nothing was written",
    )


def _shared_ends(a: str, b: str) -> int:
    """How many characters two ids share at their beginnings and ends."""
    both = zip(a, b, strict=False), zip(reversed(a), reversed(b), strict=False)
    return sum(sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends)) for ends in both)


def _ids(batch: pa.RecordBatch) -> Iterator[str]:
    yield from batch.column("id").to_pylist()


def _add_by(amounts: dict[str, Amount], rows: pa.RecordBatch, column: str) -> None:
    for value in pc.unique(rows.column(column)).to_pylist():
        if value is not None:
            amounts[value].add(rows.filter(pc.equal(rows.column(column), value)).column("text"))


def _manifest(
    corpus: Corpus, gone: Forgotten, left: dict[str, Amount], *, copies: bool
) -> dict[str, Any]:
    """The old manifest with the counts as they are now, without what would tell the texts."""
    manifest: dict[str, Any] = {
        key: copy.deepcopy(value) if key in NO_EXCERPTS else scrubbed(value, gone.ids)
        for key, value in corpus.manifest.items()
    }
    kept = Amount()
    for part in KEPT:
        for name in ("documents", "bytes", "characters"):
            setattr(kept, name, getattr(kept, name) + getattr(left[part], name))
    manifest["counts"] |= {part: left[part].as_json() for part in KEPT} | {"kept": kept.as_json()}
    tables = [manifest.get("removed", {}), *(s["removed"] for s in manifest.get("steps", []))]
    for table in tables:
        _subtract(table, gone.reasons)
    _subtract(manifest.get("languages", {}), gone.languages)
    if isinstance(lengths := manifest.get("lengths"), dict):
        places = np.searchsorted(np.array(lengths["edges"]), gone.sizes, side="right") - 1
        drop = np.bincount(places.astype(np.intp), minlength=len(lengths["after"]))
        lengths["after"] = (np.array(lengths["after"]) - drop).tolist()
    if isinstance(manifest.get("funnel"), list):
        entry = {"step": "forget", "documents": kept.documents, "bytes": kept.bytes}
        manifest["funnel"].append(entry)
    manifest["parent"] = {
        "sha256": corpus.sha256,
        "danlu": corpus.manifest.get("danlu"),
        "parent": corpus.manifest.get("parent"),
        "forgotten": corpus.manifest.get("forgotten"),
    }
    manifest["forgotten"] = {
        "ids": sorted(sha256(own_id.encode()).hexdigest() for own_id in gone.ids),
        "copies": copies,
        "documents": {part: gone.amounts[part].documents for part in PARTS},
        "bytes": {part: gone.amounts[part].bytes for part in PARTS},
    }
    return manifest | {"danlu": danlu.__version__}


def scrubbed(value: Any, ids: Collection[str]) -> Any:
    """A manifest without the entries of lists that are about some ids.

    >>> scrubbed({"examples": [{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]}, {"a"})
    {'examples': [{'id': 'b', 'text': 'y'}]}
    """
    if isinstance(value, dict):
        return {key: scrubbed(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [scrubbed(inner, ids) for inner in value if not _is_about(inner, ids)]
    return value


def _is_about(entry: Any, ids: Collection[str]) -> bool:
    if isinstance(entry, dict):
        return any(isinstance(v := entry.get(key), str) and v in ids for key in ("id", "kept"))
    return isinstance(entry, str) and entry in ids


def _subtract(table: dict[str, Any], amounts: dict[str, Amount]) -> None:
    for key, amount in amounts.items():
        if isinstance(entry := table.get(key), dict):
            for name, count in amount.as_json().items():
                if name in entry:
                    entry[name] -= count
