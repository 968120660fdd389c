"""Which documents are held out: decided by a hash of their file, before anything is trained.

Near-copies lie in the same file more often than not (versions of a page, one function documented
twice), so files are kept together. With few files that would be a coarse knife: below MIN_FILES
the hash is of the document's id, and the manifest says so. The hash is salted with a constant, not
with the seed of a run: other seeds, and the same corpus with more files, hold out the same texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from danlu.errors import DataError

Places = npt.NDArray[np.float64]
Out = npt.NDArray[np.bool_]

SALT = b"danlu held-out 1"
MIN_FILES = 20

Name = Literal["train", "held_out"]
NAMES: tuple[Name, ...] = ("train", "held_out")
By = Literal["file", "document"]


@dataclass(frozen=True, slots=True)
class Split:
    """Which units (files or documents) are held out: those that are named, else by their place."""

    by: By
    share: float = 0.0
    """Units whose place is below it are held out …"""
    held_out: frozenset[str] | None = None
    """… unless chance gave too few or too many, and they are named."""

    def out(self, ids: pa.StringArray, files: pa.StringArray, places: Places) -> Out:
        """[N] whether documents are held out; `places` are those of their ids."""
        if self.held_out is None:
            return np.asarray(places < self.share)
        units = files if self.by == "file" else ids
        return np.array([unit in self.held_out for unit in units.to_pylist()], np.bool_)

    def as_json(self) -> dict[str, Any]:
        """For another process."""
        named = None if self.held_out is None else sorted(self.held_out)
        return {"by": self.by, "share": self.share, "held_out": named}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Split:
        """What `as_json` gave."""
        named = value["held_out"]
        return cls(value["by"], value["share"], None if named is None else frozenset(named))


@dataclass(frozen=True, slots=True)
class Documents:
    """Sums over all documents, and over those whose place is below the share."""

    count: int
    bytes: int
    out_count: int
    out_bytes: int


def decide(
    files: Mapping[str, int],
    documents: Documents,
    share: float,
    every: Callable[[], Mapping[str, int]],
) -> Split:
    """The split of kept text.

    Args:
        files: bytes by file.
        documents: sums over documents.
        share: of all bytes, to hold out.
        every: bytes by document; only called where chance does not give the share.

    Raises:
        DataError: there are fewer than two documents, so that one side would be empty.
    """
    if documents.count < 2:
        raise DataError(
            "the text is too small to hold any of it out",
            got=f"{documents.count} document of {documents.bytes:,} bytes after cleaning",
            expected="at least 2 documents; texts over 6,000 characters are cut into several",
            fix="add more text",
        )
    if len(files) >= MIN_FILES:
        return Split("file", held_out=held_out(files, share))
    if 0 < documents.out_bytes <= 2 * share * documents.bytes and (
        documents.out_count < documents.count
    ):
        return Split("document", share)
    return Split("document", held_out=held_out(every(), share))


def held_out(units: Mapping[str, int], share: float) -> frozenset[str]:
    """Names of the units whose hash falls below `share`: about that share of all bytes.

    Where chance gives nothing, or more than twice the share, units are taken in order of their
    hashes as long as they fit, and at least the smallest.
    """
    total = sum(units.values())
    places = {name: place(name) for name in units}
    chosen = frozenset(name for name, at in places.items() if at < share)
    size = sum(units[name] for name in chosen)
    if 0 < size <= 2 * share * total and len(chosen) < len(units):
        return chosen
    taken: set[str] = set()
    size = 0
    for name in sorted(units, key=lambda name: places[name]):
        if size >= share * total or len(taken) + 1 == len(units):
            break
        if size + units[name] <= 2 * share * total:
            taken.add(name)
            size += units[name]
    return frozenset(taken) or frozenset([min(units, key=lambda name: (units[name], name))])


def place(name: str) -> float:
    """A number in [0, 1) that only depends on the name."""
    digest = blake2b(name.encode(), digest_size=8, key=SALT).digest()
    return int.from_bytes(digest, "big") / 2**64
