"""A checkpoint's tensors into a model, in pieces.

Strict: every tensor of the file is used or known to hold nothing new, every parameter is filled,
every shape agrees, every weight is a number. No tensor is in memory twice: beside the model there
are a few megabytes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from danlu.errors import ModelError
from danlu.models import family as families
from danlu.models import weights
from danlu.models.positions import sinusoids
from danlu.models.transformer import Transformer, parameters

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@torch.no_grad()
def fill(
    model: Transformer, reader: weights.Reader, *, folder: Path, headless: bool = False
) -> None:
    """Copy a checkpoint's tensors into a model, some megabytes at a time.

    Args:
        model: whose parameters are filled.
        reader: of the checkpoint.
        folder: its name, for messages.
        headless: the head is neither needed nor looked at; what it holds stays undefined.

    Raises:
        ModelError: a tensor is missing, left over, of another shape, or no numbers.
    """
    c, mine = model.config, parameters(model)
    family = families.find(c.model_type)
    theirs, missing, found = set(reader.keys()), [], []
    for row in families.rows(family, c, set(mine)):
        name = _there(row.theirs, family, theirs)
        if headless and row.ours[0].startswith("head"):
            theirs.discard(row.theirs)
        elif name is None:
            missing.append(row.theirs)
        else:
            found.append((name, row))
    copies = [(_there(copy.name, family, theirs), copy) for copy in _copies(model, family)]
    theirs -= {name for name, _ in (*found, *copies)}
    spare = sorted(name for name in theirs if not re.search(family.ignore, name))
    if missing or spare:
        parts = [("missing", missing), ("unknown to the model", spare)]
        got = [f"{len(names)} {what}: {', '.join(names[:3])}" for what, names in parts if names]
        raise ModelError(f"the tensors of {folder} do not fit its config.json", got="; ".join(got))
    for name, row in found:
        _copy(reader, name, [mine[ours] for ours in row.ours], row)
    for name, copy in copies:
        if name is not None and not headless and not copy.fits(reader, name):
            raise ModelError(f"tensor {name} is not what config.json says", fix=copy.otherwise)


def _there(name: str, family: families.Family, names: Collection[str]) -> str | None:
    """A tensor's name as a checkpoint spells it; the bare stack's have no prefix."""
    return next((n for n in (name, name.removeprefix(family.prefix)) if n in names), None)


def _copy(reader: weights.Reader, name: str, parts: list[Tensor], row: families.Row) -> None:
    sizes = [len(part) for part in parts]
    want = row.shape(parts)
    if reader.shape(name) != want:
        raise ModelError(
            f"tensor {name} has the wrong shape",
            got=reader.shape(name),
            expected=f"{want}, by the sizes in config.json",
            fix="take weights and config.json of the same model",
        )
    if reader.dtype(name) not in FLOATS:
        raise ModelError(
            f"tensor {name} holds numbers of an unexpected kind",
            got=str(reader.dtype(name)).removeprefix("torch."),
            expected="float32, bfloat16 or float16: a checkpoint that is not quantised",
        )
    for start, piece in reader.pieces(name, step=row.step(sizes)):
        if not torch.isfinite(piece).all():
            raise ModelError(
                f"tensor {name} holds infinities or NaN", fix="take an earlier checkpoint"
            )
        row.place(piece, start, parts)


@dataclass(frozen=True)
class _Copy:
    """A tensor that a checkpoint may have although it says nothing new."""

    name: str
    original: Tensor | None  # None: zeros
    tolerance: float
    otherwise: str

    def fits(self, reader: weights.Reader, name: str) -> bool:
        if self.original is None:
            return not any(piece.any() for _, piece in reader.pieces(name))
        if reader.shape(name) != self.original.shape:
            return False
        for start, piece in reader.pieces(name):
            want = self.original[start : start + len(piece)].cpu()
            if not torch.allclose(piece.to(want.dtype), want, rtol=0, atol=self.tolerance):
                return False
        return True


def _copies(model: Transformer, family: families.Family) -> Iterator[_Copy]:
    names, mine = family.names_of(model.config), parameters(model)
    head = names["head"] + ".weight"
    if model.config.tied:
        yield _Copy(
            *(head, model.embed.weight, 0.0),
            "tied, it must be the embedding: if it is another head on purpose, "
            "set tie_word_embeddings to false in config.json",
        )
    for theirs, ours in family.copies.items():
        if theirs != head and ours in mine:
            yield _Copy(theirs, mine[ours], 0.0, f"it must be what {ours} is")
    for theirs in family.zeros:
        yield _Copy(theirs, None, 0.0, "it must hold zeros: Danlu has no part for it")
    for theirs, table in sines(model).items():
        yield _Copy(
            *(theirs, table, 0.01),
            "positions are sines, it must hold them: if it was trained since, "
            "remove the key danlu from config.json, which makes them learned",
        )


def sines(model: Transformer) -> dict[str, Tensor]:
    """The tables that stand for sinusoidal positions in the places of learned ones, by their names.

    Each is [first_position + max_len, D]; before the first position, its row is repeated.
    """
    c = model.config
    if c.position != "sinusoidal" or c.model_type == "danlu":
        return {}
    names = families.find(c.model_type).names_of(c)
    at = (torch.arange(c.first_position + c.max_len) - c.first_position).clamp(min=0)
    table = sinusoids(at, c.d_model).to(model.embed.weight.dtype)
    places = [names[place] for place in ("position", "encoder.position") if place in names]
    return {f"{place}.weight": table.clone() for place in places}


def same(reader: weights.Reader, name: str, other: str) -> bool:
    """Whether two tensors of a checkpoint hold the same numbers."""
    if reader.shape(name) != reader.shape(other) or reader.dtype(name) != reader.dtype(other):
        return False
    both = zip(reader.pieces(name), reader.pieces(other), strict=True)
    return all(torch.equal(mine, theirs) for (_, mine), (_, theirs) in both)
