"""The files of a tokenizer in a folder: read with a bound, written without overwriting others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from danlu import files
from danlu.errors import ConfigError, DataError

MAX_BYTES = 64 << 20
NAMES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def read(folder: Path) -> dict[str, bytes]:
    """The bytes of the files that are there, by name.

    Raises:
        DataError: one that must be there is missing, or one is too large.
    """
    contents = {}
    for name in NAMES:
        path = folder / name
        if path.is_file():
            with files.explained(path, "read"), path.open("rb") as file:
                contents[name] = file.read(MAX_BYTES + 1)
            if len(contents[name]) > MAX_BYTES:
                raise DataError(f"{path} is too large", expected=f"at most {MAX_BYTES:,} bytes")
    if missing := [name for name in NAMES[:2] if name not in contents]:
        raise DataError(
            f"{folder} has no tokenizer",
            got=f"no {', '.join(missing)}",
            expected="a folder made by `danlu tokenizer` or a model folder",
        )
    return contents


def write(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files; equal ones are left alone.

    Raises:
        ConfigError: another tokenizer is there.
    """
    there = [name for name in NAMES if (folder / name).exists()]
    for name in there:
        path = folder / name
        if not path.is_file() or path.read_bytes() != contents.get(name):
            raise ConfigError(
                f"{folder} holds another tokenizer", got=name, fix="choose another --out"
            )
    for name, data in contents.items():
        if name not in there:
            files.write_atomic(folder / name, data)
