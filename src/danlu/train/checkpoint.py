"""Checkpoints on the level of files: whole or not there, found by listing, never half believed.

    RUN/model.safetensors            a second name of the newest checkpoint's file
    RUN/checkpoints/step-00001200/   MANIFEST.json, model.safetensors, …, state/…

A checkpoint is written in `.tmp-<step>`, its MANIFEST.json (sizes and SHA-256 of all files, and of
itself) last; all is synced, then one rename makes it exist. There is no pointer file, and no time
stamp is believed: the newest is the highest number whose every byte verifies. Contents are bytes:
torch, and what they mean, are the callers' business. Everything here that writes wants the run's
`files.Lock` held, and contents that nobody changes meanwhile: snapshots, so that another thread
may do it.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import importlib.metadata
import platform
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import danlu
from danlu import files, log
from danlu.errors import CheckpointError, ConfigError, ResourceError
from danlu.files import Bytes, Disk
from danlu.train.manifest import FORMAT, MANIFEST, MAX_STEP, NAME, inspect, sealed, unsealed
from danlu.train.manifest import compare as compare  # for callers: one door to checkpoints
from danlu.train.manifest import verify as verify

_STEP = re.compile(r"step-(\d{8})", re.ASCII)
_TRASH = re.compile(r"\.trash-(\d{8})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder whose manifest and files were verified."""

    path: Path
    step: int
    manifest: dict[str, Any]

    @property
    def info(self) -> dict[str, Any]:
        """What the run said about itself when it was saved."""
        info: dict[str, Any] = self.manifest["info"]
        return info

    def file(self, name: str) -> Path:
        """The path of one of its files.

        Raises:
            CheckpointError: it has no such file.
        """
        if name not in self.manifest["files"]:
            raise CheckpointError(
                f"{self.path} has no {name}", expected=", ".join(self.manifest["files"])
            )
        return self.path / name

    def read(self, name: str) -> bytes:
        """The bytes of one of its files, verified once more.

        Raises:
            CheckpointError: it has no such file, or that changed.
        """
        path = self.file(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
        if hashlib.sha256(data).hexdigest() != self.manifest["files"][name]["sha256"]:
            raise CheckpointError(f"{path} changed since it was verified")
        return data


def save(
    run: Path,
    step: int,
    contents: Mapping[str, Bytes | Iterable[Bytes]],
    *,
    info: Mapping[str, Any],
    keep: int = 2,
    disk: Disk | None = None,
    publish: Sequence[str] = ("model.safetensors",),
    size: int | None = None,
) -> Path:
    """Write a checkpoint, publish its `publish` files at the top of `run`, delete old ones.

    `contents` are files by name, in sub-folders if the name says so; `size` is their bytes in all,
    needed only when they cannot tell (by `nbytes`). The newest `keep` whole checkpoints stay, and
    none goes before the new one is durable. Saving a step again replaces it.

    Raises:
        ResourceError: the disk is full or fails. Older checkpoints stand, nothing half is left.
        CheckpointError: a later whole checkpoint exists, or a name is not a plain path.
        ConfigError: `keep` is below 2: with one, a power cut can lose all.
    """
    disk, home = disk or Disk(), run / "checkpoints"
    _check(home, step, contents, keep, publish)
    if not home.is_dir():
        disk.mkdir(home)
        with contextlib.suppress(ResourceError):  # a parent may be closed to us
            disk.fsync_dir(run.parent)
    clean(run, disk=disk)
    _make_room(home, contents, size, disk)
    folder, final = home / f".tmp-{step:08}", home / f"step-{step:08}"
    try:
        _write(folder, step, contents, dict(info), disk)
        if final.exists():
            disk.rename(final, home / f".trash-{step:08}")
        disk.rename(folder, final)  # the commit
        disk.fsync_dir(home)
        _publish(run, final, publish, disk)
    except BaseException:
        with contextlib.suppress(ResourceError):
            clean(run, disk=disk)
        raise
    _delete_old(home, step, keep, disk)
    return final


def newest(run: Path) -> Checkpoint | None:
    """The newest checkpoint whose every byte verifies; those passed over are named by a warning.

    Raises:
        CheckpointError: a newer Danlu wrote the newest one; an older one would lose its work.
    """
    home = run / "checkpoints"
    listed = [*_listed(home, _STEP), *_listed(home, _TRASH)]  # the latter: until they are deleted
    for _, folder in sorted(listed, key=lambda item: -item[0]):  # stable: at one step, STEP first
        manifest, problems = inspect(folder)
        if manifest is not None and not problems:
            return Checkpoint(folder, manifest["step"], manifest)
        if manifest is not None and manifest["format"] > FORMAT:
            raise CheckpointError(f"{folder}: {problems[0]}", fix="upgrade danlu to that version")
        log.warn(f"{folder} is passed over: {problems[0]}")
    return None


def clean(run: Path, *, disk: Disk | None = None) -> None:
    """Remove what a killed or failed save left; the run's lock must be held.

    A whole checkpoint that was moved aside, with nothing whole and as new in its place, is put
    back: the process died while saving that step again.
    """
    disk, home = disk or Disk(), run / "checkpoints"
    for path in sorted(home.glob(".tmp-*")):
        disk.rmtree(path)
    moved = _listed(home, _TRASH)
    if moved:
        disk.fsync_dir(home)  # what took its place must be durable before it goes
    for step, path in moved:
        good = max((n for n, p in _listed(home, _STEP) if _whole(p)), default=-1)
        if step > good and not verify(path):
            place = home / f"step-{step:08}"
            disk.rmtree(place)
            disk.rename(path, place)
            disk.fsync_dir(home)
        else:
            disk.rmtree(path)
    files.sweep(run, disk=disk)


def republish(checkpoint: Checkpoint, names: Sequence[str] = ("model.safetensors",)) -> None:
    """Publish a checkpoint's files again; for a resume, as the last process may have died early."""
    _publish(checkpoint.path.parent.parent, checkpoint.path, names, Disk())


def _check(
    home: Path, step: int, contents: Collection[str], keep: int, publish: Sequence[str]
) -> None:
    if keep < 2:
        raise ConfigError("too few checkpoints are kept", got=keep, expected="2 or more")
    if not 0 <= step <= MAX_STEP:
        raise CheckpointError("a step has 8 digits at most", got=step)
    for name in contents:
        if not NAME.fullmatch(name) or name == MANIFEST:
            raise CheckpointError("not a name for a file in a checkpoint", got=name)
    for name in publish:
        if name not in contents or "/" in name:
            raise CheckpointError("only a file at the top can be published", got=name)
    for number, folder in _listed(home, _STEP):
        if number > step and not verify(folder):
            raise CheckpointError(
                f"step {step} cannot be saved: {folder} is a later checkpoint",
                fix="resume from it, or move that folder away first",
            )


def _make_room(home: Path, contents: Mapping[str, Any], size: int | None, disk: Disk) -> None:
    """Be sure of the space before starting; drops old checkpoints, not the last, if that helps."""
    whole = [path for _, path in _listed(home, _STEP) if _whole(path)]
    before = inspect(whole[0], hashes=False)[0] if whole else None
    table = before["files"] if before else {}
    if size is None:
        size = sum(
            _size(content) or table.get(name, {}).get("bytes", 0)
            for name, content in contents.items()
        )
    needed = size + size // 20 + 4096 * len(contents)
    old = whole[:0:-1]  # oldest first, without the newest
    spare = sum(p.stat().st_size for folder in old for p in folder.rglob("*") if p.is_file())
    for folder in old if files.free_bytes(home) + spare >= needed else []:
        if files.free_bytes(home) >= needed:
            break
        log.warn(f"the disk is nearly full: {folder} is dropped to make room for a new checkpoint")
        _drop(folder, disk)
    free = files.free_bytes(home)
    if free < needed:
        error = ResourceError(
            f"no room for a checkpoint in {home}",
            got=f"{log.size(free)} free",
            expected=f"{log.size(needed)}",
            fix="free some space on this disk or choose another --out",
        )
        error.errno = errno.ENOSPC
        raise error


def _size(content: Any) -> int:
    """Bytes of one file, 0 if it cannot tell before it is made."""
    if isinstance(content, bytes | bytearray):
        return len(content)
    return int(getattr(content, "nbytes", 0))


def _write(
    folder: Path, step: int, contents: Mapping[str, Any], info: dict[str, Any], disk: Disk
) -> None:
    """Everything in the folder, durable but for the folder's own name."""
    inner = {folder / parent for name in contents for parent in Path(name).parents} - {folder}
    for path in (folder, *sorted(inner)):
        disk.mkdir(path)
    table = {}
    for name, content in contents.items():
        count: list[int] = []
        digest = disk.write(folder / name, _counted(content, count))
        table[name] = {"bytes": sum(count), "sha256": digest}
    manifest = {
        "format": FORMAT,
        "step": step,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": _versions(),
        "info": info,
        "files": table,
        "parent": _parent(folder.parent, step),
    }
    raw = sealed(manifest)
    try:
        unsealed(raw)  # what could not be read back is not committed
    except ValueError as error:
        raise CheckpointError(f"{MANIFEST} cannot hold this `info`: {error}") from None
    disk.write(folder / MANIFEST, raw)
    for path in (*sorted(inner, reverse=True), folder):
        disk.fsync_dir(path)


def _parent(home: Path, step: int) -> dict[str, Any] | None:
    """The checkpoint that this one follows, by step and the SHA-256 of its manifest."""
    for number, path in _listed(home, _STEP):
        if number < step and _whole(path):
            with files.explained(path, "read"):
                return {"step": number, "sha256": files.sha256(path / MANIFEST)}
    return None


def _counted(content: Bytes | Iterable[Bytes], count: list[int]) -> Iterator[Bytes]:
    for part in [content] if isinstance(content, Bytes) else content:
        count.append(memoryview(part).nbytes)
        yield part


@functools.cache
def _versions() -> dict[str, str]:
    found = {"danlu": danlu.__version__, "python": platform.python_version()}
    for package in ("torch", "numpy", "safetensors"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _publish(run: Path, folder: Path, names: Sequence[str], disk: Disk) -> None:
    """Give each file its name at the top: a link, then one replace, so that one is always there."""
    for name in names:
        source, target = folder / name, run / name
        if target.is_file() and target.samefile(source):
            continue
        new = files.temporary(target)
        disk.unlink(new)
        try:
            disk.link(source, new)
            disk.rename(new, target)
        except BaseException:
            with contextlib.suppress(ResourceError):
                disk.unlink(new)
            raise
    disk.fsync_dir(run)


def _delete_old(home: Path, step: int, keep: int, disk: Disk) -> None:
    """Delete what is older than the `keep` newest whole ones; a failure is only a warning."""
    steps = [(number, path) for number, path in _listed(home, _STEP) if number <= step]
    kept = [number for number, path in steps if _whole(path)][:keep]
    old = [path for number, path in steps if len(kept) == keep and number < kept[-1]]
    try:
        disk.rmtree(home / f".trash-{step:08}")  # this step, if it was saved before
        for path in old:
            _drop(path, disk)
    except ResourceError as error:
        log.warn(f"an old checkpoint stays for now: {error.what}")


def _drop(folder: Path, disk: Disk) -> None:
    """Delete a checkpoint: first its name, so that a half one never has it."""
    trash = folder.with_name(folder.name.replace("step-", ".trash-"))
    disk.rename(folder, trash)
    disk.rmtree(trash)


def _listed(home: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    """The folders whose whole name fits, highest number first."""
    found = []
    with files.explained(home, "list"):
        for path in home.iterdir() if home.is_dir() else ():
            if match := pattern.fullmatch(path.name):
                found.append((int(match[1]), path))
    return sorted(found, reverse=True)


def _whole(folder: Path) -> bool:
    """Whether the manifest and all sizes are right: cheap, for what this run wrote itself."""
    manifest, problems = inspect(folder, hashes=False)
    return manifest is not None and not problems
