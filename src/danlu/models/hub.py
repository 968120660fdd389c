"""Model folders as Hugging Face writes them: to ours and back.

Loading is strict: every tensor of the file is used or known to hold nothing new, every parameter is
filled, every shape agrees, every weight is a number. Saving goes through the tables in
`models/families/`; nothing of transformers is used, because its version 5 writes tokenizer classes
that version 4 refuses. A family without a table is `models.foreign`'s: transformers computes it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu import discover, files
from danlu.errors import ModelError, UnknownName
from danlu.models import count, foreign, spelling, weights
from danlu.models import family as families
from danlu.models.config import ModelConfig
from danlu.models.positions import sinusoids
from danlu.models.transformer import Transformer, parameters
from danlu.tokenizer import Tokenizer

AnyConfig = ModelConfig | foreign.ForeignConfig
Model = Transformer | foreign.Foreign

FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@dataclass(frozen=True)
class Loaded:
    """A model folder, opened."""

    model: Model
    tokenizer: Tokenizer
    folder: Path


def load(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Loaded:
    """The model and tokenizer of a folder: a run of Danlu or a Hugging Face checkpoint.

    Args:
        folder: holds config.json, *.safetensors and tokenizer.json.
        device: where the weights go.
        dtype: None keeps float32.

    Raises:
        ModelError: the model is missing, damaged or of an unknown kind; the message says what.
        DataError: so is the tokenizer, or config.json is not JSON.
        MissingExtra: its family has no table, and transformers is not installed.
        UnknownName: transformers does not know it either.
    """
    config = config_of(folder)
    tokenizer = Tokenizer.load(folder)
    _check_vocabulary(config, tokenizer, folder)
    model = _loaded(config, folder, device=device, dtype=dtype)
    return Loaded(model.eval(), tokenizer, folder)


def load_model(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Model:
    """Only the model of a folder; see `load`."""
    return _loaded(config_of(folder), folder, device=device, dtype=dtype)


def load_stack(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> Transformer:
    """The model of a folder without a use for its head, which may be missing or for another task.

    Only `hidden` and `encode` may be called: the head's numbers are undefined, unless it is tied.
    """
    config = config_of(folder)
    if isinstance(config, foreign.ForeignConfig):
        raise ModelError(f"a {config.model_type} model cannot be used without its head")
    return _filled(config, folder, device=device, dtype=dtype, headless=True)


def size_of(folder: Path) -> int:
    """Number of weights of a folder's model, which is not loaded; see `config_of`."""
    config = config_of(folder)
    if isinstance(config, foreign.ForeignConfig):
        return foreign.parameters(config)
    return count.parameters(config)


def config_of(folder: Path) -> AnyConfig:
    """What the model of a folder is.

    Raises:
        ModelError: it is no model folder, or of an unknown kind.
        DataError: config.json is not JSON.
        MissingExtra, UnknownName: see `load`.
    """
    if not folder.is_dir():
        raise ModelError(
            f"no model folder {folder}",
            expected="a folder with config.json",
            fix=_did_you_mean(folder),
        )
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} is no model folder",
            got="no config.json",
            expected="a run folder such as runs/demo/base, or a Hugging Face checkpoint",
            fix=_did_you_mean(folder),
        )
    theirs = files.read_json(folder / "config.json")
    try:
        return spelling.read_config(theirs)
    except UnknownName as unknown:
        return foreign.read_config(theirs, unknown)


def _did_you_mean(folder: Path) -> str:
    """The model that was probably meant: one inside, beside, or under `runs`."""
    places = [*folder.glob("*"), *folder.parent.glob("*"), *Path("runs").glob("**")]
    have = {str(place) for place in places if (place / "config.json").is_file()}
    name = discover.nearest(str(folder), have)
    return f"did you mean {name}?" if name else ""


def _check_vocabulary(config: AnyConfig, tokenizer: Tokenizer, where: object) -> None:
    if tokenizer.vocab_size > config.vocab_size:
        raise ModelError(
            f"tokenizer and model of {where} disagree",
            got=f"{tokenizer.vocab_size} tokens, {config.vocab_size} rows of the embedding",
            expected="a row for each token",
        )


