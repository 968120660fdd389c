"""The weight files of a folder, put in the place of those that were there.

At every instant the folder holds the old weights or the new ones, whole, and no reader can take a
part of each: new files are written beside the old ones, the switch is one rename, and what nothing
refers to any more goes last. A reader takes `model.safetensors` before an index, an index names its
shards. Shards of the same names as the old ones are the hard case: the old ones get other names
first, and the index with them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from danlu import files
from danlu.models.weights import INDEX, SINGLE, Dump, weight_map

_NAME = re.compile(r"(old-)?model-\d{5}-of-\d{5}\.safetensors")


def replace(
    folder: Path, dumps: Mapping[str, Dump | bytes], *, disk: files.Disk | None = None
) -> None:
    """Write weights, as `weights.dump_sharded` gives them, in the place of those of a folder.

    Raises:
        ResourceError: the disk is full or not writable; the old weights stand.
        ModelError: the index that is there is damaged, and its shards are in the way.
    """
    disk = disk or files.Disk()
    disk.mkdir(folder)
    index = dumps.get(INDEX)
    new = {name: files.temporary(folder / name) for name in dumps if name != INDEX}
    try:
        for name, path in new.items():
            disk.unlink(path)
            disk.write(path, dumps[name])
        if index is not None:
            _set_aside(folder, set(new), disk)
        for name, path in new.items():
            disk.rename(path, folder / name)
        disk.fsync_dir(folder)
        if isinstance(index, bytes):
            files.write_atomic(folder / INDEX, index, disk=disk)
    except BaseException:
        for path in new.values():
            path.unlink(missing_ok=True)
        raise
    _drop_others(folder, set(dumps), disk)


def _set_aside(folder: Path, names: set[str], disk: files.Disk) -> None:
    """Give old shards whose names are needed other ones, and say so in the index that counts."""
    if (folder / SINGLE).exists() or not (folder / INDEX).exists():
        return  # then no reader looks at them
    old = weight_map(folder / INDEX)
    taken = {shard for shard in old.values() if shard in names and (folder / shard).exists()}
    for shard in taken:
        disk.unlink(folder / f"old-{shard}")
        disk.link(folder / shard, folder / f"old-{shard}")
    moved = {key: f"old-{shard}" if shard in taken else shard for key, shard in old.items()}
    if taken:
        disk.fsync_dir(folder)
        files.write_json(folder / INDEX, {"metadata": {}, "weight_map": moved}, disk=disk)


def _drop_others(folder: Path, names: set[str], disk: files.Disk) -> None:
    """Delete the weights that were there before."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name != SINGLE):
        ours = path.name in (SINGLE, INDEX) or _NAME.fullmatch(path.name)
        if ours and path.name not in names:
            disk.unlink(path)
    disk.fsync_dir(folder)
