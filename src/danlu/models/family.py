"""What a family table says, and how our modules' names are theirs.

A family is data: `names` maps our module to theirs, `keys` their config key to our knob. In names
`*` is a layer, `@` an expert, and `{a,b}` spells several rows in one; several of ours against one
of theirs means that theirs is ours stacked. A last word says how theirs lies in memory: `T`,
transposed (GPT-2); `heads`, q, k and v of one head after another's (GPT-NeoX).
`danlu.models.spelling` reads and writes configs by the tables, `danlu.models.hub` weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from danlu import discover
from danlu.models.config import ModelConfig

Json = dict[str, Any]
Names = Mapping[str, str]

ACTIVATIONS = {
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "relu": "relu",
    "relu2": "relu2",
}
"""Their names of nonlinearities; of two for one, the first is written."""


@dataclass(frozen=True)
class Family:
    """How Hugging Face spells one family."""

    architecture: str
    """The class that transformers builds."""

    names: Names | Callable[[ModelConfig], Names]
    """Our module → theirs."""

    keys: Mapping[str, str]
    """Their config key → our knob, or several knobs separated by spaces."""

    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Our knobs that every member shares."""

    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Their keys, for configs that leave them out."""

    must: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Their keys that we know at some values only."""

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Their key → {their value: ours}, where the spellings differ."""

    more: Callable[[Json], Json] = lambda theirs: {}
    """Knobs that take a little arithmetic …"""

    back: Callable[[ModelConfig], Json] = lambda ours: {}
    """… and their way back."""

    local: Callable[[Json, int], bool] | None = None
    """Whether a layer has a window, where they have one and do not list the layers; None: no."""

    lists_layers: bool = False
    """Their config lists which layers have a window, in layer_types."""

    window: str = "sliding_window"
    """Their key for its width."""

    partial: bool = False
    """Their rotary positions may turn a part of each head."""

    base: float = 10_000.0
    """Rotary base of a config that gives none."""

    two_bases: bool = False
    """Layers with a window turn by a rotary base of their own, and are not scaled."""

    local_base: float = 0.0
    """The same for these; 0: as everywhere."""

    copies: Mapping[str, str] = field(default_factory=dict)
    """Tensors of theirs that say once more what one of our parameters says."""

    zeros: tuple[str, ...] = ()
    """Tensors of theirs that must hold zeros, because ours has no part for them."""

    tied_in_name: bool = False
    """Their config may say that the head is tied where it is not: the tensors decide."""

    ignore: str = r"$^"
    """Expression for tensors that hold nothing learned, or what a language model has no use for."""

    prefix: str = ""
    """Missing in checkpoints of the bare stack."""

    def names_of(self, c: ModelConfig) -> Names:
        """Our module → theirs, for one model of the family."""
        return self.names(c) if callable(self.names) else self.names


def find(model_type: str) -> Family:
    """The table of a family.

    Raises:
        UnknownName: there is none; the message lists those there are.
    """
    module = discover.find("danlu.models.families", model_type, "model family")
    family = module.FAMILY
    assert isinstance(family, Family)
    return family


Layout = Literal["", "T", "heads"]
COLUMNS = 64
"""Columns that are transposed at a time."""


@dataclass(frozen=True)
class Row:
    """One tensor of theirs, and our parameters that it holds, stacked in this order."""

    theirs: str
    ours: tuple[str, ...]
    layout: Layout
    n_heads: int

    def step(self, sizes: list[int]) -> int:
        """How many rows of theirs must come together; `sizes` are ours' numbers of rows."""
        return 3 * sizes[0] // self.n_heads if self.layout == "heads" else 1

    def place(self, piece: Tensor, start: int, parts: list[Tensor]) -> None:
        """Copy some of their rows, from `start` on, to where they belong in our parameters."""
        at = 0
        for number, part in enumerate(parts):
            rows = len(part)
            if self.layout == "T" and piece.ndim == 2:
                part[:, start : start + len(piece)].copy_(piece[:, at : at + rows].T)
            elif self.layout == "heads":
                ours = part.unflatten(0, (self.n_heads, -1))
                heads = piece.unflatten(0, (-1, len(parts), ours.shape[1]))
                first = start // (len(parts) * ours.shape[1])
                ours[first : first + len(heads)].copy_(heads[:, number])
            else:
                low, high = max(start, at), min(start + len(piece), at + rows)
                if low < high:
                    part[low - at : high - at].copy_(piece[low - start : high - start])
            at += rows

    @property
    def moves(self) -> bool:
        """Whether theirs is no parameter of ours as it lies."""
        return len(self.ours) > 1 or self.layout != ""

    def shape(self, parts: list[Tensor]) -> tuple[int, ...]:
        """The shape of theirs."""
        shape = (sum(len(part) for part in parts), *parts[0].shape[1:])
        return shape[::-1] if self.layout == "T" else shape

    def pieces(self, parts: list[Tensor]) -> Iterator[Tensor]:
        """Theirs of our parameters, piece by piece in the order of its bytes.

        So nothing is stacked or transposed in whole.
        """
        if self.layout == "heads":
            heads = [part.unflatten(0, (self.n_heads, -1)) for part in parts]
            for head in range(self.n_heads):
                yield torch.cat([own[head] for own in heads])
        elif self.layout == "T" and parts[0].ndim == 2:
            for columns in zip(*(part.split(COLUMNS, 1) for part in parts), strict=True):
                yield torch.cat([own.T for own in columns], 1)
        else:
            yield from parts


def rows(family: Family, c: ModelConfig, mine: set[str]) -> Iterator[Row]:
    """The table with every wildcard filled in, for the parameters that the model has."""
    for ours, spelling in family.names_of(c).items():
        theirs, layout = (*spelling.split(), "")[:2]
        left, right = expand(ours), expand(theirs)
        groups = [[name] for name in left] if len(left) == len(right) else [left]
        for group, name in zip(groups, right, strict=True):
            for layer, expert, leaf in _places(c, name):
                filled = [_fill(part, layer, expert) + leaf for part in group]
                if all(part in mine for part in filled):
                    where = _fill(name, layer, expert) + leaf
                    yield Row(where, tuple(filled), layout, c.n_heads)  # type: ignore[arg-type]


def expand(pattern: str) -> list[str]:
    """A pattern without braces.

    >>> expand("a.{q,k}.{x,y}")
    ['a.q.x', 'a.q.y', 'a.k.x', 'a.k.y']
    """
    found = re.search(r"\{(.*?)\}", pattern)
    if not found:
        return [pattern]
    return [
        out for word in found[1].split(",") for out in expand(pattern.replace(found[0], word, 1))
    ]


def _places(c: ModelConfig, name: str) -> Iterator[tuple[int, int, str]]:
    """Layer, expert and kind of parameter of everything that a name may stand for."""
    for layer in range(max(c.n_layers, c.encoder_layers) if "*" in name else 1):
        for expert in range(c.n_experts if "@" in name else 1):
            for leaf in (".weight", ".bias"):
                yield layer, expert, leaf


def _fill(pattern: str, layer: int, expert: int) -> str:
    return pattern.replace("*", str(layer)).replace("@", str(expert))
