"""Model folders as Hugging Face writes them: to ours and back.

Loading is strict: every tensor of the file is used or known to hold nothing new, every parameter is
filled, every shape agrees, every weight is a number (`danlu.models.filling`). Saving goes through
the tables in `models/families/`; nothing of transformers is used, because its version 5 writes
tokenizer classes that version 4 refuses. A family without a table is `models.foreign`'s:
transformers computes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu import discover, files
from danlu.errors import ModelError, UnknownName
from danlu.models import count, filling, foreign, shards, spelling, weights
from danlu.models import family as families
from danlu.models.config import ModelConfig
from danlu.models.filling import same, sines
from danlu.models.transformer import Transformer, parameters
from danlu.tokenizer import Tokenizer

AnyConfig = ModelConfig | foreign.ForeignConfig
Model = Transformer | foreign.Foreign

SHARD_BYTES = 5_000_000_000
"""Largest file of weights that Hugging Face's hub shows whole; transformers 4 splits there too."""


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
    if head not in reader or embed not in reader or same(reader, head, embed):
        return config
    return config.model_copy(update={"tied": False})


def fill(model: Model, reader: weights.Reader, *, folder: Path, headless: bool = False) -> None:
    """Copy a checkpoint's tensors into a model, one at a time; see `filling.fill`.

    Raises:
        ModelError: a tensor is missing, left over, of another shape, or no numbers.
    """
    if isinstance(model, foreign.Foreign):
        foreign.fill(model, reader, folder=folder)
    else:
        filling.fill(model, reader, folder=folder, headless=headless)


def tensors(model: Model) -> Mapping[str, weights.Written]:
    """The weights under Hugging Face's names; what must be stacked is, when its turn comes.

    A tied head is not written twice.
    """
    if isinstance(model, foreign.Foreign):
        return foreign.tensors(model)
    c, mine = model.config, parameters(model)
    out = {
        row.theirs: _written(row, [mine[name].detach() for name in row.ours])
        for row in families.rows(families.find(c.model_type), c, set(mine))
    }
    return out | sines(model)


def _written(row: families.Row, parts: list[Tensor]) -> weights.Written:
    if not row.moves:
        return parts[0]
    return weights.Later(parts[0].dtype, row.shape(parts), lambda: row.pieces(parts))


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
    return weights.dump(tensors(model))


def save(
    folder: Path, model: Model, tokenizer: Tokenizer, *, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write a model folder that transformers, vLLM and Danlu open.

    Args:
        folder: created if absent; a model that is there is replaced.
        model: what is saved.
        tokenizer: its own.
        shard_bytes: weights of more bytes than this become several files and an index.

    Raises:
        ModelError: the family cannot say all that this model is.
        ResourceError: the disk is full or not writable.
    """
    for name, data in model_files(model, tokenizer).items():
        files.write_atomic(folder / name, data)
    shards.replace(folder, weights.dump_sharded(tensors(model), max_bytes=shard_bytes))