def _loaded(
    config: AnyConfig, folder: Path, *, device: torch.device | str, dtype: torch.dtype | None
) -> Model:
    if isinstance(config, foreign.ForeignConfig):
        return foreign.load(config, folder, device=device, dtype=dtype)
    return _filled(config, folder, device=device, dtype=dtype)


def _filled(
    config: ModelConfig,
    folder: Path,
    *,
    device: torch.device | str,
    dtype: torch.dtype | None,
    headless: bool = False,
) -> Transformer:
    with weights.Reader(folder) as reader:
        config = _as_tied(config, reader)
        with torch.device("meta"):
            model = Transformer(config)
        model = model.to(dtype or torch.float32).to_empty(device=device)
        if config.tied:
            model.head.weight = model.embed.weight
        fill(model, reader, folder=folder, headless=headless)
    return model


def _as_tied(config: ModelConfig, reader: weights.Reader) -> ModelConfig:
    """The config, with a head of its own where only the tensors say that it has one."""
    family = families.find(config.model_type)
    if not (config.tied and family.tied_in_name):
        return config
    names = family.names_of(config)
    head, embed = f"{names['head']}.weight", f"{names['embed']}.weight"
    if not {head, embed} <= set(reader.keys()):
        return config
    if torch.equal(reader.tensor(head), reader.tensor(embed)):
        return config
    return config.model_copy(update={"tied": False})


@torch.no_grad()
def fill(model: Model, reader: weights.Reader, *, folder: Path, headless: bool = False) -> None:
    """Copy a checkpoint's tensors into a model, one at a time.

    Args:
        model: whose parameters are filled.
        reader: of the checkpoint.
        folder: its name, for messages.
        headless: the head is neither needed nor looked at; what it holds stays undefined.

    Raises:
        ModelError: a tensor is missing, left over, of another shape, or no numbers.
    """
    if isinstance(model, foreign.Foreign):
        return foreign.fill(model, reader, folder=folder)
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
        if name is not None and not headless and not copy.fits(reader.tensor(name)):
            raise ModelError(f"tensor {name} is not what config.json says", fix=copy.otherwise)


def _there(name: str, family: families.Family, names: Collection[str]) -> str | None:
    """A tensor's name as a checkpoint spells it; the bare stack's have no prefix."""
    return next((n for n in (name, name.removeprefix(family.prefix)) if n in names), None)


def _copy(reader: weights.Reader, name: str, parts: list[Tensor], row: families.Row) -> None:
    tensor = reader.tensor(name)
    sizes = [len(part) for part in parts]
    want = (sum(sizes), *parts[0].shape[1:])
    want = want[::-1] if row.layout == "T" else want
    if tuple(reader.shape(name)) != want:
        raise ModelError(
            f"tensor {name} has the wrong shape", got=reader.shape(name), expected=str(want)
        )
    if tensor.dtype not in FLOATS:
        raise ModelError(
            f"tensor {name} holds numbers of an unexpected kind",
            got=str(tensor.dtype).removeprefix("torch."),
            expected="float32, bfloat16 or float16: a checkpoint that is not quantised",
        )
    if not torch.isfinite(tensor).all():
        raise ModelError(f"tensor {name} holds infinities or NaN", fix="take an earlier checkpoint")
    for part, piece in zip(parts, row.unpacked(tensor, sizes), strict=True):
        part.copy_(piece)


@dataclass(frozen=True)
class _Copy:
    """A tensor that a checkpoint may have although it says nothing new."""

    name: str
    original: Tensor
    tolerance: float
    otherwise: str

    def fits(self, got: Tensor) -> bool:
        want = self.original.cpu()
        if got.shape != want.shape:
            return False
        return torch.allclose(got.to(want.dtype), want, rtol=0, atol=self.tolerance)


