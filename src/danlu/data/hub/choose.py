"""A data set with its configuration, split and licence chosen, wherever its files are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from danlu import discover
from danlu.data.hub import errors
from danlu.data.hub.library import Library
from danlu.data.hub.names import Name
from danlu.errors import DataError

DEFAULT_SPLIT = "train"


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set that was found."""

    name: Name
    """With the configuration and the split that were chosen."""
    commit: str
    licence: str
    """As its card says; empty: the card says nothing."""
    files: list[str]
    """Paths in the repository of the split's files; empty where they are not known."""
    bytes: int
    """Size of those files as they are stored; 0: unknown."""
    builder: Any
    """`datasets.DatasetBuilder`."""


def built(library: Library, name: Name, source: str, commit: str, licence: str) -> DataSet:
    """The data set with its configuration and split chosen; `source` is a repository or folder."""
    on_hub = source == name.repo
    revision = {"revision": commit} if on_hub else {}
    with errors.explained(name.repo, library):
        try:
            builder = library.datasets.load_dataset_builder(source, name.config or None, **revision)
        except ValueError as error:
            if listed := errors.listed_names(error):
                raise _no_config(name, listed) from None
            raise
    by_split = builder.config.data_files or {}
    split = choose_split(name, list(by_split))
    start = f"hf://datasets/{name.repo}@{commit}/" if on_hub else f"{source}/"
    files = [str(url).removeprefix(start) for url in by_split[split]]
    chosen = Name(name.repo, builder.config.name, split)
    return DataSet(chosen, commit, licence, files, 0, builder)


def choose_split(name: Name, have: list[str]) -> str:
    """The split that was asked for, else `train`, else the only one."""
    if not name.split and (DEFAULT_SPLIT in have or len(have) == 1):
        return DEFAULT_SPLIT if DEFAULT_SPLIT in have else have[0]
    if name.split in have:
        return name.split
    hint = discover.nearest(name.split, have) if name.split else next(iter(have), None)
    raise DataError(
        f"{name.repo} has no split {name.split or DEFAULT_SPLIT!r}",
        expected=f"one of: {', '.join(have) or '(none)'}",
        fix=f"did you mean {replace(name, split=hint)}?" if hint else "",
    )


def _no_config(name: Name, have: list[str]) -> DataError:
    if not name.config:
        return DataError(
            f"{name.repo} has several configurations, and none is its default",
            expected=f"one of: {', '.join(have)}",
            fix=f"name one: {replace(name, config=have[0])}",
        )
    hint = discover.nearest(name.config, have)
    return DataError(
        f"{name.repo} has no configuration {name.config!r}",
        expected=f"one of: {', '.join(have)}",
        fix=f"did you mean {replace(name, config=hint)}?" if hint else "",
    )


def refuse_scripts(repo: str, names: Iterable[str]) -> None:
    """A repository whose data a Python script of the same name would make is not read."""
    script = f"{repo.rsplit('/', 1)[-1]}.py"
    if script in names:
        raise DataError(
            f"{repo} is a program, not data: its text is made by {script}",
            expected="a data set of files: parquet, JSON lines, CSV or text",
            fix="programs from the hub are not run. Most such data sets have a copy in parquet: "
            f"hf download {repo} --repo-type dataset --revision refs/convert/parquet "
            "--local-dir FOLDER, then give FOLDER",
        )


def licence_of(library: Library, folder: Path) -> str:
    """The licence in a folder's README.md; empty where there is none, or no YAML in its head."""
    try:
        return licence(library.hub.DatasetCard.load(folder / "README.md").data)
    except (OSError, ValueError):
        return ""


def licence(card: Any) -> str:
    """The licence of a card, which may be one or several, or a name of its own.

    >>> licence({"license": ["cc-by-sa-3.0", "gfdl"]}), licence({"license": "other"})
    ('cc-by-sa-3.0, gfdl', 'other')
    >>> licence({"license": "other", "license_name": "llama3"}), licence(None)
    ('llama3', '')
    """
    said = card.get("license") if card else None
    if said in ("other", ["other"]) and card.get("license_name"):
        said = card.get("license_name")
    return ", ".join(map(str, said)) if isinstance(said, list) else str(said or "")
