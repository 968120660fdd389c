"""Data sets that were downloaded before, for when the hub cannot or must not be asked."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path, PurePosixPath

from danlu import log
from danlu.data.hub import choose, errors
from danlu.data.hub.choose import DataSet
from danlu.data.hub.library import Library
from danlu.data.hub.names import Name


def find(library: Library, name: Name, commit: str, why: str) -> DataSet:
    """The data set from the caches: a download that is known to be whole, rows that `datasets`
    prepared, or, with a warning, a download of which nobody knows whether it is whole.

    Raises:
        DataError: neither has it; `why` says why the hub was not asked.
    """
    folder = _downloaded(library, name.repo, commit)
    if folder and _is_whole(library, name.repo, folder):
        return _from_folder(library, name, folder, why)
    try:
        found = _prepared(library, name)
    except ValueError as error:
        if folder and any(_is_data(path.name) for path in folder.rglob("*")):
            some = _from_folder(library, name, folder, why)
            if not commit:
                log.warn(f"{name}: read from the cache, which may be incomplete: {folder}")
            return some
        raise errors.not_cached(name.repo, f"{why}; {error}".split("\n")[0]) from None
    if commit and found.commit != commit:
        raise errors.not_cached(name.repo, f"{why}; cached is commit {found.commit[:12]}")
    return found


def _downloaded(library: Library, repo: str, commit: str) -> Path | None:
    """The folder of a download, which may be of some files only."""
    try:
        folder = library.hub.snapshot_download(
            repo, repo_type="dataset", revision=commit or None, local_files_only=True
        )
    except library.hub.errors.IncompleteSnapshotError as error:
        raise errors.incomplete(repo, error) from None
    except library.hub.errors.LocalEntryNotFoundError:
        return None
    return Path(folder)


def _is_whole(library: Library, repo: str, folder: Path) -> bool:
    """Whether the list of the repository's files was kept, by which `_downloaded` has checked."""
    try:
        library.hub.get_cached_repo_tree(repo, repo_type="dataset", revision=folder.name)
    except library.hub.errors.CachedRepoTreeNotFoundError:
        return False
    return True


def _from_folder(library: Library, name: Name, folder: Path, why: str) -> DataSet:
    """The data set in a downloaded folder, which is named after its commit."""
    choose.refuse_scripts(name.repo, [path.name for path in folder.iterdir()])
    found = choose.built(
        library, name, str(folder), folder.name, choose.licence_of(library, folder)
    )
    if not found.files:
        raise errors.not_cached(name.repo, f"{why}; cached are other files of it")
    return replace(found, bytes=sum((folder / file).stat().st_size for file in found.files))


def _prepared(library: Library, name: Name) -> DataSet:
    """The data set as `datasets.load_dataset` stored its rows; their files are not known.

    Raises:
        ValueError: it did not, or several configurations of which none was named.
    """
    own = name.repo.rpartition("/")[2]
    cache = importlib.import_module("datasets.packaged_modules.cache.cache")
    builder = cache.Cache(
        repo_id=name.repo,
        dataset_name=own,
        config_name=name.config or None,
        version="auto",
        hash="auto",
    )
    split = choose.choose_split(name, list(builder.info.splits or {}))
    card = library.hub.try_to_load_from_cache(name.repo, "README.md", repo_type="dataset")
    licence = choose.licence_of(library, Path(card).parent) if isinstance(card, str) else ""
    chosen = Name(name.repo, builder.config.name, split)
    return DataSet(chosen, str(builder.hash), licence, [], 0, builder)


def _is_data(path: str) -> bool:
    """Whether a file in a repository may hold rows: the card and git's own files do not."""
    name = PurePosixPath(path).name
    return "." in name.lstrip(".") and not name.startswith(".") and name != "README.md"
