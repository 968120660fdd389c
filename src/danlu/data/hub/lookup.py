"""From a name to the data set that it stands for, and its rows.

Notable choices: a name is pinned to the commit that it stands for when it is looked up, so what
was found is what is read, and the same name can be known to be the same data later. Without a
network, or with HF_HUB_OFFLINE or HF_DATASETS_OFFLINE, a data set is taken from the caches: that
of `hf download --repo-type dataset`, then that of `datasets.load_dataset`. HF_ENDPOINT names a
mirror. Code in a repository is never run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from danlu import log
from danlu.data.hub import cache, choose, errors, library
from danlu.data.hub.choose import DataSet
from danlu.data.hub.library import Library
from danlu.data.hub.names import Name

BATCH_ROWS = 512
ASKED_AT_ONCE = 500
"""Sizes of so many files are asked for in one request."""


def find(name: Name, *, commit: str = "") -> DataSet:
    """The data set of a name, on the hub or in the caches, at a commit or the newest one.

    Raises:
        DataError: it is absent, gated, a script, broken, neither reachable nor cached, or has no
            such configuration or split; the message has the nearest spelling.
        MissingExtra: the package `datasets` is not installed.
    """
    packages = library.load()
    why = "offline mode is on"
    try:
        if not packages.datasets.config.HF_HUB_OFFLINE:
            return _on_hub(packages, name, commit)
    except errors.Unreachable as error:
        why = error.reason
        if not commit:  # else it was said when the commit was found
            log.warn(f"{name}: the hub cannot be reached ({why}); looking into the cache")
    try:
        return cache.find(packages, name, commit, why)
    except errors.Unreachable as error:
        raise errors.not_cached(name.repo, error.reason) from None


def _on_hub(packages: Library, name: Name, commit: str) -> DataSet:
    """The data set on the hub, pinned to its commit."""
    api = packages.hub.HfApi()
    with errors.explained(name.repo, packages):
        info = api.dataset_info(name.repo, revision=commit or None)
        if info.gated:
            api.auth_check(name.repo, repo_type="dataset")
    choose.refuse_scripts(name.repo, [file.rfilename for file in info.siblings or []])
    found = choose.built(packages, name, name.repo, info.sha, choose.licence(info.card_data))
    with errors.explained(name.repo, packages):
        return replace(found, bytes=_size_on_hub(api, name.repo, found))


def shards(found: DataSet) -> list[Iterator[Any]]:
    """For each shard, its rows as tables of at most BATCH_ROWS, read while they are taken.

    Raises:
        DataError: a file is damaged, or the connection is lost for longer than a few minutes.
    """
    packages = library.load()
    with _connected(found, packages):
        rows = found.builder.as_streaming_dataset(split=found.name.split)
        total = rows.num_shards
        parts = [rows.shard(num_shards=total, index=n).with_format("arrow") for n in range(total)]
    return [_tables(part.iter(batch_size=BATCH_ROWS), found, packages) for part in parts]


def _tables(batches: Iterator[Any], found: DataSet, packages: Library) -> Iterator[Any]:
    """The same tables; what goes wrong on the way is said in words."""
    while True:
        with _connected(found, packages):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


@contextlib.contextmanager
def _connected(found: DataSet, packages: Library) -> Iterator[None]:
    try:
        with errors.explained(found.name.repo, packages):
            yield
    except errors.Unreachable as error:
        raise errors.lost(found.name.repo, error.reason) from None


def _size_on_hub(api: Any, repo: str, found: DataSet) -> int:
    """Bytes of the split's files, as the hub stores them."""
    size = 0
    for start in range(0, len(found.files), ASKED_AT_ONCE):
        some = found.files[start : start + ASKED_AT_ONCE]
        paths = api.get_paths_info(repo, some, revision=found.commit, repo_type="dataset")
        size += sum(getattr(path, "size", 0) for path in paths)
    return size
