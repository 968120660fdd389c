"""Which runs learned from a corpus.

A run folder says so in `lineage.json` (`record`): the hashes of the corpora that it was trained on,
those of its base included. A run of before that file was written is found by its `run.yaml`: that
names a folder, not a hash, so that it counts as found by name only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from danlu import files
from danlu.data.corpus import Corpus
from danlu.errors import DataError

FORMAT = 1
NAME = "lineage.json"
SETTINGS = "run.yaml"
MAX_DEPTH = 6
"""How deep under a root run folders are looked for."""


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """A run that learned from a corpus."""

    run: Path
    by: Literal["hash", "name"]
    """`hash`: from exactly this text; `name`: its settings name the folder, whatever it held."""

    via: str
    """`corpus`, or `base` if the model that it began with did."""


def record(
    corpora: Sequence[Corpus] = (), *, base: Path | None = None, learned: Sequence[Path] = ()
) -> dict[str, Any]:
    """What a run keeps about what it learned from; a base's corpora are its own too.

    Args:
        corpora: what it is trained on.
        base: the folder of the model that it begins with.
        learned: other files that it is trained on, such as conversations.
    """
    direct = [
        {"path": str(c.folder.absolute()), "sha256": c.sha256, "via": "corpus"} for c in corpora
    ]
    inherited = [{**entry, "via": "base"} for entry in _corpora(base)] if base else []
    return {
        "format": FORMAT,
        "corpora": direct + inherited,
        "base": str(base.absolute()) if base else None,
        "files": [{"path": str(f.absolute()), "sha256": files.sha256(f)} for f in learned],
    }


def runs(corpus: Corpus, roots: Iterable[Path]) -> list[TrainedOn]:
    """The runs in some folders that learned from a corpus, sorted; roots may be absent.

    A file that cannot be read does not stop the search: then its run is not found by it.
    """
    folders = sorted({folder for root in roots for folder in _run_folders(root)})
    found: dict[Path, TrainedOn] = {}
    for folder in folders:
        for entry in _corpora(folder):
            if entry.get("sha256") == corpus.sha256:
                via = str(entry.get("via", "corpus"))
                found.setdefault(folder, TrainedOn(folder, "hash", via))
    for folder in folders:
        if not (folder / NAME).is_file() and _names(folder, corpus.folder):
            found[folder] = TrainedOn(folder, "name", "corpus")
    before = -1
    while len(found) != before:  # the children of what was found, and theirs
        before = len(found)
        for folder in folders:
            base = _base(folder)
            if folder not in found and base and any(_same(base, parent) for parent in found):
                found[folder] = TrainedOn(folder, "name", "base")
    return sorted(found.values(), key=lambda run: run.run)


def _corpora(run: Path) -> list[dict[str, Any]]:
    """What a run's `lineage.json` says of corpora; nothing, where it says nothing of use."""
    if not (run / NAME).is_file():
        return []
    try:
        value = files.read_json(run / NAME)
    except DataError:
        return []
    entries = value.get("corpora") if isinstance(value, dict) else None
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _names(run: Path, corpus: Path) -> bool:
    """Whether a run's settings name a corpus's folder, or are silent and it lies beside the run."""
    data = _settings(run).get("data")
    if not isinstance(data, dict) or "vocab" not in data:  # not a pretraining run
        return False
    given = data.get("corpus")
    return _same(Path(str(given)) if given else run.parent / "corpus", corpus)


def _base(run: Path) -> Path | None:
    given = _settings(run).get("base")
    return Path(given) if isinstance(given, str) else None


def _settings(run: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load((run / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return value if isinstance(value, dict) else {}


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.resolve() == other.resolve()


def _run_folders(root: Path) -> Iterator[Path]:
    """Folders under a root with a `run.yaml`; links to folders are not followed."""
    for folder, inner, names in os.walk(root):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        inner[:] = [] if depth >= MAX_DEPTH else [n for n in inner if n != "checkpoints"]
        if SETTINGS in names:
            yield here