def _copies(model: Transformer, family: families.Family) -> Iterator[_Copy]:
    names, mine = family.names_of(model.config), parameters(model)
    if model.config.tied:
        yield _Copy(
            *(names["head"] + ".weight", model.embed.weight, 0.0),
            "tied, it must be the embedding: if it is another head on purpose, "
            "set tie_word_embeddings to false in config.json",
        )
    for theirs, ours in family.copies.items():
        if theirs != names["head"] + ".weight" and ours in mine:
            yield _Copy(theirs, mine[ours], 0.0, f"it must be what {ours} is")
    if model.config.position == "sinusoidal" and model.config.model_type != "danlu":
        yield _Copy(
            *(names["position"] + ".weight", _sines(model), 0.01),
            "positions are sines, it must hold them: if it was trained since, "
            "remove the key danlu from config.json, which makes them learned",
        )


def _sines(model: Transformer) -> Tensor:
    """[max_len, D]: the table that stands for sinusoidal positions in a learned table's place."""
    c = model.config
    return sinusoids(torch.arange(c.max_len), c.d_model).to(model.embed.weight.dtype)


def tensors(model: Model) -> dict[str, Tensor]:
    """The weights under Hugging Face's names, not copied where they need no stacking.

    A tied head is not written twice.
    """
    if isinstance(model, foreign.Foreign):
        return foreign.tensors(model)
    c = model.config
    family, mine = families.find(c.model_type), parameters(model)
    out = {
        row.theirs: row.packed([mine[name].detach() for name in row.ours])
        for row in families.rows(family, c, set(mine))
    }
    names = family.names_of(c)
    if c.position == "sinusoidal" and c.model_type != "danlu":
        out[names["position"] + ".weight"] = _sines(model)
    return out


def model_files(model: Model, tokenizer: Tokenizer) -> dict[str, bytes]:
    """The files of a model folder that stay the same during a run: all but the weights.

    Raises:
        ModelError: the family cannot say all that this model is, or tokens have no embedding.
    """
    _check_vocabulary(model.config, tokenizer, "this run")
    if isinstance(model, foreign.Foreign):
        config = foreign.model_json(model)
    else:
        config = model_json(model.config, model.embed.weight.dtype, tokenizer)
    return {
        "config.json": files.json_bytes(config),
        "generation_config.json": files.json_bytes(
            {
                "bos_token_id": tokenizer.bos_id,
                "eos_token_id": tokenizer.eos_ids,
                "pad_token_id": tokenizer.controls.named("pad_token"),
                "do_sample": True,
                "temperature": 0.8,
                "top_p": 0.95,
                **_start(model.config),
            }
        ),
        **tokenizer.contents,
    }


def _start(config: AnyConfig) -> dict[str, int]:
    if isinstance(config, ModelConfig) and config.kind == "encoder-decoder":
        return {"decoder_start_token_id": config.start_token}
    return {}


def model_json(config: ModelConfig, dtype: torch.dtype, tokenizer: Tokenizer) -> dict[str, Any]:
    """config.json for Hugging Face's readers."""
    name = str(dtype).removeprefix("torch.")
    return {
        "dtype": name,
        "torch_dtype": name,  # transformers 4
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_ids[0],
        "pad_token_id": tokenizer.controls.named("pad_token"),
        "use_cache": True,
    } | spelling.write_config(config)  # RoBERTa counts positions from its padding's number


def weight_bytes(model: Model) -> weights.Dump:
    """The weights as a safetensors file, in pieces for `Disk.write`."""
    return weights.dump(on_cpu(tensors(model)))


def save(folder: Path, model: Model, tokenizer: Tokenizer) -> None:
    """Write a model folder that transformers, vLLM and Danlu open.

    Raises:
        ModelError: the family cannot say all that this model is.
        ResourceError: the disk is full or not writable.
    """
    for name, data in model_files(model, tokenizer).items():
        files.write_atomic(folder / name, data)
    disk, new = files.Disk(), files.temporary(folder / weights.SINGLE)
    disk.unlink(new)
    disk.write(new, weight_bytes(model))
    disk.rename(new, folder / weights.SINGLE)
    disk.unlink(folder / weights.INDEX)  # of a model that was there before, in shards
    disk.fsync_dir(folder)


def on_cpu(named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors where they can be written from."""
    return {name: tensor.cpu() for name, tensor in named.items()}
