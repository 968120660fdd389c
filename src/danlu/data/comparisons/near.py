"""Near-duplicates: documents of which most shingles are shared, found by MinHash and then verified.

A shingle is five words, or five characters of Chinese and Japanese. Candidates share a band of
their signatures (`danlu.data.minhash`); a pair counts only if the exact Jaccard similarity of its
shingle sets reaches the threshold. A document is removed when it is that similar to one that is
kept, never because of a chain of similar ones: so each removal names its twin, and no two of the
documents that are kept are near-duplicates of each other as far as the candidates reach.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import keys, minhash, units
from danlu.data.settings import PrepareSettings
from danlu.data.work import Task, Work

REASON = "near duplicate"


def build(settings: PrepareSettings) -> Near:
    """The comparison with the bands that the settings say."""
    return Near(minhash.Bands(settings.duplicates.bands, settings.duplicates.rows))


class Near:
    """Collects the signatures of a portion's documents."""

    name, version = "near", "1"

    def __init__(self, bands: minhash.Bands) -> None:
        self.bands = bands
        self._signatures: list[minhash.U32] = []
        self._rows: list[keys.U64] = []

    def collect(self, batch: pa.RecordBatch, at: int) -> None:
        """Take the rows that are not removed; the first one has the number `at`."""
        shingles, first = units.of(batch.column("text")).grams(minhash.SHINGLE, whole=True)
        stays = pc.is_null(batch.column("removed")).to_numpy(zero_copy_only=False)
        stays = stays & (np.diff(first) > 0)
        sizes = np.where(stays, np.diff(first), 0)
        chosen = shingles[np.repeat(stays, np.diff(first))]
        made = self.bands.signatures(chosen, np.concatenate([[0], np.cumsum(sizes)]))
        self._signatures.append(made[stays])
        self._rows.append(np.flatnonzero(stays).astype(np.uint64) + np.uint64(at))

    def save(self, work: Work, task: Task, count: int) -> None:
        """Write the keys of the bands, sorted, and the signatures by row."""
        nothing = np.zeros((0, self.bands.functions), np.uint32)
        signatures = np.concatenate([nothing, *self._signatures])
        numbers = np.concatenate([np.zeros(0, np.uint64), *self._rows])
        packed = keys.pack(self.bands.keys(signatures), numbers)
        keys.write(work.disk, work.path(task, "bands.npy"), packed)
        by_row = np.zeros((count, self.bands.functions), np.uint32)
        by_row[numbers.astype(np.int64)] = signatures
        keys.write(work.disk, work.path(task, "signatures.npy"), by_row)
