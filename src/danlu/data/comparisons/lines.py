"""Lines or paragraphs that stand in many documents: menus, footers, notices; the first is kept.

A line counts once a document. One that stands in `duplicates.line_copies` documents or more is
taken out of all but the first of them; case, marks and spaces do not count. Lines of fewer than
`duplicates.line_units` words (or characters of Chinese) are left alone. After CCNet (Wenzek et al.
2020, section 3.1), which drops paragraphs by their hash within a shard.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import keys, units
from danlu.data.settings import DuplicateSettings, PrepareSettings
from danlu.data.work import Task, Work

REASON = "only repeated lines"
SEPARATORS = {"line": "\n", "paragraph": "\n\n"}


def build(settings: PrepareSettings) -> Lines:
    """The comparison with the sizes that the settings say."""
    return Lines(settings.duplicates)


class Lines:
    """Collects the hashes of a portion's lines."""

    name, version = "lines", "1"

    def __init__(self, settings: DuplicateSettings) -> None:
        self.settings = settings
        self._keys: list[keys.U64] = []
        self._rows: list[keys.U64] = []

    def collect(self, batch: pa.RecordBatch, at: int) -> None:
        """Take the rows that are not removed; the first one has the number `at`."""
        hashes, of, _ = hashed(batch.column("text"), self.settings)
        stays = pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        counted = (hashes != 0) & stays[of]
        pairs = np.unique(np.stack([of[counted].astype(np.uint64), hashes[counted]]), axis=1)
        self._rows.append(pairs[0] + np.uint64(at))
        self._keys.append(pairs[1])

    def save(self, work: Work, task: Task, count: int) -> None:
        """Write the hashes, sorted, with the rows that they are of."""
        nothing = np.zeros(0, np.uint64)
        packed = keys.pack(
            np.concatenate([nothing, *self._keys])[None],
            np.concatenate([nothing, *self._rows]),
        )
        keys.write(work.disk, work.path(task, "lines.npy"), packed)


def hashed(
    texts: pa.StringArray, settings: DuplicateSettings
) -> tuple[keys.U64, keys.U64, pa.StringArray]:
    """[L] hashes of all lines, 0 for those that do not count; [L] whose they are; the lines."""
    lists = pc.split_pattern(texts, SEPARATORS[settings.lines])
    lines = lists.flatten()
    of = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    sizes = np.diff(units.of(lines).first)
    hashes = np.where(sizes >= settings.line_units, units.text_hashes(lines), np.uint64(0))
    return hashes, of, lines


def without(
    texts: pa.StringArray,
    settings: DuplicateSettings,
    repeated: keys.U64,
    owners: keys.U64,
    numbers: keys.U64,
) -> list[str | None]:
    """Each text without its repeated lines; None for a text that stays as it is.

    Args:
        texts: [N] texts.
        settings: the sizes.
        repeated: [R] hashes of repeated lines, sorted.
        owners: [R] the document that keeps each of them.
        numbers: [N] the numbers of the documents.
    """
    hashes, of, lines = hashed(texts, settings)
    goes = keys.contained(hashes, repeated) & (hashes != 0)
    if not goes.any():
        return [None] * len(texts)
    found = np.flatnonzero(goes)
    owner = owners[np.searchsorted(repeated, hashes[found])]
    goes[found] = owner != numbers[of[found].astype(np.int64)]
    after: list[str | None] = [None] * len(texts)
    separator = SEPARATORS[settings.lines]
    bounds = np.searchsorted(of, np.arange(len(texts) + 1))
    for i in np.unique(of[goes]).tolist():
        mine = range(bounds[i], bounds[i + 1])
        after[i] = separator.join(lines[j].as_py() for j in mine if not goes[j]).strip("\n")
    return after
