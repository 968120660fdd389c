"""What a checkpoint says of itself: is it true, and may this run go on from it?

MANIFEST.json has `format, step, created, versions, info`, the `bytes` and `sha256` of every file,
the `parent` it followed, and last the SHA-256 of its own text, so that no bit of the folder can
change unseen. It is read without trust: at most 1 MiB, names that stay in the folder, plain files
only. `info` is what the run says about its settings; `compare` sorts what changed in them.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from danlu import files
from danlu.errors import CheckpointError, shown

FORMAT = 1
MANIFEST = "MANIFEST.json"
MAX_MANIFEST = 1 << 20
MAX_STEP = 99_999_999
NAME = re.compile(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*")
"""A file's name in a checkpoint: plain parts, none hidden, none upwards."""

Kind = Literal["refuse", "warn", "silent"]
KINDS: dict[str, Kind] = {
    **dict.fromkeys(("data", "tokenizer", "model", "objective"), "refuse"),
    **dict.fromkeys(("batch_tokens", "optimizer"), "refuse"),
    **dict.fromkeys(("threads", "torch", "world", "device", "micro_batch", "compile"), "warn"),
    **dict.fromkeys(("dtype", "seed", "schedule", "deterministic"), "warn"),
    **dict.fromkeys(("out", "paths", "log", "danlu"), "silent"),
}
"""What a changed setting means for a resumed run, by the first part of its name."""


def verify(folder: Path) -> list[str]:
    """What is wrong with a checkpoint, one line each; empty if every byte is as it was written."""
    return inspect(folder)[1]


def inspect(folder: Path, *, hashes: bool = True) -> tuple[dict[str, Any] | None, list[str]]:
    """The manifest, if it is intact, and what is wrong."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            raw = file.read(MAX_MANIFEST + 1)
        manifest = unsealed(raw)
    except OSError as error:
        return None, [f"{MANIFEST}: {(error.strerror or str(error)).lower()}"]
    except (ValueError, RecursionError) as error:
        return None, [f"{MANIFEST} is damaged: {error}"]
    if manifest["format"] > FORMAT:
        by = shown(manifest.get("versions", "?"))
        return manifest, [f"format {manifest['format']} is too new; it was written by {by}"]
    if not folder.name.endswith(f"-{manifest['step']:08}"):
        return None, [f"{MANIFEST} is of step {manifest['step']}"]
    problems = []
    for check in (_size_problem, _hash_problem) if hashes else (_size_problem,):
        for name, entry in manifest["files"].items():
            try:
                problem = check(folder / name, entry)
            except OSError as error:
                problem = (error.strerror or str(error)).lower()
            if problem:
                problems.append(f"{name}: {problem}")
        if problems:
            break
    return manifest, problems


def _size_problem(path: Path, entry: Mapping[str, Any]) -> str:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return "not a plain file"
    want = entry["bytes"]
    return "" if found.st_size == want else f"{found.st_size:,} bytes instead of {want:,}"


def _hash_problem(path: Path, entry: Mapping[str, Any]) -> str:
    return "" if files.sha256(path) == entry["sha256"] else "its SHA-256 is wrong: it changed"


def sealed(manifest: dict[str, Any]) -> bytes:
    """A manifest as JSON that ends in the SHA-256 of the rest. This holds for every format.

    >>> unsealed(sealed({"format": 9}))["format"]
    9
    >>> unsealed(sealed({"format": 9}).replace(b"9", b"8", 1))
    Traceback (most recent call last):
    ValueError: its own SHA-256 is wrong
    """
    digest = hashlib.sha256(files.json_bytes(manifest)).hexdigest()
    return files.json_bytes({**manifest, "sha256": digest})


def unsealed(raw: bytes) -> dict[str, Any]:
    """The manifest of which these are exactly the bytes; ValueError otherwise."""
    if len(raw) > MAX_MANIFEST:
        raise ValueError("larger than 1 MiB")
    value = json.loads(raw.decode())
    if not isinstance(value, dict):
        raise ValueError("not a table")
    manifest = {name: item for name, item in value.items() if name != "sha256"}
    if sealed(manifest) != raw:
        raise ValueError("its own SHA-256 is wrong")
    if type(manifest.get("format")) is not int or manifest["format"] < 1:
        raise ValueError("no format")
    table, step = manifest.get("files"), manifest.get("step")
    right = (
        type(step) is int
        and 0 <= step <= MAX_STEP
        and isinstance(manifest.get("info"), dict)
        and isinstance(table, dict)
        and all(NAME.fullmatch(name) and _entry(entry) for name, entry in table.items())
    )
    if manifest["format"] == FORMAT and not right:
        raise ValueError("not of the format that it says")
    return manifest


def _entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and type(entry.get("bytes")) is int
        and isinstance(entry.get("sha256"), str)
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that is not as it was when the checkpoint was saved."""

    name: str
    then: Any
    now: Any
    kind: Kind

    def __str__(self) -> str:
        return f"{self.name}: {shown(self.then, 40)} → {shown(self.now, 40)}"


def compare(
    then: Mapping[str, Any], now: Mapping[str, Any], *, allow: Collection[str] = ()
) -> list[Difference]:
    """What changed between a checkpoint's `info` and the run's; nested names are joined by dots.

    "warn" means that the run goes on, but not bit for bit. A name that `KINDS` does not have is
    refused: nobody has thought about it.

    Raises:
        CheckpointError: a change that would make another run of it, and is not in `allow`.

    >>> [str(d) for d in compare({"threads": 2, "data": "a1"}, {"threads": 4, "data": "a1"})]
    ['threads: 2 → 4']
    """
    old, new = _flat(then), _flat(now)
    found = [
        Difference(
            name, old.get(name, "nothing"), new.get(name, "nothing"), KINDS.get(top, "refuse")
        )
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) or (name in old) != (name in new)
        for top in [name.split(".")[0]]
    ]
    refused = [
        d for d in found if d.kind == "refuse" and not any(_covers(a, d.name) for a in allow)
    ]
    if refused:
        raise CheckpointError(
            "the checkpoint was made with other settings; to go on would be another run",
            got="; ".join(map(str, refused)),
            fix="set them back, or start a new run with another --out",
        )
    return found


def _covers(allowed: str, name: str) -> bool:
    return name == allowed or name.startswith(f"{allowed}.")


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables as one, with dotted names and values as JSON has them."""

    def walk(value: Any, name: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict) and value:
            for key, item in value.items():
                yield from walk(item, f"{name}.{key}" if name else key)
        elif name:
            yield name, value

    return dict(walk(json.loads(files.json_bytes(table)), ""))
