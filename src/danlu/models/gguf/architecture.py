"""What a table of an architecture says, and the plan that it makes for a file.

A table is data: GGUF's name of a tensor → Hugging Face's name, its shape in letters, and how it
lies. In names `*` is a layer. `turned`: rows of each head go from rotary pairs to rotary halves;
`less 1`: llama.cpp's converter added 1 (Gemma's norms); `T`: transposed (GPT-2's matrices).
Optional tensors come in groups: if one is there, all of the group must be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from danlu import discover
from danlu.errors import ModelError
from danlu.models.gguf.header import Header, Part
from danlu.models.gguf.settings import Settings, Sizes

Json = dict[str, Any]
Names = Mapping[str, str]

TABLES = "danlu.models.gguf.architectures"
MAX_LAYERS = 1_000


@dataclass(frozen=True)
class Architecture:
    """How llama.cpp spells one architecture."""

    model_type: str
    """Hugging Face's name of the family."""

    hf_class: str
    """The class that transformers builds."""

    tensors: Names
    """Tensors that every member has."""

    config: Callable[[Settings, Sizes], Json]
    """What config.json says besides `model_type`."""

    groups: Mapping[str, Names] = field(default_factory=dict)
    """Optional tensors, by what they mean."""

    beside: tuple[str, ...] = ()
    """Tensors that become part of config.json."""


@dataclass(frozen=True, slots=True)
class Move:
    """One tensor of the file, and what it becomes."""

    part: Part
    name: str
    shape: tuple[int, ...]
    how: str
    heads: int
    """Heads whose rows are turned; 0 where none are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file becomes: config.json, and its tensors in the order of the file."""

    config: Json
    moves: list[Move]


def find(header: Header) -> Architecture:
    """The table for a file.

    Raises:
        ModelError: the file names no architecture, or one that has no table.
    """
    name = header.metadata.get("general.architecture")
    have = discover.names(TABLES)
    if not isinstance(name, str) or name not in have:
        raise ModelError(
            f"{header.path} is of an architecture that is not supported",
            got=name,
            expected=", ".join(have),
        )
    found: Architecture = discover.find(TABLES, name, "architecture").ARCHITECTURE
    return found


def plan(header: Header) -> Plan:
    """What to write, checked against everything that the header says.

    Raises:
        ModelError: a setting or tensor is missing, unknown, or of another shape.
    """
    table, name = find(header), str(header.metadata["general.architecture"])
    groups = [group for group, names in table.groups.items() if _any_there(names, header)]
    settings = Settings(header, name, groups)
    sizes = settings.sizes()
    if sizes.layers > MAX_LAYERS:
        raise ModelError(f"{header.path} claims {sizes.layers:,} layers", expected="1,000 at most")
    config = table.config(settings, sizes)
    settings.check_all_known()
    names = dict(table.tensors)
    for group in groups:
        names |= table.groups[group]
    rows = dict(_filled(names, sizes))
    _check_names(header, set(rows), set(table.beside))
    moves = [
        _move(part, rows[tensor], sizes)
        for tensor, part in header.tensors.items()
        if tensor in rows
    ]
    return Plan(
        {"model_type": table.model_type, "architectures": [table.hf_class], **config}, moves
    )


def _any_there(names: Names, header: Header) -> bool:
    return any(name.replace("*", "0") in header.tensors for name in names)


def _filled(names: Names, sizes: Sizes) -> Iterator[tuple[str, str]]:
    """The table with every wildcard filled in."""
    for theirs, ours in names.items():
        for layer in range(sizes.layers if "*" in theirs else 1):
            yield theirs.replace("*", str(layer)), ours.replace("*", str(layer))


def _check_names(header: Header, want: set[str], beside: set[str]) -> None:
    have = set(header.tensors)
    differ = {"missing": want - have, "unknown": have - want - beside}
    got = [f"{len(s)} {what}: {', '.join(sorted(s)[:3])}" for what, s in differ.items() if s]
    if got:
        raise ModelError(
            f"the tensors of {header.path} do not fit its settings",
            got="; ".join(got),
            expected=f"those of {header.metadata['general.architecture']}",
        )


def _move(part: Part, row: str, sizes: Sizes) -> Move:
    name, letters, how = (*row.split(" ", 2), "")[:3]
    shape = tuple(sizes.of(letter) for letter in letters.split(","))
    there = shape[::-1] if how == "T" else shape
    if part.shape != there:
        raise ModelError(
            f"tensor {part.name} has the wrong shape",
            got=list(part.shape),
            expected=f"{list(there)} by the file's settings",
        )
    heads = {"Q": sizes.heads, "K": sizes.kv_heads}[letters[0]] if how == "turned" else 0
    if heads and (sizes.H % 2 or (len(shape) == 1 and part.kind.block > 1)):
        raise ModelError(f"the rows of {part.name} cannot be turned", got=f"heads of {sizes.H}")
    return Move(part, name, shape, how, heads)
