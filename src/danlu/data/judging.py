"""What is decided between the stages, when something is known of all portions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from danlu import files
from danlu.data import keys, split, tally, verdicts
from danlu.data.executors import Executor
from danlu.data.judged import Judged
from danlu.data.split import Split
from danlu.data.spool import Spool
from danlu.data.work import Task, Work

SHOWN_CHARS = 300


@dataclass(frozen=True)
class Judge:
    """Runs the stages that compare, and turns what they find into verdicts in the work folder.

    A verdict is an array in `verdicts/NAME.npy`, of which the tasks that follow read their part.
    """

    work: Work
    executor: Executor
    portions: int
    documents: int
    """How many there are after the steps."""
    key: str
    """What the portions are made from."""

    def compare(self) -> dict[str, Any]:
        """All comparisons; returns the account of duplicates for the manifest."""
        names = self.work.plan["comparisons"]
        found: dict[str, Any] = {}
        exact = np.zeros((2, 0), np.uint64)
        if "exact" in names:
            self._run("exact", self._ranges("exact", 1))
            exact = self._gathered("exact")
            exact = exact[:, np.argsort(exact[0])]
            found["exact"] = verdicts.clusters(exact)
        self._save("exact", exact)
        if "near" in names:
            found["near"] = self._near()
        if "lines" in names:
            self._run("lines", self._ranges("lines", 1))
            lines = self._gathered("lines")  # ranges are in the order of the hashes
            self._save("lines", lines)
            found["lines"] = {"repeated": lines.shape[1]}
        return found

    def decide(self, share: float) -> Split:
        """Which documents are held out, about a share of all bytes.

        Raises:
            DataError: there are fewer than two.
        """
        given = {"portions": self.portions, "share": share}
        files_: dict[str, int] = {}
        sums = [0, 0, 0, 0]
        for result in self._run("sizes", [given] * self.portions):
            for name, size in result["files"].items():
                files_[name] = files_.get(name, 0) + size
            sums = [a + b for a, b in zip(sums, result["documents"], strict=True)]
        documents = split.Documents(*sums)
        return split.decide(files_, documents, share, self._every_document)

    def hold_out(self, decided: Split, *, look_for: bool) -> None:
        """Find the passages of held-out documents, if others with them are to be left out."""
        if not look_for:
            self._save("held_out", np.zeros(0, np.uint64))
            return
        given = {"portions": self.portions, "split": decided.as_json()}
        self._run("held_out", [given] * self.portions)
        self._save("held_out", np.unique(self._gathered("held_out")))

    def _near(self) -> dict[str, Any]:
        settings = self.work.settings.duplicates
        bands = self._ranges("bands", settings.bands)
        candidates = list(self._run("bands", bands))
        given = {"portions": self.portions, "bands": len(bands)}
        counts = self._run("verify", [given] * self.portions)
        pairs = self._gathered("verify")
        similarities = self._gathered("verify", "similarity.npy")
        sizes = self._gathered("verify", "sizes.npy")
        found, alike = verdicts.near(pairs, similarities, sizes, settings.keep)
        self._save("near", found)
        self._save("similarity", alike)
        return {
            **verdicts.clusters(found),
            "largest": self._shown(verdicts.largest(found)),
            "candidates": sum(count["candidates"] for count in counts),
            "giant_buckets": sum(result["giants"] for result in candidates),
        }

    def _ranges(self, stage: str, bands: int) -> list[dict[str, Any]]:
        """What the tasks of a comparison are told: their part of the keys."""
        per_document = 8 if stage == "lines" else 1
        ranges = keys.ranges(bands, per_document * self.documents)
        return [{"portions": self.portions, "range": list(part)} for part in ranges]

    def _run(self, stage: str, given: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """All tasks of a stage; their results."""
        tasks = [
            Task(stage, n, files.hash_of(self.key, stage, each), each)
            for n, each in enumerate(given)
        ]
        return [result for _, result in self.executor.results(self.work, tasks)]

    def _gathered(self, stage: str, suffix: str = "npy") -> Any:
        """The arrays that the tasks of a stage wrote, one after the other."""
        paths = sorted((self.work.folder / stage).glob(f"[0-9]????.{suffix}"))
        return np.concatenate([keys.load(path) for path in paths], axis=-1)

    def _save(self, name: str, verdict: Any) -> None:
        path = self.work.folder / "verdicts" / f"{name}.npy"
        self.work.disk.mkdir(path.parent)
        self.work.disk.unlink(path)
        keys.write(self.work.disk, path, verdict)

    def _shown(self, clusters: Sequence[tuple[int, list[int]]]) -> list[dict[str, Any]]:
        """Clusters with the ids of their documents and the beginning of the one that is kept."""
        spool = Spool(self.work, self.portions)

        def column(name: str, documents: list[int]) -> list[str]:
            values: list[str] = spool.column(name, np.array(documents, np.uint64)).to_pylist()
            return values

        return [
            {
                "kept": column("id", [kept])[0],
                "removed": column("id", gone),
                "text": column("text", [kept])[0][:SHOWN_CHARS],
            }
            for kept, gone in clusters
        ]

    def _every_document(self) -> dict[str, int]:
        """Bytes by document."""
        judged = Judged(self.work, self.portions)
        found: dict[str, int] = {}
        for portion in range(self.portions):
            for batch in judged.batches(portion):
                left = tally.kept(batch)
                lengths = pc.binary_length(left.column("text")).to_pylist()
                found |= dict(zip(left.column("id").to_pylist(), lengths, strict=True))
        return found
